-- What history is exported from.

-- read_known_events --
-- Return which of these sequences (a JSON list) are still events.
SELECT sequence FROM events
WHERE sequence IN (SELECT value FROM json_each(?)) AND part_id <> 0;

-- read_sealed_decisions --
-- Return decisions after an id.
SELECT decision_id, part_id, trace FROM decisions
WHERE decision_id > ? ORDER BY decision_id LIMIT ?;

-- find_last_ended --
-- Return the number of the message that ended last.
SELECT coalesce(max(ended_id), 0) FROM ended;

-- read_ended --
-- Return messages in the order in which they ended, after a number; nothing of one that is gone.
SELECT ended_id, message_id, part_id, body
FROM ended LEFT JOIN messages USING (message_row)
WHERE ended_id > ? ORDER BY ended_id LIMIT ?;

-- delete_ended --
-- Drop what was exported, but for the newest.
DELETE FROM ended WHERE ended_id <= ?1 AND ended_id < (SELECT max(ended_id) FROM ended);

-- read_grouping --
-- Return parts after an id, and whose they are.
SELECT part_id, customer_id, claimed FROM parts WHERE part_id > ? ORDER BY part_id LIMIT ?;
