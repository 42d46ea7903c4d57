-- The database of keys: a data key for each part, wrapped; stops; and what was signed last.

-- load_identity --
-- Return the id of these keys.
SELECT identity FROM vault;

-- save_identity --
-- Give new keys their id, unless another node was first.
INSERT INTO vault (identity) VALUES ($1) ON CONFLICT (only_row) DO NOTHING;

-- load_epochs --
-- Return each epoch's wrapped secret.
SELECT epoch, wrapped, retired_at FROM epochs ORDER BY epoch;

-- list_epochs --
-- Return the epochs.
SELECT epoch, begun_at, retired_at FROM epochs ORDER BY epoch;

-- count_keys --
-- Return how many keys are wrapped under each epoch.
SELECT epoch, count(*) FROM part_keys GROUP BY epoch ORDER BY epoch;

-- begin_epoch --
-- Begin an epoch, and return its wrapped secret: another node's, if that was first.
SELECT begin_epoch($1, $2);

-- date_epochs --
-- Note since when epochs have been in use, where that is not known yet.
UPDATE epochs SET begun_at = $1 WHERE begun_at = 0;

-- retire_epochs --
-- Note that nothing is wrapped under older epochs any more, if that is so.
SELECT retire_epochs($1, $2);

-- delete_epoch --
-- Forget an epoch.
DELETE FROM epochs WHERE epoch = $1;

-- find_unretired_epoch --
-- Return a row if an older epoch may still wrap keys, or the newest is not dated yet.
SELECT 1 FROM epochs WHERE (epoch < $1 AND retired_at = 0) OR begun_at = 0 LIMIT 1;

-- find_secret --
-- Return a secret of the whole store.
SELECT epoch, wrapped FROM secrets WHERE name = $1;

-- save_secret --
-- Keep a secret of the whole store, unless another node was first.
INSERT INTO secrets (name, epoch, wrapped) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING;

-- find_old_secrets --
-- Return the secrets that are wrapped under older epochs.
SELECT name, epoch, wrapped FROM secrets WHERE epoch < $1;

-- update_secret --
-- Wrap a secret anew.
UPDATE secrets SET epoch = $2, wrapped = $3 WHERE name = $1 AND epoch < $2;

-- find_part_keys --
-- Return the keys of parts.
SELECT part_id, epoch, wrapped FROM part_keys WHERE part_id = ANY ($1::bigint[]);

-- find_newest_part --
-- Return the highest part that has a key, 0 for none.
SELECT coalesce(max(part_id), 0) FROM part_keys;

-- keep_keys --
-- Keep the keys of parts that have none; return how many, -1 if a newer epoch has begun.
SELECT keep_keys($1, $2::bigint[], $3::bytea[]);

-- find_old_keys --
-- Return keys that are wrapped under older epochs.
SELECT part_id, epoch, wrapped FROM part_keys WHERE epoch < $1 ORDER BY epoch, part_id LIMIT $2;

-- update_part_keys --
-- Wrap the keys of parts anew.
UPDATE part_keys SET epoch = $1, wrapped = renewed.wrapped
FROM unnest($2::bigint[], $3::bytea[]) AS renewed (part_id, wrapped)
WHERE part_keys.part_id = renewed.part_id AND part_keys.epoch < $1;

-- delete_part_keys --
-- Destroy the keys of these parts.
DELETE FROM part_keys WHERE part_id = ANY ($1::bigint[]);

-- load_guards --
-- Return all stops, oldest first.
SELECT digest, record FROM guards ORDER BY number;

-- insert_guards --
-- Keep stops; one that is kept already stays as it is.
INSERT INTO guards (digest, record) SELECT * FROM unnest($1::bytea[], $2::bytea[])
ON CONFLICT (digest) DO NOTHING;

-- load_witness --
-- Return the newest signed checkpoint.
SELECT note FROM witness;

-- save_witness --
-- Keep a signed checkpoint, if it is of a larger log, or of one that goes on under another name
-- (the first line) after a restore.
INSERT INTO witness AS known (size, note) VALUES ($1, $2)
ON CONFLICT (only_row) DO UPDATE SET size = excluded.size, note = excluded.note
    WHERE excluded.size >= known.size
        OR split_part(excluded.note, E'\n', 1) <> split_part(known.note, E'\n', 1);
