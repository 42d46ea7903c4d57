"""What a person put right: a wrong value is not taken up again, however often a source repeats it.

A field is `trait.NAME` or `KIND/KEY.FIELD`. A correction tells the right value like any source, and
beside it digests of those that were wrong. An event that tells one of them anew is marked when it
is taken, and folding leaves marked fields out; so the fold stays a function of the stream, and any
other value that a source tells later wins as it always does.
"""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from kept.core.event import Event
from kept.core.scopes import TRAIT_PREFIX
from kept.core.state import Stamped, State, name_of_slot

OVERRULED: Final = "kept_overruled"
"""The member of an event's context that lists the fields which are not taken from it."""
REJECTED_MAX: Final = 8
"""How many wrong values of one field are remembered: the newest."""


def object_field(kind: str, key: str, field: str) -> str:
    """Return the name of a field of an object."""
    return f"{kind}/{key}.{field}"


def digest_of(value: Any) -> str:
    """Return a digest of a value as it is folded; it keeps a wrong value from being kept twice."""
    return hashlib.blake2b(msgspec.json.encode(value), digest_size=12).hexdigest()


def reject(known: Stamped | None, wrong: Any, right: Any) -> list[str]:
    """Return the digests that are rejected once a value is put right; the right one never is."""
    before = list(known.value) if known is not None else []
    digests = dict.fromkeys([*before, digest_of(wrong)])
    digests.pop(digest_of(right), None)
    return list(digests)[-REJECTED_MAX:]


def is_rejected(rejected: Mapping[str, Stamped], field: str, value: Any) -> bool:
    """Return whether a value of a field was put right before."""
    known = rejected.get(field)
    return known is not None and digest_of(value) in known.value


def mark_overruled(event: Event, fields: Collection[str]) -> Event:
    """Return an event of which these fields are not taken."""
    if not fields:
        return event
    return msgspec.structs.replace(event, context=event.context | {OVERRULED: sorted(fields)})


def overruled_in(event: Event) -> Collection[str]:
    """Return the fields that are not taken from an event."""
    marked = event.context.get(OVERRULED)
    return marked if isinstance(marked, list) else ()


def leave_out_rejected(state: State, rejected: Mapping[str, Stamped]) -> None:
    """Take rejected values out of a part's state: it may have told them before it was joined."""
    for slot, said in list(state.traits.items()):
        if is_rejected(rejected, f"{TRAIT_PREFIX}{name_of_slot(slot)}", said.value):
            del state.traits[slot]
    for slot, objects in state.objects.items():
        kind = name_of_slot(slot)
        for key, fields in objects.items():
            for field, said in list(fields.items()):
                if is_rejected(rejected, object_field(kind, key, field), said.value):
                    del fields[field]
