"""Laws of the decision: it replays, it fails closed, it does not read the order of files, it knows its end."""

from functools import cache
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kept.core.brand.load import load_brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.consent import purpose_key
from kept.core.decide import decide, find_next_change, next_change_of
from kept.core.decision import OUTBOUND, Brake, Controls, Decision, Facts, Request
from kept.core.explain import explain, explain_to_customer, replays_alike
from kept.core.state import Contact, Stamped
from kept.core.values import DAY, MINUTE
from tests.scenario.larkmead import LARKMEAD, compile_larkmead

NOW = 1_772_452_800_000_000
POLICY = compile_larkmead().policy
PLAN = compile_larkmead().fact_plan
_decode = msgspec.msgpack.Decoder(Decision).decode
_encode = msgspec.msgpack.Encoder().encode

instants = st.integers(-30 * 24 * 60, 30 * 24 * 60).map(lambda minutes: NOW + minutes * MINUTE)
past = st.integers(0, 30 * 24 * 60).map(lambda minutes: NOW - minutes * MINUTE)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "orders": st.integers(0, 3),
    "spent": st.integers(0, 10_000),
    "last_case_at": st.none() | past,
    "views": st.integers(0, 3),
}
_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "key": st.sampled_from(["a", "b"]),
    "amount": st.integers(0, 100),
    "due_at": st.none() | instants,
    "paid": st.booleans(),
    "grace_until": st.none() | instants,
    "status": st.sampled_from(["open", "resolved"]),
}


@st.composite
def contacts(draw: st.DrawFn) -> Contact:
    """Draw a contact of the last month."""
    rule = POLICY.by_name[draw(st.sampled_from(["lamp_offer", "chair_offer", "bill_due"]))]
    at = draw(past)
    settled = draw(st.booleans())
    return Contact(
        message_id=f"m{draw(st.integers(1, 9))}",
        attempt_at=at,
        settled_at=at + 1 if settled else 0,
        outcome=draw(st.sampled_from(["delivered", "unknown", "failed"])) if settled else "",
        action=rule.action,
        kind=rule.kind,
        purpose=rule.purpose,
        topic=rule.topic,
        channel="email",
        about="bill/a" if rule.about else "",
    )


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    """Draw what a decision may read of a customer."""
    words = st.builds(Stamped, st.booleans(), past, st.integers(1, 9))
    scopes = [purpose_key("shop", "marketing"), purpose_key("bank", "marketing"), "t|lamps", "gpc"]
    return Facts(
        values=[
            *(draw(_VALUES[feature.name]) for feature in PLAN.features),
            *(None for _ in PLAN.traits),
        ],
        objects=[
            draw(
                st.lists(
                    st.tuples(*(_FIELDS[field] for field in fields)),
                    max_size=2,
                    unique_by=lambda row: row[0],
                )
            )
            for fields in PLAN.object_fields
        ],
        restricting_values=None,
        restricting_objects=None,
        unknown=(),
        zone=draw(st.sampled_from(["Europe/Lisbon", "Asia/Tokyo", None])),
        region="north",
        consents=draw(st.dictionaries(st.sampled_from(scopes), words)),
        contacts=sorted(
            draw(st.lists(contacts(), max_size=4, unique_by=lambda one: one.message_id)),
            key=lambda one: (one.attempt_at, one.message_id),
        ),
        declines=draw(
            st.dictionaries(st.sampled_from(["lamp_offer"]), words.filter(lambda w: w.value))
        ),
        addresses=draw(
            st.dictionaries(st.sampled_from(["email", "sms"]), st.sampled_from(["ok", "closed"]))
        ),
        draw=draw(st.integers(0, 9_999)),
    )


placements = st.sampled_from([OUTBOUND, "web", "desk", "billing"])
brakes = st.sampled_from(
    [(), (Brake(brake="all", scope="all", since=1),), (Brake(brake="x", scope="cohort", name="buyer", since=1),)]
)  # fmt: skip


def decided(
    known: Facts,
    *,
    now: int = NOW,
    placement: str = OUTBOUND,
    controls: Controls | None = None,
    bundle: Bundle | None = None,
) -> Decision:
    """Decide by Larkmead's policy."""
    return decide(
        known,
        Request(placement=placement),
        bundle.policy if bundle else POLICY,
        controls or Controls(),
        customer_id=7,
        now=now,
        decision_id=1,
    )


