-- What `kept move` reads of a folder: each table as PostgreSQL has it, some rows at a time, by its key.
-- A query has the name of its table.

-- customers --
-- Return customers after one; all begin at version 0.
SELECT customer_id, version
FROM (SELECT DISTINCT customer_id, 0 AS version FROM parts)
WHERE customer_id > ?1 ORDER BY customer_id LIMIT ?2;

-- identifiers --
-- Return what each identifier names, after a lookup key.
SELECT lookup_key, part_id, customer_id
FROM parts
WHERE lookup_key > ?1 ORDER BY lookup_key LIMIT ?2;

-- parts --
-- Return parts after one.
SELECT part_id, customer_id, claimed, lookup_key, identifier
FROM parts
WHERE part_id > ?1 ORDER BY part_id LIMIT ?2;

-- members --
-- Return the parts of customers, after one of one.
SELECT customer_id, part_id, claimed, identifier
FROM parts
WHERE (customer_id, part_id) > (?1, ?2) ORDER BY customer_id, part_id LIMIT ?3;

-- links --
-- Return evidence from its first end, after one.
SELECT part_a, part_b, evidence, first_at
FROM links
WHERE (part_a, part_b, evidence) > (?1, ?2, ?3) ORDER BY part_a, part_b, evidence LIMIT ?4;

-- links_back --
-- Return evidence from its second end, after one.
SELECT part_b, part_a, evidence, first_at
FROM links
WHERE (part_b, part_a, evidence) > (?1, ?2, ?3) ORDER BY part_b, part_a, evidence LIMIT ?4;

-- events --
-- Return events after one; what was erased is left out.
SELECT part_id, sequence, body
FROM events
WHERE sequence > ?1 AND part_id <> 0 ORDER BY sequence LIMIT ?2;

-- claims --
-- Return claims after one.
SELECT hour, event_key
FROM claims
WHERE (hour, event_key) > (?1, ?2) ORDER BY hour, event_key LIMIT ?3;

-- states --
-- Return states after one.
SELECT part_id, applied_sequence, state
FROM states
WHERE part_id > ?1 ORDER BY part_id LIMIT ?2;

-- wakes --
-- Return wakes after one.
SELECT customer_id, wake_at
FROM wakes
WHERE customer_id > ?1 ORDER BY customer_id LIMIT ?2;

-- messages --
-- Return messages after one.
SELECT part_id, message_id, state, channel, queued_at, due_at, leased_until, provider_id,
    body
FROM messages
WHERE message_id > ?1 ORDER BY message_id LIMIT ?2;

-- ended --
-- Return in which order messages ended, after a number; what is gone is left out.
SELECT ended_id, part_id, message_id
FROM ended JOIN messages USING (message_row)
WHERE ended_id > ?1 ORDER BY ended_id LIMIT ?2;

-- decisions --
-- Return decisions after one.
SELECT part_id, decision_id, decided_at, placement, trace
FROM decisions
WHERE decision_id > ?1 ORDER BY decision_id LIMIT ?2;

-- notices --
-- Return notices after one.
SELECT notice_id, part_id, noted_at, scopes
FROM notices
WHERE notice_id > ?1 ORDER BY notice_id LIMIT ?2;

-- marks --
-- Return the mark of states; the others are of tables that stay behind.
SELECT name, value
FROM marks
WHERE name > ?1 AND name = 'states' ORDER BY name LIMIT ?2;

-- quarantine --
-- Return quarantined events after one.
SELECT quarantine_id, source, received_at, code, detail, payload, state
FROM quarantine
WHERE quarantine_id > ?1 ORDER BY quarantine_id LIMIT ?2;

-- audit --
-- Return the audit's entries after one.
SELECT entry_id, at, actor, verb, detail
FROM audit
WHERE entry_id > ?1 ORDER BY entry_id LIMIT ?2;

-- brands --
-- Return brands after one.
SELECT brand_row, version, in_force_at, texts
FROM brands
WHERE brand_row > ?1 ORDER BY brand_row LIMIT ?2;

-- settings --
-- Return settings after one.
SELECT name, value
FROM settings
WHERE name > ?1 ORDER BY name LIMIT ?2;

-- guards --
-- Return which stops the store contains, after one.
SELECT digest
FROM guards
WHERE digest > ?1 ORDER BY digest LIMIT ?2;

-- keys_to_destroy --
-- Return parts whose keys must go, after one.
SELECT part_id
FROM keys_to_destroy
WHERE part_id > ?1 ORDER BY part_id LIMIT ?2;

-- tombstones --
-- Return what is kept of the forgotten, after one.
SELECT lookup_key, until, suppressed
FROM tombstones
WHERE lookup_key > ?1 ORDER BY lookup_key LIMIT ?2;

