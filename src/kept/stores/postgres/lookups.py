"""Which part an identifier names, as this transaction has found out.

What was found before the customer's lock was taken may have changed until then: it is asked about
once more, together with whatever is wanted next. What was found under the lock stays true.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import LiteralString, TypeAlias

from kept.ports import Tombstone
from kept.stores.postgres.session import Session

Place: TypeAlias = tuple[int, int]
"""A part and the customer that it belongs to."""


class Lookups:
    """Answers of one transaction; outside of one, each question is asked anew."""

    def __init__(
        self,
        session: Session,
        queries: Mapping[str, LiteralString],
        *,
        held: Mapping[int, int],
    ) -> None:
        """Take the session; `held` are the customers whose locks this transaction has."""
        self._session = session
        self._find = queries["find_identifiers"]
        self._held = held
        self._places: dict[bytes, Place | None] = {}
        self._tombstones: dict[bytes, Tombstone | None] = {}
        self._certain: set[bytes] = set()
        self._doubted: set[bytes] = set()

    def find(self, keys: Sequence[bytes]) -> list[Place | None]:
        """Return the place of each lookup key, None where no part begins with it."""
        if not self._session.is_ours:
            places, _ = self._ask(set(keys))
            return [places.get(key) for key in keys]
        wanted = {key for key in keys if key not in self._places}
        if wanted or not self._doubted.isdisjoint(keys):
            self._refresh(wanted | self._doubted)
            self._doubted.clear()
        return [self._places[key] for key in keys]

    def find_tombstone(self, key: bytes) -> Tombstone | None:
        """Return what is kept of a forgotten identifier."""
        if not self._session.is_ours:
            return self._ask({key})[1].get(key)
        if key not in self._tombstones:
            self._refresh({key})
        return self._tombstones[key]

    def note(self, key: bytes, place: Place) -> None:
        """Note a part that this transaction began."""
        self._places[key] = place
        self._certain.add(key)

    def is_none(self, key: bytes) -> bool:
        """Return whether this transaction goes by there being no part under a key."""
        return key in self._places and self._places[key] is None

    def note_tombstone(self, key: bytes) -> None:
        """Note that what is kept of a forgotten identifier has changed."""
        self._tombstones.pop(key, None)

    def doubt(self) -> None:
        """A lock was waited for: what was found of customers who were not locked may be no more."""
        self._doubted = {
            key
            for key, place in self._places.items()
            if place is not None and key not in self._certain
        }

    def forget(self) -> None:
        """Ask again from now on: parts were moved or removed, or others may have done so."""
        self._places.clear()
        self._tombstones.clear()
        self._certain.clear()
        self._doubted.clear()

    def flush(self) -> None:
        """Do nothing: nothing waits here."""

    def committed(self) -> None:
        """Others may change everything now."""
        self.forget()

    def rolled_back(self) -> None:
        """Nothing of it is true any more."""
        self.forget()

    def _refresh(self, keys: Collection[bytes]) -> None:
        """Ask for these keys, and remember also which of them are none."""
        places, stones = self._ask(keys)
        for key in keys:
            self._tombstones[key] = stones.get(key)
            if key in self._certain:
                continue
            place = self._places[key] = places.get(key)
            if place is not None and place[1] in self._held:
                self._certain.add(key)

    def _ask(self, keys: Collection[bytes]) -> tuple[dict[bytes, Place], dict[bytes, Tombstone]]:
        places: dict[bytes, Place] = {}
        stones: dict[bytes, Tombstone] = {}
        if not keys:
            return places, stones
        for key, part_id, customer_id, until, suppressed in self._session.fetch(
            self._find, (sorted(keys),)
        ):
            if part_id is not None:
                places[key] = (part_id, customer_id)
            else:
                stones[key] = Tombstone(until=until, is_suppressed=suppressed)
        return places, stones
