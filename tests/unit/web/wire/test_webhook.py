"""Webhooks of other systems become events by a mapping alone."""

import hmac
import json
from typing import Any

import msgspec
import pytest

from kept.core.brand.model import Mapping, Signature, Source, SourcesFile
from kept.core.keys import KeyRing, WriteKey, hash_key
from kept.core.mapping import TEXT_LENGTH_MAX
from kept.core.touchpoint import compile_touchpoints
from kept.core.values import HOUR
from kept.errors import InvalidEventError, TooLargeError, UnknownCallerError
from kept.web.wire.batch import BATCH_COUNT_MAX, PAYLOAD_BYTES_MAX, Parsed
from kept.web.wire.webhook import Webhook, compile_webhooks
from tests.unit.core.touchpoint_sample import (
    FACTS,
    HISTORY,
    NAMESPACES,
    NOW,
    SECRET,
    TOUCHPOINTS,
    names,
)
from tests.unit.web.wire.test_signature import sign
from tests.unit.web.wire.wire_sample import KEYS, basic, codes, only

WEBHOOKS = compile_webhooks(TOUCHPOINTS, {"helpdesk": [SECRET, ""], "replies": ["t0ken"]})
TICKET: dict[str, Any] = {
    "event": "conversation_created",
    "id": 77,
    "created_at": "2025-11-03T09:00:00Z",
    "contacts": [{"email": "Ana@Example.org"}],
    "conversation": {"id": 12, "subject": "Not received"},
}


LONELY = {"email": "a@b.org"}


def deliver(body: Any, *, webhook: Webhook | None = None, **headers: bytes) -> Parsed:
    """Return what comes of a delivery by the help desk, rightly signed."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signed = sign(body=raw) | {name.replace("_", "-").encode(): v for name, v in headers.items()}
    return (webhook or WEBHOOKS["helpdesk"]).parse(
        headers=list(signed.items()), query="", body=raw, keys=KEYS, received_at=NOW
    )


def reply(text: str, *, number: str = "+351900") -> Parsed:
    """Return what comes of a text message that somebody sent back, posted as a form."""
    form = msgspec.json.encode({"From": number, "Body": text})
    return WEBHOOKS["replies"].parse(
        headers=[(b"content-type", b"application/json")],
        query="token=t0ken",
        body=form,
        keys=KEYS,
        received_at=NOW,
    )


def webhook_of(mapping: Mapping, *, signature: Signature | None = None) -> Webhook:
    """Return the webhook of a source that has one mapping, and a signature or none."""
    source = Source(kind="webhook", mappings=(mapping,), vouches=("email",), signature=signature)
    sources = SourcesFile(namespaces=NAMESPACES, sources={"x": source})
    return Webhook(compile_touchpoints(sources, FACTS, history=HISTORY)["x"], secrets=[SECRET])


def send(mapping: Mapping, body: Any, *headers: tuple[bytes, bytes], query: str = "") -> Parsed:
    """Return what a mapping makes of a delivery that is let in by its write key."""
    return webhook_of(mapping).parse(
        headers=[basic("x-key"), *headers],
        query=query,
        body=json.dumps(body).encode(),
        keys=KeyRing([WriteKey(digest=hash_key("x-key"), source="x")]),
        received_at=NOW,
    )


def test_a_ticket_becomes_a_case_without_code() -> None:
    """With its time, its object, its person and the brand's own constants."""
    (event,) = deliver(TICKET).events
    assert (event.name, event.source, event.type) == ("Case Opened", "helpdesk", "track")
    assert event.properties == {"case_id": 12, "subject": "Not received", "channel": "helpdesk"}
    assert names(event) == ["case_no:12", "email:ana@example.org"]
    assert event.vouched_count == 2
    assert event.occurred_at == NOW - HOUR


def test_a_delivery_that_is_repeated_is_known_again() -> None:
    """By the id in the payload; by that of the delivery; by the body where there is neither."""
    first, again = deliver(TICKET).events[0], deliver(TICKET).events[0]
    assert first.event_key == again.event_key
    assert first.message_id == "Case Opened:77"
    assert deliver({**TICKET, "id": 78}).events[0].event_key != first.event_key
    assert reply("hello").events[0].event_key == reply("hello").events[0].event_key
    assert reply("hello").events[0].event_key != reply("hello!").events[0].event_key
    signed = webhook_of(
        Mapping(event="Seen", identifiers={"email": "body.email"}),
        signature=Signature(scheme="standard_webhooks", secret="env:X"),
    )
    delivered = [deliver([LONELY, LONELY], webhook=signed).events for _ in range(2)]
    assert [event.message_id for event in delivered[0]] == ["Seen:msg_1", "Seen:msg_1/1"]
    assert delivered[0] == delivered[1]


