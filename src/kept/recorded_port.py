"""What a replay asks of a record: what was heard, who was who, what was decided and what became of it.

A record is only read. It hands out everything in the order in which it was taken, for as many parts
at once as the reader asks for; parts that evidence connects are always asked for together.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

import msgspec

from kept.core.decision import Chosen, Controls, Request
from kept.core.dossier import Dossier
from kept.core.identity import Link, Part
from kept.core.message import Message
from kept.ports import BrandRow, DecisionRow, StoredEvent
from kept.ports_access import AuditEntry


class Trace(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A stored decision as a replay needs it: what was asked and chosen; facts are left undecoded.

    The members are those of `decision.Decision`, in its order.
    """

    decision_id: int
    decided_at: int
    semantics: int
    brand_version: str
    customer_id: int
    request: Request
    controls: Controls
    facts: msgspec.Raw
    cohort: str | None
    holds: tuple[str, ...] = ()
    considered: msgspec.Raw = msgspec.Raw()
    answer: str = ""
    answer_about: str = ""
    chosen: tuple[Chosen, ...] = ()
    valid_until: int = 0
    heard_through: int = 0


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """By which brand and under which controls the record decided from one decision on."""

    decision_id: int
    decided_at: int
    brand_version: str
    controls: Controls


class Recorded(Protocol):
    """What one brand heard, decided and did, as its store has it."""

    is_shared: bool
    """Whether several nodes may have written it: then none of them knew of all that others heard."""

    def read_span(self) -> tuple[int, int]:
        """Return the first and the last instant (µs) of which the record knows; 0 and 0 if it is empty."""

    def read_brands(self) -> list[BrandRow]:
        """Return every folder that was in force, in the order of the last time it came into force."""

    def read_acts(self) -> list[AuditEntry]:
        """Return what operators did, oldest first."""

    def read_settings(self) -> Iterator[Setting]:
        """Yield the first decision, and each by another brand or other controls than the one before."""

    def read_parts(self) -> Iterator[Part]:
        """Yield all parts in order of their ids."""

    def read_links(self) -> Iterator[Link]:
        """Yield all evidence."""

    def read_events(self, part_ids: Collection[int]) -> list[StoredEvent]:
        """Return the events of these parts in stream order."""

    def read_decisions(self, part_ids: Collection[int]) -> list[DecisionRow]:
        """Return the decisions about these parts in order of their ids."""

    def read_messages(self, part_ids: Collection[int]) -> list[Message]:
        """Return the messages of these parts, oldest first, as they are now."""

    def read_dossiers(self, part_ids: Collection[int]) -> list[Dossier]:
        """Return what was put before a person about these parts, and what breaches found of them."""

    def read_breaches(self) -> list[Dossier]:
        """Return the breaches that were declared."""

    def close(self) -> None:
        """Let go of the record."""


def find_settings(traces: Iterable[Trace]) -> Iterator[Setting]:
    """Yield the first decision, and each by another brand or other controls than the one before."""
    known: tuple[str, Controls] | None = None
    for trace in traces:
        if known != (trace.brand_version, trace.controls):
            known = (trace.brand_version, trace.controls)
            yield Setting(
                decision_id=trace.decision_id,
                decided_at=trace.decided_at,
                brand_version=trace.brand_version,
                controls=trace.controls,
            )
