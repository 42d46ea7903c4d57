"""A breach as values: who is no longer trusted and since when, what was found of whom, what was done.

What cannot be known exactly is kept as `at_most`, never guessed and never left out.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

from kept.core.brand.model import Brand
from kept.core.values import HOUR

BreachKind: TypeAlias = Literal["source", "staff", "recipient"]
BreachState: TypeAlias = Literal["searching", "found", "releasing", "released", "closing", "closed"]
WORKING: Final[tuple[BreachState, ...]] = ("searching", "releasing", "closing")
"""States in which there is something to do in pieces, beside everything else."""
Certainty: TypeAlias = Literal["exact", "at_most"]
How: TypeAlias = Literal[
    "planted", "answer", "inbox", "call_list", "message", "suppressions", "unmasked"
]
Stage: TypeAlias = Literal["events", "decisions", "disclosures", "audit", "done"]

HOW_IN_WORDS: Final[Mapping[How, str]] = {
    "planted": "told us of, and may have invented",
    "answer": "was told in answers",
    "inbox": "was shown in inboxes",
    "call_list": "was handed as calls to make",
    "message": "was given in messages",
    "suppressions": "was told as whom not to contact",
    "unmasked": "looked at",
}
NOTIFY_WITHIN: Final = 72 * HOUR
"""GDPR, article 33(1): the authority hears within 72 hours after one became aware."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """What one stage of the search reads: from `after` (exclusive) to `end`."""

    stage: Stage
    after: int
    end: int


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was taken away in the same step as the breach was declared."""

    what: str
    """Such as `write keys of billing` or `channel:email`."""
    count: int = 1


class BreachStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the timeline."""

    at: int
    what: str
    by: str = ""
    because: str = ""


class BreachRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One breach."""

    kind: BreachKind
    name: str
    since: int
    because: str
    declared_at: int
    actors: tuple[str, ...] = ()
    """How the audit calls the member of staff."""
    revocations: tuple[Revocation, ...] = ()
    spans: tuple[Span, ...] = ()
    """What is left to read; empty once everything was."""
    read: int = 0
    total: int = 0
    """How many records the search has read, and has to read."""
    limits: tuple[str, ...] = ()
    """What nobody can know exactly, in sentences."""
    what_we_did: dict[str, str] = {}
    """Locale -> what the notice says that was done."""
    cursor: int = 0
    """Up to which part customers were looked at again after a release or a close."""
    steps: tuple[BreachStep, ...] = ()


class Touch(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a customer was touched: which fields, how often, from when to when."""

    how: How
    certainty: Certainty
    fields: tuple[str, ...]
    count: int
    first_at: int
    last_at: int


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that was found of one customer."""

    touches: tuple[Touch, ...] = ()
    told_at: int = 0
    message_id: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        """Return every field that was touched in any way."""
        return tuple(sorted({field for touch in self.touches for field in touch.fields}))

    @property
    def is_exact(self) -> bool:
        """Return whether any of it is known exactly."""
        return any(touch.certainty == "exact" for touch in self.touches)


def add_touch(
    finding: Finding, how: How, fields: Iterable[str], at: int, *, certainty: Certainty
) -> Finding:
    """Return a finding with one more touch; touches of one kind are added up."""
    added = tuple(sorted(set(fields)))
    touches = []
    is_added = False
    for touch in finding.touches:
        if (touch.how, touch.certainty) == (how, certainty):
            is_added = True
            touches.append(
                Touch(
                    how=how,
                    certainty=certainty,
                    fields=tuple(sorted({*touch.fields, *added})),
                    count=touch.count + 1,
                    first_at=min(touch.first_at, at),
                    last_at=max(touch.last_at, at),
                )
            )
        else:
            touches.append(touch)
    if not is_added:
        touches.append(
            Touch(how=how, certainty=certainty, fields=added, count=1, first_at=at, last_at=at)
        )
    return msgspec.structs.replace(finding, touches=tuple(touches))


def add_step(record: BreachRecord, step: BreachStep, **changes: Any) -> BreachRecord:
    """Return a record with one more line of its timeline."""
    return msgspec.structs.replace(record, steps=(*record.steps, step), **changes)


def words_of(brand: Brand, fields: Iterable[str], locale: str) -> str:
    """Return fields as a customer reads of them, each word once, in one locale.

    What the brand has no words for is called by its name.
    """
    found: dict[str, None] = {}
    for field in fields:
        kind = field.partition(".")[0]
        words = brand.facts.words.get(field) or brand.facts.words.get(kind) or {}
        said = words.get(locale) or words.get(locale.partition("-")[0])
        if not said:
            said = words.get(brand.brand.locales[0]) or _plain(field)
        found[said] = None
    return ", ".join(found)


def _plain(field: str) -> str:
    kind, dot, name = field.partition(".")
    text = name if kind in ("trait", "identifier", "event") and dot else f"{kind} {name}"
    return text.replace("_", " ").strip()
