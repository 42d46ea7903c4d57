"""What a record of consent says, word for word, in the fields of ISO/IEC TS 27560."""

from functools import cache
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from kept.core.brand.load import load_brand
from kept.core.brand.model import Brand
from kept.core.consent import GPC, read_consents
from kept.core.event import Event, Identifier
from kept.core.record import (
    Record,
    canonical,
    digest_of,
    is_recorded,
    read_leaf,
    record_consent,
    write_leaf,
)
from kept.core.state import Stamped
from tests.scenario.larkmead import LARKMEAD

NOON = 1_772_452_800_000_000
WORDS = "I would like to hear of lamps."


@cache
def brand() -> Brand:
    """Return the small brand with all that a receipt can say."""
    shop = (
        "lawful_basis_notice: https://larkmead.example/data, privacy_contact: dpo@larkmead.example"
    )
    consent = LARKMEAD["consent.yaml"].replace(
        "description: Offers}", "description: Offers, uses: [address], keep: 90 days}"
    )
    consent += f"""
wordings:
  lamps_1: {{purpose: marketing, since: 2026-01-01, text: {{en: {WORDS}}}}}
how_to_withdraw: By any link.
"""
    texts = LARKMEAD | {
        "brand.yaml": LARKMEAD["brand.yaml"].replace(
            "contact: hello@larkmead.example", f"contact: hello@larkmead.example, {shop}"
        ),
        "consent.yaml": consent,
    }
    return load_brand(texts)


def said(name: str, /, context: dict[str, Any] | None = None, **properties: Any) -> Event:
    """Return an event of the shop."""
    return Event(
        event_key=7,
        message_id="m",
        source="shop",
        name=name,
        type="track",
        occurred_at=NOON,
        received_at=NOON + 1_500_000,
        properties=properties,
        context=context or {},
    )


def record(event: Event, before: dict[str, Stamped] | None = None) -> Record:
    """Return the record of an event of Ana's."""
    return record_consent(
        event,
        read_consents(event, {"Advertising": ("shop", "marketing")}),
        before=before or {},
        brand=brand(),
        who=Identifier("user_id", "ana"),
        sequence=3,
        index=17,
    )


def test_a_consent_is_recorded_with_everything_that_was_agreed_to() -> None:
    """Who, what for, on which basis, to whom, in which words, when, through whom."""
    event = said(
        "Consent Given", entity="shop", purpose="marketing", channel="email", wording="lamps_1"
    )
    assert msgspec.json.decode(msgspec.json.encode(record(event))) == {
        "schema_version": "ISO/IEC TS 27560:2023",
        "record_id": "17",
        "kind": "consent_given",
        "recorded_at": "2026-03-02T12:00:01.500000Z",
        "pii_principal_id": "user_id:ana",
        "language": "en",
        "privacy_notices": [
            {
                "party_id": "shop",
                "uri": "https://larkmead.example/data",
                "version": "lamps_1",
                "hash": f"sha256:{sha256(WORDS.encode()).hexdigest()}",
            }
        ],
        "purposes": [
            {
                "purpose": "marketing",
                "description": "Offers",
                "lawful_basis": "consent",
                "pii_information": ["address"],
                "pii_controllers": ["shop"],
                "collection_method": "shop",
                "retention_period": "90 days",
                "withdrawal_method": "By any link.",
            }
        ],
        "events": [
            {
                "event_time": "2026-03-02T12:00:00Z",
                "event_type": "consent_given",
                "event_state": "given",
                "entity_id": "shop",
                "purpose": "marketing",
                "pii_controllers": ["shop"],
                "channel": "email",
            }
        ],
        "parties": [
            {
                "party_id": "shop",
                "party_role": "pii_controller",
                "party_name": "Larkmead Shop",
                "party_address": "Mill Lane 1",
                "party_contact": "dpo@larkmead.example",
            }
        ],
        "from_event": {"sequence": 3, "digest": digest_of(event)},
    }


YES = Stamped(value=True, at=1, event_key=1)
NO = Stamped(value=False, at=1, event_key=1)


@pytest.mark.parametrize(
    ("event", "before", "told"),
    [
        (said("Unsubscribed", channel="sms"), {}, ("consent_withdrawn", "", "sms", "")),
        (said("Unsubscribed", topic="a|b"), {}, ("consent_withdrawn", "", "", "a|b")),
        (said("Subscribed", topic="lamps"), {}, ("consent_given", "", "", "lamps")),
        (said("Email Marked as Spam"), {}, ("consent_withdrawn", "", "email", "")),
        (
            said("Preference Updated", preferred_channel="sms"),
            {},
            ("kept:preference", "", "sms", ""),
        ),
        (
            said("Preference Updated", topics={"lamps": False}),
            {"t|lamps": NO},
            ("kept:consent_refused", "", "", "lamps"),
        ),
        (
            said("Preference Updated", topics={"lamps": False}),
            {"t|lamps": YES},
            ("consent_withdrawn", "", "", "lamps"),
        ),
        (said("Page Viewed", {"gpc": True}), {}, ("kept:privacy_signal", "", "", "")),
        (said("Preference Updated"), {}, ("kept:nothing", "", "", "")),
        (
            said("Consent Given", entity="nobody", purpose="unheard"),
            {},
            ("consent_given", "unheard", "", ""),
        ),
    ],
)
def test_each_scope_is_told_in_its_own_words(
    event: Event, before: dict[str, Stamped], told: tuple[str, ...]
) -> None:
    """Purposes, channels, topics, the signal; what the brand does not know is told as it was said."""
    (one,) = record(event, before).events
    assert (one.event_type, one.purpose, one.channel, one.topic) == told


def test_what_concerns_everybody_names_every_company() -> None:
    """A withdrawal without a company, and the signal; an unknown company is none of ours."""
    everyone = ("bank", "shop")
    for event in (said("Unsubscribed", purpose="marketing"), said("Page Viewed", {"gpc": True})):
        assert record(event).events[0].pii_controllers == everyone
        assert tuple(party.party_id for party in record(event).parties) == everyone
    assert record(said("Consent Given", entity="nobody", purpose="marketing")).parties == ()


def test_the_language_is_one_in_which_the_brand_speaks() -> None:
    """As the event says it, or the brand's first."""
    for locale in ("en-GB", "EN", "xx", None):
        assert record(said("Subscribed", {"locale": locale}, topic="lamps")).language == "en"


def test_a_signal_is_new_once() -> None:
    """What was said before decides; an event of consent is always recorded."""
    signal = said("Page Viewed", {"gpc": True})
    assert is_recorded(signal, {})
    assert is_recorded(signal, {GPC: NO})
    assert not is_recorded(signal, {GPC: YES})
    assert is_recorded(said("Unsubscribed", {"gpc": True}), {GPC: YES})
    assert not is_recorded(said("Page Viewed", {"gpc": False}), {})


def test_a_leaf_is_its_salt_and_the_one_form_of_its_record() -> None:
    """Names in order, no spaces, letters as they are: whoever writes it writes the same bytes."""
    one = record(said("Subscribed", topic="lamps"))
    data = write_leaf(one, b"s" * 32)
    assert read_leaf(data) == (b"s" * 32, one)
    assert data == write_leaf(read_leaf(data)[1], b"s" * 32)
    assert canonical({"b": [1, "ü\n"], "a": {}}) == '{"a":{},"b":[1,"ü\\n"]}'.encode()
    with pytest.raises(AssertionError, match="salt"):
        write_leaf(one, b"short")
    with pytest.raises(msgspec.MsgspecError):
        read_leaf(b"s" * 40)
