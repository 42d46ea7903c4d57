-- Forgetting parts, and what is kept so that they stay forgotten.

-- delete_events --
-- Remove events by their sequences (a JSON list), up to the mark (exclusive).
DELETE FROM events WHERE sequence IN (SELECT value FROM json_each(?)) AND sequence < ?;

-- empty_events --
-- Empty events by their sequences (a JSON list), from the mark on.
UPDATE events SET part_id = 0, body = x'' WHERE sequence IN (SELECT value FROM json_each(?))
    AND sequence >= ?;

-- delete_emptied_events --
-- Remove emptied events that the mark has passed.
DELETE FROM events INDEXED BY events_erased WHERE part_id = 0 AND sequence < ?;

-- delete_decisions --
-- Remove decisions by their ids (a JSON list).
DELETE FROM decisions WHERE decision_id IN (SELECT value FROM json_each(?));

-- delete_index_entries --
-- Remove what the index says of some parts (a JSON list) within a bucket.
DELETE FROM part_index
WHERE kind = ? AND bucket = ? AND part_id IN (SELECT value FROM json_each(?));

-- delete_states --
-- Remove the states of parts (a JSON list).
DELETE FROM states WHERE part_id IN (SELECT value FROM json_each(?));

-- delete_messages --
-- Remove the messages of parts (a JSON list).
DELETE FROM messages WHERE part_id IN (SELECT value FROM json_each(?));

-- delete_notices --
-- Remove what tools were to be told of parts (a JSON list).
DELETE FROM notices WHERE part_id IN (SELECT value FROM json_each(?));

-- delete_accesses --
-- Remove which audit entries tell of those who saw values of parts (a JSON list).
DELETE FROM accesses WHERE part_id IN (SELECT value FROM json_each(?));

-- delete_links --
-- Remove the evidence that touches parts (a JSON list).
DELETE FROM links WHERE part_a IN (SELECT value FROM json_each(?1))
    OR part_b IN (SELECT value FROM json_each(?1));

-- delete_wakes --
-- Remove the entries of the customers that parts (a JSON list) make up.
DELETE FROM wakes WHERE customer_id IN (
    SELECT customer_id FROM parts WHERE part_id IN (SELECT value FROM json_each(?)));

-- delete_parts --
-- Remove parts (a JSON list).
DELETE FROM parts WHERE part_id IN (SELECT value FROM json_each(?));

-- delete_quarantined --
-- Remove quarantined events by their ids (a JSON list).
DELETE FROM quarantine WHERE quarantine_id IN (SELECT value FROM json_each(?));

-- add_key_to_destroy --
-- Note that a part's key must go.
INSERT OR IGNORE INTO keys_to_destroy (part_id) VALUES (?);

-- load_keys_to_destroy --
-- Return the parts whose keys must go.
SELECT part_id FROM keys_to_destroy ORDER BY part_id;

-- clear_keys_to_destroy --
-- Note that the keys of parts (a JSON list) are gone.
DELETE FROM keys_to_destroy WHERE part_id IN (SELECT value FROM json_each(?));

-- save_tombstone --
-- Keep that an identifier was forgotten; the later end stays.
INSERT INTO tombstones (lookup_key, until, suppressed) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET until = max(until, excluded.until), suppressed = excluded.suppressed;

-- find_tombstone --
-- Return what is kept of a forgotten identifier.
SELECT until, suppressed FROM tombstones WHERE lookup_key = ?;

-- load_any_tombstone --
-- Return a row if anybody was ever forgotten.
SELECT 1 FROM tombstones LIMIT 1;

-- find_last_request --
-- Return the highest row of a request.
SELECT coalesce(max(request_row), 0) FROM requests;

-- save_request --
-- Insert a request, or replace it by its id.
INSERT INTO requests (request_row, request_id, kind, state, requested_at, next_at, body)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (request_row) DO UPDATE SET state = excluded.state, next_at = excluded.next_at,
    body = excluded.body;

-- load_request --
-- Return a request by its id.
SELECT request_row, request_id, kind, state, requested_at, next_at, body
FROM requests WHERE request_id = ?;

-- load_due_requests --
-- Return requests for which something is to be done, the earliest first.
SELECT request_row, request_id, kind, state, requested_at, next_at, body
FROM requests INDEXED BY requests_by_time
WHERE next_at > 0 AND next_at <= ? ORDER BY next_at, request_row LIMIT ?;

-- load_requests --
-- Return the newest requests, newest first.
SELECT request_row, request_id, kind, state, requested_at, next_at, body
FROM requests ORDER BY request_row DESC LIMIT ?;

-- insert_held_record --
-- Keep what the law obliges to keep.
INSERT INTO held_records (held_id, request_row, hold, until, body) VALUES (?, ?, ?, ?, ?);

-- find_last_held_record --
-- Return the highest id of a held record.
SELECT coalesce(max(held_id), 0) FROM held_records;

-- load_held_records --
-- Return what is held of one request.
SELECT held_id, request_row, hold, until, body FROM held_records WHERE request_row = ?
ORDER BY held_id;

-- find_expired_holds --
-- Return the requests of which something need not be held any longer.
SELECT DISTINCT request_row FROM held_records WHERE until <= ? LIMIT ?;

-- delete_expired_holds --
-- Remove what need not be held any longer of some requests (a JSON list).
DELETE FROM held_records WHERE until <= ? AND request_row IN (SELECT value FROM json_each(?));

-- count_held_records --
-- Return how much is still held of one request.
SELECT count(*) FROM held_records WHERE request_row = ?;
