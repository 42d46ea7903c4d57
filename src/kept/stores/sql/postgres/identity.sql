-- Parts and the evidence that joins them.

-- find_identifiers --
-- Return the parts, and the tombstones, under lookup keys.
SELECT lookup_key, part_id, customer_id, NULL::bigint, NULL::boolean FROM identifiers
WHERE lookup_key = ANY ($1::bytea[])
UNION ALL
SELECT lookup_key, NULL, NULL, until, suppressed FROM tombstones
WHERE lookup_key = ANY ($1::bytea[]);

-- claim_identifiers --
-- Take the locks of identifiers, and return which of these lookup keys have a part.
SELECT claim_identifiers($1::bigint[], $2::bytea[]);

-- load_customers --
-- Return the parts of customers.
SELECT part_id, customer_id, claimed, identifier FROM members
WHERE customer_id = ANY ($1::bigint[]);

-- load_parts --
-- Return these parts.
SELECT part_id, customer_id, claimed, identifier FROM parts WHERE part_id = ANY ($1::bigint[]);

-- load_links --
-- Return every link that touches one of these parts, from each of its ends that is asked for.
SELECT part_id, other_id, evidence, first_at FROM links WHERE part_id = ANY ($1::bigint[]);

-- move_parts --
-- Let these parts belong to a customer; return whose they were.
WITH moved AS (
    SELECT part_id, customer_id, claimed, lookup_key, identifier FROM parts
    WHERE part_id = ANY ($2::bigint[]) AND customer_id <> $1
), placed AS (
    UPDATE parts SET customer_id = $1 WHERE part_id IN (SELECT part_id FROM moved)
), named AS (
    UPDATE identifiers SET customer_id = $1 WHERE lookup_key IN (SELECT lookup_key FROM moved)
), gone AS (
    DELETE FROM members WHERE (customer_id, part_id) IN (SELECT customer_id, part_id FROM moved)
), joined AS (
    INSERT INTO members (customer_id, part_id, claimed, identifier)
    SELECT $1, part_id, claimed, identifier FROM moved
)
SELECT customer_id FROM moved;

-- begin_customer --
-- Give a customer a row, unless there is one: it comes back with a version that it never had.
INSERT INTO customers (customer_id, version) VALUES ($1, nextval('returns') << 30)
ON CONFLICT (customer_id) DO NOTHING;

-- end_customers --
-- Remove customers who have no part any more.
DELETE FROM customers WHERE customer_id = ANY ($1::bigint[]) AND NOT EXISTS (
    SELECT FROM members WHERE members.customer_id = customers.customer_id);
