-- Sealed records, and what is needed to forget somebody.

-- An event that was erased before the mark passed it stays as an empty row of part 0, so that the
-- stream is seen to be whole; it goes once the mark has passed.
CREATE INDEX events_erased ON events (sequence) WHERE part_id = 0;

CREATE INDEX messages_by_part ON messages (part_id);

-- Parts whose rows are gone, and whose keys must be destroyed too.
CREATE TABLE keys_to_destroy (
    part_id INTEGER PRIMARY KEY
) STRICT;

-- Identifiers of the forgotten, one keyed hash each and nothing that groups them. What happened to
-- them before `until` is not taken any more.
CREATE TABLE tombstones (
    lookup_key BLOB PRIMARY KEY,
    until      INTEGER NOT NULL,
    suppressed INTEGER NOT NULL CHECK (suppressed IN (0, 1))
) STRICT, WITHOUT ROWID;

-- What customers asked for under the law: the body is sealed under a key of the request's own.
CREATE TABLE requests (
    request_row  INTEGER PRIMARY KEY,
    request_id   TEXT NOT NULL UNIQUE,
    kind         TEXT NOT NULL,
    state        TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    next_at      INTEGER NOT NULL,
    body         BLOB NOT NULL
) STRICT;
CREATE INDEX requests_by_time ON requests (next_at) WHERE next_at > 0;

-- What the law obliges to keep of the forgotten, sealed under keys that no decision is given.
CREATE TABLE held_records (
    held_id    INTEGER PRIMARY KEY,
    request_row INTEGER NOT NULL,
    hold       TEXT NOT NULL,
    until      INTEGER NOT NULL,
    body       BLOB NOT NULL
) STRICT;
CREATE INDEX held_records_by_request ON held_records (request_row);
CREATE INDEX held_records_by_time ON held_records (until);

CREATE TRIGGER count_gone_part AFTER DELETE ON parts BEGIN
    UPDATE counts SET value = value - 1 WHERE name = 'parts';
    UPDATE counts SET value = value - 1 WHERE name = 'customers' AND NOT EXISTS (
        SELECT 1 FROM parts WHERE customer_id = old.customer_id);
END;

CREATE TRIGGER count_gone_message AFTER DELETE ON messages BEGIN
    UPDATE counts SET value = value - 1 WHERE name = 'messages.' || old.state;
END;

CREATE TRIGGER count_gone_quarantined AFTER DELETE ON quarantine WHEN old.state = 'held' BEGIN
    UPDATE counts SET value = value - 1 WHERE name = 'quarantined';
END;

PRAGMA user_version = 3;
