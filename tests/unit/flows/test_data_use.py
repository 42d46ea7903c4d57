"""How one customer's data is used, and what a reading of history holds, on the real flows."""

from typing import Any

import pytest

from kept.core.data_map import map_data
from kept.core.data_use_link import DataUseLink, make_token, read_token
from kept.core.event import Identifier
from kept.core.touchpoint_item import WireItem
from kept.core.values import DAY, SECOND
from kept.errors import InputError, NotFoundError
from kept.flows.describe_data_use import (
    DataUse,
    HeldField,
    describe_data_use,
    follow_data_use_link,
    make_data_use_link,
)
from kept.flows.forget import Wish, forget
from kept.flows.read_history import HistoryPage, HistoryWanted, read_history
from kept.flows.stage import Stage
from tests.scenario.apothecary import agree, stage_of_apothecary, tell

ANA = Identifier("user_id", "ana")
SECRET = b"x" * 32


@pytest.fixture
def stage() -> Stage:
    """Give a stage on which Ana has a name, an address, an illness, a case and a bill."""
    stage = stage_of_apothecary()
    traits = {
        "email": "ana@example.com", "first_name": "Ana Maria", "zone": "Europe/Lisbon", "ill": True,
    }  # fmt: skip
    tell(stage, "Identified", traits=traits)
    tell(stage, "Case Opened", properties={"case_id": "case-4711", "diagnosis": "flu"})
    tell(stage, "Order Completed", properties={"total": 12.5, "note": "for my mother"})
    return stage


def use_of(stage: Stage, *, personal: bool = False, because: str = "") -> DataUse:
    """Return how Ana's data is used."""
    with stage.store.transaction():
        return describe_data_use(
            stage.engine,
            map_data(stage.engine.bundle.brand),
            ANA,
            in_the_clear=personal,
            because=because,
            actor="olga",
            now=stage.now,
        )


def held(use: DataUse, name: str) -> HeldField:
    """Return a field that must be held."""
    return next(field for field in use.fields if field.field == name)


