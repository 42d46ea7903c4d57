-- The schema of version 1. A later version is a file of its own beside this one; none is ever edited.

-- The stream: one row an event, in the order in which events were taken.
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY,
    part_id  INTEGER NOT NULL,
    body     BLOB NOT NULL
) STRICT;

-- De-duplication, led by hour so that forgetting an hour is one range.
CREATE TABLE claims (
    hour      INTEGER NOT NULL,
    event_key INTEGER NOT NULL,
    PRIMARY KEY (hour, event_key)
) STRICT, WITHOUT ROWID;

-- What recent transactions claimed, until it has been sorted into `claims`:
-- little-endian 64-bit pairs (hour, event_key).
CREATE TABLE claim_batches (
    batch_id INTEGER PRIMARY KEY,
    claims   BLOB NOT NULL
) STRICT;

-- Which events (kind 0) and decisions (kind 1) a part has, written behind. A bucket is a span of
-- consecutive ids: it keeps the pages that a sorted flush touches few, however long the history.
CREATE TABLE part_index (
    kind    INTEGER NOT NULL,
    bucket  INTEGER NOT NULL,
    part_id INTEGER NOT NULL,
    item_id INTEGER NOT NULL,
    PRIMARY KEY (kind, bucket, part_id, item_id)
) STRICT, WITHOUT ROWID;

-- Up to where something written behind has been written.
CREATE TABLE marks (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Identity.
CREATE TABLE parts (
    part_id     INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL,
    claimed     INTEGER NOT NULL CHECK (claimed IN (0, 1)),
    lookup_key  BLOB NOT NULL UNIQUE,
    identifier  BLOB NOT NULL
) STRICT;
CREATE INDEX parts_by_customer ON parts (customer_id);

CREATE TABLE links (
    part_a   INTEGER NOT NULL,
    part_b   INTEGER NOT NULL,
    evidence TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    PRIMARY KEY (part_a, part_b, evidence),
    CHECK (part_a < part_b)
) STRICT, WITHOUT ROWID;
CREATE INDEX links_by_second_part ON links (part_b);

-- Derived, written behind.
CREATE TABLE states (
    part_id          INTEGER PRIMARY KEY,
    applied_sequence INTEGER NOT NULL,
    state            BLOB NOT NULL
) STRICT;

CREATE TABLE wakes (
    customer_id INTEGER PRIMARY KEY,
    wake_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX wakes_by_time ON wakes (wake_at);

-- Messages: the columns are what is searched for, the body is the whole message.
CREATE TABLE messages (
    message_row  INTEGER PRIMARY KEY,
    message_id   TEXT NOT NULL UNIQUE,
    part_id      INTEGER NOT NULL,
    state        TEXT NOT NULL,
    channel      TEXT NOT NULL,
    queued_at    INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    leased_until INTEGER NOT NULL,
    provider_id  TEXT NOT NULL,
    body         BLOB NOT NULL
) STRICT;
CREATE INDEX messages_open_by_part ON messages (part_id)
    WHERE state IN ('queued', 'leased', 'leaving');
CREATE INDEX messages_due_by_channel ON messages (channel, due_at)
    WHERE state IN ('queued', 'leased');
CREATE INDEX messages_by_state ON messages (state, queued_at);
CREATE INDEX messages_by_provider_id ON messages (channel, provider_id)
    WHERE provider_id <> '';

CREATE TABLE decisions (
    decision_id INTEGER PRIMARY KEY,
    part_id     INTEGER NOT NULL,
    decided_at  INTEGER NOT NULL,
    placement   TEXT NOT NULL,
    trace       BLOB NOT NULL
) STRICT;

CREATE TABLE quarantine (
    quarantine_id INTEGER PRIMARY KEY,
    source        TEXT NOT NULL,
    received_at   INTEGER NOT NULL,
    code          TEXT NOT NULL,
    detail        TEXT NOT NULL,
    payload       BLOB NOT NULL,
    state         TEXT NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'replayed', 'dropped'))
) STRICT;

CREATE TABLE audit (
    entry_id INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    actor    TEXT NOT NULL,
    verb     TEXT NOT NULL,
    detail   BLOB NOT NULL
) STRICT;

CREATE TABLE brands (
    brand_row   INTEGER PRIMARY KEY,
    version     TEXT NOT NULL UNIQUE,
    in_force_at INTEGER NOT NULL,
    texts       BLOB NOT NULL
) STRICT;

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Digests of the records of the guard log that this database contains.
CREATE TABLE guards (
    digest BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Counts, kept by triggers: a page that polls them must not scan a million rows.
CREATE TABLE counts (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counts (name, value) VALUES
    ('parts', 0), ('customers', 0), ('quarantined', 0),
    ('messages.queued', 0), ('messages.leased', 0), ('messages.leaving', 0),
    ('messages.delivered', 0), ('messages.failed', 0), ('messages.unknown', 0),
    ('messages.withdrawn', 0), ('messages.expired', 0);

CREATE TRIGGER count_new_part AFTER INSERT ON parts BEGIN
    UPDATE counts SET value = value + 1 WHERE name = 'parts';
    UPDATE counts SET value = value + 1 WHERE name = 'customers' AND NOT EXISTS (
        SELECT 1 FROM parts WHERE customer_id = new.customer_id AND part_id <> new.part_id);
END;

CREATE TRIGGER count_moved_part AFTER UPDATE OF customer_id ON parts
WHEN old.customer_id <> new.customer_id BEGIN
    UPDATE counts SET value = value - 1 WHERE name = 'customers' AND NOT EXISTS (
        SELECT 1 FROM parts WHERE customer_id = old.customer_id);
    UPDATE counts SET value = value + 1 WHERE name = 'customers' AND NOT EXISTS (
        SELECT 1 FROM parts WHERE customer_id = new.customer_id AND part_id <> new.part_id);
END;

CREATE TRIGGER count_new_message AFTER INSERT ON messages BEGIN
    UPDATE counts SET value = value + 1 WHERE name = 'messages.' || new.state;
END;

CREATE TRIGGER count_moved_message AFTER UPDATE OF state ON messages
WHEN old.state <> new.state BEGIN
    UPDATE counts SET value = value - 1 WHERE name = 'messages.' || old.state;
    UPDATE counts SET value = value + 1 WHERE name = 'messages.' || new.state;
END;

CREATE TRIGGER count_new_quarantined AFTER INSERT ON quarantine WHEN new.state = 'held' BEGIN
    UPDATE counts SET value = value + 1 WHERE name = 'quarantined';
END;

CREATE TRIGGER count_moved_quarantined AFTER UPDATE OF state ON quarantine
WHEN (old.state = 'held') <> (new.state = 'held') BEGIN
    UPDATE counts SET value = value + (new.state = 'held') - (old.state = 'held')
    WHERE name = 'quarantined';
END;

PRAGMA user_version = 1;
