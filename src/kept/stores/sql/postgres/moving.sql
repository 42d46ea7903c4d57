-- What `kept move` writes into an empty database, and reads again to compare: a query
-- that has the name of its table.

-- find_move --
-- Return how far a move has come that began here, or was carried out.
SELECT step, after FROM moving;

-- note_step --
-- Note up to where a table was carried over.
INSERT INTO moving (step, after) VALUES ($1, $2)
ON CONFLICT (step) DO UPDATE SET after = excluded.after;

-- end_steps --
-- Forget how far each table has come.
DELETE FROM moving;

-- lock_move --
-- Let nobody else move anything here as long as this connection lasts.
SELECT pg_try_advisory_lock(1264939124, 10);

-- set_number --
-- Let a sequence go on behind the numbers that were given out before.
SELECT setval($1::text::regclass, $2);

-- forget_unnumbered --
-- Forget which messages ended as they were written here: their numbers are carried over.
DELETE FROM ended WHERE ended_id IS NULL;

-- find_anything --
-- Return whether a store is here already.
SELECT EXISTS (SELECT FROM customers)
    OR EXISTS (SELECT FROM identifiers)
    OR EXISTS (SELECT FROM parts)
    OR EXISTS (SELECT FROM members)
    OR EXISTS (SELECT FROM links)
    OR EXISTS (SELECT FROM events)
    OR EXISTS (SELECT FROM claims)
    OR EXISTS (SELECT FROM states)
    OR EXISTS (SELECT FROM wakes)
    OR EXISTS (SELECT FROM messages)
    OR EXISTS (SELECT FROM decisions)
    OR EXISTS (SELECT FROM notices)
    OR EXISTS (SELECT FROM marks)
    OR EXISTS (SELECT FROM quarantine)
    OR EXISTS (SELECT FROM audit)
    OR EXISTS (SELECT FROM brands)
    OR EXISTS (SELECT FROM settings)
    OR EXISTS (SELECT FROM guards)
    OR EXISTS (SELECT FROM keys_to_destroy)
    OR EXISTS (SELECT FROM tombstones)
    OR EXISTS (SELECT FROM requests)
    OR EXISTS (SELECT FROM held_records)
    OR EXISTS (SELECT FROM consent_log)
    OR EXISTS (SELECT FROM consent_log_hashes)
    OR EXISTS (SELECT FROM consent_log_checkpoints)
    OR EXISTS (SELECT FROM staff)
    OR EXISTS (SELECT FROM sessions)
    OR EXISTS (SELECT FROM tokens)
    OR EXISTS (SELECT FROM write_keys)
    OR EXISTS (SELECT FROM failures)
    OR EXISTS (SELECT FROM accesses)
    OR EXISTS (SELECT FROM dossiers)
    OR EXISTS (SELECT FROM dossier_numbers);

-- find_any_keys --
-- Return whether keys are here already.
SELECT EXISTS (SELECT FROM vault)
    OR EXISTS (SELECT FROM epochs)
    OR EXISTS (SELECT FROM secrets)
    OR EXISTS (SELECT FROM part_keys)
    OR EXISTS (SELECT FROM guards)
    OR EXISTS (SELECT FROM witness);

-- customers --
-- Return customers after one.
SELECT customer_id, version FROM customers
WHERE customer_id > $1 ORDER BY customer_id LIMIT $2;

-- identifiers --
-- Return what each identifier names, after a lookup key.
SELECT lookup_key, part_id, customer_id FROM identifiers
WHERE lookup_key > $1 ORDER BY lookup_key LIMIT $2;

-- parts --
-- Return parts after one.
SELECT part_id, customer_id, claimed, lookup_key, identifier FROM parts
WHERE part_id > $1 ORDER BY part_id LIMIT $2;

-- members --
-- Return the parts of customers, after one of one.
SELECT customer_id, part_id, claimed, identifier FROM members
WHERE (customer_id, part_id) > ($1, $2) ORDER BY customer_id, part_id LIMIT $3;

-- links --
-- Return evidence from both of its ends, after one.
SELECT part_id, other_id, evidence, first_at FROM links
WHERE (part_id, other_id, evidence) > ($1, $2, $3) ORDER BY part_id, other_id, evidence LIMIT $4;

-- events --
-- Return events after one.
SELECT part_id, sequence, body FROM events
WHERE sequence > $1 ORDER BY sequence LIMIT $2;

-- claims --
-- Return claims after one.
SELECT hour, event_key FROM claims
WHERE (hour, event_key) > ($1, $2) ORDER BY hour, event_key LIMIT $3;

-- states --
-- Return states after one.
SELECT part_id, applied_sequence, state FROM states
WHERE part_id > $1 ORDER BY part_id LIMIT $2;

-- wakes --
-- Return wakes after one.
SELECT customer_id, wake_at FROM wakes
WHERE customer_id > $1 ORDER BY customer_id LIMIT $2;

-- messages --
-- Return messages after one.
SELECT part_id, message_id, state, channel, queued_at, due_at, leased_until, provider_id,
    body FROM messages
WHERE message_id > $1 ORDER BY message_id LIMIT $2;

-- ended --
-- Return in which order messages ended, after a number.
SELECT ended_id, part_id, message_id FROM ended
WHERE ended_id > $1 ORDER BY ended_id LIMIT $2;

