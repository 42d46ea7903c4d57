"""Parts and links in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from typing import Any, LiteralString

from kept.core.event import Identifier
from kept.core.identity import Link, Part
from kept.errors import ContendedError
from kept.ports import Tombstone, Vault
from kept.stores.codecs import decode_identifier, encode_identifier
from kept.stores.postgres.batch import Batch
from kept.stores.postgres.lookups import Lookups
from kept.stores.postgres.numbers import Numbers
from kept.stores.postgres.session import Session


class Identity:
    """Parts, customers and links; what this transaction began is answered from memory."""

    def __init__(
        self,
        session: Session,
        batch: Batch,
        lookups: Lookups,
        *,
        held: dict[int, int],
        vault: Vault,
        queries: Mapping[str, LiteralString],
    ) -> None:
        """Take where rows and answers are kept meanwhile, and whose locks this transaction has."""
        self._session = session
        self._held = held
        self._batch = batch
        self._lookups = lookups
        self._vault = vault
        self._queries = queries
        self._numbers = Numbers(session, "part_ids", queries)
        session.participants.append(self._numbers)
        self._begun: dict[int, Part] = {}
        # The locks of identifiers that are not taken yet, and the other use of each.
        self._unlocked: dict[int, bytes] = {}
        self._links: dict[tuple[int, int, str], Link] = {}

    def find_parts(self, wanted: Sequence[tuple[Identifier, bool]]) -> list[Part | None]:
        """Return the part of each (identifier, claimed), None where there is none yet."""
        lookup_key = self._vault.lookup_key
        keys = [lookup_key(identifier, claimed=claimed) for identifier, claimed in wanted]
        return [
            None
            if place is None
            else Part(
                part_id=place[0], customer_id=place[1], identifier=identifier, claimed=claimed
            )
            for (identifier, claimed), place in zip(wanted, self._lookups.find(keys), strict=True)
        ]

    def lookup_key(self, identifier: Identifier, *, claimed: bool) -> bytes:
        """Return the bytes under which an identifier is found; they need not show what it is."""
        return self._vault.lookup_key(identifier, claimed=claimed)

    def find_part_by_key(self, key: bytes) -> Part | None:
        """Return the part of a lookup key, None where there is none."""
        (place,) = self._lookups.find([key])
        found = self.load_parts([place[0]]) if place is not None else []
        return found[0] if found else None

    def find_tombstone(self, identifier: Identifier, *, claimed: bool) -> Tombstone | None:
        """Return what is kept of a forgotten identifier, None if it was never forgotten."""
        return self._lookups.find_tombstone(self._vault.lookup_key(identifier, claimed=claimed))

    def add_part(self, identifier: Identifier, *, claimed: bool, customer_id: int | None) -> Part:
        """Begin a part; without a customer it begins a customer whose id is the part's own."""
        part_id = self._numbers.take()
        part = Part(
            part_id=part_id,
            customer_id=part_id if customer_id is None else customer_id,
            identifier=identifier,
            claimed=claimed,
        )
        key = self._vault.lookup_key(identifier, claimed=claimed)
        self._vault.prepare([part_id], are_new=True)
        packed = encode_identifier(identifier)
        sealed = self._vault.seal(part_id, "identifier", packed, int(claimed))
        self._batch.put("parts", part_id, (part_id, part.customer_id, claimed, key, sealed))
        if customer_id is None:
            self._batch.put("customers", part_id, (part_id, 0))
            # Nobody else knows of the customer, so nobody else can lock it.
            self._held[part_id] = 0
        self._lookups.note(key, (part_id, part.customer_id))
        self._begun[part_id] = part
        twin = self._vault.lookup_key(identifier, claimed=not claimed)
        self._unlocked[_lock_of(twin if claimed else key)] = twin
        return part

    def load_customer(self, customer_id: int) -> list[Part]:
        """Return the parts of a customer in order of their ids."""
        return self.load_customers([customer_id])[customer_id]

    def load_customers(self, customer_ids: Sequence[int]) -> dict[int, list[Part]]:
        """Return the parts of many customers, each in order of their ids."""
        found: dict[int, dict[int, Part]] = {customer_id: {} for customer_id in customer_ids}
        wanted = set(found)
        if self._session.is_ours:
            for part in self._begun.values():
                if part.customer_id in found:
                    found[part.customer_id][part.part_id] = part
            # Nobody else knows of a customer that began just now.
            wanted -= self._begun.keys()
        if wanted:
            rows = self._session.fetch(self._queries["load_customers"], (sorted(wanted),))
            for part in self._decode(rows):
                found[part.customer_id][part.part_id] = part
        return {
            customer_id: sorted(parts.values(), key=_by_id) for customer_id, parts in found.items()
        }

    def load_parts(self, part_ids: Sequence[int]) -> list[Part]:
        """Return these parts in order of their ids; unknown ids are left out."""
        begun, wanted = self._split(part_ids)
        found = [self._begun[part_id] for part_id in begun]
        if wanted:
            rows = self._session.fetch(self._queries["load_parts"], (wanted,))
            found += self._decode(rows)
        return sorted(found, key=_by_id)

    def load_links(self, part_ids: Sequence[int]) -> list[Link]:
        """Return every link that touches one of these parts."""
        begun, wanted = self._split(part_ids)
        found: dict[tuple[int, int, str], Link] = {}
        if wanted:
            for part_id, other_id, evidence, first_at in self._session.fetch(
                self._queries["load_links"], (wanted,)
            ):
                first, second = min(part_id, other_id), max(part_id, other_id)
                found[first, second, evidence] = Link(first, second, evidence, first_at)
        if self._session.is_ours:
            asked = {*begun, *wanted}
            for key, link in self._links.items():
                if not asked.isdisjoint(key[:2]):
                    known = found.get(key)
                    found[key] = link if known is None else min(known, link)
        return sorted(found.values())

    def save_link(self, link: Link) -> None:
        """Remember evidence; of two with the same parts and kind, the earlier `first_at` stays."""
        key = (link.part_a, link.part_b, link.evidence)
        known = self._links.get(key)
        if known is not None and known.first_at <= link.first_at:
            return
        for one, other in ((link.part_a, link.part_b), (link.part_b, link.part_a)):
            row = (one, other, link.evidence, link.first_at)
            self._batch.put("links", row[:3], row)
        self._links[key] = link

    def move_parts(self, part_ids: Sequence[int], *, customer_id: int) -> None:
        """Regroup: these parts now belong to this customer."""
        self._session.require_transaction()
        self._session.flush()
        self._forget_begun()
        moved = self._session.write(
            self._queries["move_parts"], (customer_id, sorted(set(part_ids)))
        )
        if moved:
            left = sorted({old for (old,) in moved})
            self._session.write(self._queries["begin_customer"], (customer_id,))
            self._session.write(self._queries["end_customers"], (left,))
        self._lookups.forget()

    def forget_parts(self) -> None:
        """Ask the database again from now on: parts were removed."""
        self._forget_begun()
        self._lookups.forget()

    def flush(self) -> None:
        """Lock the identifiers that were begun, before the batch writes them.

        Raises:
            ContendedError: another node has one of them, or began its other use a moment ago, so
                that this transaction does not know of it.
        """
        if not self._unlocked:
            return
        locks = sorted(self._unlocked)
        uses = [twin for twin in self._unlocked.values() if self._lookups.is_none(twin)]
        self._unlocked = {}
        if self._session.write(self._queries["claim_identifiers"], (locks, uses)):
            message = f"another node began the same identifier in {self._session.place}"
            raise self._session.refuse(ContendedError(message))

    def committed(self) -> None:
        """What was begun is there for everybody, and may be changed by others."""
        self._forget_begun()

    def rolled_back(self) -> None:
        """Nothing was begun."""
        self._forget_begun()

    def _forget_begun(self) -> None:
        self._unlocked.clear()
        self._begun.clear()
        self._links.clear()

    def _split(self, part_ids: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return which parts this transaction began, and which the database must be asked for."""
        wanted = set(part_ids)
        if not self._begun or not self._session.is_ours:
            return [], sorted(wanted)
        begun = sorted(wanted & self._begun.keys())
        return begun, sorted(wanted - self._begun.keys())

    def _decode(self, rows: Collection[Any]) -> list[Part]:
        """Return rows as parts."""
        self._vault.prepare([row[0] for row in rows])
        return [
            Part(
                part_id=part_id,
                customer_id=customer_id,
                identifier=decode_identifier(
                    self._vault.open(part_id, "identifier", sealed, int(claimed))
                ),
                claimed=claimed,
            )
            for part_id, customer_id, claimed, sealed in rows
        ]


def _lock_of(key: bytes) -> int:
    """Return the number of an identifier's lock, by the lookup key of its vouched use."""
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "big", signed=True)


def _by_id(part: Part) -> int:
    return part.part_id
