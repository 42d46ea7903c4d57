"""Whom an analysis of the files may read: those alone whose basis holds, and of them what is proven."""

from typing import Any

import pytest

from kept.core.event import Identifier
from kept.core.touchpoint_item import WireItem
from kept.core.values import SECOND
from kept.errors import NotFoundError
from kept.flows import list_readable as list_readable_flow
from kept.flows.list_readable import (
    QueryRun,
    ReadablePage,
    ReadableWanted,
    list_readable,
    note_query,
)
from kept.flows.restrict import restrict
from kept.flows.stage import Stage
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import compile_larkmead

NOON = 1_772_452_800_000_000


@pytest.fixture
def stage() -> Stage:
    """Give a stage with three customers, two of whom agreed to marketing."""
    stage = Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)
    for user in ("ana", "ben", "cleo"):
        tell(stage, user, "Page Viewed")
    for user in ("ana", "ben"):
        tell(stage, user, "Consent Given", entity="shop", purpose="marketing")
    return stage


def tell(stage: Stage, user: str, event: str, source: str = "shop", **told: Any) -> None:
    """Let a touchpoint say one thing."""
    stage.now += SECOND
    item = WireItem(
        type="track", event=event, user_id=user, timestamp=stage.now / SECOND, properties=told
    )
    stage.signal(item, source=source, body={})


def ask(stage: Stage, **wanted: Any) -> ReadablePage:
    """Return a page for marketing of the shop."""
    told = {"purpose": "marketing", "entity": "shop"} | wanted
    with stage.store.transaction():
        return list_readable(stage.engine, ReadableWanted(**told), actor="test", now=stage.now)


def customer_of(stage: Stage, user: str) -> int:
    """Return a customer's number."""
    (part,) = stage.store.find_parts([(Identifier("user_id", user), False)])
    assert part is not None
    return part.customer_id


def test_whoever_gave_no_basis_is_absent(stage: Stage) -> None:
    """Unknown means no; and so does whoever withdrew."""
    ana, ben = customer_of(stage, "ana"), customer_of(stage, "ben")
    assert {customer for _, customer in ask(stage).parts} == {ana, ben}
    tell(stage, "ben", "Consent Withdrawn", entity="shop", purpose="marketing")
    assert {customer for _, customer in ask(stage).parts} == {ana}
    assert ask(stage, entity="bank").parts == ()


def test_whoever_is_restricted_is_absent(stage: Stage) -> None:
    """Whatever the basis."""
    with stage.store.transaction():
        told = {"because": "a claim is on its way", "confirmed_by": "came in person"}
        ana = Identifier("user_id", "ana")
        restrict(stage.engine, ana, **told, actor="test", now=stage.now)
    assert {customer for _, customer in ask(stage).parts} == {customer_of(stage, "ben")}


def test_what_is_merely_claimed_is_absent(stage: Stage) -> None:
    """Nobody can say whose basis it needs."""
    before = ask(stage).parts
    tell(stage, "ana", "Page Viewed", source="web")
    claimed = stage.store.find_parts([(Identifier("user_id", "ana"), True)])[0]
    assert claimed is not None
    assert claimed.part_id not in {part for part, _ in ask(stage).parts}
    assert set(before) <= set(ask(stage).parts)


def test_pages_go_on_where_the_one_before_stopped(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody is looked at once; every page is audited with its count."""
    whole = ask(stage).parts
    monkeypatch.setattr(list_readable_flow, "CUSTOMERS_A_PAGE", 1)
    found: list[tuple[int, int]] = []
    page = ask(stage)
    found += page.parts
    while not page.is_last:
        page = ask(stage, after=page.after)
        found += page.parts
    assert tuple(found) == whole
    newest = stage.store.read_audit(newest=1)[0]
    assert newest.verb == "list_readable"
    assert newest.detail["customers"] == 0


def test_an_unknown_purpose_is_refused(stage: Stage) -> None:
    """As is a legal entity that there is not, or that is not said."""
    for wanted in ({"purpose": "curiosity"}, {"entity": "nobody"}, {"entity": ""}):
        with pytest.raises(NotFoundError):
            ask(stage, **wanted)


def test_a_query_is_audited_with_its_count(stage: Stage) -> None:
    """Under who asked and for what."""
    run = QueryRun(purpose="marketing", entity="shop", count=7)
    with stage.store.transaction():
        note_query(stage.engine, run, actor="ida", now=stage.now)
    entry = stage.store.read_audit(newest=1)[0]
    assert (entry.actor, entry.verb) == ("ida", "query_history")
    assert entry.detail == {"purpose": "marketing", "entity": "shop", "count": 7}
