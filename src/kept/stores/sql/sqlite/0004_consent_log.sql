-- The consent log: an append-only Merkle tree. Hash and place stand in the clear, the data is sealed.

CREATE TABLE consent_log (
    leaf_index INTEGER PRIMARY KEY,
    part_id    INTEGER NOT NULL,
    leaf_hash  BLOB NOT NULL,
    data       BLOB NOT NULL
) STRICT;
CREATE INDEX consent_log_by_part ON consent_log (part_id);

-- Hashes over 256, 65536 ... leaves (level 1, 2 ...), so that a root or a proof reads few rows.
CREATE TABLE consent_log_hashes (
    level    INTEGER NOT NULL,
    position INTEGER NOT NULL,
    hash     BLOB NOT NULL,
    PRIMARY KEY (level, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE consent_log_checkpoints (
    size      INTEGER PRIMARY KEY,
    signed_at INTEGER NOT NULL,
    note      TEXT NOT NULL
) STRICT;

PRAGMA user_version = 4;
