-- Which keys a store was sealed with, and sealing a store from before records were sealed.

-- load_vault_identity --
-- Return which keys the store was sealed with.
SELECT value FROM settings WHERE name = ?;

-- save_vault_identity --
-- Note which keys the store was sealed with.
INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?);

-- load_parts --
-- Return parts after one.
SELECT part_id, claimed, lookup_key, identifier FROM parts
WHERE part_id > ? ORDER BY part_id LIMIT ?;

-- seal_parts --
-- Replace how a part is found, and its identifier.
UPDATE parts SET lookup_key = ?, identifier = ? WHERE part_id = ?;

-- load_events --
-- Return events after one: key, part, id, body.
SELECT sequence, part_id, sequence, body FROM events
WHERE sequence > ? ORDER BY sequence LIMIT ?;

-- seal_events --
-- Replace a body.
UPDATE events SET body = ? WHERE sequence = ?;

-- load_states --
-- Return states after one: key, part, id, body.
SELECT part_id, part_id, applied_sequence, state FROM states
WHERE part_id > ? ORDER BY part_id LIMIT ?;

-- seal_states --
-- Replace a state.
UPDATE states SET state = ? WHERE part_id = ?;

-- load_messages --
-- Return messages after one: key, part, id, body.
SELECT message_row, part_id, message_id, body FROM messages
WHERE message_row > ? ORDER BY message_row LIMIT ?;

-- seal_messages --
-- Replace a body.
UPDATE messages SET body = ? WHERE message_row = ?;

-- load_decisions --
-- Return decisions after one: key, part, id, body.
SELECT decision_id, part_id, decision_id, trace FROM decisions
WHERE decision_id > ? ORDER BY decision_id LIMIT ?;

-- seal_decisions --
-- Replace a trace.
UPDATE decisions SET trace = ? WHERE decision_id = ?;

-- load_quarantine --
-- Return quarantined events after one: key, part, id, body.
SELECT quarantine_id, 0, quarantine_id, payload FROM quarantine
WHERE quarantine_id > ? ORDER BY quarantine_id LIMIT ?;

-- seal_quarantine --
-- Replace a payload.
UPDATE quarantine SET payload = ? WHERE quarantine_id = ?;

-- load_settings --
-- Return the settings that are to be sealed.
SELECT name, value FROM settings WHERE name NOT IN ('restored', 'vault');

-- seal_settings --
-- Replace a value.
UPDATE settings SET value = ? WHERE name = ?;

-- load_audit --
-- Return the audit's entries.
SELECT entry_id, detail FROM audit;

-- seal_audit --
-- Replace an entry's detail.
UPDATE audit SET detail = ? WHERE entry_id = ?;
