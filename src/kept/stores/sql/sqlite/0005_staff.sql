-- Who may ask: staff, their sessions, API tokens, write keys, failed sign-ins, and who looked at whom.

CREATE TABLE staff (
    staff_id INTEGER PRIMARY KEY,
    body     BLOB NOT NULL
) STRICT;

CREATE TABLE sessions (
    digest TEXT PRIMARY KEY,
    body   BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    digest TEXT PRIMARY KEY,
    body   BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE write_keys (
    digest TEXT PRIMARY KEY,
    body   BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The name is a hash of an account's or an address's.
CREATE TABLE failures (
    name    TEXT PRIMARY KEY,
    last_at INTEGER NOT NULL,
    body    BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Audit entries of those who saw values of a part.
CREATE TABLE accesses (
    part_id  INTEGER NOT NULL,
    entry_id INTEGER NOT NULL,
    PRIMARY KEY (part_id, entry_id)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 5;
