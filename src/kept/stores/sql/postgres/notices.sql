-- Notices: that what tools outside may do for a customer changed.

-- insert_notice --
-- Keep a notice.
INSERT INTO notices (notice_id, part_id, noted_at, scopes) VALUES ($1, $2, $3, $4);

-- load_notices --
-- Return notices after an id.
SELECT notice_id, part_id, noted_at, scopes FROM notices
WHERE notice_id > $1 ORDER BY notice_id LIMIT $2;

-- find_last_notice --
-- Return the highest notice id.
SELECT coalesce(max(notice_id), 0) FROM notices;
