"""Law: one query decides for everybody exactly as `decide` does, customer by customer."""

from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from kept.core.bundle import Bundle
from kept.core.decide import decide
from kept.core.decision import Brake, Controls, Facts, OpenMessage, Request
from kept.core.policy_sql.answers import Told, read_told, told_of
from kept.core.policy_sql.codes import read_code
from kept.core.policy_sql.lookups import Lookup, drawn_table, zones_table
from kept.core.policy_sql.query import PolicyQuery, write_query
from kept.core.policy_sql.rows import RowWriter
from kept.core.policy_sql.schema import schema_of
from tests.property.policies import Maker
from tests.property.test_decision import NOW, brakes, facts, placements
from tests.scenario.larkmead import compile_larkmead


def ask(
    bundle: Bundle,
    everybody: Sequence[tuple[Facts, tuple[OpenMessage, ...]]],
    *,
    request: Request,
    controls: Controls,
    now: int,
) -> list[Told]:
    """Return what the query says of each customer."""
    base = duckdb.connect(config={"threads": 1})
    schema = schema_of(bundle)
    writer = RowWriter(bundle)
    rows: dict[str, list[dict[str, Any]]] = {"customers": [], "claimed": []}
    for number, (known, messages) in enumerate(everybody, start=1):
        rows["customers"].append(writer.write(number, known, messages))
        claimed = writer.write_claimed(number, known)
        if claimed is not None:
            rows["claimed"].append(claimed)
    for table, some in rows.items():
        base.execute(schema.create(table))
        base.execute(schema.insert(table), [msgspec.json.encode(some).decode()])
    zones = {known.zone for known, _ in everybody if known.zone is not None}
    for lookup in (zones_table(bundle.policy, zones, now), drawn_table(bundle.policy)):
        _load(base, lookup)
    has_claims = bool(rows["claimed"])
    query, lean = (
        write_query(
            bundle,
            now=now,
            request=request,
            controls=controls,
            has_claims=has_claims,
            has_unknown=any(known.unknown for known, _ in everybody),
            with_details=with_details,
        )
        for with_details in (True, False)
    )
    found = _fetch(base, query)
    for row, counted in zip(found, _fetch(base, lean), strict=True):
        # Without details a query says the same, in codes.
        assert (row["cohort"], row["answer"], row["answer_about"]) == (
            counted["cohort"], counted["answer"], counted["answer_about"],
        )  # fmt: skip
        told = [(one["action"], one["reason"] or 0, one["way"] or 0) for one in row["told"]]
        assert _named(query, told) == _named(lean, map(read_code, counted["codes"]))
    return [read_told(query, bundle.policy, row) for row in found]


def _fetch(base: duckdb.DuckDBPyConnection, query: PolicyQuery) -> list[dict[str, Any]]:
    cursor = base.execute(query.text)
    names = [column[0] for column in cursor.description or ()]
    found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return sorted(found, key=lambda row: int(row["customer"]))


def _named(query: PolicyQuery, told: Iterable[tuple[int, int, int]]) -> list[tuple[str, str, str]]:
    """Return what was told by names; of each query the numbers are its own."""
    return sorted(
        (
            query.actions[action - 1],
            repr(query.reasons[reason - 1]) if reason else "",
            query.channels[way - 1] if way else "",
        )
        for action, reason, way in told
    )


def _load(base: duckdb.DuckDBPyConnection, lookup: Lookup) -> None:
    base.execute(lookup.create)
    base.execute(lookup.insert, [msgspec.json.encode(lookup.rows).decode()])


def check(
    bundle: Bundle,
    everybody: Sequence[tuple[Facts, tuple[OpenMessage, ...]]],
    *,
    request: Request,
    controls: Controls,
    now: int = NOW,
) -> None:
    """Assert that the query and the engine say the same of everybody."""
    found = ask(bundle, everybody, request=request, controls=controls, now=now)
    expected = [
        told_of(
            decide(
                known,
                msgspec.structs.replace(request, open_messages=messages),
                bundle.policy,
                controls,
                customer_id=number,
                now=now,
                decision_id=1,
            )
        )
        for number, (known, messages) in enumerate(everybody, start=1)
    ]
    assert found == expected


# Each example plans two large queries and decides for everybody in them.
FEWER = settings(max_examples=max(settings().max_examples // 10, 5))


@FEWER
@given(st.integers(0, 2**32))
def test_any_brand(seed: int) -> None:
    """Brands and customers by chance: every layer, every limit, in every combination."""
    maker = Maker(seed)
    bundle = maker.brand()
    everybody = [(maker.facts(bundle), maker.open_messages(bundle)) for _ in range(25)]
    check(bundle, everybody, request=maker.request(bundle), controls=maker.controls(bundle))


@FEWER
@given(st.lists(facts(), min_size=1, max_size=6), placements, brakes)
def test_larkmead(everybody: list[Facts], placement: str, on: tuple[Brake, ...]) -> None:
    """The brand of the scenarios, with whatever its customers may be."""
    check(
        compile_larkmead(),
        [(known, ()) for known in everybody],
        request=Request(placement=placement),
        controls=Controls(brakes=on),
    )
