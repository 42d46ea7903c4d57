-- What history is exported of: messages in the order in which they ended. Numbers are given to what is
-- committed already, by whoever exports, so that none comes later than a higher one.
-- compatible from 1

CREATE SEQUENCE ended_ids;

CREATE TABLE ended (
    noted      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    part_id    bigint NOT NULL,
    message_id text NOT NULL,
    ended_id   bigint
);
CREATE INDEX ended_by_message ON ended (part_id, message_id);
CREATE INDEX ended_by_id ON ended (ended_id) WHERE ended_id IS NOT NULL;
CREATE INDEX ended_unnumbered ON ended (noted) WHERE ended_id IS NULL;

INSERT INTO ended (part_id, message_id)
SELECT part_id, message_id FROM messages
WHERE state IN ('delivered', 'failed', 'unknown', 'withdrawn', 'expired')
ORDER BY queued_at, message_id;

CREATE FUNCTION note_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ended (part_id, message_id) VALUES (new.part_id, new.message_id);
    RETURN NULL;
END $$;

CREATE FUNCTION forget_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM ended WHERE part_id = old.part_id AND message_id = old.message_id;
    RETURN NULL;
END $$;

CREATE TRIGGER note_new_ended AFTER INSERT ON messages FOR EACH ROW
WHEN (new.state IN ('delivered', 'failed', 'unknown', 'withdrawn', 'expired'))
EXECUTE FUNCTION note_ended();

CREATE TRIGGER note_ended AFTER UPDATE OF state ON messages FOR EACH ROW
WHEN (new.state IN ('delivered', 'failed', 'unknown', 'withdrawn', 'expired')
    AND old.state IN ('queued', 'leased', 'leaving'))
EXECUTE FUNCTION note_ended();

CREATE TRIGGER forget_ended AFTER DELETE ON messages FOR EACH ROW
WHEN (old.state IN ('delivered', 'failed', 'unknown', 'withdrawn', 'expired'))
EXECUTE FUNCTION forget_ended();
