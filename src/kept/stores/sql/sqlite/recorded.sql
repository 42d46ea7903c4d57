-- A store read as a record: everything up to where it had come when it was opened.

-- find_ends --
-- Return the newest event and the newest decision.
SELECT (SELECT coalesce(max(sequence), 0) FROM events),
    (SELECT coalesce(max(decision_id), 0) FROM decisions);

-- find_decided_ends --
-- Return when was decided first and last.
SELECT (SELECT decided_at FROM decisions ORDER BY decision_id LIMIT 1)
UNION ALL SELECT (SELECT decided_at FROM decisions ORDER BY decision_id DESC LIMIT 1);

-- load_end_events --
-- Return the first and the last event.
SELECT * FROM (SELECT sequence, part_id, body FROM events WHERE part_id <> 0
    ORDER BY sequence LIMIT 1)
UNION ALL
SELECT * FROM (SELECT sequence, part_id, body FROM events WHERE part_id <> 0
    ORDER BY sequence DESC LIMIT 1);

-- scan_events --
-- Return which part each event fell to.
SELECT sequence, part_id FROM events WHERE part_id <> 0 AND sequence <= ? ORDER BY sequence;

-- scan_decisions --
-- Return which part each decision is about.
SELECT decision_id, part_id FROM decisions WHERE decision_id <= ? ORDER BY decision_id;

-- load_recorded_events --
-- Return the events with these sequences (a JSON list) in stream order.
SELECT sequence, part_id, body FROM events
WHERE sequence IN (SELECT value FROM json_each(?)) AND part_id <> 0 ORDER BY sequence;

-- load_recorded_decisions --
-- Return the decisions with these ids (a JSON list) in order.
SELECT decision_id, part_id, decided_at, placement, trace FROM decisions
WHERE decision_id IN (SELECT value FROM json_each(?)) ORDER BY decision_id;

-- load_all_decisions --
-- Return decisions in order of their ids after one.
SELECT decision_id, part_id, trace FROM decisions WHERE decision_id > ? AND decision_id <= ?
ORDER BY decision_id LIMIT ?;

-- load_all_parts --
-- Return parts in order of their ids after one.
SELECT part_id, customer_id, claimed, identifier FROM parts WHERE part_id > ?
ORDER BY part_id LIMIT ?;

-- load_all_links --
-- Return all evidence.
SELECT part_a, part_b, evidence, first_at FROM links;

-- load_recorded_messages --
-- Return all messages of these parts (a JSON list), oldest first.
SELECT message_id, part_id, body FROM messages INDEXED BY messages_by_part
WHERE part_id IN (SELECT value FROM json_each(?)) ORDER BY queued_at, message_row;

-- load_all_brands --
-- Return every folder that was in force.
SELECT version, in_force_at, texts FROM brands ORDER BY in_force_at;

-- load_all_acts --
-- Return what operators did, oldest first.
SELECT entry_id, at, actor, verb, detail FROM audit ORDER BY entry_id;

-- load_recorded_dossiers --
-- Return approvals and findings about these parts (a JSON list).
SELECT kind, number, part_id, state, at, body FROM dossiers
WHERE kind IN ('approval', 'finding') AND part_id IN (SELECT value FROM json_each(?))
ORDER BY kind, number, part_id;

-- load_all_breaches --
-- Return the breaches that were declared.
SELECT kind, number, part_id, state, at, body FROM dossiers WHERE kind = 'breach'
ORDER BY number;

-- load_noted_identity --
-- Return which keys the store was sealed with.
SELECT value FROM settings WHERE name = ?;
