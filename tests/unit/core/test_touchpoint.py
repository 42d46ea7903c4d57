"""What a source may say, and the event that comes of it."""

import pytest

from kept.core.event import CHANNEL_CLOSED, MESSAGE_LEAVING, MESSAGE_SETTLED
from tests.unit.core.touchpoint_sample import TOUCHPOINTS, event, names, read, rejection


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"type": "track", "event": "Email Opened"}, "Email Opened"),
        ({"type": "page"}, "Page Viewed"),
        ({"type": "screen"}, "Screen Viewed"),
        ({"type": "identify"}, "Identified"),
        ({"type": "group"}, "Grouped"),
        ({"type": "alias"}, "Aliased"),
        ({"type": "merge"}, "Aliased"),
    ],
)
def test_every_type_has_its_name(fields: dict[str, str], name: str) -> None:
    """A track keeps its own name, the others have one name each."""
    found = event(**fields)
    assert (found.name, found.type) == (name, fields["type"])


def test_an_unknown_type_is_rejected_with_those_that_are_known() -> None:
    """The detail says what to send instead."""
    found = rejection(type="identity")
    assert (found.code, found.field) == ("event.unknown_type", "type")
    assert "identify" in found.detail


@pytest.mark.parametrize("name", [None, "", "   ", "\u200b"])
def test_a_track_without_a_name_is_rejected(name: str | None) -> None:
    """Blank and invisible names are none."""
    assert rejection(event=name).code == "event.no_name"


def test_a_browser_sends_only_what_is_listed() -> None:
    """Its key is public, so a renewal that it tells of is not taken."""
    assert event("web", event="Product Viewed").name == "Product Viewed"
    found = rejection("web", event="Subscription Renewed")
    assert (found.code, found.field) == ("event.not_allowed", "event")
    assert "web" in found.detail
    assert "Subscription Renewed" in found.detail


def test_a_star_at_the_end_of_a_name_stands_for_any_rest() -> None:
    """`Basket *` covers all that begins like it, and nothing else."""
    assert event("web", event="Basket Emptied").name == "Basket Emptied"
    assert rejection("web", event="Basketball Viewed").code == "event.not_allowed"


@pytest.mark.parametrize("name", [MESSAGE_LEAVING, MESSAGE_SETTLED, CHANNEL_CLOSED])
def test_a_star_never_covers_what_kept_itself_causes(name: str) -> None:
    """Nobody forges an outcome because a source was given `*`."""
    assert rejection("shop", event=name).code == "event.not_allowed"


def test_a_reserved_name_may_be_listed_outright() -> None:
    """A brand that wants to take outcomes from a mirror says so by name."""
    assert event("mirror", event=MESSAGE_SETTLED).name == MESSAGE_SETTLED
    assert rejection("mirror", event=MESSAGE_LEAVING).code == "event.not_allowed"


def test_a_source_that_lists_nothing_may_still_send_what_its_mappings_make() -> None:
    """A webhook's mappings are themselves the list."""
    assert TOUCHPOINTS["helpdesk"].may_send("Case Opened")
    assert not TOUCHPOINTS["helpdesk"].may_send("Case Resolved")


def test_a_name_loses_what_nobody_sees() -> None:
    """A zero-width space must not make another event of it, nor slip past the list."""
    assert event("web", event="Product\u200b  Viewed ").name == "Product Viewed"
    assert event("shop", event="Caf\u0065\u0301 Visited").name == "Café Visited"


def test_a_name_has_a_greatest_length() -> None:
    """What is longer is cut, so that lists and labels stay readable."""
    assert len(event(event="x" * 1_000).name) == 200


def test_page_and_screen_carry_their_name_among_the_properties() -> None:
    """Name and category stand beside `properties` on the wire; the properties' own win."""
    found = event(type="page", name="Home", category="Shop", properties={"path": "/"})
    assert found.properties == {"name": "Home", "category": "Shop", "path": "/"}
    assert event(type="screen", name="Home", properties={"name": "Start"}).properties == {
        "name": "Start"
    }
    assert event(type="page").properties == {}


def test_a_groups_traits_are_properties_and_nobodys_traits() -> None:
    """The e-mail address of a firm is not the customer's."""
    found = event(type="group", groupId=" g1 ", traits={"name": "Acme", "email": "info@acme.org"})
    assert found.properties == {"name": "Acme", "email": "info@acme.org", "group_id": "g1"}
    assert found.traits == {}
    assert names(found) == ["user_id:u1", "group_id:g1"]
    assert event(type="group").properties == {}


