"""What a person put right stays right, has effect at once, and names who had it wrong (GDPR, 16, 19)."""

from typing import Any

import pytest

from kept.core.data_map import map_data
from kept.core.event import Identifier
from kept.core.state import State
from kept.core.touchpoint_item import WireItem
from kept.core.values import DAY, HOUR, SECOND, format_instant
from kept.errors import ConflictError, InputError, NotFoundError
from kept.flows.correct import Corrected, Correction, correct
from kept.flows.stage import Stage
from kept.flows.take_brand import fold_both
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import compile_larkmead

ANA = Identifier("user_id", "ana")
NOON = 1_772_452_800_000_000
WRONG, RIGHT, NEWER = "1980-01-01", "1990-02-03", "1991-04-05"


@pytest.fixture
def stage() -> Stage:
    """Give a stage at noon, with Ana, whose birthday is wrong."""
    stage = Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)
    traits = {"email": "ana@example.com", "first_name": "Ana", "birthday": WRONG}
    tell(stage, traits=traits | {"zone": "Europe/Lisbon"})
    return stage


def tell(
    stage: Stage,
    event: str = "Identified",
    *,
    user_id: str | None = "ana",
    traits: dict[str, Any] | None = None,
    source: str = "shop",
    anonymous_id: str | None = None,
    message_id: str | None = None,
    **told: Any,
) -> None:
    """Let a touchpoint say one thing."""
    stage.now += SECOND
    item = WireItem(
        type="identify" if traits else "track", event=event, user_id=user_id,
        anonymous_id=anonymous_id, timestamp=stage.now / SECOND, properties=told,
        traits=traits or {}, message_id=message_id,
    )  # fmt: skip
    stage.signal(item, source=source, body={})


def put_right(stage: Stage, *, because: str = "a letter", **wanted: Any) -> Corrected:
    """Put one thing of Ana right."""
    stage.now += SECOND
    told = {"identifier": "user_id:ana", "confirmed_by": "passport", "because": because} | wanted
    with stage.store.transaction():
        return correct(
            stage.engine, map_data(stage.engine.bundle.brand), Correction(**told),
            actor="olga", now=stage.now,
        )  # fmt: skip


def state_of(stage: Stage) -> State:
    """Return what is known of Ana."""
    ana = stage.find(ANA)
    assert ana is not None
    return ana.total(stage.engine.plan)


def birthday(stage: Stage) -> int | None:
    """Return Ana's birthday, as a day since 1970."""
    value = state_of(stage).traits["birthday"].value
    assert value is None or isinstance(value, int)
    return value


def day(text: str) -> int:
    """Return a date as it is folded."""
    stage = Stage(compile_larkmead(), MemoryStore(), now=NOON, shadow=False)
    tell(stage, traits={"birthday": text})
    return birthday(stage) or 0


def test_a_source_that_repeats_the_wrong_value_does_not_bring_it_back(stage: Stage) -> None:
    """The nightly sync of the old value changes nothing; a value that is new counts, and stays."""
    put_right(stage, trait="birthday", value=RIGHT)
    assert birthday(stage) == day(RIGHT)
    for _ in range(3):
        stage.now += DAY
        tell(stage, traits={"birthday": WRONG, "first_name": "Anita"})
        assert birthday(stage) == day(RIGHT)
    assert state_of(stage).traits["first_name"].value == "Anita"
    tell(stage, traits={"birthday": NEWER})
    tell(stage, traits={"birthday": WRONG})
    assert birthday(stage) == day(NEWER)


def test_what_is_loaded_again_says_the_same(stage: Stage) -> None:
    """The fold is a function of the stream: whoever leaves memory comes back as they were."""
    put_right(stage, trait="birthday", value=RIGHT)
    tell(stage, traits={"birthday": WRONG})
    expected = state_of(stage)
    with stage.store.transaction():
        stage.engine.customers.flush(99)
    ana = stage.find(ANA)
    assert ana is not None
    stage.engine.customers.forget(ana)
    assert state_of(stage) == expected
    assert birthday(stage) == day(RIGHT)


def test_the_old_value_can_be_put_back_by_a_person(stage: Stage) -> None:
    """Whoever put it right wrongly puts it right again, and from then on sources may say it."""
    put_right(stage, trait="birthday", value=RIGHT)
    put_right(stage, trait="birthday", value=WRONG)
    assert birthday(stage) == day(WRONG)
    tell(stage, traits={"birthday": RIGHT})
    assert birthday(stage) == day(WRONG)
    tell(stage, traits={"birthday": WRONG})
    assert birthday(stage) == day(WRONG)


def test_a_trait_can_be_cleared(stage: Stage) -> None:
    """It is known to be none, and the sync does not fill it again."""
    put_right(stage, trait="birthday", value=None)
    tell(stage, traits={"birthday": WRONG})
    assert birthday(stage) is None


def test_what_another_part_said_before_it_was_joined_is_rejected_too(stage: Stage) -> None:
    """A visitor who once said the wrong birthday, and is then known to be Ana, does not bring it back."""
    put_right(stage, trait="birthday", value=RIGHT)
    stage.now += DAY
    tell(stage, user_id=None, anonymous_id="cookie", traits={"birthday": WRONG})
    tell(stage, "Page Viewed", anonymous_id="cookie")
    assert stage.find(Identifier("anonymous_id", "cookie")) is stage.find(ANA)
    assert birthday(stage) == day(RIGHT)


