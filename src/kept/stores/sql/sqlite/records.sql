-- Decisions, quarantine, audit, brands, settings and counts.

-- insert_decision --
-- Keep a decision.
INSERT INTO decisions (decision_id, part_id, decided_at, placement, trace) VALUES (?, ?, ?, ?, ?);

-- find_last_decision --
-- Return the highest decision id there ever was: it is not given again.
SELECT max(coalesce(max(decision_id), 0),
    coalesce((SELECT value FROM marks WHERE name = 'last decision'), 0)) FROM decisions;

-- read_decision --
-- Return a decision by its id.
SELECT decision_id, part_id, decided_at, placement, trace FROM decisions WHERE decision_id = ?;

-- read_decisions --
-- Return the decisions with these ids (a JSON list), newest first.
SELECT decision_id, part_id, decided_at, placement, trace FROM decisions
WHERE decision_id IN (SELECT value FROM json_each(?)) ORDER BY decision_id DESC;

-- insert_quarantined --
-- Keep an event that could not be taken.
INSERT INTO quarantine (quarantine_id, source, received_at, code, detail, payload)
VALUES (?, ?, ?, ?, ?, ?);

-- find_last_quarantined --
-- Return the highest id of a quarantined event.
SELECT coalesce(max(quarantine_id), 0) FROM quarantine;

-- set_quarantine_state --
-- Note what became of a quarantined event.
UPDATE quarantine SET state = ? WHERE quarantine_id = ?;

-- read_quarantine --
-- Return quarantined events after an id.
SELECT quarantine_id, source, received_at, code, detail, payload, state FROM quarantine
WHERE quarantine_id > ? ORDER BY quarantine_id LIMIT ?;

-- insert_audit_entry --
-- Keep what an operator did.
INSERT INTO audit (entry_id, at, actor, verb, detail) VALUES (?, ?, ?, ?, ?);

-- find_last_audit_entry --
-- Return the highest id of an audit entry.
SELECT coalesce(max(entry_id), 0) FROM audit;

-- read_audit --
-- Return the newest audit entries, newest first.
SELECT entry_id, at, actor, verb, detail FROM audit ORDER BY entry_id DESC LIMIT ?;

-- save_brand --
-- Keep a brand's texts; one that comes into force again keeps its place and gets the new instant.
INSERT INTO brands (version, in_force_at, texts) VALUES (?, ?, ?)
ON CONFLICT (version) DO UPDATE SET in_force_at = excluded.in_force_at, texts = excluded.texts;

-- load_brand --
-- Return a brand by its version.
SELECT version, in_force_at, texts FROM brands WHERE version = ?;

-- load_brand_in_force --
-- Return the brand that came into force last.
SELECT version, in_force_at, texts FROM brands ORDER BY in_force_at DESC, brand_row DESC LIMIT 1;

-- save_setting --
-- Keep a small named value.
INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?);

-- load_setting --
-- Return a small named value.
SELECT value FROM settings WHERE name = ?;

-- insert_guard --
-- Note that this database contains a record of the guard log; noting it again changes nothing.
INSERT OR IGNORE INTO guards (digest) VALUES (?);

-- find_guard --
-- Return a row if this database contains a record of the guard log.
SELECT 1 FROM guards WHERE digest = ?;

-- read_counts --
-- Return the counts that triggers keep, and the length of the stream.
SELECT name, value FROM counts
UNION ALL
SELECT 'events', coalesce(
    (SELECT max(sequence) FROM events) - (SELECT min(sequence) FROM events) + 1, 0);
