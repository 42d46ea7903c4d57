-- What history is exported from.

-- read_known_events --
-- Return which of these sequences are still events.
SELECT sequence FROM events WHERE sequence = ANY ($1::bigint[]);

-- read_sealed_decisions --
-- Return decisions after an id.
SELECT decision_id, part_id, trace FROM decisions
WHERE decision_id > $1 ORDER BY decision_id LIMIT $2;

-- number_ended --
-- Give numbers to messages that ended and have none, in the order in which they ended.
UPDATE ended SET ended_id = numbered.number
FROM (
    SELECT noted, nextval('ended_ids') AS number
    FROM (SELECT noted FROM ended WHERE ended_id IS NULL ORDER BY noted) AS waiting
) AS numbered
WHERE ended.noted = numbered.noted;

-- read_ended --
-- Return messages in the order in which they ended, after a number.
SELECT ended_id, message_id, part_id, body FROM ended JOIN messages USING (part_id, message_id)
WHERE ended_id > $1 ORDER BY ended_id LIMIT $2;

-- delete_ended --
-- Drop what was exported.
DELETE FROM ended WHERE ended_id <= $1;

-- read_grouping --
-- Return parts after an id, and whose they are.
SELECT part_id, customer_id, claimed FROM parts WHERE part_id > $1 ORDER BY part_id LIMIT $2;
