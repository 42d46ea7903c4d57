"""Planted bad input for the engine: storms and floods stay bounded, and harm nobody else."""

from collections.abc import Mapping

import msgspec
import pytest

from kept.core.event import Event, Identifier
from kept.core.identity import LINKS_MAX, NamespaceRule, group
from kept.core.touchpoint_item import WireItem
from kept.core.values import SECOND
from kept.flows import resolve as resolving
from kept.flows.ask import ContactQuestion
from kept.flows.customers import Customer
from kept.flows.resolve import resolve
from kept.flows.stage import Stage
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import compile_larkmead

NOON = 1_772_452_800_000_000


def make_stage() -> Stage:
    """Return an empty stage at noon."""
    return Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)


def test_a_merge_storm_joins_nobody() -> None:
    """G10: ten thousand people on one cookie stay ten thousand people, and the next one is not slower."""
    stage = make_stage()
    touchpoint = stage.engine.bundle.touchpoints["shop"]
    for number in range(10_000):
        item = WireItem(
            type="page", user_id=f"u{number}", anonymous_id="kiosk", timestamp=NOON / SECOND
        )
        event = touchpoint.read(item, received_at=NOON)
        assert isinstance(event, Event)
        with stage.store.transaction():
            resolve(stage.engine.customers, stage.store, event, stage.engine.bundle.namespaces)
    cookie = stage.find(Identifier("anonymous_id", "kiosk"))
    assert cookie is not None
    assert len(cookie.parts) == 1
    assert len(stage.store.load_links(list(cookie.parts))) <= LINKS_MAX
    assert stage.store.read_counts()["customers"] == 10_001


def test_whoever_was_seen_on_many_shared_devices_tears_nobody_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """G10: those who used the same tablets are not followed, and stay whole."""
    monkeypatch.setattr(resolving, "COMPONENT_MAX", 5)
    stage = make_stage()
    rules = stage.engine.bundle.namespaces
    numbers = iter(range(1, 10_000))
    clerk = Identifier("user_id", "clerk")
    for tablet in range(6):
        device = Identifier("anonymous_id", f"tablet{tablet}")
        take(stage, next(numbers), (clerk, device), rules)
        for visitor in range(12):
            name = f"v{tablet}-{visitor}"
            user, email = Identifier("user_id", name), Identifier("email", f"{name}@mail.example")
            take(stage, next(numbers), (user, email), rules)
            take(stage, next(numbers), (user, device), rules)
    before = stage.store.read_counts()["customers"]
    take(stage, next(numbers), (clerk, Identifier("email", "clerk@mail.example")), rules)
    assert stage.store.read_counts()["customers"] == before
    parts = {part.part_id: part for part in stage.store.load_parts(range(1, 1_000))}
    together: dict[int, set[int]] = {}
    for part in parts.values():
        together.setdefault(part.customer_id, set()).add(part.part_id)
    afresh = group(parts, stage.store.load_links(list(parts)), rules).groups
    assert set(map(frozenset, together.values())) == set(afresh)


def test_evidence_that_leads_further_than_it_is_followed_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """G12: people stay grouped as they were, the operator hears of it, and of nobody's identifiers."""
    monkeypatch.setattr(resolving, "COMPONENT_MAX", 5)
    stage = make_stage()
    rules = {name: NamespaceRule(rank=0, limit=3) for name in ("email", "phone")}
    for number in range(20):
        email, phone = Identifier("email", f"e{number}"), Identifier("phone", f"p{number}")
        take(stage, 2 * number, (email, phone), rules)
        take(stage, 2 * number + 1, (phone, Identifier("email", f"e{number + 1}")), rules)
        stage.work()
    assert stage.take_alerts() == ["evidence_not_followed"]
    assert stage.engine.alerts == [{"code": "evidence_not_followed", "at": stage.now}]
    told = stage.engine.counts["unfollowed", ""]
    assert told == stage.engine.customers.unfollowed_count > 1


def test_a_customer_holds_as_many_parcels_as_the_brand_allows() -> None:
    """G10: where the limit is higher than what is kept of a kiosk, each parcel still finds its owner."""
    stage = make_stage()
    allowed = LINKS_MAX + 50
    rules = {
        "user_id": NamespaceRule(rank=0, limit=1),
        "parcel": NamespaceRule(rank=0, limit=allowed),
    }
    for number in range(allowed + 5):
        named = (Identifier("user_id", "ana"), Identifier("parcel", f"p{number}"))
        take(stage, number, named, rules)
    ana = stage.find(Identifier("user_id", "ana"))
    assert ana is not None
    assert len(ana.parts) == allowed + 1
    owner, _ = take(stage, 9_999, (Identifier("parcel", f"p{allowed - 1}"),), rules)
    assert owner is ana


def take(
    stage: Stage,
    number: int,
    named: tuple[Identifier, ...],
    rules: Mapping[str, NamespaceRule],
) -> tuple[Customer, int]:
    """Resolve an event that names identifiers, all of them vouched for."""
    event = Event(
        event_key=number,
        message_id=str(number),
        source="shop",
        name="Parcel Sent",
        type="track",
        occurred_at=NOON + number,
        received_at=NOON + number,
        identifiers=named,
        vouched_count=len(named),
    )
    with stage.store.transaction():
        return resolve(stage.engine.customers, stage.store, event, rules)


def test_a_flood_of_reported_contacts_frees_no_cap() -> None:
    """G3: another tool may report as much as it likes: what we said ourselves is not forgotten."""
    stage = make_stage()
    traits = {"email": "ana@example.com", "zone": "Europe/Lisbon"}
    for event, told in (
        ("Identified", None),
        ("Consent Given", {"entity": "shop", "purpose": "marketing"}),
        ("Order Completed", {"total": 5}),
    ):
        is_identify = event == "Identified"
        item = WireItem(
            type="identify" if is_identify else "track",
            event=None if is_identify else event,
            user_id="ana",
            timestamp=NOON / SECOND,
            traits=traits if is_identify else None,
            properties=told,
        )
        stage.signal(item, source="shop", body={})
    said = [one.message.action for one in stage.handed_over]
    assert said == ["first_order_thanks"]
    question = ContactQuestion(
        identifiers={"user_id": "ana"},
        entity="shop",
        purpose="service",
        channel="email",
        reported=True,
    )
    for number in range(500):
        stage.now += SECOND
        stage.ask_contact(msgspec.structs.replace(question, contact_id=f"c{number}"), source="shop")
    again = WireItem(
        type="track", event="Order Completed", user_id="ana", timestamp=stage.now / SECOND,
        properties={"total": 5},
    )  # fmt: skip
    stage.signal(again, source="shop", body={})
    assert [one.message.action for one in stage.handed_over] == said
