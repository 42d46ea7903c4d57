-- A store read as a record, in one snapshot.

-- export_snapshot --
-- Return the name by which other connections see the same.
SELECT pg_export_snapshot();

-- find_decided_ends --
-- Return when was decided first and last.
SELECT (SELECT decided_at FROM decisions ORDER BY decision_id LIMIT 1)
UNION ALL SELECT (SELECT decided_at FROM decisions ORDER BY decision_id DESC LIMIT 1);

-- load_end_events --
-- Return the first and the last event.
(SELECT sequence, part_id, body FROM events WHERE part_id <> 0 ORDER BY sequence LIMIT 1)
UNION ALL
(SELECT sequence, part_id, body FROM events WHERE part_id <> 0 ORDER BY sequence DESC LIMIT 1);

-- load_recorded_events --
-- Return the events of these parts in stream order.
SELECT sequence, part_id, body FROM events
WHERE part_id = ANY ($1::bigint[]) AND part_id <> 0 ORDER BY sequence;

-- load_recorded_decisions --
-- Return the decisions about these parts in order of their ids.
SELECT decision_id, part_id, decided_at, placement, trace FROM decisions
WHERE part_id = ANY ($1::bigint[]) ORDER BY decision_id;

-- load_all_decisions --
-- Return decisions in order of their ids after one.
SELECT decision_id, part_id, trace FROM decisions WHERE decision_id > $1
ORDER BY decision_id LIMIT $2;

-- load_all_parts --
-- Return parts in order of their ids after one.
SELECT part_id, customer_id, claimed, identifier FROM parts WHERE part_id > $1
ORDER BY part_id LIMIT $2;

-- load_all_links --
-- Return all evidence, each from its lower end.
SELECT part_id, other_id, evidence, first_at FROM links WHERE part_id < other_id
ORDER BY part_id, other_id, evidence;

-- load_recorded_messages --
-- Return all messages of these parts, oldest first.
SELECT message_id, part_id, body FROM messages
WHERE part_id = ANY ($1::bigint[]) ORDER BY queued_at, message_id;

-- load_all_brands --
-- Return every folder that was in force.
SELECT version, in_force_at, texts FROM brands ORDER BY in_force_at, brand_row;

-- load_all_acts --
-- Return what operators did, oldest first.
SELECT entry_id, at, actor, verb, detail FROM audit ORDER BY entry_id;

-- load_recorded_dossiers --
-- Return approvals and findings about these parts.
SELECT kind, number, part_id, state, at, body FROM dossiers
WHERE kind IN ('approval', 'finding') AND part_id = ANY ($1::bigint[])
ORDER BY kind, number, part_id;

-- load_all_breaches --
-- Return the breaches that were declared.
SELECT kind, number, part_id, state, at, body FROM dossiers WHERE kind = 'breach'
ORDER BY number, part_id;

-- load_noted_identity --
-- Return which keys the store was sealed with.
SELECT value FROM settings WHERE name = $1;

-- find_unfinished_move --
-- Return a row if a move into this database has not ended.
SELECT 1 FROM moving WHERE step <> 'finished' LIMIT 1;
