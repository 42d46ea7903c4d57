-- Forgetting parts, what is kept so that they stay forgotten, and requests.

-- delete_parts --
-- Remove everything of parts; return how many events, decisions and messages, and whose they were.
WITH whose AS (
    SELECT part_id, customer_id, lookup_key FROM parts WHERE part_id = ANY ($1::bigint[])
), gone_events AS (
    DELETE FROM events WHERE part_id = ANY ($1::bigint[]) RETURNING 1
), gone_decisions AS (
    DELETE FROM decisions WHERE part_id = ANY ($1::bigint[]) RETURNING 1
), gone_messages AS (
    DELETE FROM messages WHERE part_id = ANY ($1::bigint[]) RETURNING 1
), gone_states AS (
    DELETE FROM states WHERE part_id = ANY ($1::bigint[])
), gone_notices AS (
    DELETE FROM notices WHERE part_id = ANY ($1::bigint[])
), emptied_leaves AS (
    UPDATE consent_log SET data = '' WHERE part_id = ANY ($1::bigint[])
), gone_accesses AS (
    DELETE FROM accesses WHERE part_id = ANY ($1::bigint[])
), gone_dossiers AS (
    DELETE FROM dossiers WHERE part_id = ANY ($1::bigint[])
), gone_links AS (
    DELETE FROM links WHERE part_id = ANY ($1::bigint[])
), far_ends AS (
    DELETE FROM links WHERE part_id IN (
        SELECT other_id FROM links AS near WHERE near.part_id = ANY ($1::bigint[]))
        AND other_id = ANY ($1::bigint[]) AND part_id <> ALL ($1::bigint[])
), gone_wakes AS (
    DELETE FROM wakes WHERE customer_id IN (SELECT customer_id FROM whose)
), gone_members AS (
    DELETE FROM members WHERE (customer_id, part_id) IN (SELECT customer_id, part_id FROM whose)
), gone_identifiers AS (
    DELETE FROM identifiers WHERE lookup_key IN (SELECT lookup_key FROM whose)
), gone_parts AS (
    DELETE FROM parts WHERE part_id = ANY ($1::bigint[])
)
SELECT (SELECT count(*) FROM gone_events), (SELECT count(*) FROM gone_decisions),
    (SELECT count(*) FROM gone_messages), (SELECT array_agg(DISTINCT customer_id) FROM whose);

-- list_customers --
-- Return customers after one.
SELECT customer_id FROM customers WHERE customer_id > $1 ORDER BY customer_id LIMIT $2;

-- add_keys_to_destroy --
-- Note that the keys of parts must go.
INSERT INTO keys_to_destroy (part_id) SELECT * FROM unnest($1::bigint[]) ON CONFLICT DO NOTHING;

-- load_keys_to_destroy --
-- Return the parts whose keys must go.
SELECT part_id FROM keys_to_destroy ORDER BY part_id;

-- clear_keys_to_destroy --
-- Note that the keys of parts are gone.
DELETE FROM keys_to_destroy WHERE part_id = ANY ($1::bigint[]);

-- save_tombstone --
-- Keep that an identifier was forgotten; the later end stays.
INSERT INTO tombstones AS known (lookup_key, until, suppressed) VALUES ($1, $2, $3)
ON CONFLICT (lookup_key) DO UPDATE SET until = greatest(known.until, excluded.until),
    suppressed = excluded.suppressed;

-- load_any_tombstone --
-- Return a row if anybody was ever forgotten.
SELECT 1 FROM tombstones LIMIT 1;

-- find_last_request --
-- Return the highest number of a request.
SELECT coalesce(max(number), 0) FROM requests;

-- save_request --
-- Insert a request, or replace it by its number.
INSERT INTO requests (number, request_id, kind, state, requested_at, next_at, body)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (number) DO UPDATE SET state = excluded.state, next_at = excluded.next_at,
    body = excluded.body;

-- load_request --
-- Return a request by its id.
SELECT number, request_id, kind, state, requested_at, next_at, body
FROM requests WHERE request_id = $1;

-- load_due_requests --
-- Return requests for which something is to be done, the earliest first.
SELECT number, request_id, kind, state, requested_at, next_at, body
FROM requests WHERE next_at > 0 AND next_at <= $1 ORDER BY next_at, number LIMIT $2;

-- load_requests --
-- Return the newest requests, newest first.
SELECT number, request_id, kind, state, requested_at, next_at, body
FROM requests ORDER BY number DESC LIMIT $1;

-- insert_held_record --
-- Keep what the law obliges to keep.
INSERT INTO held_records (held_id, number, hold, until, body) VALUES ($1, $2, $3, $4, $5);

-- load_held_records --
-- Return what is held of one request.
SELECT held_id, hold, until, body FROM held_records WHERE number = $1 ORDER BY held_id;

-- find_expired_holds --
-- Return the requests of which something need not be held any longer.
SELECT DISTINCT number FROM held_records WHERE until <= $1 LIMIT $2;

-- delete_expired_holds --
-- Remove what need not be held any longer of some requests.
DELETE FROM held_records WHERE until <= $1 AND number = ANY ($2::bigint[]);

-- find_numbers_held --
-- Return of which of these requests something is still held.
SELECT DISTINCT number FROM held_records WHERE number = ANY ($1::bigint[]);
