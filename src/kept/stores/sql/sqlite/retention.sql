-- Keeping nothing longer than needed, and putting right what is wrong.

-- list_customers --
-- Return customers after one: each has the id of its first part.
SELECT part_id FROM parts WHERE part_id > ? AND customer_id = part_id ORDER BY part_id LIMIT ?;

-- replace_event --
-- Put another body in the place of an event's.
UPDATE events SET body = ? WHERE sequence = ? AND part_id = ?;

-- delete_index_items --
-- Remove some items (a JSON list) of a part within a bucket.
DELETE FROM part_index WHERE kind = ? AND bucket = ? AND part_id = ?
    AND item_id IN (SELECT value FROM json_each(?));

-- load_oldest_decisions --
-- Return the oldest decisions, without their traces, but for those of some parts (a JSON list).
SELECT decision_id, part_id, decided_at FROM decisions
WHERE part_id NOT IN (SELECT value FROM json_each(?)) ORDER BY decision_id LIMIT ?;

-- read_old_decisions --
-- Count the decisions made before an instant, and find the oldest.
SELECT count(*), min(decided_at) FROM decisions WHERE decided_at < ?;

-- delete_old_messages --
-- Remove settled messages that were queued before an instant, but for those of some parts (a JSON list).
DELETE FROM messages WHERE message_row IN (
    SELECT message_row FROM messages INDEXED BY messages_by_state
    WHERE state IN ('delivered', 'failed', 'unknown', 'withdrawn', 'expired') AND queued_at < ?
        AND part_id NOT IN (SELECT value FROM json_each(?))
    LIMIT ?);

-- read_old_messages --
-- Count the settled messages that were queued before an instant, and find the oldest.
SELECT count(*), min(queued_at) FROM messages INDEXED BY messages_by_state
WHERE state IN ('delivered', 'failed', 'unknown', 'withdrawn', 'expired') AND queued_at < ?;
