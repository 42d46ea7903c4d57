-- Messages: what is searched for stands in columns, the whole message in its body.

-- load_message --
-- Return a message by its id.
SELECT message_id, part_id, body FROM messages WHERE message_id = $1;

-- load_open_messages --
-- Return the open messages of these parts, oldest first.
SELECT message_id, part_id, body FROM messages
WHERE part_id = ANY ($1::bigint[]) AND state IN ('queued', 'leased', 'leaving')
ORDER BY queued_at, message_id;

-- load_due_messages --
-- Return what these channels may take now: queued and due, or leased and the lease has ended.
SELECT message_id, part_id, body FROM messages
WHERE channel = ANY ($1::text[]) AND due_at <= $2 AND state IN ('queued', 'leased')
    AND (state = 'queued' OR leased_until <= $2)
ORDER BY due_at, message_id LIMIT $3;

-- load_messages_in --
-- Return the oldest messages in these states.
SELECT message_id, part_id, body FROM messages WHERE state = ANY ($1::text[])
ORDER BY queued_at, message_id LIMIT $2;

-- load_part_messages --
-- Return all messages of these parts, oldest first.
SELECT message_id, part_id, body FROM messages WHERE part_id = ANY ($1::bigint[])
ORDER BY queued_at, message_id;

-- load_message_by_provider_id --
-- Return the message that a provider knows under this id.
SELECT message_id, part_id, body FROM messages
WHERE channel = $1 AND provider_id = $2 AND provider_id <> ''
ORDER BY queued_at DESC LIMIT 1;

-- delete_old_messages --
-- Remove messages in these states that were queued before an instant, so many at a time, but for
-- those of some parts.
WITH gone AS (
    DELETE FROM messages WHERE (part_id, message_id) IN (
        SELECT part_id, message_id FROM messages
        WHERE state = ANY ($1::text[]) AND queued_at < $2
            AND part_id <> ALL ($4::bigint[]) LIMIT $3)
    RETURNING 1
)
SELECT count(*) FROM gone;

-- read_old_messages --
-- Count the messages in these states that were queued before an instant, and find the oldest.
SELECT count(*), min(queued_at) FROM messages WHERE state = ANY ($1::text[]) AND queued_at < $2;
