"""Parts and links in SQLite."""

from collections.abc import Mapping, Sequence
from typing import LiteralString

from kept.core.event import Identifier
from kept.core.identity import Link, Part
from kept.ports import Vault
from kept.stores.codecs import decode_identifier, encode_identifier, pack_ids
from kept.stores.sqlite.session import Session


class Identity:
    """Parts, customers and links; part ids are counted in memory."""

    def __init__(
        self, session: Session, vault: Vault, queries: Mapping[str, LiteralString]
    ) -> None:
        """Find the highest part id."""
        self._session = session
        self._vault = vault
        self._find = queries["find_part"]
        self._insert = queries["insert_part"]
        self._load_customer = queries["load_customer"]
        self._load_parts = queries["load_parts"]
        self._load_part = queries["load_part"]
        self._load_links_of_one = queries["load_links_of_one"]
        self._load_links = queries["load_links"]
        self._save_link = queries["save_link"]
        self._move_parts = queries["move_parts"]
        (self._committed_last,) = session.fetch_one(queries["find_last_part"])
        self._last = self._committed_last

    def find_parts(self, wanted: Sequence[tuple[Identifier, bool]]) -> list[Part | None]:
        """Return the part of each (identifier, claimed), None where there is none yet."""
        lookup_key, fetch_one, sql = self._vault.lookup_key, self._session.fetch_one, self._find
        found: list[Part | None] = []
        for identifier, claimed in wanted:
            row = fetch_one(sql, (lookup_key(identifier, claimed=claimed),))
            found.append(
                row
                and Part(part_id=row[0], customer_id=row[1], identifier=identifier, claimed=claimed)
            )
        return found

    def lookup_key(self, identifier: Identifier, *, claimed: bool) -> bytes:
        """Return the bytes under which an identifier is found; they need not show what it is."""
        return self._vault.lookup_key(identifier, claimed=claimed)

    def find_part_by_key(self, key: bytes) -> Part | None:
        """Return the part of a lookup key, None where there is none."""
        row = self._session.fetch_one(self._find, (key,))
        return self.load_parts([row[0]])[0] if row else None

    def add_part(self, identifier: Identifier, *, claimed: bool, customer_id: int | None) -> Part:
        """Begin a part; without a customer it begins a customer whose id is the part's own."""
        self._last += 1
        part = Part(
            part_id=self._last,
            customer_id=self._last if customer_id is None else customer_id,
            identifier=identifier,
            claimed=claimed,
        )
        key = self._vault.lookup_key(identifier, claimed=claimed)
        packed = encode_identifier(identifier)
        sealed = self._vault.seal(part.part_id, "identifier", packed, int(claimed))
        row = (part.part_id, part.customer_id, int(claimed), key, sealed)
        self._session.write(self._insert, row)
        return part

    def load_customer(self, customer_id: int) -> list[Part]:
        """Return the parts of a customer in order of their ids."""
        return self._decode(self._session.fetch(self._load_customer, (customer_id,)))

    def load_parts(self, part_ids: Sequence[int]) -> list[Part]:
        """Return these parts in order of their ids; unknown ids are left out."""
        rows = self._session.fetch_by_ids(part_ids, one=self._load_part, many=self._load_parts)
        return self._decode(rows)

    def load_links(self, part_ids: Sequence[int]) -> list[Link]:
        """Return every link that touches one of these parts."""
        rows = self._session.fetch_by_ids(
            part_ids, one=self._load_links_of_one, many=self._load_links
        )
        return [Link(*row) for row in rows]

    def save_link(self, link: Link) -> None:
        """Remember evidence; of two with the same parts and kind, the earlier `first_at` stays."""
        self._session.write(
            self._save_link, (link.part_a, link.part_b, link.evidence, link.first_at)
        )

    def move_parts(self, part_ids: Sequence[int], *, customer_id: int) -> None:
        """Regroup: these parts now belong to this customer."""
        self._session.write(self._move_parts, (customer_id, pack_ids(part_ids)))

    def flush(self) -> None:
        """Do nothing: parts are written at once."""

    def committed(self) -> None:
        """Keep the highest part id."""
        self._committed_last = self._last

    def rolled_back(self) -> None:
        """Go back to the highest part id before this transaction."""
        self._last = self._committed_last

    def _decode(self, rows: list[tuple[int, int, int, bytes]]) -> list[Part]:
        """Return rows as parts."""
        return [
            Part(
                part_id=part_id,
                customer_id=customer_id,
                identifier=decode_identifier(
                    self._vault.open(part_id, "identifier", sealed, claimed)
                ),
                claimed=bool(claimed),
            )
            for part_id, customer_id, claimed, sealed in rows
        ]
