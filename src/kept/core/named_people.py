"""Whom a payload seems to name although it could not be understood."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from kept.core.event import Identifier
from kept.core.touchpoint_identifiers import clean_value

NODES_MAX: Final = 500
"""How much of a payload is looked at."""
LONG: Final = 4
"""How long a value is that means somebody wherever it stands."""
_MEMBERS: Final = {
    "userId": "user_id",
    "user_id": "user_id",
    "anonymousId": "anonymous_id",
    "anonymous_id": "anonymous_id",
    "previousId": "user_id",
}


def find_named(payload: bytes, namespaces: Mapping[str, str]) -> set[Identifier]:
    """Return identifiers that stand in a JSON payload under a name that could mean one.

    Args:
        payload: what was received; whatever is no JSON names nobody that could be found.
        namespaces: member's name -> namespace, besides the names that SDKs use.
    """
    try:
        document = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return set()
    known = {**_MEMBERS, **namespaces}
    return {
        Identifier(known[name], _fold(cleaned) if "email" in (name, known[name]) else cleaned)
        for name, value in _walk(document)
        if name in known and (cleaned := clean_value(value))
    }


def spells_any(payload: bytes, values: Iterable[str]) -> bool:
    """Return whether a payload says one of these values, in whatever case and however escaped.

    A short value must stand alone, for it stands within many words that mean nobody.
    """
    wanted = {_fold(value) for value in values}
    text = payload.decode(errors="replace")
    if text.isascii() and "\\" not in text and all(len(value) >= LONG for value in wanted):
        # Nothing is escaped, so that whatever is said stands there; most payloads are like this.
        text = text.lower()
        return any(value in text for value in wanted)
    texts = [text]
    try:
        document = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    else:
        texts += _texts(document)
    said = {_fold(clean_value(text)) for text in texts}
    return not wanted.isdisjoint(said) or any(
        value in text for value in wanted if len(value) >= LONG for text in said
    )


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", text.lower())


def _texts(document: Any) -> Iterator[str]:
    """Yield whatever stands in a document: names, texts and whole numbers."""
    waiting: list[Any] = [document]
    for node in waiting:
        if isinstance(node, dict):
            waiting += [*node, *node.values()]
        elif isinstance(node, list):
            waiting += node
        elif isinstance(node, str | int):
            yield str(node)


def _walk(document: Any) -> Iterator[tuple[str, str | int]]:
    """Yield each text and number with the name of the member it stands under, breadth first."""
    waiting: list[Any] = [document]
    for seen, node in enumerate(waiting):
        if seen >= NODES_MAX:
            return
        if isinstance(node, dict):
            named = node.get("type")
            if isinstance(named, str) and isinstance(node.get("id"), str):
                # The form of context.externalIds.
                yield named, node["id"]
            for name, value in node.items():
                if isinstance(value, str | int):
                    yield name, value
                elif isinstance(value, (dict, list)):
                    waiting.append(value)
        elif isinstance(node, list):
            waiting += [value for value in node if isinstance(value, (dict, list))]
