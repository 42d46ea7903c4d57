-- The file of keys: a database of its own beside the store's. A backup carries the same tables.

-- make_tables --
-- Make what is not there yet.
CREATE TABLE IF NOT EXISTS vault (
    identity BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS epochs (
    epoch      INTEGER PRIMARY KEY,
    wrapped    BLOB NOT NULL,
    begun_at   INTEGER NOT NULL DEFAULT 0,
    retired_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS secrets (
    name    TEXT PRIMARY KEY,
    epoch   INTEGER NOT NULL,
    wrapped BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS part_keys (
    part_id INTEGER PRIMARY KEY,
    epoch   INTEGER NOT NULL,
    wrapped BLOB NOT NULL
) STRICT;

-- load_identity --
-- Return the id of the file.
SELECT identity FROM vault;

-- save_identity --
-- Give a new file its id.
INSERT INTO vault (identity) VALUES (?);

-- load_epochs --
-- Return each epoch's wrapped secret.
SELECT epoch, wrapped, retired_at FROM epochs ORDER BY epoch;

-- count_keys --
-- Return how many keys are wrapped under each epoch.
SELECT epoch, count(*) FROM part_keys GROUP BY epoch ORDER BY epoch;

-- list_epochs --
-- Return the epochs.
SELECT epoch, begun_at, retired_at FROM epochs ORDER BY epoch;

-- find_unretired_epoch --
-- Return a row if an older epoch may still wrap keys, or the newest is not dated yet.
SELECT 1 FROM epochs WHERE (epoch < ?1 AND retired_at = 0) OR begun_at = 0;

-- insert_epoch --
-- Begin an epoch.
INSERT INTO epochs (epoch, wrapped) VALUES (?, ?);

-- date_epoch --
-- Note since when epochs have been in use, where that is not known yet.
UPDATE epochs SET begun_at = ? WHERE begun_at = 0;

-- retire_epochs --
-- Note that nothing is wrapped under older epochs any more.
UPDATE epochs SET retired_at = ?1 WHERE epoch < ?2 AND retired_at = 0;

-- delete_epoch --
-- Forget an epoch.
DELETE FROM epochs WHERE epoch = ?;

-- find_secret --
-- Return a secret of the whole store.
SELECT epoch, wrapped FROM secrets WHERE name = ?;

-- find_old_secrets --
-- Return the secrets that are wrapped under older epochs.
SELECT name, epoch, wrapped FROM secrets WHERE epoch < ?;

-- save_secret --
-- Set a secret of the whole store.
INSERT OR REPLACE INTO secrets (name, epoch, wrapped) VALUES (?, ?, ?);

-- find_part_key --
-- Return the key of a part.
SELECT epoch, wrapped FROM part_keys WHERE part_id = ?;

-- insert_part_key --
-- Keep the key of a part.
INSERT INTO part_keys (part_id, epoch, wrapped) VALUES (?, ?, ?);

-- update_part_key --
-- Wrap the key of a part anew.
UPDATE part_keys SET epoch = ?, wrapped = ? WHERE part_id = ?;

-- find_old_keys --
-- Return keys that are wrapped under older epochs, after a part.
SELECT part_id, epoch, wrapped FROM part_keys WHERE part_id > ?1 AND epoch < ?2
ORDER BY part_id LIMIT ?3;

-- delete_part_keys --
-- Destroy the keys of these parts (a JSON list).
DELETE FROM part_keys WHERE part_id IN (SELECT value FROM json_each(?));

-- carry_keys --
-- Let a backup carry what stands in the attached key file.
BEGIN;
CREATE TABLE carried_vault AS SELECT * FROM keys.vault;
CREATE TABLE carried_epochs AS SELECT * FROM keys.epochs;
CREATE TABLE carried_secrets AS SELECT * FROM keys.secrets;
CREATE TABLE carried_part_keys AS SELECT * FROM keys.part_keys;
COMMIT;

-- find_carried_keys --
-- Return a row if this database is a backup that carries keys.
SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'carried_vault';

-- unload_keys --
-- Move what a backup carries into the attached, empty key file.
PRAGMA secure_delete = ON;
BEGIN;
INSERT INTO keys.vault SELECT * FROM carried_vault;
INSERT INTO keys.epochs SELECT * FROM carried_epochs;
INSERT INTO keys.secrets SELECT * FROM carried_secrets;
INSERT INTO keys.part_keys SELECT * FROM carried_part_keys;
DROP TABLE carried_vault;
DROP TABLE carried_epochs;
DROP TABLE carried_secrets;
DROP TABLE carried_part_keys;
COMMIT;
