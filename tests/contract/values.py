"""Values that the store's battery is fed with."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from kept.core.event import Event, Identifier
from kept.core.message import Message
from kept.ports import RequestRow, Store

NOW = 1_767_225_600_000_000
KEY_MAX = 2**63 - 1

ODD_TEXTS = (
    "",
    "a\x00b",
    "Łukasz Żółć",
    "مرحبا \u202eevil",
    "zero\u200bwidth",
    "👩‍👩‍👧‍👦",
    "'; DROP TABLE events; --",
    "line\nbreak",
    "\U0010ffff",
    "x" * 10_000,
)


def make_event(key: int, **changes: Any) -> Event:
    """Return an event with this key."""
    fields: dict[str, Any] = {
        "event_key": key,
        "message_id": f"m-{key}",
        "source": "web",
        "name": "Product Viewed",
        "type": "track",
        "occurred_at": NOW + key % 1_000,
        "received_at": NOW,
        "identifiers": (Identifier("user_id", str(key)),),
        "vouched_count": 1,
        "properties": {"price": 1999, "tags": ["a", None, True], "nested": {"x": -(2**63)}},
    }
    return Event(**fields | changes)


def make_message(message_id: str, **changes: Any) -> Message:
    """Return a queued message."""
    fields: dict[str, Any] = {
        "message_id": message_id,
        "part_id": 1,
        "decision_id": 1,
        "action": "renewal_offer",
        "kind": "offer",
        "purpose": "marketing",
        "entity": "shop",
        "promotional": True,
        "channel": "email",
        "queued_at": NOW,
        "due_at": NOW,
        "expires_at": NOW + 1_000_000,
    }
    return Message(**fields | changes)


def make_request(number: int, **changes: Any) -> RequestRow:
    """Return an open request."""
    fields: dict[str, Any] = {
        "number": number,
        "request_id": f"r-{number}",
        "kind": "erasure",
        "state": "open",
        "requested_at": NOW,
        "next_at": NOW,
        "body": b"{}",
    }
    return RequestRow(**fields | changes)


def append(store: Store, *part_ids: int, first_key: int = 1) -> list[int]:
    """Commit one event for each part, and return their sequences."""
    with store.transaction():
        return [
            store.append_event(part_id, make_event(key))
            for key, part_id in enumerate(part_ids, start=first_key)
        ]


class UndoneError(Exception):
    """Leaves a transaction so that it is rolled back."""


@contextmanager
def undone(store: Store) -> Iterator[None]:
    """Run what follows in a transaction that is rolled back at its end."""
    with suppress(UndoneError), store.transaction():
        yield
        raise UndoneError
