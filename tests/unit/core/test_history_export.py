"""What of events, decisions and messages stands open in history, and what never does."""

from typing import Any

import pytest

from kept.core.brand.load import load_brand
from kept.core.event import MESSAGE_OPENED, SOURCE_SELF, Event
from kept.core.history_columns import COLUMNS, SCHEMA_VERSION
from kept.core.history_export import (
    Opener,
    OpenPlaces,
    event_row,
    open_places,
    outcome_row,
    places_from,
)
from kept.core.message import Message
from tests.scenario.larkmead import LARKMEAD

NOON = 1_772_452_800_000_000
BRAND = load_brand(LARKMEAD)


def an_event(**changes: Any) -> Event:
    """Return an event that tells much."""
    fields: dict[str, Any] = {
        "event_key": 1,
        "message_id": "m-1",
        "source": "shop",
        "name": "Identified",
        "type": "identify",
        "occurred_at": NOON,
        "received_at": NOON,
        "traits": {"zone": "Europe/Lisbon", "first_name": "Ana", "shoe": 39},
        "properties": {"note": "x"},
        "context": {"ip": "10.0.0.1"},
    }
    return Event(**fields | changes)


def test_only_what_is_declared_as_not_personal_is_open() -> None:
    """Undeclared is personal."""
    row = event_row(Opener(open_places(BRAND)), 1, 2, an_event())
    assert row["traits"] == {"zone": "Europe/Lisbon"}
    assert row["properties"] == {}
    assert row["context"] == {}


def test_a_row_has_the_columns_of_its_table() -> None:
    """All but what is sealed."""
    row = event_row(Opener(open_places(BRAND)), 1, 2, an_event())
    assert [*row, "sealed"] == [one.name for one in COLUMNS["events"]]
    message = Message(
        message_id="m7-x-bill-B1",
        part_id=2,
        decision_id=7,
        action="x",
        kind="service",
        purpose="service",
        entity="shop",
        promotional=False,
        channel="email",
        about="bill/B1",
        state="withdrawn",
        queued_at=NOON,
        due_at=NOON,
        expires_at=NOON,
        reason={"code": "expired", "at": 5},
    )
    row = outcome_row(9, message)
    assert list(row) == [one.name for one in COLUMNS["outcomes"]]
    assert row["reason"] == "expired"
    assert row["attempted_at"] is None
    assert "B1" not in str(row)


def test_events_of_messages_tell_of_the_decision_and_of_no_object() -> None:
    """A message's id may hold the number of a bill."""
    told = {"message_id": "m12-bill_due-bill-B1", "action": "bill_due", "about": "bill/B1"}
    event = an_event(source=SOURCE_SELF, name=MESSAGE_OPENED, properties=told | {"machine": True})
    row = event_row(Opener(open_places(BRAND)), 1, 2, event)
    assert row["properties"] == {"action": "bill_due", "machine": True, "decision_id": 12}
    foreign = event_row(
        Opener(open_places(BRAND)), 1, 2, an_event(name=MESSAGE_OPENED, properties=told)
    )
    assert foreign["properties"] == {}


@pytest.mark.parametrize(
    ("plain", "closed", "shown"),
    [
        ({("", "traits.a")}, set(), True),
        ({("E", "traits.a")}, set(), True),
        ({("F", "traits.a")}, set(), False),
        (set(), set(), False),
        ({("", "traits.a")}, {("E", "traits.a")}, False),
        ({("E", "traits.a")}, {("", "traits.a")}, False),
        ({("", "traits.a")}, {("*", "traits.a")}, False),
        ({("", "traits.a")}, {("F", "traits.a")}, True),
    ],
)
def test_a_place_is_open_where_nothing_closes_it(plain: Any, closed: Any, *, shown: bool) -> None:
    """Whatever is personal, or of a special category, anywhere, is closed."""
    assert OpenPlaces(frozenset(plain), frozenset(closed)).shows("E", "traits.a") is shown


def test_what_was_lost_is_what_may_not_be_open_any_more() -> None:
    """For every event, or for the one that became personal; what opened since is none of it."""
    before = OpenPlaces(frozenset({("", "traits.a"), ("E", "properties.b")}), frozenset())
    assert before.lost_since(before) == []
    wider = OpenPlaces(before.plain | {("", "traits.c")}, frozenset())
    assert wider.lost_since(before) == []
    assert OpenPlaces(frozenset(), frozenset()).lost_since(before) == sorted(before.plain)
    narrower = OpenPlaces(before.plain, frozenset({("F", "traits.a")}))
    assert narrower.lost_since(before) == [("F", "traits.a")]
    left = before.narrowed_to(narrower)
    assert not left.shows("F", "traits.a")
    assert left.shows("E", "traits.a")
    assert narrower.lost_since(left) == []


def test_places_come_back_as_they_were_kept() -> None:
    """By the same digest."""
    places = open_places(BRAND)
    assert places_from(places.listed()) == places
    assert places_from(places.listed()).digest == places.digest


def test_columns_are_only_ever_added() -> None:
    """Each since a version that there is, names once, in an order that does not change."""
    for columns in COLUMNS.values():
        assert len({one.name for one in columns}) == len(columns)
        assert all(1 <= one.since <= SCHEMA_VERSION for one in columns)
