-- The schema of version 1 of the database of keys, which no backup of the store's database holds.
-- compatible from 1

CREATE TABLE vault (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    identity bytea NOT NULL
);

CREATE TABLE epochs (
    epoch      bigint PRIMARY KEY,
    wrapped    bytea NOT NULL,
    begun_at   bigint NOT NULL DEFAULT 0,
    retired_at bigint NOT NULL DEFAULT 0
);

CREATE TABLE secrets (
    name    text PRIMARY KEY,
    epoch   bigint NOT NULL,
    wrapped bytea NOT NULL
);

CREATE TABLE part_keys (
    part_id bigint PRIMARY KEY,
    epoch   bigint NOT NULL,
    wrapped bytea NOT NULL
);
CREATE INDEX part_keys_by_epoch ON part_keys (epoch, part_id);

-- Stops that must outlive a restore of the store's database, in their order.
CREATE SEQUENCE guard_numbers;
CREATE TABLE guards (
    digest bytea PRIMARY KEY,
    number bigint NOT NULL DEFAULT nextval('guard_numbers'),
    record bytea NOT NULL
);

-- The newest signed checkpoint of the consent log.
CREATE TABLE witness (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    size     bigint NOT NULL,
    note     text NOT NULL
);

-- How far a move of an embedded store has come.
CREATE TABLE moving (
    step  text PRIMARY KEY,
    after bytea NOT NULL
);

-- Whoever wraps keys holds this lock with others, whoever ends an epoch holds it alone: so no key
-- is wrapped under an epoch that has ended.
CREATE FUNCTION keep_keys(newest bigint, ids bigint[], wraps bytea[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    kept bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1264939124, 4);
    IF EXISTS (SELECT FROM epochs WHERE epoch > newest) THEN
        RETURN -1;
    END IF;
    WITH added AS (
        INSERT INTO part_keys (part_id, epoch, wrapped)
        SELECT id, newest, wrap FROM unnest(ids, wraps) AS given (id, wrap)
        ON CONFLICT (part_id) DO NOTHING
        RETURNING 1
    )
    SELECT count(*) INTO kept FROM added;
    RETURN kept;
END $$;

CREATE FUNCTION begin_epoch(begun bigint, wrap bytea) RETURNS bytea LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1264939124, 4);
    INSERT INTO epochs (epoch, wrapped) VALUES (begun, wrap) ON CONFLICT (epoch) DO NOTHING;
    RETURN (SELECT wrapped FROM epochs WHERE epoch = begun);
END $$;

CREATE FUNCTION retire_epochs(at bigint, newest bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1264939124, 4);
    UPDATE epochs SET retired_at = at WHERE epoch < newest AND retired_at = 0
        AND NOT EXISTS (SELECT FROM part_keys WHERE part_keys.epoch < newest)
        AND NOT EXISTS (SELECT FROM secrets WHERE secrets.epoch < newest);
END $$;