def test_an_old_delivery_is_known_again_whatever_id_is_written_onto_it() -> None:
    """A hash of the body signs no header, so that whoever recorded it may change them all."""
    webhook = webhook_of(
        Mapping(event="Seen", identifiers={"email": "body.email"}),
        signature=Signature(scheme="hmac_sha256", secret="env:X"),
    )
    body = json.dumps(LONELY).encode()
    proof = (b"x-signature", hmac.digest(SECRET.encode(), body, "sha256").hex().encode())
    seen = {
        webhook.parse(headers=[proof, *forged], query="", body=body, keys=KEYS, received_at=NOW)
        .events[0]
        .message_id
        for forged in ([], [(b"webhook-id", b"new")], [(b"svix-id", b"newer")])
    }
    assert len(seen) == 1


def test_a_mapping_makes_no_event_that_kept_itself_causes() -> None:
    """A star in a mapping is no way round the list of reserved names."""
    starred = Mapping(event="Message *", identifiers={"email": "body.e"})
    assert not webhook_of(starred).touchpoint.may_send("Message Settled")


def test_an_unsigned_delivery_is_refused() -> None:
    """Nobody opens a case by knowing the path."""
    for headers in ([], list(sign("whsec_AAAA").items()), [basic("helpdesk-key")]):
        with pytest.raises(UnknownCallerError):
            WEBHOOKS["helpdesk"].parse(
                headers=headers, query="", body=b"{}", keys=KEYS, received_at=NOW
            )


def test_a_source_without_a_signature_needs_its_own_key() -> None:
    """The key of another source does not do."""
    webhook = Webhook(TOUCHPOINTS["shop"], secrets=())
    for key, is_refused in (("shop-key", False), ("web-key", True), ("", True)):
        if is_refused:
            with pytest.raises(UnknownCallerError, match="write key"):
                webhook.parse(
                    headers=[basic(key)], query="", body=b"{}", keys=KEYS, received_at=NOW
                )
        else:
            parsed = webhook.parse(
                headers=[], query=f"writeKey={key}", body=b"{}", keys=KEYS, received_at=NOW
            )
            assert parsed.ignored_count == 1


def test_what_nobody_asked_for_is_counted_and_left() -> None:
    """Providers send far more kinds than a brand maps."""
    parsed = deliver({**TICKET, "event": "agent_typing"})
    assert (parsed.events, parsed.rejected, parsed.ignored_count) == ([], [], 1)


@pytest.mark.parametrize(
    "text", ["STOP", " stop ", "Arrêt", "ARRE\u0302T", "Unsubscribe me please"]
)
def test_stop_unsubscribes_by_mapping_alone(text: str) -> None:
    """In the languages that the brand lists, in any case, accents composed or not."""
    (event,) = reply(text).events
    assert (event.name, event.properties) == ("Unsubscribed", {"channel": "sms"})
    assert names(event) == ["phone:+351900"]


@pytest.mark.parametrize("text", ["don't stop", "Stopped by your shop", "", "please unsubscribe"])
def test_other_replies_fall_to_the_next_mapping(text: str) -> None:
    """The first that applies wins; equality is of the whole text."""
    assert [event.name for event in reply(text).events] == ["Replied"]


def test_a_form_is_read_as_an_object() -> None:
    """The way of the older text message providers."""
    parsed = WEBHOOKS["replies"].parse(
        headers=[
            (b"content-type", b"application/x-www-form-urlencoded; charset=utf-8"),
            (b"authorization", b"Bearer t0ken"),
        ],
        query="",
        body=b"From=%2B351900&Body=Arr%C3%AAt",
        keys=KEYS,
        received_at=NOW,
    )
    assert [event.name for event in parsed.events] == ["Unsubscribed"]


@pytest.mark.parametrize("body", [b"\xff=1", b"&".join([b"a=1"] * 600)])
def test_a_broken_form_is_refused(body: bytes) -> None:
    """In no charset, or with no end."""
    with pytest.raises(InvalidEventError):
        deliver(body, content_type=b"application/x-www-form-urlencoded")


@pytest.mark.parametrize("body", [b"", b"7", b"x", b'{"a":', b"[{}"])
def test_a_body_that_cannot_be_read_is_refused(body: bytes) -> None:
    """So that the sender tries again, or its operator looks."""
    with pytest.raises(InvalidEventError):
        deliver(body)


def test_many_in_one_delivery_stand_alone() -> None:
    """A bad entry waits, the others are taken, and each has an id of its own."""
    raw = json.dumps([TICKET, {**TICKET, "id": 78}]).encode()
    parsed = deliver(raw[:-1] + b',{"event":"\\ud800"},17]')
    assert [event.message_id for event in parsed.events] == ["Case Opened:77", "Case Opened:78"]
    assert codes(parsed) == ["event.not_json"]
    assert parsed.ignored_count == 1
    with pytest.raises(TooLargeError):
        deliver([{}] * (BATCH_COUNT_MAX + 1))


