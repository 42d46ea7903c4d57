"""Dossiers in SQLite: each sealed under the key of the part that it is about."""

from collections.abc import Mapping, Sequence
from typing import LiteralString

from kept.core.dossier import Dossier, DossierKind
from kept.ports import Vault
from kept.stores.codecs import encode_scopes, pack_ids
from kept.stores.sqlite.session import Session

_Row = tuple[DossierKind, int, int, str, int, bytes]


class DossierTable:
    """Keeps breaches, findings, approvals and disclosures."""

    def __init__(
        self, session: Session, vault: Vault, queries: Mapping[str, LiteralString]
    ) -> None:
        """Take the session, the vault and the queries."""
        self._session = session
        self._vault = vault
        self._queries = queries

    def next_dossier_number(self, kind: DossierKind) -> int:
        """Take the number that the next matter of a kind shall have."""
        return self._session.write_returning(self._queries["take_dossier_number"], (kind,))

    def last_dossier_number(self, kind: DossierKind) -> int:
        """Return the number that was taken last, 0 if none was."""
        return int(self._session.fetch_one(self._queries["find_last_dossier"], (kind,))[0])

    def save_dossier(self, dossier: Dossier) -> None:
        """Insert a dossier, or replace it."""
        record_id = f"{dossier.kind}.{dossier.number}"
        sealed = self._vault.seal(dossier.part_id, "dossier", dossier.body, record_id)
        row = (dossier.kind, dossier.number, dossier.part_id, dossier.state, dossier.at, sealed)
        self._session.write(self._queries["save_dossier"], row)

    def load_dossier(self, kind: DossierKind, number: int) -> Dossier | None:
        """Return a dossier by its number."""
        row = self._session.fetch_one(self._queries["load_dossier"], (kind, number))
        return self._decode(row) if row else None

    def load_dossiers(
        self,
        kind: DossierKind,
        *,
        after: tuple[int, int] = (0, -1),
        states: Sequence[str] = (),
        limit: int,
    ) -> list[Dossier]:
        """Return dossiers in order of (number, part) from `after` (exclusive)."""
        parameters = (kind, *after, encode_scopes(states), limit)
        rows = self._session.fetch(self._queries["load_dossiers"], parameters)
        return [self._decode(row) for row in rows]

    def load_part_dossiers(self, kind: DossierKind, part_ids: Sequence[int]) -> list[Dossier]:
        """Return all dossiers of a kind about these parts."""
        parameters = (pack_ids(part_ids), kind)
        rows = self._session.fetch(self._queries["load_part_dossiers"], parameters)
        return [self._decode(row) for row in rows]

    def count_dossiers(self, kind: DossierKind, number: int) -> dict[str, int]:
        """Return how many dossiers with this number there are, by state."""
        return dict(self._session.fetch(self._queries["count_dossiers"], (kind, number)))

    def _decode(self, row: _Row) -> Dossier:
        kind, number, part_id, state, at, sealed = row
        body = self._vault.open(part_id, "dossier", sealed, f"{kind}.{number}")
        return Dossier(kind=kind, number=number, part_id=part_id, state=state, at=at, body=body)
