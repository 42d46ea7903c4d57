-- The stream of events, and the keys that de-duplicate it.

-- load_events --
-- Return events in stream order after a sequence.
SELECT part_id, sequence, body FROM events WHERE sequence > $1 ORDER BY sequence LIMIT $2;

-- find_last_sequence --
-- Return the sequence of the newest event, 0 if there is none.
SELECT coalesce(max(sequence), 0) FROM events;

-- load_part_events --
-- Return events of these parts in stream order, after a sequence.
SELECT part_id, sequence, body FROM events
WHERE part_id = ANY ($1::bigint[]) AND sequence > $2 ORDER BY sequence LIMIT $3;

-- load_newest_events --
-- Return the newest events of these parts, newest first.
SELECT part_id, sequence, body FROM events
WHERE part_id = ANY ($1::bigint[]) ORDER BY sequence DESC LIMIT $2;

-- delete_events --
-- Remove events of a part.
DELETE FROM events WHERE part_id = $1 AND sequence = ANY ($2::bigint[]);

-- replace_event --
-- Put another body in the place of an event's.
UPDATE events SET body = $3 WHERE part_id = $1 AND sequence = $2;

-- find_claims --
-- Return which of these keys were claimed within their hours.
SELECT hour, event_key FROM claims
WHERE event_key = ANY ($2::bigint[])
    AND (hour, event_key) IN (SELECT * FROM unnest($1::bigint[], $2::bigint[]))
    AND hour = ANY ($1::bigint[]);

-- foresee_claims --
-- Return which of these keys were claimed within their hours, and take as many sequences.
WITH numbered AS MATERIALIZED (SELECT pg_current_xact_id() AS id)
SELECT hour, event_key, NULL::bigint FROM claims
WHERE event_key = ANY ($2::bigint[])
    AND (hour, event_key) IN (SELECT * FROM unnest($1::bigint[], $2::bigint[]))
    AND hour = ANY ($1::bigint[])
UNION ALL
SELECT NULL, NULL, nextval('event_sequence')
FROM numbered, generate_series(1, cardinality($1::bigint[])) WHERE numbered.id IS NOT NULL;

-- forget_claims --
-- Forget the keys of hours from one on and before another, the earliest first, so many at a time.
WITH gone AS (
    DELETE FROM claims WHERE (hour, event_key) IN (
        SELECT hour, event_key FROM claims WHERE hour >= $1 AND hour < $2
        ORDER BY hour, event_key LIMIT $3)
    RETURNING 1
)
SELECT count(*) FROM gone;
