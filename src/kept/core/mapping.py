"""Foreign payloads as events, by the mappings of `sources.yaml` and without code.

A path such as `body.items.0.id` walks through objects by name and through lists by number, counted
from 0, or from -1 at the end. It begins with `body`, `headers` or `query`.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from kept.core.brand.model import Mapping as MappingText
from kept.core.event import IDENTIFIED
from kept.core.touchpoint_item import EVENT_BYTES_MAX, Rejected, WireItem, check_item

TEXT_LENGTH_MAX: Final = 4_000
"""A longer text (a mail with all that it answers) is cut: its end is not worth the event."""
SEARCHED_LENGTH_MAX: Final = 2_000

Document: TypeAlias = dict[str, Any]
"""What paths walk through: `body`, `headers` and `query`."""
Test: TypeAlias = Callable[[Any], bool]

MISSING: Final = object()


def find_value(document: Any, path: str) -> Any:
    """Return what stands at a path, or `MISSING`."""
    value = document
    for step in path.split("."):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and re.fullmatch(r"-?\d{1,6}", step):
            index = int(step)
            if not -len(value) <= index < len(value):
                return MISSING
            value = value[index]
        else:
            return MISSING
    return value


class CompiledMapping:
    """One mapping of `sources.yaml`: when it applies, and the event that it makes."""

    def __init__(
        self,
        text: MappingText,
        *,
        object_keys: frozenset[str],
        read_property: Callable[[str, Any], Any] = lambda path, value: value,
    ) -> None:
        """Compile the conditions.

        Args:
            text: the mapping.
            object_keys: properties without which no object is meant.
            read_property: from what stands at a path to the value of a property, or to `MISSING`.
        """
        self._text = text
        self._read_property = read_property
        self._object_keys = object_keys
        self._tests = [(path, _compile_test(expected)) for path, expected in text.when.items()]

    def paths(self) -> set[str]:
        """Return every path that this mapping reads."""
        text = self._text
        return {
            path
            for path in (
                text.message_id,
                text.occurred_at,
                *text.when,
                *text.identifiers.values(),
                *text.properties.values(),
            )
            if path
        }

    def applies(self, document: Document) -> bool:
        """Return whether all conditions hold."""
        return all(test(find_value(document, path)) for path, test in self._tests)

    def read(self, document: Document, *, delivery_id: str) -> WireItem | Rejected:
        """Return the event, or which value is missing.

        What identifies must be there: the message id and the time where a path is given for them,
        one of the identifiers, and the key of an object. What merely describes may be missing.
        """
        text = self._text
        message_id = _find(document, text.message_id) if text.message_id else delivery_id
        occurred_at = _find(document, text.occurred_at) if text.occurred_at else None
        if text.message_id and not isinstance(message_id, str | int):
            return _missing(text.message_id)
        if text.occurred_at and occurred_at is None:
            return _missing(text.occurred_at)
        named = [
            {"type": namespace, "id": value}
            for namespace, path in text.identifiers.items()
            if (value := _find(document, path)) is not None
        ]
        if text.identifiers and not named:
            return _missing(", ".join(text.identifiers.values()))
        properties: dict[str, Any] = {}
        for name, path in text.properties.items():
            value = self._read_property(path, find_value(document, path))
            if name in self._object_keys and (value is MISSING or value is None):
                return _missing(path)
            if value is not MISSING:
                properties[name] = _cut(value)
        return self._make_item(
            {**properties, **text.constants},
            message_id=f"{text.event}:{message_id}",
            occurred_at=occurred_at,
            named=named,
        )

    def _make_item(
        self,
        properties: dict[str, Any],
        *,
        message_id: str,
        occurred_at: Any,
        named: Sequence[dict[str, Any]],
    ) -> WireItem | Rejected:
        is_identify = self._text.event == IDENTIFIED
        item = check_item(
            {
                "type": "identify" if is_identify else "track",
                "event": self._text.event,
                "messageId": message_id,
                "timestamp": occurred_at,
                "traits" if is_identify else "properties": properties,
                "context": {"externalIds": list(named)},
            }
        )
        if isinstance(item, Rejected):
            is_time = item.field == "timestamp"
            return msgspec.structs.replace(
                item, field=self._text.occurred_at if is_time else item.field
            )
        size = len(msgspec.json.encode(item))
        if size > EVENT_BYTES_MAX:
            return Rejected(
                code="event.too_large",
                detail=f"the mapped event has {size} bytes; at most {EVENT_BYTES_MAX} are taken",
            )
        return item


def _find(document: Document, path: str) -> Any:
    """Return what stands at a path; what is missing or empty is None."""
    value = find_value(document, path)
    return None if value is MISSING or value == "" else value


def _missing(path: str) -> Rejected:
    return Rejected(
        code="webhook.missing_value",
        detail=f"the payload has nothing at `{path}`; mend the mapping in sources.yaml",
        field=path,
    )


def _cut(value: Any) -> Any:
    return value[:TEXT_LENGTH_MAX] if isinstance(value, str) else value


def _compile_test(expected: Any) -> Test:
    """Return the test of one condition: equality, membership, or `~` and a regular expression.

    Texts are compared without regard to case, and to spaces around them.
    """
    if isinstance(expected, tuple | list):
        tests = [_compile_test(each) for each in expected]
        return lambda value: any(test(value) for test in tests)
    if isinstance(expected, str) and expected.startswith("~"):
        pattern = re.compile(unicodedata.normalize("NFC", expected[1:]), re.IGNORECASE)
        return _on_each(lambda value: isinstance(value, str) and _matches(pattern, value))
    if isinstance(expected, bool):
        return _on_each(lambda value: value is expected)
    wanted = _fold(str(expected))
    return _on_each(
        lambda value: (
            isinstance(value, str | int)
            and not isinstance(value, bool)
            and _fold(str(value)) == wanted
        )
    )


def _on_each(test: Test) -> Test:
    """Return a test that a list passes if one of its elements does."""

    def test_each(value: Any) -> bool:
        return any(map(test, value)) if isinstance(value, list) else test(value)

    return test_each


def _matches(pattern: re.Pattern[str], value: str) -> bool:
    text = unicodedata.normalize("NFC", value[:SEARCHED_LENGTH_MAX])
    return pattern.search(text) is not None


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold()).strip()
