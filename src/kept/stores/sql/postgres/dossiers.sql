-- Dossiers: matters that people work on.

-- take_dossier_number --
-- Take the next number of a kind; another node waits for it until this transaction ends.
INSERT INTO dossier_numbers AS known (kind, last) VALUES ($1, 1)
ON CONFLICT (kind) DO UPDATE SET last = known.last + 1 RETURNING last;

-- find_last_dossier --
-- Return the number of a kind that was taken last.
SELECT coalesce(max(last), 0) FROM dossier_numbers WHERE kind = $1;

-- save_dossier --
-- Insert a dossier, or replace it.
INSERT INTO dossiers (kind, number, part_id, state, at, body) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (kind, number, part_id)
    DO UPDATE SET state = excluded.state, at = excluded.at, body = excluded.body;

-- load_dossier --
-- Return a dossier by its number.
SELECT kind, number, part_id, state, at, body FROM dossiers
WHERE kind = $1 AND number = $2 ORDER BY part_id LIMIT 1;

-- load_dossiers --
-- Return dossiers of a kind after (number, part), in some states (empty for all).
SELECT kind, number, part_id, state, at, body FROM dossiers
WHERE kind = $1 AND (number, part_id) > ($2::bigint, $3::bigint)
    AND (cardinality($4::text[]) = 0 OR state = ANY ($4::text[]))
ORDER BY number, part_id LIMIT $5;

-- load_part_dossiers --
-- Return the dossiers of a kind about parts.
SELECT kind, number, part_id, state, at, body FROM dossiers
WHERE part_id = ANY ($1::bigint[]) AND kind = $2 ORDER BY number, part_id;

-- count_dossiers --
-- Count the dossiers of one number by state.
SELECT state, count(*) FROM dossiers WHERE kind = $1 AND number = $2 GROUP BY state;
