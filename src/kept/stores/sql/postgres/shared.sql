-- What is written by all rooms together, ids, locks, versions, nodes.

-- write_hot --
-- Write what a transaction gathered for the hot tables: a column is an array.
WITH claimed AS (
    INSERT INTO claims (hour, event_key)
    SELECT * FROM unnest($1::bigint[], $2::bigint[])
), born AS (
    INSERT INTO customers (customer_id, version)
    SELECT * FROM unnest($3::bigint[], $4::bigint[])
), raised AS (
    UPDATE customers SET version = version + 1 WHERE customer_id = ANY ($5::bigint[])
), identified AS (
    INSERT INTO identifiers (part_id, customer_id, lookup_key)
    SELECT * FROM unnest($6::bigint[], $7::bigint[], $9::bytea[])
), begun AS (
    INSERT INTO parts (part_id, customer_id, claimed, lookup_key, identifier)
    SELECT * FROM unnest($6::bigint[], $7::bigint[], $8::boolean[], $9::bytea[], $10::bytea[])
), joined AS (
    INSERT INTO members (part_id, customer_id, claimed, identifier)
    SELECT * FROM unnest($6::bigint[], $7::bigint[], $8::boolean[], $10::bytea[])
), linked AS (
    INSERT INTO links AS known (part_id, other_id, evidence, first_at)
    SELECT * FROM unnest($11::bigint[], $12::bigint[], $13::text[], $14::bigint[])
    ON CONFLICT (part_id, other_id, evidence) DO UPDATE SET first_at = excluded.first_at
        WHERE excluded.first_at < known.first_at
), appended AS (
    INSERT INTO events (part_id, sequence, body)
    SELECT * FROM unnest($15::bigint[], $16::bigint[], $17::bytea[])
), folded AS (
    INSERT INTO states (part_id, applied_sequence, state)
    SELECT * FROM unnest($18::bigint[], $19::bigint[], $20::bytea[])
    ON CONFLICT (part_id) DO UPDATE
        SET applied_sequence = excluded.applied_sequence, state = excluded.state
), said AS (
    INSERT INTO messages (part_id, message_id, state, channel, queued_at, due_at, leased_until,
        provider_id, body)
    SELECT * FROM unnest($21::bigint[], $22::text[], $23::text[], $24::text[], $25::bigint[],
        $26::bigint[], $27::bigint[], $28::text[], $29::bytea[])
    ON CONFLICT (part_id, message_id) DO UPDATE SET state = excluded.state,
        channel = excluded.channel, queued_at = excluded.queued_at, due_at = excluded.due_at,
        leased_until = excluded.leased_until, provider_id = excluded.provider_id,
        body = excluded.body
), decided AS (
    INSERT INTO decisions (part_id, decision_id, decided_at, placement, trace)
    SELECT * FROM unnest($30::bigint[], $31::bigint[], $32::bigint[], $33::text[], $34::bytea[])
), woken AS (
    INSERT INTO wakes AS known (customer_id, wake_at)
    SELECT * FROM unnest($35::bigint[], $36::bigint[])
    ON CONFLICT (customer_id) DO UPDATE SET wake_at = excluded.wake_at
        WHERE excluded.wake_at <> known.wake_at
)
DELETE FROM wakes WHERE customer_id = ANY ($37::bigint[]);

-- take_numbers --
-- Take ids of a sequence. The transaction is numbered first, so that whoever sees these ids given
-- out and this transaction's number among the finished knows that none of them is still to come.
WITH numbered AS MATERIALIZED (SELECT pg_current_xact_id() AS id)
SELECT nextval($1::text::regclass) FROM numbered, generate_series(1, $2::bigint)
WHERE numbered.id IS NOT NULL;

-- find_last_number --
-- Return the last id that a sequence gave out.
SELECT coalesce(pg_sequence_last_value($1::text::regclass), 0);

-- advance_number --
-- Let a sequence go on behind a number.
SELECT setval($1::text::regclass, $2);

-- look_around --
-- Return how far ids were given out, before which transaction all that had them began, and when.
SELECT sequence, decision_id, notice_id, following, oldest,
    (extract(epoch FROM statement_timestamp()) * 1000000)::bigint
FROM look_around();

-- find_oldest --
-- Return the lowest transaction number that may still be at work.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint;

-- lock_customers --
-- Take the locks of customers in ascending order, waiting for each.
SELECT customer_id, version FROM customers WHERE customer_id = ANY ($1::bigint[])
ORDER BY customer_id FOR UPDATE;

-- lock_customers_at_once --
-- Take the locks of customers, and fail if one is taken.
SELECT customer_id, version FROM customers WHERE customer_id = ANY ($1::bigint[])
ORDER BY customer_id FOR UPDATE NOWAIT;

-- lock_free_customers --
-- Take the locks of customers that nobody else holds.
SELECT customer_id, version FROM customers WHERE customer_id = ANY ($1::bigint[])
ORDER BY customer_id FOR UPDATE SKIP LOCKED;

-- read_control --
-- Return the version of what all nodes must know.
SELECT version FROM control;

-- change_control --
-- Raise the version of what all nodes must know.
UPDATE control SET version = version + 1 RETURNING version;

-- take_lock --
-- Wait for a lock of the whole store.
SELECT pg_advisory_xact_lock(1264939124, $1::integer);

-- try_lock --
-- Take a lock of the whole store if nobody has it.
SELECT pg_try_advisory_xact_lock(1264939124, $1::integer);

-- try_duty --
-- Take a duty until the transaction ends, if nobody has it.
SELECT pg_try_advisory_xact_lock(1264939125, hashtext($1));

-- take_node_id --
-- Return the id of a new node.
SELECT nextval('node_ids');

-- join_nodes --
-- Begin a node.
INSERT INTO nodes (node_id, name, joined_at, seen_at, control_version)
SELECT $1, $2, instant, instant, 0
FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS instant) AS clock;

-- hold_node --
-- Hold the lock that shows that a node's process is there.
SELECT pg_advisory_lock(1264939126, $1::integer);

-- say_present --
-- Note that a node is there, and what it works by.
UPDATE nodes SET control_version = $2,
    seen_at = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
WHERE node_id = $1
RETURNING node_id;

-- list_nodes --
-- Return the nodes, and whether nobody holds the lock of each.
SELECT node_id, name, joined_at, seen_at, control_version, NOT EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND classid = 1264939126 AND objid = node_id::oid)
FROM nodes ORDER BY node_id;

-- take_out_node --
-- Forget a node.
DELETE FROM nodes WHERE node_id = $1;