-- requests --
-- Return requests after one.
SELECT number, request_id, kind, state, requested_at, next_at, body
FROM (SELECT request_row AS number, * FROM requests)
WHERE number > ?1 ORDER BY number LIMIT ?2;

-- held_records --
-- Return what a law obliges to keep, after one.
SELECT held_id, number, hold, until, body
FROM (SELECT request_row AS number, * FROM held_records)
WHERE held_id > ?1 ORDER BY held_id LIMIT ?2;

-- consent_log --
-- Return leaves after one.
SELECT leaf_index, part_id, leaf_hash, data
FROM consent_log
WHERE leaf_index > ?1 ORDER BY leaf_index LIMIT ?2;

-- consent_log_hashes --
-- Return hashes over many leaves, after one.
SELECT level, position, hash
FROM consent_log_hashes
WHERE (level, position) > (?1, ?2) ORDER BY level, position LIMIT ?3;

-- consent_log_checkpoints --
-- Return checkpoints after one.
SELECT size, signed_at, note
FROM consent_log_checkpoints
WHERE size > ?1 ORDER BY size LIMIT ?2;

-- staff --
-- Return staff after one.
SELECT staff_id, body
FROM staff
WHERE staff_id > ?1 ORDER BY staff_id LIMIT ?2;

-- sessions --
-- Return sessions after one.
SELECT digest, body
FROM sessions
WHERE digest > ?1 ORDER BY digest LIMIT ?2;

-- tokens --
-- Return API tokens after one.
SELECT digest, body
FROM tokens
WHERE digest > ?1 ORDER BY digest LIMIT ?2;

-- write_keys --
-- Return write keys after one.
SELECT digest, body
FROM write_keys
WHERE digest > ?1 ORDER BY digest LIMIT ?2;

-- failures --
-- Return failed sign-ins after one.
SELECT name, last_at, body
FROM failures
WHERE name > ?1 ORDER BY name LIMIT ?2;

-- accesses --
-- Return who looked at whom, after one.
SELECT part_id, entry_id
FROM accesses
WHERE (part_id, entry_id) > (?1, ?2) ORDER BY part_id, entry_id LIMIT ?3;

-- dossiers --
-- Return dossiers after one.
SELECT kind, number, part_id, state, at, body
FROM dossiers
WHERE (kind, number, part_id) > (?1, ?2, ?3) ORDER BY kind, number, part_id LIMIT ?4;

-- dossier_numbers --
-- Return the last numbers of dossiers, after one.
SELECT kind, last
FROM dossier_numbers
WHERE kind > ?1 ORDER BY kind LIMIT ?2;

-- vault --
-- Return the id of the keys.
SELECT identity
FROM vault
WHERE identity > ?1 ORDER BY identity LIMIT ?2;

-- epochs --
-- Return epochs after one.
SELECT epoch, wrapped, begun_at, retired_at
FROM epochs
WHERE epoch > ?1 ORDER BY epoch LIMIT ?2;

-- secrets --
-- Return secrets after one.
SELECT name, epoch, wrapped
FROM secrets
WHERE name > ?1 ORDER BY name LIMIT ?2;

-- part_keys --
-- Return keys of parts after one.
SELECT part_id, epoch, wrapped
FROM part_keys
WHERE part_id > ?1 ORDER BY part_id LIMIT ?2;

-- find_unfinished --
-- Return whether an event is in no state yet, or a message is on its way.
SELECT EXISTS (
    SELECT 1 FROM events LEFT JOIN states USING (part_id)
    WHERE part_id <> 0 AND sequence > ?1 AND sequence > coalesce(applied_sequence, 0)
), EXISTS (SELECT 1 FROM messages WHERE state = 'leaving');

-- read_last_numbers --
-- Return the highest numbers that were given out: of events, decisions, notices, parts, entries of
-- the audit, quarantined events, held records, brands, messages that ended.
SELECT max(coalesce((SELECT max(sequence) FROM events), 0),
        coalesce((SELECT value FROM marks WHERE name = 'states'), 0)),
    max(coalesce((SELECT max(decision_id) FROM decisions), 0),
        coalesce((SELECT value FROM marks WHERE name = 'last decision'), 0)),
    coalesce((SELECT max(notice_id) FROM notices), 0),
    max(coalesce((SELECT max(part_id) FROM parts), 0),
        coalesce((SELECT value FROM marks WHERE name = 'last part'), 0)),
    coalesce((SELECT max(entry_id) FROM audit), 0),
    coalesce((SELECT max(quarantine_id) FROM quarantine), 0),
    coalesce((SELECT max(held_id) FROM held_records), 0),
    coalesce((SELECT max(brand_row) FROM brands), 0),
    coalesce((SELECT max(ended_id) FROM ended), 0);
