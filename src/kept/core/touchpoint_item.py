"""An event as it stands on the wire, typed and bounded, before anybody asks who may send it.

The bounds are part of the type, so that the decoder itself refuses a number beyond int64, a key
that is too long or a value that is nested too deeply: what is valid costs nothing extra. Only when
it refuses does the slow path look again, to mend what is harmless and to name what is not.
"""

import json
import math
import re
import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import msgspec

from kept.core.policy.types import INT_MAX, INT_MIN

EVENT_BYTES_MAX: Final = 32 * 1024
PROPERTIES_MAX: Final = 10_000
KEY_LENGTH_MAX: Final = 256
DEPTH_MAX: Final = 8
"""How many objects and lists may stand within each other inside `properties` and its like."""

_DICT_FIELDS: Final = ("properties", "traits", "context", "integrations")
_TIME_FIELDS: Final = ("timestamp", "originalTimestamp", "sentAt")
# An escape beyond U+02FF: below it no text changes under NFC, so most European text stays fast.
_HIGH_ESCAPE: Final = re.compile(rb"\\u(?!0[0-2])")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_PATH: Final = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>.*)`)?$", re.DOTALL)


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """An event that is not taken: a stable code, a sentence on what to do, and the field meant."""

    code: str
    detail: str
    field: str = ""
    payload: bytes = b""
    """The event as it came, in a form that can be mended and read again."""


Int64: TypeAlias = Annotated[int, msgspec.Meta(ge=INT_MIN, le=INT_MAX)]
Id: TypeAlias = str | Int64 | float | None
Moment: TypeAlias = datetime | Int64 | float | None

if TYPE_CHECKING:
    Fields: TypeAlias = dict[str, Any]
else:

    def _bounded_fields() -> Any:
        key = Annotated[str, msgspec.Meta(max_length=KEY_LENGTH_MAX)]
        scalar = value = None | bool | Int64 | float | str
        for _ in range(DEPTH_MAX):
            value = scalar | list[value] | dict[key, value]
        return Annotated[dict[key, value], msgspec.Meta(max_length=PROPERTIES_MAX)]

    Fields = _bounded_fields()


class WireItem(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False
):
    """One event in the form of the Segment specification, the common tongue of all wire formats."""

    type: str = ""
    event: str | None = None
    name: str | None = None
    category: str | None = None
    user_id: Id = None
    anonymous_id: Id = None
    previous_id: Id = None
    group_id: Id = None
    message_id: Id = None
    timestamp: Moment = None
    original_timestamp: Moment = None
    sent_at: Moment = None
    properties: Fields | None = None
    traits: Fields | None = None
    context: Fields | None = None
    integrations: Fields | None = None
    merge_properties: list[dict[str, Id]] | None = None


_DECODER: Final = msgspec.json.Decoder(WireItem)


def parse_item(raw: bytes) -> WireItem | Rejected:
    """Return the event that these bytes spell, or why it is not one."""
    if len(raw) > EVENT_BYTES_MAX:
        return Rejected(
            code="event.too_large",
            detail=f"the event has {len(raw)} bytes; at most {EVENT_BYTES_MAX} are taken",
        )
    try:
        is_plain = raw.isascii() and b"\\" not in raw
        if not is_plain and not _is_settled(raw):
            return _mend(raw)
        return _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError):
        return _mend(raw)


def check_item(fields: dict[str, Any]) -> WireItem | Rejected:
    """Return an event from values that were never bytes (a mapped payload, a row of a file)."""
    mended = _mend_value(fields, ())
    if isinstance(mended, Rejected):
        return mended
    for name in _DICT_FIELDS:
        if mended.get(name) == []:  # what PHP writes for an empty object
            mended[name] = {}
    for name in _TIME_FIELDS:
        value = mended.get(name)
        if isinstance(value, str):
            moment = parse_time(value)
            if isinstance(moment, Rejected):
                return msgspec.structs.replace(moment, field=name)
            mended[name] = moment
    if mended.get("type") is None:
        mended.pop("type", None)
    try:
        return msgspec.convert(mended, WireItem)
    except msgspec.ValidationError as error:
        return _explain(error)


def parse_time(text: str) -> datetime | int | Rejected | None:
    """Return a time as people and programs write it; an empty text names none."""
    text = text.strip()
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) >= 9:
        return int(text) if len(text) <= 18 else _bad_time()
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return _bad_time()


def _bad_time() -> Rejected:
    return Rejected(
        code="event.bad_time",
        detail="this is not a time; send ISO 8601, such as 2025-01-31T08:30:00Z",
    )


def instant_of_moment(moment: datetime | float) -> int:
    """Return a moment of the wire as microseconds since 1970; without a zone it is UTC.

    Numbers are seconds, milliseconds or microseconds since 1970, whichever puts them near today.
    """
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        since = moment - _EPOCH
        return since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds
    size = abs(moment)
    if size < 100_000_000_000:  # the year 5138 in seconds, 1973 in milliseconds
        return int(moment * 1_000_000)
    return int(moment * 1_000) if size < 100_000_000_000_000 else int(moment)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _is_settled(raw: bytes) -> bool:
    """Return whether the text of this JSON surely has no NUL and is in NFC as it stands."""
    if b"\\u" in raw:
        if b"\\u0000" in raw:
            return False
        if _HIGH_ESCAPE.search(raw) or not raw.isascii():
            # Spelled out, so that a letter and its accent stand beside each other.
            raw = msgspec.json.encode(msgspec.json.decode(raw))
    return raw.isascii() or unicodedata.is_normalized("NFC", raw.decode())


def _mend(raw: bytes) -> WireItem | Rejected:
    """Read an event that the fast decoder refused: mend what is harmless, name what is not."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return Rejected(code="event.bad_text", detail="the event is not UTF-8")
    try:
        value = json.loads(text)
    except RecursionError:
        return _too_deep(())
    except json.JSONDecodeError as error:
        return Rejected(code="event.not_json", detail=f"the event is not JSON: {error}"[:300])
    except ValueError:
        return _bad_number(())  # more digits than Python cares to read
    if not isinstance(value, dict):
        return Rejected(
            code="event.not_an_object",
            detail="an event is a JSON object, and this is something else",
        )
    return check_item(value)


def _mend_value(value: Any, path: tuple[str, ...]) -> Any:
    """Return a value with its text in NFC, or the first thing in it that cannot be taken."""
    if isinstance(value, str):
        return _mend_text(value, path)
    if isinstance(value, dict):
        return _mend_dict(value, path)
    if isinstance(value, list | tuple):
        if len(path) > DEPTH_MAX + 1:
            return _too_deep(path)
        mended_list = []
        for index, element in enumerate(value):
            mended = _mend_value(element, (*path, str(index)))
            if isinstance(mended, Rejected):
                return mended
            mended_list.append(mended)
        return mended_list
    if isinstance(value, int):
        return value if INT_MIN <= value <= INT_MAX else _bad_number(path)
    if isinstance(value, float) and not math.isfinite(value):
        return _bad_number(path)
    return value


def _mend_dict(value: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any] | Rejected:
    if len(path) > DEPTH_MAX + 1:
        return _too_deep(path)
    mended_dict = {}
    for key, element in value.items():
        if len(key) > KEY_LENGTH_MAX:
            return Rejected(
                code="event.bad_key",
                detail=f"a key has {len(key)} characters; at most {KEY_LENGTH_MAX} are taken",
                field=".".join((*path, key[:40] + "…")),
            )
        mended_key = _mend_text(key, path)
        if isinstance(mended_key, Rejected):
            return mended_key
        mended = _mend_value(element, (*path, mended_key))
        if isinstance(mended, Rejected):
            return mended
        mended_dict[mended_key] = mended
    return mended_dict


def _mend_text(text: str, path: tuple[str, ...]) -> str | Rejected:
    if "\0" in text:
        return Rejected(
            code="event.bad_text",
            detail="a text holds the character NUL; leave it out",
            field=".".join(path),
        )
    if not text.isascii() and _SURROGATE.search(text):
        return Rejected(
            code="event.bad_text",
            detail="a text holds half a surrogate pair (an emoji cut in two?); leave it out",
            field=".".join(path),
        )
    return unicodedata.normalize("NFC", text)


def _too_deep(path: tuple[str, ...]) -> Rejected:
    return Rejected(
        code="event.too_deep",
        detail=f"values stand more than {DEPTH_MAX} levels within each other; flatten them",
        field=".".join(path),
    )


def _bad_number(path: tuple[str, ...]) -> Rejected:
    return Rejected(
        code="event.bad_number",
        detail="a number is beyond 64 bits, infinite or none at all; send a text or leave it out",
        field=".".join(path),
    )


def _explain(error: msgspec.ValidationError) -> Rejected:
    """Return what the decoder found as a rejection that names the field as the sender wrote it."""
    match = _PATH.match(str(error))
    field = (match["path"] or "").removeprefix("$").lstrip(".") if match else ""
    what = match["what"] if match else str(error)
    if field in _DICT_FIELDS and "of length" in what:
        return Rejected(
            code="event.too_many_properties",
            detail=f"`{field}` has more than {PROPERTIES_MAX} entries",
            field=field,
        )
    return Rejected(
        code="event.bad_field", detail=f"`{field}` has the wrong type: {what}", field=field
    )
