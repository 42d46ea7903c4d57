"""What providers tell us afterwards: delivered, bounced, opened, clicked, complained, replied.

A callback is a JSON object, or `{"events": [...]}` with many. Whoever receives it checks the
signature first; here it is only read. One bad item does not spoil the others.
"""

from typing import Any, Final, Literal, TypeAlias

import msgspec

from kept.core.plain_text import clean_text
from kept.core.touchpoint_openings import is_machine_opening
from kept.core.values import format_instant, parse_instant
from kept.errors import InvalidEventError

Outcome: TypeAlias = Literal["delivered", "bounced", "opened", "clicked", "complained", "replied"]

CALLBACK_BYTES_MAX: Final = 1_000_000
ITEMS_MAX: Final = 1_000
_REPLY_LENGTH_MAX: Final = 10_000


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that became of one message."""

    outcome: Outcome
    message_id: str = ""
    """Our own id of the message, where the provider gives it back."""
    provider_id: str = ""
    """The id that the provider gave the message when it took it."""
    occurred_at: int = 0
    """When it happened, 0 if nobody says."""
    machine: bool = False
    """Whether a machine opened or clicked: that says nothing about the customer."""
    hard: bool = False
    """Whether a bounce is the address's own fault, so that it takes no further mail."""
    occurrence: str = ""
    """The provider's id of this callback, by which a repetition is known."""
    detail: str = ""
    """What the provider adds: a status, a link, the words of a reply."""


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """An item of a callback that could not be taken, and why."""

    index: int
    detail: str


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one request told us."""

    feedback: tuple[Feedback, ...]
    unreadable: tuple[Unreadable, ...] = ()


class _Item(msgspec.Struct, kw_only=True):
    """An item as providers send it; further keys are looked at for signs of a machine."""

    type: Outcome
    id: str = ""
    message_id: str = ""
    provider_id: str = ""
    occurred_at: str = ""
    bounce: Literal["", "hard", "soft"] = ""
    detail: str = ""
    url: str = ""
    text: str = ""


def parse_callback(body: bytes, *, now: int) -> Callback:
    """Return the feedback in a callback; raises `InvalidEventError` if it is no callback at all."""
    if len(body) > CALLBACK_BYTES_MAX:
        raise InvalidEventError(
            f"a callback has at most {CALLBACK_BYTES_MAX:,} bytes, this one {len(body):,}"
        )
    try:
        content = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidEventError(f"the callback is not JSON: {error}") from error
    items = content.get("events", [content]) if isinstance(content, dict) else content
    if not isinstance(items, list):
        raise InvalidEventError('a callback is an object, or {"events": [...]} with several')
    if len(items) > ITEMS_MAX:
        raise InvalidEventError(
            f"a callback has at most {ITEMS_MAX:,} events, this one {len(items):,}"
        )
    feedback: list[Feedback] = []
    unreadable: list[Unreadable] = []
    for index, raw in enumerate(items):
        read = _read_item(raw, now)
        if isinstance(read, Feedback):
            feedback.append(read)
        else:
            unreadable.append(Unreadable(index=index, detail=read))
    return Callback(feedback=tuple(feedback), unreadable=tuple(unreadable))


def _read_item(raw: Any, now: int) -> Feedback | str:
    """Return an item as feedback, or why it cannot be taken."""
    try:
        item = msgspec.convert(raw, _Item)
    except msgspec.ValidationError as error:
        return str(error)
    if not item.message_id and not item.provider_id:
        return "it names no message: give `message_id` or `provider_id`"
    occurred_at = parse_instant(item.occurred_at) if item.occurred_at else now
    if occurred_at is None:
        return "`occurred_at` is no ISO 8601 instant, such as 2025-01-31T08:30:00Z"
    if item.type == "bounced" and not item.bounce:
        return "a bounce is `hard` or `soft`: give `bounce`"
    machine = item.type in ("opened", "clicked") and is_machine_opening(
        {key: value for key, value in raw.items() if isinstance(key, str)},
        {},
        occurred_at=occurred_at,
    )
    # What lies ahead is a wrong clock: nothing is reported before it happens.
    occurred_at = min(occurred_at, now)
    return Feedback(
        outcome=item.type,
        message_id=item.message_id,
        provider_id=item.provider_id,
        occurred_at=occurred_at,
        machine=machine,
        hard=item.bounce == "hard",
        occurrence=item.id or (format_instant(occurred_at) if item.occurred_at else ""),
        detail=clean_text(item.text or item.url or item.detail)[:_REPLY_LENGTH_MAX],
    )