def test_a_field_of_an_object_stays_right(stage: Stage) -> None:
    """An amount that billing repeats wrongly is not taken up again, and decisions see the right one."""
    due = format_instant(stage.now + HOUR)
    tell(stage, "Bill Issued", source="billing", bill_id="b1", amount=40, due_at=due)
    done = put_right(stage, object="bill/b1", field="paid", value=True)
    assert done.what == "bill.paid"
    stage.advance(stage.now + 3 * DAY)
    assert stage.handed_over == []
    put_right(stage, object="bill/b1", field="amount", value=30)
    tell(stage, "Bill Issued", source="billing", bill_id="b1", amount=40, due_at=due)
    assert state_of(stage).objects["bill"]["b1"]["amount"].value == 3_000
    assert state_of(stage).objects["bill"]["b1"]["paid"].value is True
    tell(stage, "Bill Issued", source="billing", bill_id="b2", amount=40, due_at=due)
    assert state_of(stage).objects["bill"]["b2"]["amount"].value == 4_000


def test_a_property_of_an_event_is_put_right_in_the_event(stage: Stage) -> None:
    """The feature that adds it up changes, and the wrong value stands nowhere any more."""
    tell(stage, "Order Completed", total=7777, message_id="order-1")
    tell(stage, "Order Completed", total=10, message_id="order-2")
    done = put_right(stage, event="order-1", property="total", value=20)
    assert done.what == "event.Order Completed.total"
    ana = stage.find(ANA)
    assert ana is not None
    values, _ = ana.view.read(stage.engine.bundle.fact_plan, state_of(stage), stage.now)
    spent = stage.engine.bundle.policy.fact_names.index("spent")
    assert values[spent] == 3_000
    stored = stage.store.load_part_events(sorted(ana.parts))
    assert "7777" not in str(stored)


def test_a_message_that_was_right_no_more_is_withdrawn(stage: Stage) -> None:
    """What waits for the morning is judged by what is right now."""
    for entity in ("shop", "bank"):
        tell(stage, "Consent Given", entity=entity, purpose="marketing")
    stage.advance(stage.now + 11 * HOUR)
    tell(stage, "Order Completed", total=5, message_id="order-1")
    ana = stage.find(ANA)
    assert ana is not None
    waiting = list(ana.messages)
    assert waiting
    done = put_right(stage, wrong_identifier="email:ana@example.com")
    assert done.what == "identifier.email"
    assert set(put_right(stage, trait="email", value=None).withdrawn) == set(waiting)


def test_a_wrong_identifier_is_parted_and_replaced(stage: Stage) -> None:
    """Evidence that names both again does not join them; the right one is Ana's from now on."""
    old, new = Identifier("email", "ana@example.com"), Identifier("email", "ana@new.example")
    assert stage.find(old) is stage.find(ANA)
    put_right(
        stage, wrong_identifier="email:ana@example.com", right_identifier="email:ana@new.example"
    )
    assert stage.find(old) is not stage.find(ANA)
    assert stage.find(new) is stage.find(ANA)
    tell(stage, traits={"email": "ana@example.com"})
    assert stage.find(old) is not stage.find(ANA)


def test_an_identifier_of_somebody_else_is_not_taken(stage: Stage) -> None:
    """And the only one that somebody is known by is not taken away."""
    tell(stage, user_id="ben", traits={"email": "ben@example.com"})
    with pytest.raises(ConflictError, match="somebody else"):
        put_right(
            stage, wrong_identifier="email:ana@example.com",
            right_identifier="email:ben@example.com",
        )  # fmt: skip
    put_right(stage, wrong_identifier="email:ana@example.com")
    with pytest.raises(ConflictError, match="all that"):
        put_right(stage, wrong_identifier="user_id:ana")


def test_who_had_it_wrong_is_named_and_the_audit_holds_no_value(stage: Stage) -> None:
    """The mail provider was given the address; the audit says which field, who, why."""
    done = put_right(stage, trait="email", value="ana@new.example")
    assert {share.recipient for share in done.recipients} == {"Mailer Ltd"}
    (entry,) = stage.store.read_audit(newest=1)
    assert (entry.actor, entry.verb) == ("olga", "correct")
    assert entry.detail == {
        "customer": done.customer_id, "what": "trait.email", "because": "a letter",
        "confirmed_by": "passport",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "error", "says"),
    [
        ({}, InputError, "say one of"),
        ({"trait": "birthday", "event": "x"}, InputError, "say one of"),
        ({"trait": "size", "value": 1}, NotFoundError, "no trait"),
        ({"trait": "birthday", "value": "soon"}, InputError, "no date"),
        ({"object": "bill/b9", "field": "paid"}, NotFoundError, "no such bill"),
        ({"event": "nothing", "property": "x"}, NotFoundError, "no such event"),
        ({"trait": "birthday", "because": " "}, InputError, "because"),
        ({"wrong_identifier": "email:nobody@example.com"}, NotFoundError, "none of"),
        ({"identifier": "user_id:nobody", "trait": "birthday"}, NotFoundError, "nobody"),
    ],
)
def test_what_cannot_be_put_right_is_said(
    stage: Stage, wanted: dict[str, Any], error: type[Exception], says: str
) -> None:
    """And nothing has changed."""
    before = stage.store.last_sequence()
    with pytest.raises(error, match=says):
        put_right(stage, **wanted)
    assert stage.store.last_sequence() == before


def test_no_event_is_folded_anew_while_slots_are_being_filled(stage: Stage) -> None:
    """It would stand in the new slots already when the filling comes to it, and count twice."""
    tell(stage, "Order Completed", message_id="order-1", properties={"total": 30})
    plan = stage.engine.bundle.fold_plan
    stage.engine.customers.plan = fold_both(plan, plan)
    with pytest.raises(ConflictError, match="on its way into force"):
        put_right(stage, event="order-1", property="total", value=20)
