"""The baseline's tables and statements: events with unique ids, and a row for each customer.

One statement does both, and counts a customer's events only if they were really stored, so that a
batch that an SDK sends again counts nothing twice.
"""

from sqlalchemy import text

SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS events (
      message_id text PRIMARY KEY,
      customer_id text NOT NULL,
      type text NOT NULL,
      event text NOT NULL,
      occurred_at timestamptz NOT NULL,
      received_at timestamptz NOT NULL,
      body jsonb NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS profiles (
      customer_id text PRIMARY KEY,
      traits jsonb NOT NULL,
      event_count bigint NOT NULL,
      first_seen_at timestamptz NOT NULL,
      last_seen_at timestamptz NOT NULL
    ) WITH (fillfactor = 70)
    """,
)

STORE_ROWS = text(
    """
    WITH stored AS (
      INSERT INTO events (message_id, customer_id, type, event, occurred_at, received_at, body)
      VALUES (:message_id, :customer_id, :type, :event, :occurred_at, :received_at, :body)
      ON CONFLICT (message_id) DO NOTHING
      RETURNING customer_id, occurred_at
    )
    INSERT INTO profiles AS profile
      (customer_id, traits, event_count, first_seen_at, last_seen_at)
    SELECT customer_id, CAST(:traits AS jsonb), 1, occurred_at, occurred_at FROM stored
    ON CONFLICT (customer_id) DO UPDATE SET
      traits = profile.traits || excluded.traits,
      event_count = profile.event_count + 1,
      first_seen_at = least(profile.first_seen_at, excluded.first_seen_at),
      last_seen_at = greatest(profile.last_seen_at, excluded.last_seen_at)
    """
)

STORE_ARRAYS = text(
    """
    WITH incoming AS (
      SELECT * FROM unnest(
        CAST(:message_ids AS text[]), CAST(:customer_ids AS text[]), CAST(:types AS text[]),
        CAST(:events AS text[]), CAST(:instants AS timestamptz[]), CAST(:bodies AS text[])
      ) AS row (message_id, customer_id, type, event, occurred_at, body)
    ), stored AS (
      INSERT INTO events (message_id, customer_id, type, event, occurred_at, received_at, body)
      SELECT message_id, customer_id, type, event, occurred_at, :received_at, CAST(body AS jsonb)
      FROM incoming
      ON CONFLICT (message_id) DO NOTHING
      RETURNING customer_id, occurred_at
    ), told AS (
      SELECT customer_id, CAST(traits AS jsonb) AS traits FROM unnest(
        CAST(:told_customers AS text[]), CAST(:told_traits AS text[])
      ) AS row (customer_id, traits)
    )
    INSERT INTO profiles AS profile
      (customer_id, traits, event_count, first_seen_at, last_seen_at)
    SELECT customer_id, coalesce(told.traits, '{}'), count(*), min(occurred_at), max(occurred_at)
    FROM stored LEFT JOIN told USING (customer_id)
    GROUP BY customer_id, told.traits
    ORDER BY customer_id
    ON CONFLICT (customer_id) DO UPDATE SET
      traits = profile.traits || excluded.traits,
      event_count = profile.event_count + excluded.event_count,
      first_seen_at = least(profile.first_seen_at, excluded.first_seen_at),
      last_seen_at = greatest(profile.last_seen_at, excluded.last_seen_at)
    """
)