-- decisions --
-- Return decisions after one.
SELECT part_id, decision_id, decided_at, placement, trace FROM decisions
WHERE decision_id > $1 ORDER BY decision_id LIMIT $2;

-- notices --
-- Return notices after one.
SELECT notice_id, part_id, noted_at, scopes FROM notices
WHERE notice_id > $1 ORDER BY notice_id LIMIT $2;

-- marks --
-- Return marks after one.
SELECT name, value FROM marks
WHERE name > $1 ORDER BY name LIMIT $2;

-- quarantine --
-- Return quarantined events after one.
SELECT quarantine_id, source, received_at, code, detail, payload, state FROM quarantine
WHERE quarantine_id > $1 ORDER BY quarantine_id LIMIT $2;

-- audit --
-- Return the audit's entries after one.
SELECT entry_id, at, actor, verb, detail FROM audit
WHERE entry_id > $1 ORDER BY entry_id LIMIT $2;

-- brands --
-- Return brands after one.
SELECT brand_row, version, in_force_at, texts FROM brands
WHERE brand_row > $1 ORDER BY brand_row LIMIT $2;

-- settings --
-- Return settings after one.
SELECT name, value FROM settings
WHERE name > $1 ORDER BY name LIMIT $2;

-- guards --
-- Return which stops the store contains, after one.
SELECT digest FROM guards
WHERE digest > $1 ORDER BY digest LIMIT $2;

-- keys_to_destroy --
-- Return parts whose keys must go, after one.
SELECT part_id FROM keys_to_destroy
WHERE part_id > $1 ORDER BY part_id LIMIT $2;

-- tombstones --
-- Return what is kept of the forgotten, after one.
SELECT lookup_key, until, suppressed FROM tombstones
WHERE lookup_key > $1 ORDER BY lookup_key LIMIT $2;

-- requests --
-- Return requests after one.
SELECT number, request_id, kind, state, requested_at, next_at, body FROM requests
WHERE number > $1 ORDER BY number LIMIT $2;

-- held_records --
-- Return what a law obliges to keep, after one.
SELECT held_id, number, hold, until, body FROM held_records
WHERE held_id > $1 ORDER BY held_id LIMIT $2;

-- consent_log --
-- Return leaves after one.
SELECT leaf_index, part_id, leaf_hash, data FROM consent_log
WHERE leaf_index > $1 ORDER BY leaf_index LIMIT $2;

-- consent_log_hashes --
-- Return hashes over many leaves, after one.
SELECT level, position, hash FROM consent_log_hashes
WHERE (level, position) > ($1, $2) ORDER BY level, position LIMIT $3;

-- consent_log_checkpoints --
-- Return checkpoints after one.
SELECT size, signed_at, note FROM consent_log_checkpoints
WHERE size > $1 ORDER BY size LIMIT $2;

-- staff --
-- Return staff after one.
SELECT staff_id, body FROM staff
WHERE staff_id > $1 ORDER BY staff_id LIMIT $2;

-- sessions --
-- Return sessions after one.
SELECT digest, body FROM sessions
WHERE digest > $1 ORDER BY digest LIMIT $2;

-- tokens --
-- Return API tokens after one.
SELECT digest, body FROM tokens
WHERE digest > $1 ORDER BY digest LIMIT $2;

-- write_keys --
-- Return write keys after one.
SELECT digest, body FROM write_keys
WHERE digest > $1 ORDER BY digest LIMIT $2;

-- failures --
-- Return failed sign-ins after one.
SELECT name, last_at, body FROM failures
WHERE name > $1 ORDER BY name LIMIT $2;

-- accesses --
-- Return who looked at whom, after one.
SELECT part_id, entry_id FROM accesses
WHERE (part_id, entry_id) > ($1, $2) ORDER BY part_id, entry_id LIMIT $3;

-- dossiers --
-- Return dossiers after one.
SELECT kind, number, part_id, state, at, body FROM dossiers
WHERE (kind, number, part_id) > ($1, $2, $3) ORDER BY kind, number, part_id LIMIT $4;

-- dossier_numbers --
-- Return the last numbers of dossiers, after one.
SELECT kind, last FROM dossier_numbers
WHERE kind > $1 ORDER BY kind LIMIT $2;

-- vault --
-- Return the id of the keys.
SELECT identity FROM vault
WHERE identity > $1 ORDER BY identity LIMIT $2;

-- epochs --
-- Return epochs after one.
SELECT epoch, wrapped, begun_at, retired_at FROM epochs
WHERE epoch > $1 ORDER BY epoch LIMIT $2;

-- secrets --
-- Return secrets after one.
SELECT name, epoch, wrapped FROM secrets
WHERE name > $1 ORDER BY name LIMIT $2;

-- part_keys --
-- Return keys of parts after one.
SELECT part_id, epoch, wrapped FROM part_keys
WHERE part_id > $1 ORDER BY part_id LIMIT $2;

-- kept_guards --
-- Return stops beside the keys, after one.
SELECT digest, number, record FROM guards
WHERE number > $1 ORDER BY number LIMIT $2;

-- witness --
-- Return the newest signed checkpoint.
SELECT size, note FROM witness
WHERE size > $1 ORDER BY size LIMIT $2;
