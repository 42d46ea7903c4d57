"""Whom a payload seems to name although it could not be understood."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kept.core.event import Identifier

NODES_MAX: Final = 500
"""How much of a payload is looked at."""
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
        Identifier(known[name], value.strip())
        for name, value in _walk(document)
        if name in known and value.strip()
    }


def _walk(document: Any) -> Iterator[tuple[str, str]]:
    """Yield each text with the name of the member it stands under, breadth first."""
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
                if isinstance(value, str):
                    yield name, value
                elif isinstance(value, (dict, list)):
                    waiting.append(value)
        elif isinstance(node, list):
            waiting += [value for value in node if isinstance(value, (dict, list))]
