"""Whom an event names, how sure that is, and which values name nobody."""

from typing import Any

import pytest

from kept.core.brand.model import Namespace
from kept.core.event import Event, Identifier
from kept.core.touchpoint_identifiers import (
    CACHE_SIZE,
    IdentifierReader,
    clean_value,
    other_spellings,
)
from kept.core.touchpoint_item import WireItem
from tests.unit.core.touchpoint_sample import (
    NAMESPACES,
    NOW,
    TOUCHPOINTS,
    event,
    make_touchpoints,
    names,
    rejection,
)


def test_vouched_comes_before_claimed_and_strong_before_weak() -> None:
    """The first is the anchor, the part that the event falls to."""
    found = event(
        "till",
        event="Card Shown",
        userId="u1",
        anonymousId="a1",
        properties={"loyalty_card": "7", "email": "A@B.org"},
    )
    assert names(found) == ["card:7", "user_id:u1", "email:a@b.org", "anonymous_id:a1"]
    assert found.vouched_count == 1


def test_a_browser_vouches_for_nothing_whatever_the_folder_says() -> None:
    """The sample's browser lists `vouches`, and it does not help."""
    found = event("web", event="Product Viewed", userId="u1", anonymousId="a1")
    assert names(found) == ["user_id:u1", "anonymous_id:a1"]
    assert found.vouched_count == 0


def test_a_source_names_only_the_namespaces_that_it_lists() -> None:
    """The web cannot speak of cards, parcels and phones."""
    found = event(
        "web",
        event="Product Viewed",
        properties={"loyalty_card": "7", "tracking_number": "T", "phone": "+351", "email": "a@b.c"},
        context={"externalIds": [{"type": "card", "id": "8"}]},
    )
    assert names(found) == ["user_id:u1", "email:a@b.c"]


def test_an_object_is_named_by_its_key() -> None:
    """A carrier that knows only the parcel still says whose event it is."""
    found = event(userId=None, properties={"tracking_number": 4711})
    assert names(found) == ["parcel:4711"]
    assert found.vouched_count == 1


def test_traits_and_properties_name_customers() -> None:
    """A namespace with `trait` is found in traits and properties, however it is spelled."""
    assert "card:7" in names(event(type="identify", traits={"loyaltyCard": "7"}))
    assert "card:7" in names(event(context={"traits": {"loyalty_card": "7"}}))
    assert "card:7" in names(event(properties={"loyaltyCard": "7"}))


def test_a_group_is_named_where_the_brand_declares_groups() -> None:
    """`group_id` is a namespace like any other."""
    assert "group_id:g1" in names(event(type="group", groupId="g1"))


def test_external_ids_name_customers_unless_they_are_encoded() -> None:
    """Odd entries are passed over one by one."""
    external: list[Any] = [
        {"type": "card", "id": "7", "collection": "users", "encoding": "none"},
        {"type": "card", "id": "hash", "encoding": "sha256"},
        {"type": "unheard of", "id": "x"},
        {"type": ["card"], "id": "y"},
        {"id": "z"},
        "nonsense",
        {"type": "email", "id": None},
    ]
    assert names(event(context={"externalIds": external})) == ["user_id:u1", "card:7"]
    assert names(event(context={"externalIds": {"type": "card"}})) == ["user_id:u1"]
    assert names(event(context={"traits": "nonsense"})) == ["user_id:u1"]


def test_one_identifier_named_twice_counts_once() -> None:
    """The same value under another spelling is the same."""
    found = event(properties={"email": "A@b.org"}, context={"traits": {"email": " a@B.org"}})
    assert names(found) == ["user_id:u1", "email:a@b.org"]
    assert found.vouched_count == 2


def test_an_alias_names_the_anonymous_one_where_a_customer_has_one_user_id() -> None:
    """Two user ids could not be one customer, so the previous id cannot be meant as one."""
    assert names(event(type="alias", previousId="old")) == ["user_id:u1", "anonymous_id:old"]


def test_an_alias_names_a_user_where_a_customer_may_have_several() -> None:
    """Unless the previous id is the anonymous id that came along."""
    several = make_touchpoints(user_id=Namespace(strength="strong", limit=2))["shop"]
    for item, expected in (
        (WireItem(type="alias", user_id="u2", previous_id="u1"), ["user_id:u1", "user_id:u2"]),
        (
            WireItem(type="alias", user_id="u2", previous_id="a", anonymous_id="a"),
            ["user_id:u2", "anonymous_id:a"],
        ),
    ):
        found = several.read(item, received_at=NOW)
        assert isinstance(found, Event)
        assert names(found) == expected


def test_an_alias_of_somebody_with_themselves_links_nothing() -> None:
    """A browser SDK sends this when alias follows identify."""
    assert names(event(type="alias", previousId=" u1")) == ["user_id:u1"]
    assert names(event(type="alias", previousId=None)) == ["user_id:u1"]