def test_a_single_bad_entry_waits_too() -> None:
    """What is whole but not readable is kept, not lost."""
    parsed = deliver(b'{"event":"\\ud800"}')
    assert codes(parsed) == ["event.not_json"]


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"id": None}, "body.id"),
        ({"id": ""}, "body.id"),
        ({"id": {"a": 1}}, "body.id"),
        ({"created_at": None}, "body.created_at"),
        ({"created_at": "soon"}, "body.created_at"),
        ({"contacts": [], "conversation": {}}, "body.contacts.0.email, body.conversation.id"),
        ({"conversation": {"subject": "x"}}, "body.conversation.id"),
    ],
)
def test_what_identifies_must_be_there(changed: dict[str, Any], path: str) -> None:
    """The rejection names the path, so that the mapping can be mended."""
    rejected = only(deliver(TICKET | changed))
    assert rejected.field == path
    assert rejected.code in {"webhook.missing_value", "event.bad_time"}


def test_what_merely_describes_may_be_missing() -> None:
    """A ticket without a subject is a ticket."""
    (event,) = deliver(TICKET | {"conversation": {"id": 12}}).events
    assert event.properties == {"case_id": 12, "channel": "helpdesk"}
    (event,) = deliver(TICKET | {"contacts": []}).events
    assert names(event) == ["case_no:12"]


def test_a_bad_delivery_can_be_mended_and_read_again() -> None:
    """Without its signature, which was checked when it came."""
    rejected = only(deliver(TICKET | {"id": None}))
    mended = rejected.payload.replace(b'"id": null', b'"id": 77')
    again = WEBHOOKS["helpdesk"].reparse(mended, received_at=NOW)
    assert again.events == deliver(TICKET).events
    assert codes(WEBHOOKS["helpdesk"].reparse(b"[]", received_at=NOW)) == ["event.not_an_object"]
    assert codes(WEBHOOKS["helpdesk"].reparse(b"{", received_at=NOW)) == ["event.not_json"]


def test_a_large_delivery_that_cannot_be_taken_is_kept_whole() -> None:
    """A case with all its mails is read again once the mapping is mended."""
    thread = "x" * 200_000
    kept = only(deliver(TICKET | {"id": None, "thread": thread})).payload
    again = WEBHOOKS["helpdesk"].reparse(kept.replace(b'"id": null', b'"id": 77'), received_at=NOW)
    assert [event.message_id for event in again.events] == ["Case Opened:77"]


def test_what_can_neither_be_taken_nor_kept_is_not_acknowledged() -> None:
    """Its sender sends it again, or its operator looks."""
    thread = "x" * PAYLOAD_BYTES_MAX
    assert deliver(TICKET | {"thread": thread}).events
    with pytest.raises(TooLargeError, match=r"webhook\.missing_value"):
        deliver(TICKET | {"id": None, "thread": thread})


def test_secrets_in_headers_and_query_are_not_kept() -> None:
    """Only what a mapping reads is."""
    mapping = Mapping(
        event="A",
        when={"headers.x-kind": "a", "query.kind": "a"},
        identifiers={"email": "body.email"},
        message_id="body.id",
    )
    parsed = send(
        mapping,
        {"email": "a@b.org"},
        (b"x-kind", b"a"),
        (b"cookie", b"c"),
        query="kind=a&token=t0ken",
    )
    kept = json.loads(only(parsed).payload)
    assert kept["headers"] == {"x-kind": "a"}
    assert kept["query"] == {"kind": "a"}


def test_a_mapping_may_tell_traits() -> None:
    """As an identify, through the same list of what its source may tell."""
    mapping = Mapping(
        event="Identified",
        identifiers={"email": "body.email"},
        properties={"first_name": "body.name"},
    )
    (event,) = send(mapping, {"email": "a@b.org", "name": "Ana"}).events
    assert (event.type, event.traits, event.properties) == ("identify", {"first_name": "Ana"}, {})


def test_a_long_text_is_cut_and_a_large_event_waits() -> None:
    """A mail with all that it answers is still an answer."""
    mapping = Mapping(
        event="A", identifiers={"email": "body.e"}, properties={"text": "body.t", "all": "body"}
    )
    (event,) = send(mapping, {"e": "a@b.org", "t": "x" * 10_000}).events
    assert len(event.properties["text"]) == TEXT_LENGTH_MAX
    assert codes(send(mapping, {"e": "a@b.org", "t": "x" * 40_000})) == ["event.too_large"]


def test_only_sources_of_kind_webhook_are_webhooks() -> None:
    """The others have routes of their own."""
    assert set(WEBHOOKS) == {"helpdesk", "replies"}
