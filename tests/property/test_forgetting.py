"""Laws of forgetting: what a state does not keep any more is unknown, and permits nothing (G3, G12)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.core.consent import purpose_key
from kept.core.decide import decide
from kept.core.decision import Controls, Facts, Request
from kept.core.event import CONTACT_REPORTED, MESSAGE_LEAVING, MESSAGE_SETTLED, Event
from kept.core.facts import View, read_facts
from kept.core.fold import forgetting
from kept.core.fold.fold import fold_event
from kept.core.state import Stamped, State
from kept.core.values import DAY, HOUR, MINUTE
from tests.property.test_decision import NOW, POLICY
from tests.scenario.larkmead import compile_larkmead

BUNDLE = compile_larkmead()
_VALUES: dict[str, Any] = {"orders": 1, "spent": 500, "views": 2}
_BILL: dict[str, Any] = {"key": "a", "amount": 40, "due_at": NOW - 5 * DAY, "paid": False}
WILLING = Facts(
    values=[
        *(_VALUES.get(feature.name) for feature in BUNDLE.fact_plan.features),
        *(None for _ in BUNDLE.fact_plan.traits),
    ],
    objects=[
        [tuple(_BILL.get(field) for field in fields)] if kind == "bill" else []
        for kind, fields in zip(
            BUNDLE.fact_plan.object_kinds, BUNDLE.fact_plan.object_fields, strict=True
        )
    ],
    restricting_values=None,
    restricting_objects=None,
    unknown=(),
    zone="Europe/Lisbon",
    region="north",
    consents={
        purpose_key(entity, "marketing"): Stamped(True, NOW - DAY, 1) for entity in ("shop", "bank")
    },
    contacts=[],
    declines={},
    addresses={"email": "ok", "sms": "ok"},
    draw=1,
)
"""Somebody to whom everything may be said, but for contacts that were made."""


@contextmanager
def limited(*, contacts: int = 400, said: int = 3_000, objects: int = 300) -> Iterator[None]:
    """Let a state keep so little that it must forget."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forgetting, "CONTACTS_MAX", contacts)
        patch.setattr(forgetting, "SAID_MAX", said)
        patch.setattr(forgetting, "OBJECTS_MAX", objects)
        yield


def own_event(name: str, number: int, *, at: int, source: str = "kept", **told: Any) -> Event:
    """Return an event about a message."""
    return Event(
        event_key=number,
        message_id=str(number),
        source=source,
        name=name,
        type="track",
        occurred_at=at,
        received_at=at,
        properties=told,
    )


@st.composite
def contact_events(draw: st.DrawFn) -> list[Event]:
    """Draw the life of one contact: it left, and mostly it was settled within two days."""
    number = draw(st.integers(1, 10**9))
    at = NOW - draw(st.integers(0, 9 * 24)) * HOUR
    rule = POLICY.by_name[draw(st.sampled_from(sorted(POLICY.by_name)))]
    told: dict[str, Any] = {
        "message_id": f"m{number}",
        "action": rule.action,
        "kind": rule.kind,
        "purpose": rule.purpose,
        "topic": rule.topic,
        "channel": draw(st.sampled_from(["email", "sms"])),
        "about": "bill/a" if rule.about else "",
        "attempt_at": at,
    }
    if draw(st.integers(0, 4)) == 0:
        return [own_event(CONTACT_REPORTED, number, at=at, source="shop", **told)]
    settled_at = min(at + draw(st.integers(1, 47)) * HOUR, NOW)
    outcome = draw(st.sampled_from(["delivered", "unknown", "failed"]))
    leaving = own_event(MESSAGE_LEAVING, number, at=at, **told)
    if settled_at == NOW and draw(st.booleans()):
        return [leaving]
    settled = own_event(MESSAGE_SETTLED, number + 1, at=settled_at, **told, outcome=outcome)
    return [leaving, settled]


def state_of(events: list[Event]) -> State:
    """Return what events add up to."""
    state = State()
    for event in events:
        fold_event(BUNDLE.fold_plan, state, event)
    return state


