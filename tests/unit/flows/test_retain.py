"""Nothing is kept longer than the brand says: events, what was known by them alone, and their people."""

from typing import Any

import msgspec
import pytest

from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.core.consent import purpose_key
from kept.core.data_map import map_data
from kept.core.event import Identifier
from kept.core.explain import replays_alike
from kept.core.fold.fold import fold_event
from kept.core.retention import GRACE, Limits, limits_of
from kept.core.state import State
from kept.core.touchpoint_item import WireItem
from kept.core.values import DAY, SECOND
from kept.flows import retain as retain_flow
from kept.flows.correct import Correction, correct
from kept.flows.engine import decode_trace
from kept.flows.restrict import restrict
from kept.flows.retain import Retaining, approve_retention, load_progress, retain
from kept.flows.stage import Stage
from kept.flows.survey_retention import (
    Overdue,
    Tally,
    count_events,
    count_records,
    view_retention,
)
from kept.retention_port import retained_number
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import LARKMEAD

ANA = Identifier("user_id", "ana")
NOON = 1_772_452_800_000_000
SHORTER = """history: 3650 days
retention: {Page Viewed: 30 days, Order Completed: 100 days, Case Opened: 90 days}
records: {decisions: 60 days, messages: 50 days}
legal_holds:
  books:
    law: the books
    events: [Order Completed]
    fields: [trait.first_name]
    keep: 1000 days
    told: {en: The books.}
"""


def a_stage(extra: str = SHORTER) -> Stage:
    """Give a stage at noon on a brand that keeps less than everything for ten years."""
    texts = dict(LARKMEAD)
    # Its own legal hold makes way for the one of these tests.
    own = texts["brand.yaml"].partition("legal_holds:")[0]
    texts["brand.yaml"] = own.replace("history: 3650 days\n", extra)
    bundle = compile_brand(load_brand(texts))
    return Stage(bundle, MemoryStore(), now=NOON, shadow=False)


@pytest.fixture
def stage() -> Stage:
    """Give that stage, with limits that are agreed on while nothing was stored yet."""
    stage = a_stage()
    keep_house(stage)
    traits = {"email": "ana@example.com", "first_name": "Ana", "zone": "Europe/Lisbon"}
    tell(stage, "Identified", traits=traits)
    return stage


def tell(
    stage: Stage,
    event: str,
    *,
    user_id: str | None = "ana",
    traits: dict[str, Any] | None = None,
    source: str = "shop",
    anonymous_id: str | None = None,
    **told: Any,
) -> None:
    """Let a touchpoint say one thing."""
    stage.now += SECOND
    item = WireItem(
        type="identify" if traits else "track", event=event, user_id=user_id,
        anonymous_id=anonymous_id, timestamp=stage.now / SECOND, properties=told,
        traits=traits or {},
    )  # fmt: skip
    stage.signal(item, source=source, body={})


def limits(stage: Stage) -> Limits:
    """Return the limits of the brand in force."""
    brand = stage.engine.bundle.brand
    return limits_of(brand, map_data(brand))


def keep_house(stage: Stage, pieces_max: int = 100) -> int:
    """Do a whole round, and return in how many pieces."""
    retaining = Retaining(limits(stage))
    for number in range(1, pieces_max + 1):
        with stage.store.transaction():
            if not retain(stage.engine, retaining, stage.now):
                return number
    return pieces_max


def names(stage: Stage) -> list[str]:
    """Return the names of all events that are stored, but of our own ones."""
    stored = stage.store.load_events(after=0, limit=10_000)
    return [one.event.name for one in stored if one.event.source != "kept"]


def state_of(stage: Stage, who: Identifier = ANA) -> State:
    """Return what is known of a customer."""
    customer = stage.find(who)
    assert customer is not None
    return customer.total(stage.engine.plan)


def folded_again(stage: Stage, who: Identifier = ANA) -> State:
    """Return what the stored events of a customer of one part come to."""
    customer = stage.find(who)
    assert customer is not None
    state = State()
    for stored in stage.store.load_part_events(sorted(customer.parts)):
        fold_event(stage.engine.plan, state, stored.event)
    return state


def test_events_go_when_their_time_has_passed_and_what_they_told_goes_with_them(
    stage: Stage,
) -> None:
    """A feature no longer counts them, an object that only they told is gone, and the rest stays."""
    tell(stage, "Page Viewed")
    tell(stage, "Case Opened", case_id="c1")
    stage.now += 29 * DAY
    keep_house(stage)
    assert names(stage) == ["Identified", "Page Viewed", "Case Opened"]
    stage.now += 2 * DAY
    keep_house(stage)
    assert names(stage) == ["Identified", "Case Opened"]
    stage.now += 60 * DAY
    keep_house(stage)
    assert names(stage) == ["Identified"]
    state = state_of(stage)
    assert state == folded_again(stage)
    assert state.objects == {}
    assert state.features == {}
    assert state.traits["first_name"].value == "Ana"


