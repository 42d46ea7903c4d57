-- What is derived from the stream: states, marks, wakes.

-- load_states --
-- Return the stored states of these parts.
SELECT part_id, applied_sequence, state FROM states WHERE part_id = ANY ($1::bigint[]);

-- iterate_states --
-- Return stored states in order of their parts, after a part.
SELECT part_id, applied_sequence, state FROM states WHERE part_id > $1 ORDER BY part_id LIMIT $2;

-- load_mark --
-- Return up to where states hold the events of the stream.
SELECT value FROM marks WHERE name = $1;

-- save_mark --
-- Move a mark forward; it never goes back.
INSERT INTO marks AS known (name, value) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE excluded.value > known.value;

-- load_due_wakes --
-- Return the earliest entries that are due.
SELECT customer_id, wake_at FROM wakes WHERE wake_at <= $1 ORDER BY wake_at, customer_id LIMIT $2;
