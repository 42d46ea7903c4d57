"""A run's evidence, sorted so that judges may ask it: who was whose, what may have been in force, what left when."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from kept.core.bounce import mail_id_of
from tests.attack.evidence import (
    PROMOTIONS,
    Arrived,
    Brake,
    Erasure,
    Run,
    Stored,
    Tie,
    Word,
)

NEVER: Final = 2**62
SECOND: Final = 1_000_000


class Slack(msgspec.Struct, frozen=True, kw_only=True):
    """How much of an instant is not known for sure (µs)."""

    clock: int = SECOND // 20
    """How far an instant of the store may be off on the clock of the evidence."""
    call: int = 20 * SECOND
    """How long at most lies between the commit of an attempt and the first that its provider hears."""


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """Something that forbids promotions to a person from an answer on, until something lifts it."""

    what: str
    person: str
    sent_at: int
    answered_at: int
    channel: str
    in_flight: frozenset[str] | None
    lifted_by: tuple[Word, ...] = ()
    """Words of anybody of the customer that may have lifted it."""
    lifted_at: int = NEVER
    """From when on it may have ended for another reason."""


class Book:
    """The evidence of a run, by person."""

    def __init__(self, run: Run, stored: Stored | None = None, slack: Slack | None = None) -> None:
        """Sort the evidence; without a store, nothing is known of when messages left."""
        self.run = run
        self.stored = stored or Stored()
        self.slack = slack or Slack()
        self.words = _by_person(run.words)
        self.arrived: dict[str, list[Arrived]] = defaultdict(list)
        self.tried_for: dict[str, str] = {}
        """Each message, by its key -> to whom it was first handed over."""
        for one in sorted(run.arrived, key=lambda one: one.at):
            self.arrived[one.person].append(one)
            self.tried_for.setdefault(one.key, one.person)
        self.erased: dict[str, Erasure] = {one.person: one for one in run.erasures}
        self.joined: dict[str, Tie] = {}
        self.parted: dict[str, Tie] = {}
        for tie in run.ties:
            for person in tie.people:
                (self.joined if tie.joins else self.parted)[person] = tie
        self._left = {
            name: row.left_at
            for row in self.stored.messages
            if row.left_at and row.attempt_count == 1
            for name in names_of(row.message_id)
        }

    def left_since(self, one: Arrived) -> int:
        """Return an instant before which an arrival surely did not leave."""
        known = self._left.get(one.key)
        if known is None:
            return one.begun_at - self.slack.call
        return known - self.slack.clock

    def left_before(self, one: Arrived) -> int:
        """Return an instant after which an arrival surely did not leave."""
        known = self._left.get(one.key)
        return one.begun_at if known is None else min(known + self.slack.clock, one.begun_at)

    def partner_of(self, person: str) -> str | None:
        """Return whom a person was ever merged with, None for nobody."""
        tie = self.joined.get(person)
        return None if tie is None else next(one for one in tie.people if one != person)

    def joined_for_sure(self, person: str) -> tuple[int, int]:
        """Return from when on, and until when, a person and the partner surely were one."""
        joined, parted = self.joined.get(person), self.parted.get(person)
        if joined is None or not joined.answered_at:
            return NEVER, NEVER
        return joined.answered_at, parted.sent_at if parted is not None else NEVER

    def joined_perhaps(self, person: str) -> tuple[int, int]:
        """Return from when on, and until when, a person and the partner may have been one."""
        joined, parted = self.joined.get(person), self.parted.get(person)
        if joined is None:
            return NEVER, NEVER
        until = parted.answered_at if parted is not None and parted.answered_at else NEVER
        return joined.sent_at, until

    def promotions_to(self, person: str) -> Iterator[Arrived]:
        """Return what promotes and reached a person, in order."""
        return (one for one in self.arrived.get(person, ()) if one.action in PROMOTIONS)

    def limits(self) -> Iterator[Limit]:
        """Return everything that a person, or their open matter, forbade."""
        for word in self.run.words:
            if word.allows or not word.answered_at or word.is_late or word.by == "site":
                continue
            yield Limit(
                what=f"the stop of {word.person}",
                person=word.person,
                sent_at=word.sent_at,
                answered_at=word.answered_at,
                channel=word.channel,
                in_flight=word.in_flight,
                lifted_by=tuple(self._lifting(word)),
            )
        resolved = {one.case: one.sent_at for one in self.run.cases if not one.opens}
        for case in self.run.cases:
            if case.opens and case.answered_at:
                yield Limit(
                    what=f"the open case of {case.person}",
                    person=case.person,
                    sent_at=case.sent_at,
                    answered_at=case.answered_at,
                    channel="",
                    in_flight=case.in_flight,
                    lifted_at=resolved.get(case.case, NEVER),
                )

    def _lifting(self, stop: Word) -> Iterator[Word]:
        """Return words that may have lifted a stop: later ones, of the same scope or a narrower one."""
        partner = self.partner_of(stop.person)
        for person in (stop.person, *((partner,) if partner else ())):
            for word in self.words.get(person, ()):
                comes_later = not word.answered_at or word.answered_at > stop.sent_at
                # Who left one channel comes back to it only by naming it.
                is_wide_enough = not stop.channel or word.channel == stop.channel
                speaks = word.allows and not word.is_late and word.by == "shop"
                if speaks and comes_later and is_wide_enough:
                    yield word


def _by_person(words: Iterable[Word]) -> dict[str, list[Word]]:
    found: dict[str, list[Word]] = defaultdict(list)
    for word in words:
        found[word.person].append(word)
    return found


def names_of(message_id: str) -> tuple[str, ...]:
    """Return the names under which providers may know a message."""
    return message_id, mail_id_of(message_id)


def brake_intervals(brakes: list[Brake]) -> Iterator[tuple[str, int, int, int, int]]:
    """Return each brake: scope, on for sure from and until, on perhaps from and until."""
    for number, brake in enumerate(brakes):
        if not brake.is_on:
            continue
        lifted = next(
            (one for one in brakes[number:] if not one.is_on and one.scope == brake.scope), None
        )
        sure_until = lifted.sent_at if lifted is not None else NEVER
        perhaps_until = lifted.answered_at if lifted is not None and lifted.answered_at else NEVER
        sure_from = brake.answered_at or NEVER
        yield brake.scope, sure_from, sure_until, brake.sent_at, perhaps_until
