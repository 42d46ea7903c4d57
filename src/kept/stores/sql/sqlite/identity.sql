-- Parts and the evidence that joins them.

-- find_last_part --
-- Return the highest part id there ever was: it is not given again.
SELECT max(coalesce(max(part_id), 0),
    coalesce((SELECT value FROM marks WHERE name = 'last part'), 0)) FROM parts;

-- find_part --
-- Return the part under a lookup key.
SELECT part_id, customer_id FROM parts WHERE lookup_key = ?;

-- insert_part --
-- Begin a part.
INSERT INTO parts (part_id, customer_id, claimed, lookup_key, identifier) VALUES (?, ?, ?, ?, ?);

-- load_customer --
-- Return the parts of a customer.
SELECT part_id, customer_id, claimed, identifier FROM parts WHERE customer_id = ? ORDER BY part_id;

-- load_customers --
-- Return the parts of these customers (a JSON list).
SELECT part_id, customer_id, claimed, identifier FROM parts
WHERE customer_id IN (SELECT value FROM json_each(?)) ORDER BY part_id;

-- load_parts --
-- Return these parts (a JSON list).
SELECT part_id, customer_id, claimed, identifier FROM parts
WHERE part_id IN (SELECT value FROM json_each(?)) ORDER BY part_id;

-- load_part --
-- Return one part by its id.
SELECT part_id, customer_id, claimed, identifier FROM parts WHERE part_id = ?;

-- load_links_of_one --
-- Return every link that touches a part.
SELECT part_a, part_b, evidence, first_at FROM links WHERE part_a = ?1
UNION
SELECT part_a, part_b, evidence, first_at FROM links WHERE part_b = ?1
ORDER BY part_a, part_b, evidence;

-- load_links --
-- Return every link that touches one of these parts (a JSON list).
SELECT part_a, part_b, evidence, first_at FROM links
WHERE part_a IN (SELECT value FROM json_each(?1))
UNION
SELECT part_a, part_b, evidence, first_at FROM links
WHERE part_b IN (SELECT value FROM json_each(?1))
ORDER BY part_a, part_b, evidence;

-- save_link --
-- Remember evidence; the earlier of two instants stays.
INSERT INTO links (part_a, part_b, evidence, first_at) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET first_at = excluded.first_at WHERE excluded.first_at < first_at;

-- move_parts --
-- Let these parts (a JSON list) belong to a customer.
UPDATE parts SET customer_id = ?1
WHERE part_id IN (SELECT value FROM json_each(?2)) AND customer_id <> ?1;
