"""How much a run measures: all of it, or just enough to see that every row still works."""

import msgspec


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """The sizes of a run."""

    rounds: int
    seconds: float
    """How long each closed or open loop runs."""
    warm_up_seconds: float
    hot_customers: int
    stored_customers: int
    action_counts: tuple[int, ...]
    customer_counts: tuple[int, ...]
    events_per_customer: tuple[int, ...]
    base_customers: tuple[int, ...]
    stopped_customers: int
    fsyncs: int
    replayed_signals: int
    spark_customers: int
    """As many as two workers decide for within minutes; each customer is decided by itself."""


FULL = Scale(
    rounds=3,
    seconds=8,
    warm_up_seconds=3,
    hot_customers=10_000,
    stored_customers=1_000_000,
    action_counts=(10, 50, 200, 500),
    customer_counts=(10_000, 100_000, 1_000_000),
    events_per_customer=(10, 100, 1_000),
    base_customers=(1_000_000, 5_000_000),
    stopped_customers=400,
    fsyncs=2_000,
    replayed_signals=60_000,
    spark_customers=200_000,
)

QUICK = Scale(
    rounds=1,
    seconds=1,
    warm_up_seconds=0.5,
    hot_customers=500,
    stored_customers=5_000,
    action_counts=(10, 50),
    customer_counts=(1_000, 5_000),
    events_per_customer=(10, 50),
    base_customers=(4_000, 20_000),
    stopped_customers=40,
    fsyncs=200,
    replayed_signals=3_000,
    spark_customers=5_000,
)
"""For continuous integration: the figures mean nothing, that they come at all does."""
