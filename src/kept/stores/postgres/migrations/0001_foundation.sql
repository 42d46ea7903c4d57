-- The schema of version 1. A later version is a file of its own beside this one; none is ever edited.
-- compatible from 1
--
-- Hot tables lead with the id of the part or customer that a transaction is about, and are
-- partitioned by its hash, so that a distributed PostgreSQL may place each partition elsewhere.

-- What all nodes must know stands behind one number; whoever changes it is alone.
CREATE TABLE control (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version  bigint NOT NULL
);
INSERT INTO control (version) VALUES (1);

-- Numbers. None is cached by a session: the settled end of the stream counts on their order.
CREATE SEQUENCE event_sequence;
CREATE SEQUENCE decision_ids;
CREATE SEQUENCE notice_ids;
CREATE SEQUENCE part_ids;
CREATE SEQUENCE audit_ids;
CREATE SEQUENCE quarantine_ids;
CREATE SEQUENCE held_ids;
CREATE SEQUENCE brand_rows;
CREATE SEQUENCE node_ids;
-- A customer that comes back has a version that it never had.
CREATE SEQUENCE returns;

-- The customer's lock, and its version.
CREATE TABLE customers (
    customer_id bigint PRIMARY KEY,
    version     bigint NOT NULL
) PARTITION BY HASH (customer_id);

-- Identity: found by keyed hash, by part, and by customer.
CREATE TABLE identifiers (
    lookup_key  bytea PRIMARY KEY,
    part_id     bigint NOT NULL,
    customer_id bigint NOT NULL
) PARTITION BY HASH (lookup_key);

CREATE TABLE parts (
    part_id     bigint PRIMARY KEY,
    customer_id bigint NOT NULL,
    claimed     boolean NOT NULL,
    lookup_key  bytea NOT NULL,
    identifier  bytea NOT NULL
) PARTITION BY HASH (part_id);

CREATE TABLE members (
    customer_id bigint NOT NULL,
    part_id     bigint NOT NULL,
    claimed     boolean NOT NULL,
    identifier  bytea NOT NULL,
    PRIMARY KEY (customer_id, part_id)
) PARTITION BY HASH (customer_id);

-- Evidence stands at both of its ends, so that each end finds it where it lies itself.
CREATE TABLE links (
    part_id  bigint NOT NULL,
    other_id bigint NOT NULL,
    evidence text NOT NULL,
    first_at bigint NOT NULL,
    PRIMARY KEY (part_id, other_id, evidence)
) PARTITION BY HASH (part_id);

-- The stream: one row an event; the sequence is one for all partitions.
CREATE TABLE events (
    part_id  bigint NOT NULL,
    sequence bigint NOT NULL,
    body     bytea NOT NULL,
    PRIMARY KEY (part_id, sequence)
) PARTITION BY HASH (part_id);
CREATE INDEX events_by_sequence ON events (sequence);

-- De-duplication, led by hour so that forgetting an hour is one range.
CREATE TABLE claims (
    hour      bigint NOT NULL,
    event_key bigint NOT NULL,
    PRIMARY KEY (hour, event_key)
) PARTITION BY HASH (event_key);

CREATE TABLE states (
    part_id          bigint PRIMARY KEY,
    applied_sequence bigint NOT NULL,
    state            bytea NOT NULL
) PARTITION BY HASH (part_id);

CREATE TABLE wakes (
    customer_id bigint PRIMARY KEY,
    wake_at     bigint NOT NULL
) PARTITION BY HASH (customer_id);
CREATE INDEX wakes_by_time ON wakes (wake_at);

-- Messages: the columns are what is searched for, the body is the whole message.
CREATE TABLE messages (
    part_id      bigint NOT NULL,
    message_id   text NOT NULL,
    state        text NOT NULL,
    channel      text NOT NULL,
    queued_at    bigint NOT NULL,
    due_at       bigint NOT NULL,
    leased_until bigint NOT NULL,
    provider_id  text NOT NULL,
    body         bytea NOT NULL,
    PRIMARY KEY (part_id, message_id)
) PARTITION BY HASH (part_id);
CREATE INDEX messages_by_id ON messages (message_id);
CREATE INDEX messages_open_by_part ON messages (part_id)
    WHERE state IN ('queued', 'leased', 'leaving');
CREATE INDEX messages_due_by_channel ON messages (channel, due_at)
    WHERE state IN ('queued', 'leased');