def test_the_previous_id_of_other_types_means_nothing() -> None:
    """Only alias and merge speak of two."""
    assert names(event(previousId="old")) == ["user_id:u1"]


def test_a_merge_names_whatever_it_lists() -> None:
    """RudderStack's form, its own names for the usual identifiers included."""
    found = event(
        type="merge",
        mergeProperties=[
            {"type": "email", "value": "A@b.org"},
            {"type": "anonymousId", "value": "a1"},
            {"type": None, "value": "x"},
            {"value": "y"},
        ],
    )
    assert names(found) == ["user_id:u1", "email:a@b.org", "anonymous_id:a1"]


def test_numbers_are_names_too() -> None:
    """Whole numbers count as their digits, however the client wrote them."""
    assert names(event(userId=12345)) == names(event(userId=12345.0)) == ["user_id:12345"]
    assert rejection(userId=1.5).code == "event.no_identifier"
    assert rejection(userId=0).code == "event.no_identifier"


@pytest.mark.parametrize(
    "nobody",
    [
        "",
        "  ",
        "0",
        "0000-0000",
        "00000000-0000-0000-0000-000000000000",
        "-",
        "-1",
        "null",
        "NULL",
        " Null ",
        "anonymous",
        "undefined",
        "none",
        "nil",
        "NaN",
        "[object Object]",
        "\u200bnull",
        "n\u00adull",
    ],
)
def test_placeholders_name_nobody(nobody: str) -> None:
    """What many share would join all of them."""
    assert rejection(userId=nobody).code == "event.no_identifier"


@pytest.mark.parametrize("somebody", ["1", "-2", "0x", "nullable", "annon", "nonesuch", "ünull"])
def test_what_only_resembles_a_placeholder_is_somebody(somebody: str) -> None:
    """The whole value must be one."""
    assert names(event(userId=somebody)) == [f"user_id:{somebody}"]


def test_the_brands_patterns_block_whole_values_in_any_case() -> None:
    """`no-?reply@.*` does not block somebody whose address merely contains it."""
    for blocked in ("NoReply@x.org", "no-reply@x.org", "a@TEST"):
        assert names(event(properties={"email": blocked})) == ["user_id:u1"]
    assert "email:i-noreply@x.org" in names(event(properties={"email": "i-noreply@x.org"}))


def test_an_address_is_compared_in_lower_case_and_an_id_as_it_is() -> None:
    """By the namespace's name, or by the trait that it reads."""
    found = event(userId="U1", properties={"email": "Ana.Ω@Example.ORG"})
    assert names(found) == ["user_id:U1", "email:ana.ω@example.org"]
    reader = IdentifierReader("login", Namespace(strength="strong", limit=1, trait="email"))
    assert reader.read("A@B") == Identifier("login", "a@b")


def test_a_long_value_names_nobody_and_is_not_remembered() -> None:
    """Memory must not be filled from outside."""
    reader = IdentifierReader("card", NAMESPACES["card"])
    assert reader.read("x" * 256) == Identifier("card", "x" * 256)
    assert reader.read("x" * 257) is None
    assert reader.read("x" * 10_000) is None
    assert all(len(text) < 600 for text in reader)


def test_what_is_remembered_has_a_bound() -> None:
    """The memory starts anew when it is full, and gives the same answers."""
    reader = IdentifierReader("card", NAMESPACES["card"])
    for i in range(CACHE_SIZE + 10):
        reader.read(f"c{i}")
    assert len(reader) <= CACHE_SIZE
    assert reader.read("c1") == Identifier("card", "c1")


def test_values_lose_what_nobody_sees() -> None:
    """Two spellings of one value would be two customers."""
    assert clean_value(" a\u200bb\u202e\t\x07") == "ab"
    assert clean_value("e\u0301") == "é"
    assert clean_value("\ud800x") == "x"
    no_ids: list[Any] = [True, None, ["a"], {}, 1.5, float("nan")]
    assert [clean_value(value) for value in no_ids] == [""] * 6


def test_spellings_never_hide_what_is_declared() -> None:
    """Where a brand declares both spellings, each stays itself."""
    assert other_spellings(["first_name", "firstName"]) == {}
    assert other_spellings(["first_name", "zip"]) == {"firstName": "first_name"}


def test_a_question_names_customers_outright() -> None:
    """What asks for a decision is read like an event: cleaned, whitelisted, strongest first."""
    told = {"anonymous_id": "a1", "email": "A@B.org", "user_id": "null", "unheard": "x"}
    assert TOUCHPOINTS["web"].name_identifiers(told) == (
        Identifier("email", "a@b.org"),
        Identifier("anonymous_id", "a1"),
    )
