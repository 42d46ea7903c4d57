-- What tools outside must be told: of whom something changed, and in which scopes.

CREATE TABLE notices (
    notice_id INTEGER PRIMARY KEY,
    part_id   INTEGER NOT NULL,
    noted_at  INTEGER NOT NULL,
    scopes    TEXT NOT NULL
) STRICT;

PRAGMA user_version = 2;