def outcome(decision: Decision) -> tuple[Any, ...]:
    """Return what a decision comes to, whatever it was derived by."""
    return (
        decision.answer,
        decision.answer_about,
        decision.cohort,
        decision.holds,
        decision.chosen,
        sorted((one.action, one.about, repr(one.reason)) for one in decision.considered),
    )


@given(facts(), placements, brakes)
def test_every_trace_replays_alike(known: Facts, placement: str, on: tuple[Brake, ...]) -> None:
    """G7: a decision that went to the disk and came back is made again to the same bytes."""
    decision = decided(known, placement=placement, controls=Controls(brakes=on))
    again = _decode(_encode(decision))
    assert again == decision
    assert replays_alike(again, POLICY)
    assert explain(again, POLICY, sentences={}).outcome
    assert explain_to_customer(again, sentences={})


@cache
def shuffled_larkmead() -> Bundle:
    """Return the same brand, its files read the other way round."""
    return compile_brand(load_brand(dict(reversed(LARKMEAD.items()))))


@given(facts(), placements)
def test_the_order_of_files_does_not_matter(known: Facts, placement: str) -> None:
    """G5: the same actions in other files' order come to the same answer, for the same reasons."""
    other = shuffled_larkmead()
    assert outcome(decided(known, placement=placement, bundle=other)) == outcome(
        decided(known, placement=placement)
    )


@given(facts())
def test_there_is_one_answer_at_every_placement(known: Facts) -> None:
    """G5: the top of the ranking is the same wherever it is asked, and nothing else is shown first."""
    answers = {decided(known, placement=place).answer for place in (OUTBOUND, "web", "desk")}
    assert len(answers) == 1
    shown = [one for one in decided(known, placement="desk").chosen if one.action != "bill_due"]
    assert not shown or shown[0].action in answers


@given(facts(), st.sets(st.integers(0, len(POLICY.fact_names) - 1)))
def test_what_is_unknown_permits_nothing_new(known: Facts, stale: set[int]) -> None:
    """G12: with facts gone stale, holds that were on stay on, and no action becomes possible by it."""
    told = decided(known)
    blind = decided(known, controls=Controls(stale_facts=tuple(sorted(stale))))
    assert set(told.holds) <= set(blind.holds)
    possible = {
        (one.action, one.about)
        for one in told.considered
        if one.reason is None or one.reason.layer not in ("relevant", "eligible", "held")
    }
    assert {(one.action, one.about) for one in blind.chosen} <= possible
    for hold in POLICY.holds:
        if stale.intersection(hold.facts):
            assert hold.hold in blind.holds
    for rule in POLICY.actions:
        if stale.intersection(rule.facts):
            assert all(one.action != rule.action for one in blind.chosen)


@given(facts(), placements, st.integers(0, 100))
def test_nothing_changes_by_itself_before_it_is_expected_to(
    known: Facts, placement: str, share: int
) -> None:
    """G5: up to the instant that is named, time alone does not change the answer."""
    decision = decided(known, placement=placement)
    change = min(next_change_of(decision, POLICY), decision.valid_until)
    assert change > NOW
    later = NOW + (min(change, NOW + 40 * DAY) - 1 - NOW) * share // 100
    after = decided(known, now=later, placement=placement)
    assert after.answer == decision.answer
    assert after.holds == decision.holds
    assert after.cohort == decision.cohort
    if placement != OUTBOUND:
        # What leaves waits for the morning when night falls; what is shown is shown by night as well.
        assert _actions_in(after) == _actions_in(decision)


@given(facts(), facts(), st.integers(0, 99))
def test_the_next_turn_is_found_from_what_changed(known: Facts, other: Facts, share: int) -> None:
    """What was found before for the rest, and anew for what changed, never comes after the truth."""
    change = find_next_change(POLICY, known.values, known.objects, NOW, known.zone)
    later = NOW + (min(change, NOW + 40 * DAY) - 1 - NOW) * share // 100
    mask = 0
    for index, (old, new) in enumerate(zip(known.values, other.values, strict=True)):
        mask |= (old != new) << index
    first = len(POLICY.fact_names) - len(POLICY.object_kinds)
    for index, (before, after) in enumerate(
        zip(known.objects, other.objects, strict=True), start=first
    ):
        mask |= (before != after) << index
    # A new zone is told, and then everything is asked for.
    told = (POLICY, other.values, other.objects, later, known.zone)
    assert min(change, find_next_change(*told, changed=mask)) <= find_next_change(*told)


def _actions_in(decision: Decision) -> list[tuple[str, str]]:
    return [(one.action, one.about) for one in decision.chosen]