def test_identify_tells_traits_from_either_place() -> None:
    """Some SDKs put them on top, some into the context; on top wins."""
    found = event(
        type="identify",
        traits={"email": "a@b.org"},
        context={"traits": {"email": "old@b.org", "city": "Porto"}, "locale": "pt"},
    )
    assert found.traits == {"email": "a@b.org", "city": "Porto"}
    assert found.context == {"locale": "pt"}


def test_traits_in_the_context_of_other_events_are_not_told_again() -> None:
    """They are a device's memory, which may be older than what a person told since."""
    found = event(context={"traits": {"first_name": "Old"}})
    assert found.traits == {}
    assert "traits" not in found.context


def test_traits_may_be_spelled_in_either_way() -> None:
    """`firstName` is the brand's `first_name`, and `home_airport` its `homeAirport`."""
    told = event(type="identify", traits={"firstName": "Ana", "home_airport": "LIS", "x_y": 1})
    assert told.traits == {"first_name": "Ana", "homeAirport": "LIS", "x_y": 1}


def test_a_browser_tells_only_the_traits_that_are_listed() -> None:
    """Nobody grants themselves a status from a web page."""
    told = event("web", type="identify", traits={"firstName": "Ana", "vulnerable": True})
    assert told.traits == {"first_name": "Ana"}
    assert event("app", type="identify", traits={"first_name": "Ana"}).traits == {}


def test_a_server_tells_the_listed_traits_or_any_if_none_is_listed() -> None:
    """An empty list restricts browsers only."""
    traits = {"email": "a@b.org", "vip": True}
    assert event("till", type="identify", traits=traits).traits == {"email": "a@b.org"}
    assert event("shop", type="identify", traits=traits).traits == traits


def test_gpc_lands_in_the_context() -> None:
    """The browser's opt-out travels with the event."""
    assert event(gpc=True).context == {"gpc": True}
    assert event(gpc=True, context={"ip": "203.0.113.1"}).context["ip"] == "203.0.113.1"
    assert event().context == {}


def test_consent_stays_in_the_context() -> None:
    """Segment's form is kept as it is; the fold reads it there."""
    consent = {"categoryPreferences": {"marketing": False}}
    found = event("web", event="Segment Consent Preference Updated", context={"consent": consent})
    assert found.context == {"consent": consent}


def test_integrations_are_kept_where_they_say_something() -> None:
    """`All: true` is what every SDK says of itself."""
    assert event(integrations={"All": True}).context == {}
    assert event(integrations={}).context == {}
    only = {"All": False, "Mail": True}
    assert event(integrations=only).context == {"integrations": only}


def test_what_is_given_is_not_changed() -> None:
    """Reading is pure: the same item can be read again, to the same event."""
    context = {"traits": {"email": "a@b.org"}, "externalIds": [{"type": "card", "id": "7"}]}
    properties = {"a": 1}
    first = event(type="page", name="x", context=context, properties=properties, gpc=True)
    assert event(type="page", name="x", context=context, properties=properties, gpc=True) == first
    assert set(context) == {"traits", "externalIds"}
    assert properties == {"a": 1}


@pytest.mark.parametrize(
    "name", ["\u202eanA", "A\u200bna", "Ana\r\nBcc: all@example.org", "<script>", "{{ x }}"]
)
def test_odd_names_of_customers_pass_as_data(name: str) -> None:
    """A trait is nobody's syntax: those who print it escape it."""
    assert event(type="identify", traits={"first_name": name}).traits == {"first_name": name}


def test_an_event_of_nobody_is_rejected() -> None:
    """Neither id, or placeholders only."""
    found = rejection(userId=None)
    assert (found.code, found.field) == ("event.no_identifier", "userId")
    assert rejection(userId="null", anonymousId="0000-0000").code == "event.no_identifier"


def test_an_event_of_too_many_is_rejected() -> None:
    """One event must not join a crowd."""
    crowd = [{"type": "card", "id": str(7_000 + i)} for i in range(30)]
    found = rejection(context={"externalIds": crowd})
    assert found.code == "event.too_many_identifiers"
    assert read(context={"externalIds": crowd[:10]}) != found
