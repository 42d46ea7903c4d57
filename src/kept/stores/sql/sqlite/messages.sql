-- Messages: what is searched for stands in columns, the whole message in its body.

-- save_message --
-- Insert a message, or replace it by its id.
INSERT INTO messages (message_id, part_id, state, channel, queued_at, due_at, leased_until,
    provider_id, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (message_id) DO UPDATE SET part_id = excluded.part_id, state = excluded.state,
    channel = excluded.channel, queued_at = excluded.queued_at, due_at = excluded.due_at,
    leased_until = excluded.leased_until, provider_id = excluded.provider_id,
    body = excluded.body;

-- load_message --
-- Return a message by its id.
SELECT message_id, part_id, body FROM messages WHERE message_id = ?;

-- load_open_messages --
-- Return the open messages of these parts (a JSON list), oldest first.
SELECT message_id, part_id, body FROM messages INDEXED BY messages_open_by_part
WHERE part_id IN (SELECT value FROM json_each(?))
    AND state IN ('queued', 'leased', 'leaving')
ORDER BY queued_at, message_row;

-- load_open_messages_of_one --
-- Return the open messages of one part, oldest first.
SELECT message_id, part_id, body FROM messages INDEXED BY messages_open_by_part
WHERE part_id = ? AND state IN ('queued', 'leased', 'leaving')
ORDER BY queued_at, message_row;

-- load_due_messages --
-- Return what a channel may take now: queued and due, or leased and the lease has ended.
SELECT due_at, message_row, message_id, part_id, body FROM messages INDEXED BY messages_due_by_channel
WHERE channel = ?1 AND due_at <= ?2 AND state IN ('queued', 'leased')
    AND (state = 'queued' OR leased_until <= ?2)
ORDER BY due_at, message_row LIMIT ?3;

-- load_messages_in --
-- Return the oldest messages in a state.
SELECT queued_at, message_row, message_id, part_id, body FROM messages WHERE state = ?
ORDER BY queued_at, message_row LIMIT ?;

-- load_part_messages --
-- Return all messages of these parts (a JSON list), oldest first.
SELECT message_id, part_id, body FROM messages INDEXED BY messages_by_part
WHERE part_id IN (SELECT value FROM json_each(?)) ORDER BY queued_at, message_row;

-- load_message_by_provider_id --
-- Return the message that a provider knows under this id.
SELECT message_id, part_id, body FROM messages
WHERE channel = ?1 AND provider_id = ?2 AND provider_id <> ''
ORDER BY message_row DESC LIMIT 1;
