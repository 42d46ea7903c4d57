-- What is derived from the stream and written behind: states, marks, wakes.

-- load_states --
-- Return the stored states of these parts (a JSON list).
SELECT part_id, applied_sequence, state FROM states
WHERE part_id IN (SELECT value FROM json_each(?)) ORDER BY part_id;

-- load_state --
-- Return the stored state of one part.
SELECT part_id, applied_sequence, state FROM states WHERE part_id = ?;

-- iterate_states --
-- Return stored states in order of their parts, after a part.
SELECT part_id, applied_sequence, state FROM states WHERE part_id > ? ORDER BY part_id LIMIT ?;

-- save_state --
-- Set the state of a part.
INSERT OR REPLACE INTO states (part_id, applied_sequence, state) VALUES (?, ?, ?);

-- load_mark --
-- Return up to where something written behind has been written.
SELECT value FROM marks WHERE name = ?;

-- save_mark --
-- Move a mark forward; it never goes back.
INSERT INTO marks (name, value) VALUES (?, ?)
ON CONFLICT DO UPDATE SET value = excluded.value WHERE excluded.value > value;

-- save_wake --
-- Set when a customer is to be looked at next.
INSERT INTO wakes (customer_id, wake_at) VALUES (?, ?)
ON CONFLICT DO UPDATE SET wake_at = excluded.wake_at WHERE excluded.wake_at <> wake_at;

-- delete_wake --
-- Remove a customer's entry.
DELETE FROM wakes WHERE customer_id = ?;

-- load_due_wakes --
-- Return the earliest entries that are due.
SELECT customer_id, wake_at FROM wakes WHERE wake_at <= ? ORDER BY wake_at, customer_id LIMIT ?;
