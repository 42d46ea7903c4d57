"""A small brand's touchpoints, and the shortest way to have them read an item."""

import base64
from datetime import UTC, datetime
from typing import Any, Final

from kept.core.brand.model import (
    FactsFile,
    Mapping,
    Namespace,
    ObjectEvent,
    ObjectKind,
    Signature,
    Source,
    SourcesFile,
    Trait,
)
from kept.core.event import Event
from kept.core.touchpoint import Rejected, Touchpoint, compile_touchpoints
from kept.core.touchpoint_item import check_item
from kept.core.values import DAY, instant_of

NOW: Final = instant_of(datetime(2025, 11, 3, 10, 0, tzinfo=UTC))
HISTORY: Final = 1_000 * DAY
SECRET: Final = "whsec_" + base64.b64encode(b"a secret of the help desk").decode()

NAMESPACES: Final = {
    "user_id": Namespace(strength="strong", limit=1, reveals=True),
    "card": Namespace(strength="strong", limit=3, trait="loyalty_card"),
    "email": Namespace(
        strength="medium", limit=5, trait="email", blocked=(r"no-?reply@.*", "(?i).*@test")
    ),
    "phone": Namespace(strength="medium", limit=5, trait="phone"),
    "group_id": Namespace(strength="weak", limit=5),
    "anonymous_id": Namespace(strength="weak", limit=50),
    "parcel": Namespace(strength="strong", limit=500, object="parcel"),
    "case_no": Namespace(strength="strong", limit=500, object="case"),
    "ghost": Namespace(strength="weak", limit=5, object="no such kind"),
}
FACTS: Final = FactsFile(
    traits={
        "first_name": Trait(type="text"),
        "homeAirport": Trait(type="text"),
        "email": Trait(type="text"),
    },
    objects={
        "parcel": ObjectKind(key="tracking_number", fields={}, events={}),
        "case": ObjectKind(
            key="case_id",
            fields={},
            events={"Case Opened": ObjectEvent(), "Case Resolved": ObjectEvent()},
        ),
    },
)
TICKET: Final = Mapping(
    event="Case Opened",
    when={"body.event": "conversation_created"},
    message_id="body.id",
    occurred_at="body.created_at",
    identifiers={"email": "body.contacts.0.email", "case_no": "body.conversation.id"},
    properties={"case_id": "body.conversation.id", "subject": "body.conversation.subject"},
    constants={"channel": "helpdesk"},
)
STOP: Final = Mapping(
    event="Unsubscribed",
    when={"body.Body": ("stop", "arrêt", "~^unsubscribe\\b")},
    identifiers={"phone": "body.From"},
    constants={"channel": "sms"},
)
SOURCES: Final = {
    "shop": Source(
        kind="server", events=("*",), vouches=("user_id", "card", "email", "anonymous_id", "parcel")
    ),
    "web": Source(
        kind="browser",
        events=(
            "Identified",
            "Page Viewed",
            "Product Viewed",
            "Grouped",
            "Aliased",
            "Basket *",
            "Segment Consent Preference Updated",
        ),
        vouches=("user_id", "email"),  # a mistake that must do no harm
        identifiers=("anonymous_id", "user_id", "email"),
        traits=("first_name", "email"),
        origins=("https://www.Example.org", "http://localhost"),
    ),
    "app": Source(kind="browser", events=("Identified",)),
    "till": Source(
        kind="server", events=("Card Shown", "Identified"), vouches=("card",), traits=("email",)
    ),
    "helpdesk": Source(
        kind="webhook",
        vouches=("email", "case_no"),
        signature=Signature(scheme="standard_webhooks", secret="env:HELPDESK"),
        mappings=(TICKET,),
    ),
    "replies": Source(
        kind="webhook",
        vouches=("phone",),
        signature=Signature(scheme="token", secret="env:REPLIES"),
        mappings=(STOP, Mapping(event="Replied", identifiers={"phone": "body.From"})),
    ),
    "mirror": Source(kind="server", events=("*", "Message Settled"), vouches=("user_id",)),
}


def make_touchpoints(**namespaces: Namespace) -> dict[str, Touchpoint]:
    """Return the sample's touchpoints, with some namespaces declared otherwise."""
    sources = SourcesFile(namespaces={**NAMESPACES, **namespaces}, sources=SOURCES)
    return compile_touchpoints(sources, FACTS, history=HISTORY)


TOUCHPOINTS: Final = make_touchpoints()


def read(
    source: str = "shop",
    *,
    sent_at: int | None = None,
    gpc: bool = False,
    position: int = 0,
    **fields: Any,
) -> Event | Rejected:
    """Return what a source's touchpoint makes of an item, a bare track unless told otherwise."""
    item = check_item({"type": "track", "event": "Coffee Bought", "userId": "u1", **fields})
    if isinstance(item, Rejected):
        return item
    return TOUCHPOINTS[source].read(
        item, received_at=NOW, sent_at=sent_at, gpc=gpc, position=position
    )


def event(source: str = "shop", **fields: Any) -> Event:
    """Return the event that an item must give."""
    result = read(source, **fields)
    assert isinstance(result, Event), result
    return result


def rejection(source: str = "shop", **fields: Any) -> Rejected:
    """Return the rejection that an item must meet."""
    result = read(source, **fields)
    assert isinstance(result, Rejected), result
    return result


def names(found: Event) -> list[str]:
    """Return an event's identifiers as people write them, in their order."""
    return [str(identifier) for identifier in found.identifiers]
