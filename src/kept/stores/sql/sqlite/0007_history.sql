-- What history is exported of: messages in the order in which they ended. A row stays until it was
-- exported, and the newest for good, so that its number is not given again. Row 0 stands for a
-- message that is gone.
CREATE TABLE ended (
    ended_id    INTEGER PRIMARY KEY,
    message_row INTEGER NOT NULL
) STRICT;
CREATE INDEX ended_by_message ON ended (message_row) WHERE message_row <> 0;

INSERT INTO ended (message_row)
SELECT message_row FROM messages
WHERE state IN ('delivered', 'failed', 'unknown', 'withdrawn', 'expired')
ORDER BY message_row;

CREATE TRIGGER note_new_ended AFTER INSERT ON messages
WHEN new.state IN ('delivered', 'failed', 'unknown', 'withdrawn', 'expired') BEGIN
    INSERT INTO ended (message_row) VALUES (new.message_row);
END;

CREATE TRIGGER note_ended AFTER UPDATE OF state ON messages
WHEN new.state IN ('delivered', 'failed', 'unknown', 'withdrawn', 'expired')
    AND old.state IN ('queued', 'leased', 'leaving') BEGIN
    INSERT INTO ended (message_row) VALUES (new.message_row);
END;

CREATE TRIGGER forget_ended AFTER DELETE ON messages BEGIN
    UPDATE ended SET message_row = 0 WHERE message_row = old.message_row AND message_row <> 0;
END;

PRAGMA user_version = 7;
