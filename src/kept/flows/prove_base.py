"""Prove a base before it is asked: some of its customers are decided by the engine as well.

Tests hold that the query says what `decide` says. A server shows it anew on the very base that it
answers from, with whatever its brand, its customers and its build of DuckDB are.
"""

from kept.base_port import Base
from kept.core.bundle import Bundle
from kept.core.decide import decide
from kept.core.decision import OUTBOUND, Controls, Request
from kept.core.policy_sql.answers import Told, read_told, told_of
from kept.core.policy_sql.query import write_query
from kept.flows.extract_base import Extracted


def find_differences(
    base: Base, bundle: Bundle, extracted: Extracted, controls: Controls
) -> list[int]:
    """Return which of the sampled customers the base and the engine decide otherwise: none."""
    if not extracted.sample:
        return []
    ids = ", ".join(str(one.customer_id) for one in extracted.sample)
    query = write_query(
        bundle,
        now=extracted.instant,
        request=Request(placement=OUTBOUND),
        controls=controls,
        has_claims=bool(extracted.claimed),
        has_unknown=bool(extracted.unknown),
        where=f'":customer" IN ({ids})',
        dialect=base.dialect,
    )
    found: dict[int, Told] = {}
    for row in base.walk(query.text):
        told = read_told(query, bundle.policy, row)
        found[told.customer_id] = told
    different = []
    for one in extracted.sample:
        decision = decide(
            one.facts,
            Request(placement=OUTBOUND, open_messages=one.open_messages),
            bundle.policy,
            controls,
            customer_id=one.customer_id,
            now=extracted.instant,
            decision_id=0,
        )
        if found.get(one.customer_id) != told_of(decision):
            different.append(one.customer_id)
    return different
