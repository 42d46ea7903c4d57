-- The stream of events, the keys that de-duplicate it, and the index by part.

-- insert_event --
-- Add an event at its place in the stream.
INSERT INTO events (sequence, part_id, body) VALUES (?, ?, ?);

-- find_last_sequence --
-- Return the sequence of the newest event.
SELECT coalesce(max(sequence), 0) FROM events;

-- count_events_after --
-- Return how many events lie behind a sequence: as many as the sequences grew, if none is missing.
SELECT count(*) FROM events WHERE sequence > ?;

-- load_events --
-- Return events in stream order after a sequence.
SELECT sequence, part_id, body FROM events WHERE sequence > ? AND part_id <> 0
ORDER BY sequence LIMIT ?;

-- load_events_by_sequence --
-- Return the events with these sequences (a JSON list) in stream order.
SELECT sequence, part_id, body FROM events
WHERE sequence IN (SELECT value FROM json_each(?)) AND part_id <> 0 ORDER BY sequence;

-- load_parts_of_events --
-- Return which parts the events after a sequence fell to.
SELECT sequence, part_id FROM events WHERE sequence > ? AND part_id <> 0 ORDER BY sequence;

-- load_parts_of_decisions --
-- Return which parts the decisions after an id are about.
SELECT decision_id, part_id FROM decisions WHERE decision_id > ? ORDER BY decision_id;

-- insert_index_entry --
-- Note that a part has an event or a decision; noting it again changes nothing.
INSERT OR IGNORE INTO part_index (kind, bucket, part_id, item_id) VALUES (?, ?, ?, ?);

-- find_index_buckets --
-- Return the buckets of a kind that have entries, newest first, without visiting the entries.
WITH RECURSIVE found (bucket) AS (
    SELECT max(bucket) FROM part_index WHERE kind = ?1
    UNION ALL
    SELECT (SELECT max(bucket) FROM part_index WHERE kind = ?1 AND bucket < found.bucket)
    FROM found WHERE found.bucket IS NOT NULL
)
SELECT bucket FROM found WHERE bucket IS NOT NULL;

-- find_index_entries --
-- Return the ids that some parts (a JSON list) have within a bucket.
SELECT item_id FROM part_index
WHERE kind = ? AND bucket = ? AND part_id IN (SELECT value FROM json_each(?));

-- find_claim --
-- Return a row if this key was claimed within this hour.
SELECT 1 FROM claims WHERE hour = ? AND event_key = ?;

-- find_any_claim --
-- Return a row if any key was claimed within this hour.
SELECT 1 FROM claims WHERE hour = ? LIMIT 1;

-- insert_claim --
-- Remember a key within its hour; remembering it again changes nothing.
INSERT OR IGNORE INTO claims (hour, event_key) VALUES (?, ?);

-- insert_claim_batch --
-- Remember what one transaction claimed.
INSERT INTO claim_batches (batch_id, claims) VALUES (?, ?);

-- load_claim_batches --
-- Return what recent transactions claimed.
SELECT batch_id, claims FROM claim_batches ORDER BY batch_id;

-- delete_claim_batches --
-- Drop batches that have been sorted into `claims`.
DELETE FROM claim_batches WHERE batch_id <= ?;

-- delete_claims --
-- Forget the keys of hours from one on and before another, so many at a time (-1: all).
DELETE FROM claims WHERE (hour, event_key) IN (
    SELECT hour, event_key FROM claims WHERE hour >= ? AND hour < ? ORDER BY hour, event_key LIMIT ?);
