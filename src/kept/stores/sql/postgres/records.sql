-- Decisions, quarantine, audit, brands, settings and counts.

-- delete_old_decisions --
-- Remove the oldest decisions, as far as they were made before an instant, but for those of some parts.
WITH gone AS (
    DELETE FROM decisions WHERE decided_at < $1 AND (part_id, decision_id) IN (
        SELECT part_id, decision_id FROM decisions
        WHERE part_id <> ALL ($3::bigint[]) ORDER BY decision_id LIMIT $2)
    RETURNING 1
)
SELECT count(*) FROM gone;

-- read_old_decisions --
-- Count the decisions made before an instant, and find the oldest.
SELECT count(*), min(decided_at) FROM decisions WHERE decided_at < $1;

-- read_decision --
-- Return a decision by its id.
SELECT decision_id, part_id, decided_at, placement, trace FROM decisions WHERE decision_id = $1;

-- read_decisions --
-- Return the newest decisions of parts with ids below one (0: all), newest first.
SELECT decision_id, part_id, decided_at, placement, trace FROM decisions
WHERE part_id = ANY ($1::bigint[]) AND ($2::bigint = 0 OR decision_id < $2)
ORDER BY decision_id DESC LIMIT $3;

-- insert_quarantined --
-- Keep an event that could not be taken.
INSERT INTO quarantine (quarantine_id, source, received_at, code, detail, payload)
VALUES ($1, $2, $3, $4, $5, $6);

-- set_quarantine_state --
-- Note what became of a quarantined event.
UPDATE quarantine SET state = $1 WHERE quarantine_id = $2;

-- delete_quarantined --
-- Remove quarantined events by their ids.
DELETE FROM quarantine WHERE quarantine_id = ANY ($1::bigint[]);

-- read_quarantine --
-- Return quarantined events after an id.
SELECT quarantine_id, source, received_at, code, detail, payload, state FROM quarantine
WHERE quarantine_id > $1 ORDER BY quarantine_id LIMIT $2;

-- insert_audit_entry --
-- Keep what an operator did.
INSERT INTO audit (entry_id, at, actor, verb, detail) VALUES ($1, $2, $3, $4, $5);

-- read_audit --
-- Return the newest audit entries, newest first.
SELECT entry_id, at, actor, verb, detail FROM audit ORDER BY entry_id DESC LIMIT $1;

-- save_brand --
-- Keep a brand's texts; one that comes into force again keeps its place and gets the new instant.
INSERT INTO brands (brand_row, version, in_force_at, texts)
VALUES (nextval('brand_rows'), $1, $2, $3)
ON CONFLICT (version) DO UPDATE SET in_force_at = excluded.in_force_at, texts = excluded.texts;

-- load_brand --
-- Return a brand by its version.
SELECT version, in_force_at, texts FROM brands WHERE version = $1;

-- load_brand_in_force --
-- Return the brand that came into force last.
SELECT version, in_force_at, texts FROM brands ORDER BY in_force_at DESC, brand_row DESC LIMIT 1;

-- save_setting --
-- Keep a small named value.
INSERT INTO settings (name, value) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- load_setting --
-- Return a small named value.
SELECT value FROM settings WHERE name = $1;

-- insert_guard --
-- Note that this database contains a stop; return it if it did not yet.
INSERT INTO guards (digest) VALUES ($1) ON CONFLICT (digest) DO NOTHING RETURNING digest;

-- find_guards --
-- Return which of these stops this database contains.
SELECT digest FROM guards WHERE digest = ANY ($1::bytea[]);

-- read_counts --
-- Count what there is.
SELECT 'events', count(*) FROM events
UNION ALL SELECT 'parts', count(*) FROM parts
UNION ALL SELECT 'customers', count(*) FROM customers
UNION ALL SELECT 'quarantined', count(*) FROM quarantine WHERE state = 'held'
UNION ALL SELECT 'messages.' || state, count(*) FROM messages GROUP BY state;

-- find_unfinished_move --
-- Return a row while an embedded store is being carried over.
SELECT 1 FROM moving WHERE step <> 'finished' LIMIT 1;