CREATE INDEX messages_by_state ON messages (state, queued_at);
CREATE INDEX messages_by_provider_id ON messages (channel, provider_id)
    WHERE provider_id <> '';

CREATE TABLE decisions (
    part_id     bigint NOT NULL,
    decision_id bigint NOT NULL,
    decided_at  bigint NOT NULL,
    placement   text NOT NULL,
    trace       bytea NOT NULL,
    PRIMARY KEY (part_id, decision_id)
) PARTITION BY HASH (part_id);
CREATE INDEX decisions_by_id ON decisions (decision_id);

-- What is sealed does not grow smaller: no attempt to compress it is made.
ALTER TABLE events ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE states ALTER COLUMN state SET STORAGE EXTERNAL;
ALTER TABLE messages ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE decisions ALTER COLUMN trace SET STORAGE EXTERNAL;

-- How many partitions a new store has is `kept.partitions`, which whoever migrates has set. Rows
-- that are written again and again keep room on their page for the next version.
DO $$
DECLARE
    hot record;
    count integer := current_setting('kept.partitions')::integer;
BEGIN
    FOR hot IN SELECT * FROM (VALUES
        ('customers', 70), ('identifiers', 100), ('parts', 100), ('members', 100), ('links', 100),
        ('events', 100), ('claims', 100), ('states', 70), ('wakes', 70), ('messages', 80),
        ('decisions', 100)) AS listed (name, fill)
    LOOP
        FOR n IN 0 .. count - 1 LOOP
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS %s, REMAINDER %s)'
                ' WITH (fillfactor = %s)',
                hot.name || '_' || n, hot.name, count, n, hot.fill);
        END LOOP;
    END LOOP;
END $$;

CREATE TABLE notices (
    notice_id bigint PRIMARY KEY,
    part_id   bigint NOT NULL,
    noted_at  bigint NOT NULL,
    scopes    text NOT NULL
);
CREATE INDEX notices_by_part ON notices (part_id);

CREATE TABLE marks (
    name  text PRIMARY KEY,
    value bigint NOT NULL
);

CREATE TABLE quarantine (
    quarantine_id bigint PRIMARY KEY,
    source        text NOT NULL,
    received_at   bigint NOT NULL,
    code          text NOT NULL,
    detail        text NOT NULL,
    payload       bytea NOT NULL,
    state         text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'replayed', 'dropped'))
);
CREATE INDEX quarantine_held ON quarantine (quarantine_id) WHERE state = 'held';

CREATE TABLE audit (
    entry_id bigint PRIMARY KEY,
    at       bigint NOT NULL,
    actor    text NOT NULL,
    verb     text NOT NULL,
    detail   bytea NOT NULL
);

CREATE TABLE brands (
    brand_row   bigint PRIMARY KEY,
    version     text NOT NULL UNIQUE,
    in_force_at bigint NOT NULL,
    texts       bytea NOT NULL
);

CREATE TABLE settings (
    name  text PRIMARY KEY,
    value bytea NOT NULL
);

-- Digests of the stops, kept beside the keys, that this database contains.
CREATE TABLE guards (
    digest bytea PRIMARY KEY
);

-- Parts whose rows are gone, and whose keys must be destroyed too.
CREATE TABLE keys_to_destroy (
    part_id bigint PRIMARY KEY
);

-- Identifiers of the forgotten, one keyed hash each and nothing that groups them.
CREATE TABLE tombstones (
    lookup_key bytea PRIMARY KEY,
    until      bigint NOT NULL,
    suppressed boolean NOT NULL
);

-- What customers asked for under the law: the body is sealed under a key of the request's own.
CREATE TABLE requests (
    number       bigint PRIMARY KEY,
    request_id   text NOT NULL UNIQUE,
    kind         text NOT NULL,
    state        text NOT NULL,
    requested_at bigint NOT NULL,
    next_at      bigint NOT NULL,
    body         bytea NOT NULL
);
CREATE INDEX requests_by_time ON requests (next_at) WHERE next_at > 0;

-- What the law obliges to keep of the forgotten, sealed under keys that no decision is given.
CREATE TABLE held_records (
    held_id bigint PRIMARY KEY,
    number  bigint NOT NULL,
    hold    text NOT NULL,
    until   bigint NOT NULL,
    body    bytea NOT NULL
);
CREATE INDEX held_records_by_number ON held_records (number);
CREATE INDEX held_records_by_time ON held_records (until);