def test_what_was_refolded_is_what_is_stored(stage: Stage) -> None:
    """A start right after the removal finds no state that still holds what was removed."""
    tell(stage, "Page Viewed")
    stage.advance(stage.now + 31 * DAY)
    keep_house(stage)
    ana = stage.find(ANA)
    assert ana is not None
    stage.engine.customers.forget(ana)
    assert state_of(stage) == folded_again(stage)
    assert state_of(stage).features == {}


def test_a_no_never_lapses_while_anything_of_the_customer_is_left(stage: Stage) -> None:
    """Ten years later the opt-out still stands, because the customer was heard of since."""
    tell(stage, "Consent Withdrawn", purpose="marketing")
    stage.now += 3600 * DAY
    tell(stage, "Identified", traits={"first_name": "Ana"})
    stage.now += 100 * DAY
    keep_house(stage)
    assert names(stage) == ["Consent Withdrawn", "Identified"]
    assert state_of(stage).consents["p|*|marketing|"].value is False


def test_a_no_stands_whatever_its_category_means_by_now(stage: Stage) -> None:
    """A banner's category was renamed since: what is folded anew would not find it any more."""
    said = WireItem(
        type="track",
        event="Segment Consent Preference Updated",
        user_id="ana",
        timestamp=stage.now / SECOND,
        context={"consent": {"categoryPreferences": {"Advertising": False}}},
    )
    stage.signal(said, source="history", body={})
    tell(stage, "Page Viewed")
    bundle = stage.engine.bundle
    renamed = {"Advertising": "Ads"}
    categories = {renamed[name]: meant for name, meant in bundle.fold_plan.categories.items()}
    plan = msgspec.structs.replace(bundle.fold_plan, categories=categories)
    other = Stage(
        msgspec.structs.replace(bundle, fold_plan=plan), stage.store, now=stage.now, shadow=False
    )
    other.advance(other.now + 31 * DAY)
    keep_house(other)
    assert "Page Viewed" not in names(other)
    assert state_of(other).consents[purpose_key("shop", "marketing")].value is False


def test_whoever_nothing_is_left_of_is_let_go_and_a_no_outlives_them(stage: Stage) -> None:
    """Their parts go with their keys; if they come back, what they refused is refused."""
    tell(stage, "Consent Withdrawn", purpose="marketing")
    stage.now += 3651 * DAY
    keep_house(stage)
    assert stage.store.find_parts([(ANA, False)]) == [None]
    assert names(stage) == []
    tell(stage, "Identified", traits={"first_name": "Ana"})
    assert state_of(stage).consents["p|*|marketing|"].value is False


def test_whoever_refused_nothing_leaves_nothing(stage: Stage) -> None:
    """No tombstone is made of somebody who never said no."""
    stage.now += 3651 * DAY
    keep_house(stage)
    assert stage.store.find_parts([(ANA, False)]) == [None]
    assert not stage.store.has_tombstones()


def test_an_identifier_that_nothing_names_any_more_goes(stage: Stage) -> None:
    """A cookie of a page long forgotten is no longer known to be hers; she stays whole."""
    tell(stage, "Page Viewed", anonymous_id="cookie")
    cookie = Identifier("anonymous_id", "cookie")
    assert stage.find(cookie) is stage.find(ANA)
    stage.now += 31 * DAY
    keep_house(stage)
    assert stage.store.find_parts([(cookie, False)]) == [None]
    ana = stage.find(ANA)
    assert ana is not None
    links = stage.store.load_links(sorted(ana.parts))
    assert {end for link in links for end in (link.part_a, link.part_b)} == set(ana.parts)
    tell(stage, "Page Viewed", anonymous_id="cookie")
    assert stage.find(cookie) is stage.find(ANA)


def test_an_identifier_that_a_person_put_right_stays(stage: Stage) -> None:
    """No source ever named it, and it is known as long as the customer."""
    tell(stage, "Page Viewed")
    wanted = Correction(
        identifier="user_id:ana", confirmed_by="x", because="y",
        wrong_identifier="email:ana@example.com", right_identifier="email:ana@new.example",
    )  # fmt: skip
    with stage.store.transaction():
        data = map_data(stage.engine.bundle.brand)
        correct(stage.engine, data, wanted, actor="olga", now=stage.now)
    stage.now += 31 * DAY
    keep_house(stage)
    assert "Page Viewed" not in names(stage)
    assert stage.find(Identifier("email", "ana@new.example")) is stage.find(ANA)


def test_what_a_law_keeps_is_held_apart(stage: Stage) -> None:
    """An order past its time is not read any more, and held under a key of its own until its law ends."""
    tell(stage, "Order Completed", total=12)
    ana = stage.find(ANA)
    assert ana is not None
    stage.now += 101 * DAY
    keep_house(stage)
    assert names(stage) == ["Identified"]
    (record,) = stage.store.load_held_records(retained_number(ana.own_part))
    body = msgspec.json.decode(record.body)
    assert record.hold == "books"
    assert body["event"]["properties"] == {"total": 12}
    assert body["traits"] == {"first_name": "Ana"}
    stage.now += 900 * DAY
    keep_house(stage)
    assert stage.store.load_held_records(retained_number(ana.own_part)) == []