def facts_by(state: State, *, at: int) -> Facts:
    """Return what a decision reads of a state."""
    return read_facts(
        BUNDLE.fact_plan, state, None, view=View(), identifiers={}, customer_id=7, now=at
    )


def may_leave(told: Facts, *, at: int) -> set[tuple[str, str]]:
    """Return which actions may leave, each looked at on its own, by what is told of contacts."""
    mine = msgspec.structs.replace(
        WILLING,
        contacts=told.contacts,
        contacts_known_after=told.contacts_known_after,
        said=told.said,
    )
    return {
        (chosen.action, chosen.about)
        for action in POLICY.by_name
        for chosen in decide(
            mine, Request(actions=(action,)), POLICY, Controls(),
            customer_id=7, now=at, decision_id=1,
        ).chosen
    }  # fmt: skip


@given(
    # No two messages have one id, whatever they say.
    st.lists(contact_events(), max_size=14, unique_by=lambda life: life[0].properties["message_id"]),
    st.data(), st.sampled_from([1, 2, 4, 8]), st.sampled_from([2, 3_000]), st.integers(0, 9 * 24),
)  # fmt: skip
def test_a_forgotten_contact_permits_nothing(
    lives: list[list[Event]], data: st.DataObject, keeps: int, said: int, hours: int
) -> None:
    """G3: by what is left of the contacts nothing may leave that may not by all of them."""
    events = data.draw(st.permutations([event for life in lives for event in life]))
    at = NOW + hours * HOUR
    everything = [*events, *_settled_late(events, at)]
    with limited(contacts=keeps, said=said):
        forgetful = facts_by(state_of(everything), at=at)
    whole = facts_by(state_of(everything), at=at)
    assert whole.contacts_known_after == 0
    assert may_leave(forgetful, at=at) <= may_leave(whole, at=at)


def _settled_late(events: list[Event], at: int) -> Iterator[Event]:
    """Yield the ends of what is still in flight, as time settles it after a day."""
    settled = {event.properties["message_id"] for event in events if event.name == MESSAGE_SETTLED}
    for event in events:
        told = event.properties
        if event.name != MESSAGE_LEAVING or told["message_id"] in settled:
            continue
        settled_at = max(told["attempt_at"] + DAY, NOW)
        if settled_at <= at:
            number = event.event_key + 1
            yield own_event(MESSAGE_SETTLED, number, at=settled_at, **told | {"outcome": "unknown"})


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 6_000)), max_size=20),
    st.integers(0, 4_000),
)
def test_a_kind_is_unknown_while_what_was_forgotten_could_count(
    heard: list[tuple[int, int]], days: int
) -> None:
    """G12: so long, and no longer; the view knows the instant at which it is known again."""
    events = [
        Event(
            event_key=number,
            message_id=str(number),
            source="billing",
            name="Bill Issued",
            type="track",
            occurred_at=NOW - day * DAY,
            received_at=NOW,
            properties={"bill_id": f"b{number}", "amount": 1},
        )
        for number, day in heard
    ]
    with limited(objects=3):
        state = state_of(events)
    history = BUNDLE.fact_plan.history
    kind = BUNDLE.fact_plan.first_kind + BUNDLE.fact_plan.object_kinds.index("bill")
    newest = {number: NOW - day * DAY for number, day in sorted(heard, key=lambda one: -one[1])}
    forgotten_at = sorted(newest.values(), reverse=True)[3:4]
    at = NOW + days * DAY
    view = View()
    read_facts(BUNDLE.fact_plan, state, None, view=view, identifiers={}, customer_id=7, now=at)
    assert (kind in view.unknown) is any(at < one + history for one in forgotten_at)
    if kind in view.unknown:
        assert view.valid_until == forgotten_at[0] + history
        assert kind in facts_by(state, at=view.valid_until - MINUTE).unknown
        assert kind not in facts_by(state, at=view.valid_until).unknown
