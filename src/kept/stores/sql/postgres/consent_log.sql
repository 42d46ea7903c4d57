-- The consent log: leaves, hashes over many of them, and what was signed.

-- count_leaves --
-- Return how many leaves there are; they are counted from 0 without a gap.
SELECT coalesce(max(leaf_index) + 1, 0) FROM consent_log;

-- insert_leaf --
-- Add a leaf.
INSERT INTO consent_log (leaf_index, part_id, leaf_hash, data) VALUES ($1, $2, $3, $4);

-- read_leaves --
-- Return leaves from a place on.
SELECT leaf_index, part_id, leaf_hash, data FROM consent_log
WHERE leaf_index >= $1 ORDER BY leaf_index LIMIT $2;

-- read_part_leaves --
-- Return the leaves of these parts.
SELECT leaf_index, part_id, leaf_hash, data FROM consent_log
WHERE part_id = ANY ($1::bigint[]) ORDER BY leaf_index;

-- read_leaf_hashes --
-- Return the hashes of leaves from a place on.
SELECT leaf_hash FROM consent_log WHERE leaf_index >= $1 ORDER BY leaf_index LIMIT $2;

-- read_log_hashes --
-- Return the hashes of a level from a place on.
SELECT hash FROM consent_log_hashes WHERE level = $1 AND position >= $2
ORDER BY position LIMIT $3;

-- insert_log_hash --
-- Keep a hash over many leaves.
INSERT INTO consent_log_hashes (level, position, hash) VALUES ($1, $2, $3);

-- insert_checkpoint --
-- Keep a signed checkpoint.
INSERT INTO consent_log_checkpoints (size, signed_at, note) VALUES ($1, $2, $3);

-- read_checkpoints --
-- Return signed checkpoints in order of their sizes, after a size.
SELECT size, signed_at, note FROM consent_log_checkpoints
WHERE size > $1 ORDER BY size LIMIT $2;

-- read_newest_checkpoint --
-- Return the signed checkpoint of the largest size.
SELECT size, signed_at, note FROM consent_log_checkpoints ORDER BY size DESC LIMIT 1;