-- The consent log: an append-only Merkle tree. Hash and place stand in the clear, the data is sealed.
CREATE TABLE consent_log (
    leaf_index bigint PRIMARY KEY,
    part_id    bigint NOT NULL,
    leaf_hash  bytea NOT NULL,
    data       bytea NOT NULL
);
CREATE INDEX consent_log_by_part ON consent_log (part_id);

CREATE TABLE consent_log_hashes (
    level    bigint NOT NULL,
    position bigint NOT NULL,
    hash     bytea NOT NULL,
    PRIMARY KEY (level, position)
);

CREATE TABLE consent_log_checkpoints (
    size      bigint PRIMARY KEY,
    signed_at bigint NOT NULL,
    note      text NOT NULL
);

-- Who may ask, and who looked at whom.
CREATE TABLE staff (
    staff_id bigint PRIMARY KEY,
    body     bytea NOT NULL
);
CREATE TABLE sessions (
    digest text COLLATE "C" PRIMARY KEY,
    body   bytea NOT NULL
);
CREATE TABLE tokens (
    digest text COLLATE "C" PRIMARY KEY,
    body   bytea NOT NULL
);
CREATE TABLE write_keys (
    digest text COLLATE "C" PRIMARY KEY,
    body   bytea NOT NULL
);
CREATE TABLE failures (
    name    text COLLATE "C" PRIMARY KEY,
    last_at bigint NOT NULL,
    body    bytea NOT NULL
);
CREATE TABLE accesses (
    part_id  bigint NOT NULL,
    entry_id bigint NOT NULL,
    PRIMARY KEY (part_id, entry_id)
);

-- Matters that people work on; part 0 is the house.
CREATE TABLE dossiers (
    kind    text NOT NULL,
    number  bigint NOT NULL,
    part_id bigint NOT NULL,
    state   text NOT NULL,
    at      bigint NOT NULL,
    body    bytea NOT NULL,
    PRIMARY KEY (kind, number, part_id)
);
CREATE INDEX dossiers_by_part ON dossiers (part_id, kind);

CREATE TABLE dossier_numbers (
    kind text PRIMARY KEY,
    last bigint NOT NULL
);

-- The processes that write to this store.
CREATE TABLE nodes (
    node_id         bigint PRIMARY KEY,
    name            text NOT NULL,
    joined_at       bigint NOT NULL,
    seen_at         bigint NOT NULL,
    control_version bigint NOT NULL
);

-- How far a move of an embedded store into this database has come: nobody opens it before the end.
CREATE TABLE moving (
    step  text PRIMARY KEY,
    after bytea NOT NULL
);

-- Tell what a transaction needs at its beginning, as a notice: then it costs no question of its own.
-- What it tells cannot change before the transaction ends, for the lock is held until then.
CREATE FUNCTION open_transaction(alone boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    told text;
BEGIN
    IF alone THEN
        PERFORM pg_advisory_xact_lock(1264939124, 1);
    ELSE
        PERFORM pg_advisory_xact_lock_shared(1264939124, 1);
    END IF;
    SELECT concat_ws(' ', control.version,
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
        EXISTS (SELECT FROM tombstones)::integer) INTO told FROM control;
    RAISE NOTICE 'kept %', told;
END $$;

-- Take the locks of identifiers that a transaction began, which are the same for their vouched and
-- their claimed use, and return which of these uses there are: also those that came a moment ago.
CREATE FUNCTION claim_identifiers(locks bigint[], uses bytea[]) RETURNS SETOF bytea
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    one bigint;
BEGIN
    FOREACH one IN ARRAY locks LOOP
        IF NOT pg_try_advisory_xact_lock(one) THEN
            RAISE EXCEPTION USING ERRCODE = 'lock_not_available';
        END IF;
    END LOOP;
    RETURN QUERY SELECT lookup_key FROM identifiers WHERE lookup_key = ANY (uses);
END $$;

-- How far ids have been given out; then a transaction number, which is higher than that of whoever
-- took one of these ids; and the lowest number that may still be at work.
CREATE FUNCTION look_around(OUT sequence bigint, OUT decision_id bigint, OUT notice_id bigint,
    OUT following bigint, OUT oldest bigint) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    sequence := coalesce(pg_sequence_last_value('event_sequence'), 0);
    decision_id := coalesce(pg_sequence_last_value('decision_ids'), 0);
    notice_id := coalesce(pg_sequence_last_value('notice_ids'), 0);
    following := pg_current_xact_id()::text::bigint;
    SELECT pg_snapshot_xmin(seen)::text::bigint INTO oldest FROM pg_current_snapshot() AS seen;
END $$;