def audit(stage: Stage) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the audit, newest first."""
    return [(one.actor, one.verb, one.detail) for one in stage.store.read_audit(newest=9)]


def test_every_field_that_is_held_is_told_with_its_source(stage: Stage) -> None:
    """Traits, objects, features, identifiers, events, consents and contacts; the values masked."""
    agree(stage)
    use = use_of(stage)
    kinds = {field.kind for field in use.fields}
    assert kinds == {
        "trait", "object", "feature", "identifier", "event", "consents", "contacts",
    }  # fmt: skip
    name = held(use, "trait.first_name").values[0]
    assert (name.value, name.source) == ("A•••a", "shop")
    assert name.told_at.startswith("2026-03-02T12:00:01")
    assert name.until.startswith("2036-02-28T12:00:01")
    text = str(use)
    for secret in ("Ana Maria", "ana@example.com", "case-4711", "flu", "mother"):
        assert secret not in text


def test_what_is_used_says_whether_the_basis_holds(stage: Stage) -> None:
    """Consent that was never given holds nothing; a contract holds until somebody objects."""
    uses = {(u.entity, u.purpose): u.holds for u in held(use_of(stage), "trait.email").uses}
    assert uses["shop", "service"] is True
    assert uses["shop", "marketing"] is False
    tell(stage, "Consent Given", properties={"entity": "shop", "purpose": "marketing"})
    uses = {(u.entity, u.purpose): u.holds for u in held(use_of(stage), "trait.email").uses}
    assert uses["shop", "marketing"] is True
    assert uses["bank", "marketing"] is False


def test_a_special_category_without_consent_is_held_and_not_used(stage: Stage) -> None:
    """The customer is told that it is there, and that nothing reads it."""
    ill = held(use_of(stage), "trait.ill")
    assert (ill.is_read, ill.uses, ill.shared) == (False, (), ())
    assert ill.values[0].value == "•••"
    agree(stage)
    ill = held(use_of(stage), "trait.ill")
    assert ill.is_read
    assert [(use.purpose, use.holds) for use in ill.uses] == [("service", True)]


def test_what_left_says_when_it_last_did(stage: Stage) -> None:
    """From contacts on record, for the purposes that this way serves."""
    before = {s.last_at for s in held(use_of(stage), "trait.email").shared}
    assert before == {""}
    agree(stage)
    (address,) = [s for s in held(use_of(stage), "trait.email").shared if s.what == "address"]
    assert address.through == "channel email"
    assert address.last_at.startswith("2026-03-02T12:00")


def test_values_in_the_clear_need_a_reason_and_are_audited(stage: Stage) -> None:
    """Nobody looks without saying why."""
    with pytest.raises(InputError, match="because"):
        use_of(stage, personal=True)
    use = use_of(stage, personal=True, because="she asked for a copy")
    assert held(use, "trait.first_name").values[0].value == "Ana Maria"
    actor, verb, detail = audit(stage)[0]
    assert (actor, verb, detail["because"]) == ("olga", "show_data_use", "she asked for a copy")
    assert "ana" not in str(detail)


def test_what_nobody_declared_is_told_too(stage: Stage) -> None:
    """An event is held with all that it carries, and says what it is used for."""
    order = held(use_of(stage), "event.Order Completed")
    assert (order.count, order.values[0].value) == (1, 1)
    assert order.personal


def test_a_link_shows_one_customer_until_its_time_is_over(stage: Stage) -> None:
    """It says nothing of anybody else, and cannot be stretched."""
    data = map_data(stage.engine.bundle.brand)
    with stage.store.transaction():
        made = make_data_use_link(
            stage.engine, ANA, days=7, in_the_clear=False, because="asked", actor="olga", now=stage.now
        )  # fmt: skip
    assert made.url.startswith("https://kept.example/d/1.")
    assert audit(stage)[0][1] == "make_data_use_link"
    token = made.url.rpartition("/")[2]
    secrets = [stage.engine.secret]
    link = read_token(token, secrets, now=stage.now)
    assert link is not None
    with stage.store.transaction():
        use, _ = follow_data_use_link(stage.engine, data, link, now=stage.now)
    assert use == use_of(stage)
    assert read_token(token, secrets, now=stage.now + 7 * DAY) is None
    assert (
        read_token(token[:-1] + ("A" if token[-1] != "A" else "B"), secrets, now=stage.now) is None
    )
    assert read_token(token, [b"y" * 32], now=stage.now) is None


def test_no_link_outlives_what_may_be_asked_for(stage: Stage) -> None:
    """Whatever it says, and whoever is asked."""
    link = DataUseLink(part_id=1, until=stage.now + 31 * DAY, shows_values=True)
    assert read_token(make_token(link, secret=SECRET), [SECRET], now=stage.now) is None
    for days in (0, 31):
        with pytest.raises(InputError, match="1 to 30 days"):
            make_data_use_link(
                stage.engine, ANA, days=days, in_the_clear=False, because="x", actor="o", now=stage.now
            )  # fmt: skip


def test_nobody_gets_a_link_by_a_claim(stage: Stage) -> None:
    """What a browser merely says is no proof of who asks."""
    item = WireItem(
        type="track", event="Offer Declined", anonymous_id="cookie", user_id="eve",
        timestamp=stage.now / SECOND, properties={"action": "lamp_offer"},
    )  # fmt: skip
    stage.signal(item, source="web", body={})
    with pytest.raises(NotFoundError):
        make_data_use_link(
            stage.engine, Identifier("user_id", "eve"), days=7, in_the_clear=True, because="x",
            actor="o", now=stage.now,
        )  # fmt: skip


# -- reading history


def test_nothing_is_shown_or_read_of_the_forgotten(stage: Stage) -> None:
    """Neither by their identifier, nor by a link that was made before, nor in a reading."""
    data = map_data(stage.engine.bundle.brand)
    with stage.store.transaction():
        made = make_data_use_link(
            stage.engine, ANA, days=7, in_the_clear=False, because="asked", actor="olga", now=stage.now
        )  # fmt: skip
        wish = Wish(request_id="r-1", actor="olga", confirmed_by="letter", is_forwarded=False)
        forget(stage.engine, ANA, wish, stage.now)
    link = read_token(made.url.rpartition("/")[2], [stage.engine.secret], now=stage.now)
    assert link is not None
    with pytest.raises(NotFoundError):
        use_of(stage)
    with pytest.raises(NotFoundError):
        follow_data_use_link(stage.engine, data, link, now=stage.now)
    assert read(stage).events == ()
    assert read(stage, what="decisions").decisions == ()


def read(stage: Stage, purpose: str = "analysis", **rest: Any) -> HistoryPage:
    """Read history for the shop."""
    wanted = HistoryWanted(purpose=purpose, entity="shop", **rest)
    with stage.store.transaction():
        return read_history(stage.engine, wanted, actor="ines", now=stage.now)


def test_a_reading_is_masked_and_audited(stage: Stage) -> None:
    """Who read how much for what; no value of anybody in it."""
    page = read(stage)
    assert [row.event for row in page.events] == ["Identified", "Case Opened", "Order Completed"]
    text = str(page)
    for secret in ("Ana Maria", "ana@example.com", "case-4711", "mother", "12.5"):
        assert secret not in text
    assert page.events[0].traits["zone"] == "Europe/Lisbon"
    assert page.is_last
    actor, verb, detail = audit(stage)[0]
    assert (actor, verb, detail["purpose"], detail["count"]) == (
        "ines",
        "read_history",
        "analysis",
        3,
    )


def test_values_in_the_clear_are_read_for_a_reason(stage: Stage) -> None:
    """With the reason in the audit; a special category is not among them."""
    with pytest.raises(InputError, match="because"):
        read(stage, personal=True)
    page = read(stage, personal=True, because="a study of parcels")
    assert page.events[2].properties == {"total": 12.5, "note": "for my mother"}
    assert "diagnosis" not in page.events[1].properties
    assert "ill" not in page.events[0].traits
    assert audit(stage)[0][2]["because"] == "a study of parcels"


def test_a_special_category_is_read_where_its_consent_covers_the_purpose(stage: Stage) -> None:
    """The service may, once she agreed; learning may not, and not before."""
    clear = {"personal": True, "because": "a study"}
    assert "ill" not in read(stage, "service", **clear).events[0].traits
    agree(stage)
    assert read(stage, "service", **clear).events[0].traits["ill"] is True
    assert read(stage, "service", **clear).events[1].properties["diagnosis"] == "flu"
    assert "ill" not in read(stage, "analysis", **clear).events[0].traits


def test_an_objection_ends_a_legitimate_interest(stage: Stage) -> None:
    """From then on she is absent, and not merely masked."""
    tell(stage, "Unsubscribed", properties={"entity": "shop", "purpose": "analysis"})
    assert read(stage).events == ()
    assert read(stage, "marketing").events == ()


def test_only_the_fields_that_are_needed_are_read(stage: Stage) -> None:
    """Events that tell none of them are left out whole."""
    page = read(stage, fields=("spent",), personal=True, because="x")
    assert [(row.event, row.properties) for row in page.events] == [
        ("Order Completed", {"total": 12.5})
    ]
    page = read(stage, fields=("trait.zone",))
    assert [row.traits for row in page.events] == [{"zone": "Europe/Lisbon"}]
    with pytest.raises(InputError, match="no field 'spend'"):
        read(stage, fields=("spend",))


def test_decisions_tell_what_was_chosen_and_no_fact(stage: Stage) -> None:
    """Of the same customers, under the same rule."""
    page = read(stage, what="decisions")
    assert page.decisions
    assert all("spent" not in str(row) and "ana" not in str(row) for row in page.decisions)
    tell(stage, "Unsubscribed", properties={"entity": "shop", "purpose": "analysis"})
    assert read(stage, what="decisions").decisions == ()


def test_what_a_browser_claims_is_nobodys(stage: Stage) -> None:
    """A row that may be somebody else's is absent, whatever Ana allows."""
    item = WireItem(
        type="track", event="Offer Declined", anonymous_id="cookie", user_id="ana",
        timestamp=stage.now / SECOND, properties={"action": "lamp_offer"},
    )  # fmt: skip
    stage.signal(item, source="web", body={})
    assert "Offer Declined" not in {row.event for row in read(stage).events}


def test_a_purpose_and_a_company_must_exist(stage: Stage) -> None:
    """Reading states both."""
    with pytest.raises(NotFoundError, match="no purpose 'fun'"):
        read(stage, "fun")
    with (
        stage.store.transaction(),
        pytest.raises(NotFoundError, match="for which legal entity"),
    ):
        read_history(stage.engine, HistoryWanted(purpose="analysis"), actor="i", now=stage.now)
