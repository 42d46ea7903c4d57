-- Dossiers: matters that people work on.

-- take_dossier_number --
-- Take the next number of a kind.
INSERT INTO dossier_numbers (kind, last) VALUES (?, 1)
ON CONFLICT DO UPDATE SET last = last + 1 RETURNING last;

-- find_last_dossier --
-- Return the number of a kind that was taken last.
SELECT coalesce(max(last), 0) FROM dossier_numbers WHERE kind = ?;

-- save_dossier --
-- Insert a dossier, or replace it.
INSERT INTO dossiers (kind, number, part_id, state, at, body) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET state = excluded.state, at = excluded.at, body = excluded.body;

-- load_dossier --
-- Return a dossier by its number.
SELECT kind, number, part_id, state, at, body FROM dossiers
WHERE kind = ? AND number = ? ORDER BY part_id LIMIT 1;

-- load_dossiers --
-- Return dossiers of a kind after (number, part), in some states (a JSON list; empty for all).
SELECT kind, number, part_id, state, at, body FROM dossiers
WHERE kind = ?1 AND (number, part_id) > (?2, ?3)
    AND (?4 = '[]' OR state IN (SELECT value FROM json_each(?4)))
ORDER BY number, part_id LIMIT ?5;

-- load_part_dossiers --
-- Return the dossiers of a kind about parts (a JSON list).
SELECT kind, number, part_id, state, at, body FROM dossiers INDEXED BY dossiers_by_part
WHERE part_id IN (SELECT value FROM json_each(?1)) AND kind = ?2 ORDER BY number, part_id;

-- count_dossiers --
-- Count the dossiers of one number by state.
SELECT state, count(*) FROM dossiers WHERE kind = ? AND number = ? GROUP BY state;

-- delete_dossiers --
-- Remove what is kept about parts (a JSON list).
DELETE FROM dossiers WHERE part_id IN (SELECT value FROM json_each(?));
