"""What goes into the replay of a few connected customers, and what comes out of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from kept.core.decision import Decision
from kept.core.dossier import Dossier
from kept.core.identity import Part
from kept.core.message import Message
from kept.flows.replay.occasions import Occasion


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """A few customers whom evidence connects, with everything that the record has of them."""

    parts: tuple[Part, ...]
    occasions: Sequence[Occasion]
    messages: Mapping[str, Message]
    """By id, as they are at the end of the record."""
    dossiers: Sequence[Dossier]
    """Approvals and findings of these customers, and all breaches, as they are at the end."""
    own_events: Sequence[tuple[int, str]]
    """(sequence, name) of what the record itself caused."""
    traces: Mapping[int, bytes]
    """Decision -> its whole trace."""


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """The instants between which is decided; before, everything is only folded."""

    since: int
    until: int
    """Exclusive: what happens from here on is folded, and nothing is decided because of it."""
    ends_at: int
    """The newest instant of the record."""


Unlike: TypeAlias = Literal["differs", "missing", "extra"]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One decision that came out otherwise than recorded, without any value of anybody."""

    kind: Unlike
    decision_id: int
    at: int
    what: str
    """The first member of the decision that differs, or what was asked."""
    recorded: str = ""
    replayed: str = ""
    part_id: int = 0
    """Whom it was about; 0 stands for people whom nobody knew."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """One decision of a replay, as far as it is counted."""

    at: int
    customer_id: int
    cohort: str
    kind: str
    chosen: tuple[tuple[str, str], ...]
    """(action, object) of what may go ahead."""


class Played(msgspec.Struct, kw_only=True):
    """What a replay did with a component."""

    messages: dict[str, Message] = {}
    scores: dict[tuple[int, str, str], int] = {}
    """(decision, action, object) -> what was expected of what was chosen, in minor units."""
    answers: list[Answered] = []
    differences: list[Difference] = []
    counts: Counter[str] = msgspec.field(default_factory=Counter)
    """How often something was done by the replay alone, such as waking somebody."""
    heard: Counter[int] = msgspec.field(default_factory=Counter)
    """Part -> how many signals of it there were."""
    decided: Counter[int] = msgspec.field(default_factory=Counter)
    """Customer -> how many decisions there were about them; 0 for people whom nobody knew."""
    unknown: Counter[tuple[int, str]] = msgspec.field(default_factory=Counter)
    """(part, what cannot be known) -> how often."""
    kept_alike: dict[str, str] = {}
    """Message of the replay -> the recorded one whose fate it shared."""
    violations: list[tuple[str, str, int]] = []
    """(guarantee, action, part) of what the independent recount found."""


def name_difference(recorded: Decision, replayed: Decision) -> tuple[str, str, str]:
    """Return the first member in which two decisions differ, with both as shapes, not values."""
    for name in Decision.__struct_fields__:
        one, other = getattr(recorded, name), getattr(replayed, name)
        if one != other:
            return _within(name, one, other)
    return "encoding", "", ""


def _within(name: str, one: object, other: object) -> tuple[str, str, str]:
    if (
        isinstance(one, msgspec.Struct)
        and type(one) is type(other)
        and name in ("request", "controls", "facts")
    ):
        for field in one.__struct_fields__:
            mine, theirs = getattr(one, field), getattr(other, field)
            if mine != theirs:
                return f"{name}.{field}", _shape(mine, theirs), _shape(theirs, mine)
    if name in ("chosen", "considered", "holds", "answer", "cohort", "brand_version"):
        return name, _names_of(one), _names_of(other)
    if isinstance(one, int) and isinstance(other, int):
        return name, str(one), str(other)
    return name, _shape(one, other), _shape(other, one)


def _names_of(value: object) -> str:
    """Return names of the brand only: actions, cohorts, codes of reasons."""
    if isinstance(value, tuple):
        return ", ".join(map(_names_of, value)) or "none"
    if isinstance(value, msgspec.Struct):
        reason = getattr(value, "reason", None)
        code = f" ({type(reason).__name__})" if reason is not None else ""
        return f"{getattr(value, 'action', '')}{code}"
    return str(value)


def _shape(value: object, other: object) -> str:
    """Return where a value differs from another one, and how large it is; never the value itself."""
    if isinstance(value, list | tuple) and isinstance(other, list | tuple):
        at = next(
            (i for i, (a, b) in enumerate(zip(value, other, strict=False)) if a != b),
            min(len(value), len(other)),
        )
        return f"{len(value)} of them, the first other one at {at}"
    if isinstance(value, dict) and isinstance(other, dict):
        count = sum(1 for key in value if value.get(key) != other.get(key, NotImplemented))
        return f"{len(value)} of them, {count} other"
    return "none" if value is None else f"a {type(value).__name__}"
