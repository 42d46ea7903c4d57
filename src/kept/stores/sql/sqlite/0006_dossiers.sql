-- Matters that people work on: breaches and what was found of each part in them, approvals, and
-- what sources were shown. The body is sealed under the key of the part; part 0 is the house.
CREATE TABLE dossiers (
    kind    TEXT NOT NULL,
    number  INTEGER NOT NULL,
    part_id INTEGER NOT NULL,
    state   TEXT NOT NULL,
    at      INTEGER NOT NULL,
    body    BLOB NOT NULL,
    PRIMARY KEY (kind, number, part_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX dossiers_by_part ON dossiers (part_id, kind);

-- The number taken last of each kind, so that none is given twice after somebody was forgotten.
CREATE TABLE dossier_numbers (
    kind TEXT PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 6;
