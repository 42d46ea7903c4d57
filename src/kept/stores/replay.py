"""A store for replays: what flows read of a few customers at a time, and nothing that nobody reads.

Nothing is encoded, and nothing outlives its component. Parts, decisions and events get the numbers
that they have in the record, as long as the replay does what the record did; whatever it does beyond
gets numbers after.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from kept.core.dossier import Dossier, DossierKind
from kept.core.event import SOURCE_SELF, Event, Identifier
from kept.core.identity import Link, Part
from kept.core.message import Message
from kept.core.values import NEVER
from kept.ports import StateRow, Tombstone

_BEYOND = 1 << 40
"""Numbers from here on are of the replay's own."""


class ReplayStore:
    """One component of connected customers in plain dictionaries; implements what flows ask of a store."""

    is_shared = False

    def __init__(self) -> None:
        """Begin empty."""
        self.clear((), (), ())

    def clear(
        self,
        parts: Iterable[Part],
        own_events: Iterable[tuple[int, str]],
        dossiers: Iterable[Dossier],
    ) -> None:
        """Forget everybody, and take the numbers of those who come next.

        Args:
            parts: the parts as the record has them; none of them is known yet.
            own_events: (sequence, name) of what the record itself caused, in stream order.
            dossiers: approvals, breaches and what these found, as the record has them.
        """
        self._numbers = {(part.identifier, part.claimed): part.part_id for part in parts}
        self._by_identifier: dict[tuple[Identifier, bool], Part] = {}
        self._parts: dict[int, Part] = {}
        self._members: dict[int, set[int]] = {}
        self._links: dict[tuple[int, int, str], Link] = {}
        self._linked: dict[int, set[tuple[int, int, str]]] = {}
        self.wakes: dict[int, int] = {}
        self.messages: dict[str, Message] = {}
        self.decision_ids: deque[int] = deque()
        """Ids that the next decisions have in the record."""
        self.own_events = deque(own_events)
        self.folded: list[tuple[int, Event, int]] = []
        """(part, event, number) of everything so far, to be folded again under other facts."""
        self._dossiers = {(one.kind, one.number, one.part_id): one for one in dossiers}
        self._asked: set[tuple[str, int, int]] = set()
        """What the replay itself put before a person."""
        self._next = _BEYOND
        self.on_message: Callable[[Message], None] = _ignore

    # -- numbers

    def _take_number(self) -> int:
        self._next += 1
        return self._next

    def next_sequence(self) -> int:
        """Return the number that the next event of our own shall have."""
        return self.own_events[0][0] if self.own_events else self._next + 1

    def append_event(self, part_id: int, event: Event) -> int:
        """Return an event's number; the event is kept as long as its component is played."""
        sequence = self._number_of(event)
        self.folded.append((part_id, event, sequence))
        return sequence

    def _number_of(self, event: Event) -> int:
        if event.source == SOURCE_SELF and self.own_events:
            sequence, name = self.own_events[0]
            if name == event.name:
                self.own_events.popleft()
                return sequence
        return self._take_number()

    def next_decision_id(self) -> int:
        """Return the id that the next decision shall have."""
        return self.decision_ids.popleft() if self.decision_ids else self._take_number()

    def last_sequence(self) -> int:
        """Return the highest number that was given."""
        return self._next

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[None]:
        """Do nothing: nothing here outlives the replay."""
        yield

    # -- identity

    def knows_of(self, identifier: Identifier, *, claimed: bool) -> bool:
        """Return whether the record has a part of an identifier among those who are played."""
        return (identifier, claimed) in self._numbers

    def find_parts(self, wanted: Sequence[tuple[Identifier, bool]]) -> list[Part | None]:
        """Return the part of each (identifier, claimed), None where there is none yet."""
        return [self._by_identifier.get(one) for one in wanted]

    def add_part(self, identifier: Identifier, *, claimed: bool, customer_id: int | None) -> Part:
        """Begin a part under the number that it has in the record."""
        part_id = self._numbers.get((identifier, claimed)) or self._take_number()
        part = Part(
            part_id=part_id,
            customer_id=customer_id or part_id,
            identifier=identifier,
            claimed=claimed,
        )
        self._parts[part_id] = part
        self._by_identifier[identifier, claimed] = part
        self._members.setdefault(part.customer_id, set()).add(part_id)
        return part

    def load_customer(self, customer_id: int) -> list[Part]:
        """Return the parts of a customer in order of their ids."""
        return self.load_parts(sorted(self._members.get(customer_id, ())))

    def load_parts(self, part_ids: Sequence[int]) -> list[Part]:
        """Return these parts in order of their ids; unknown ids are left out."""
        known = self._parts
        if len(part_ids) == 1:
            return [known[part_ids[0]]] if part_ids[0] in known else []
        return [known[part_id] for part_id in sorted(set(part_ids)) if part_id in known]

    def find_part(self, part_id: int) -> Part | None:
        """Return a part by its id, None where it was not seen yet."""
        return self._parts.get(part_id)

    def load_links(self, part_ids: Sequence[int]) -> list[Link]:
        """Return every link that touches one of these parts."""
        keys = {key for part_id in part_ids for key in self._linked.get(part_id, ())}
        return sorted(self._links[key] for key in keys)

    def save_link(self, link: Link) -> None:
        """Remember evidence; of two with the same parts and kind, the earlier stays."""
        key = (link.part_a, link.part_b, link.evidence)
        known = self._links.get(key)
        if known is None or link.first_at < known.first_at:
            self._links[key] = link
            for part_id in key[:2]:
                self._linked.setdefault(part_id, set()).add(key)

    def move_parts(self, part_ids: Sequence[int], *, customer_id: int) -> None:
        """Regroup: these parts now belong to this customer."""
        for part in self.load_parts(part_ids):
            moved = msgspec.structs.replace(part, customer_id=customer_id)
            self._parts[part.part_id] = moved
            self._by_identifier[part.identifier, part.claimed] = moved
            self._members[part.customer_id].discard(part.part_id)
            self._members.setdefault(customer_id, set()).add(part.part_id)

    def find_tombstone(self, identifier: Identifier, *, claimed: bool) -> Tombstone | None:
        """Return None: of whoever was forgotten, what followed stands in the record."""
        return None

    # -- derived state: everybody stays in memory

    def load_states(self, part_ids: Sequence[int]) -> list[StateRow]:
        """Return nothing: states are only in the working set."""
        return []

    def save_wakes(self, wakes: Iterable[tuple[int, int]]) -> None:
        """Set (customer_id, wake_at) pairs; a wake_at of 0 removes the customer's entry."""
        for customer_id, wake_at in wakes:
            if wake_at:
                self.wakes[customer_id] = wake_at
            else:
                self.wakes.pop(customer_id, None)

    def next_wake(self) -> tuple[int, int]:
        """Return the earliest (wake_at, customer_id), or NEVER and 0."""
        wakes = self.wakes
        if not wakes:
            return NEVER, 0
        if len(wakes) == 1:
            # Most components are one customer.
            ((customer_id, at),) = wakes.items()
            return at, customer_id
        return min((at, each) for each, at in wakes.items())

    # -- messages

    def save_messages(self, messages: Sequence[Message]) -> None:
        """Insert or replace messages by their id."""
        for message in messages:
            is_new = message.message_id not in self.messages
            self.messages[message.message_id] = message
            if is_new:
                self.on_message(message)

    def load_message(self, message_id: str) -> Message | None:
        """Return a message by its id."""
        return self.messages.get(message_id)

    def load_open_messages(self, part_ids: Sequence[int]) -> list[Message]:
        """Return the open messages of these parts, oldest first."""
        wanted = set(part_ids)
        return [one for one in self.messages.values() if one.part_id in wanted and one.is_open]

    # -- dossiers

    def next_dossier_number(self, kind: DossierKind) -> int:
        """Take a number of the replay's own."""
        return self._take_number()

    def save_dossier(self, dossier: Dossier) -> None:
        """Insert a dossier, or replace it."""
        key = (dossier.kind, dossier.number, dossier.part_id)
        if key not in self._dossiers:
            self._asked.add(key)
        self._dossiers[key] = dossier

    def load_dossier(self, kind: DossierKind, number: int) -> Dossier | None:
        """Return a dossier by its number, as the record or the replay has it."""
        found = [one for key, one in self._dossiers.items() if key[:2] == (kind, number)]
        return min(found, key=lambda one: one.part_id, default=None)

    def load_part_dossiers(self, kind: DossierKind, part_ids: Collection[int]) -> list[Dossier]:
        """Return dossiers about these parts; of approvals those that the replay itself asked for.

        Those of the record are kept as they are at its end, and would say what is still to come.
        """
        return [
            one
            for key, one in sorted(self._dossiers.items())
            if key[0] == kind and key[2] in part_ids and (kind != "approval" or key in self._asked)
        ]

    def load_setting(self, name: str) -> bytes | None:
        """Return None: settings are given to a replay, and not kept by its store."""
        return None

    def save_setting(self, name: str, value: bytes) -> None:
        """Do nothing."""

    def append_audit(self, *, at: int, actor: str, verb: str, detail: dict[str, Any]) -> int:
        """Do nothing: what operators did stands in the record."""
        return 0


def _ignore(message: Message) -> None:
    """Do nothing with a message."""