def test_what_is_restricted_is_kept(stage: Stage) -> None:
    """It may be restricted for a claim that needs just this (GDPR, article 18(1)(c))."""
    tell(stage, "Page Viewed")
    with stage.store.transaction():
        restrict(
            stage.engine, ANA, because="a claim", confirmed_by="x", actor="olga", now=stage.now
        )
    stage.now += 31 * DAY
    keep_house(stage)
    assert names(stage) == ["Identified", "Page Viewed"]


def test_decisions_messages_and_quarantine_go_by_age(stage: Stage) -> None:
    """And a decision that is kept still comes out the same when its events are gone (G7)."""
    for entity in ("shop", "bank"):
        tell(stage, "Consent Given", entity=entity, purpose="marketing")
    tell(stage, "Page Viewed")
    assert stage.handed_over
    with stage.store.transaction():
        stage.store.quarantine(
            source="shop", received_at=stage.now, code="x", detail="", payload=b"{}"
        )
    ana = stage.find(ANA)
    assert ana is not None
    parts = sorted(ana.parts)
    stage.now += 31 * DAY
    keep_house(stage)
    assert stage.store.read_quarantine(after=0, limit=9) == []
    assert names(stage).count("Page Viewed") == 0
    rows = stage.store.read_decisions(parts, newest=99)
    assert any(not decode_trace(row.trace).is_silence for row in rows)
    for row in rows:
        assert replays_alike(decode_trace(row.trace), stage.engine.bundle.policy)
    assert stage.store.load_part_messages(parts)
    stage.now += 20 * DAY
    keep_house(stage)
    assert stage.store.load_part_messages(parts) == []
    stage.now += 10 * DAY
    keep_house(stage)
    left = stage.store.read_decisions(parts, newest=99)
    assert all(row.decided_at >= stage.now - 60 * DAY for row in left)
    assert len(left) < len(rows)


def test_a_long_life_is_folded_in_pieces_and_survives_being_cut_short(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was removed before a crash is folded away after it, with what arrived meanwhile."""
    monkeypatch.setattr(retain_flow, "EVENTS_A_PIECE", 7)
    for _ in range(30):
        tell(stage, "Page Viewed")
    stage.now += 31 * DAY
    tell(stage, "Page Viewed")
    with stage.store.transaction():
        assert retain(stage.engine, Retaining(limits(stage)), stage.now)
    assert load_progress(stage.store).again
    assert names(stage).count("Page Viewed") == 25
    tell(stage, "Page Viewed")
    # The piece that was under way is lost with the process; another begins anew.
    assert keep_house(stage) > 3
    assert load_progress(stage.store).again == ()
    assert names(stage).count("Page Viewed") == 2
    assert state_of(stage) == folded_again(stage)


def test_a_round_is_made_once_a_day(stage: Stage) -> None:
    """Within a day of its beginning nothing is looked at again."""
    tell(stage, "Page Viewed")
    stage.now += 31 * DAY
    assert keep_house(stage) == 1
    tell(stage, "Page Viewed", source="shop")
    begun_at = load_progress(stage.store).begun_at
    stage.now += DAY // 2
    keep_house(stage)
    assert load_progress(stage.store).begun_at == begun_at
    stage.now += DAY
    keep_house(stage)
    assert load_progress(stage.store).begun_at == stage.now


@pytest.mark.parametrize("is_approved", [True, False])
def test_what_is_shortened_waits_for_an_operator_or_a_week(*, is_approved: bool) -> None:
    """Nothing goes by a limit that was never applied before somebody could see what would go."""
    stage = a_stage("history: 3650 days\n")
    keep_house(stage)
    tell(stage, "Identified", traits={"first_name": "Ana"})
    tell(stage, "Page Viewed")
    stage.now += 40 * DAY
    stage.engine.bundle = a_stage().engine.bundle
    stage.engine.customers.take_plan(stage.engine.bundle.fold_plan)
    keep_house(stage)
    assert names(stage) == ["Identified", "Page Viewed"]
    assert [one["code"] for one in stage.engine.alerts] == ["retention_shortened"]
    (found,) = [one for one in survey(stage) if one.what.startswith("event.")]
    assert (found.what, found.count, found.kept) == ("event.Page Viewed", 1, "30 days")
    assert found.is_waiting
    assert "shop/marketing" in found.purposes
    if is_approved:
        with stage.store.transaction():
            assert approve_retention(stage.engine, actor="olga", because="x", now=stage.now)
        assert stage.store.read_audit(newest=1)[0].verb == "approve_retention"
    else:
        stage.now += GRACE - SECOND
        keep_house(stage)
        assert "Page Viewed" in names(stage)
        stage.now += SECOND
    keep_house(stage)
    assert names(stage) == ["Identified"]
    assert all(not one.what.startswith("event.") for one in survey(stage))


def survey(stage: Stage) -> tuple[Overdue, ...]:
    """Return what is past its time."""
    tally = Tally(limits(stage))
    assert count_events(stage.engine, tally, after=0, now=stage.now) == 0
    count_records(stage.store, tally, now=stage.now)
    return view_retention(stage.engine, tally, now=stage.now).overdue
