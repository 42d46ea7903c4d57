"""Dossiers in PostgreSQL: each sealed under the key of the part that it is about."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from kept.core.dossier import Dossier, DossierKind
from kept.ports import Vault
from kept.stores.postgres.session import Session


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
        ((number,),) = self._session.write(self._queries["take_dossier_number"], (kind,))
        return int(number)

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
        found = self._fetch("load_dossier", (kind, number))
        return found[0] if found else None

    def load_dossiers(
        self,
        kind: DossierKind,
        *,
        after: tuple[int, int] = (0, -1),
        states: Sequence[str] = (),
        limit: int,
    ) -> list[Dossier]:
        """Return dossiers in order of (number, part) from `after` (exclusive)."""
        return self._fetch("load_dossiers", (kind, *after, list(states), limit))

    def load_part_dossiers(self, kind: DossierKind, part_ids: Sequence[int]) -> list[Dossier]:
        """Return all dossiers of a kind about these parts."""
        return self._fetch("load_part_dossiers", (sorted(set(part_ids)), kind))

    def count_dossiers(self, kind: DossierKind, number: int) -> dict[str, int]:
        """Return how many dossiers with this number there are, by state."""
        rows = self._session.fetch(self._queries["count_dossiers"], (kind, number))
        return {state: int(count) for state, count in rows}

    def _fetch(self, name: str, parameters: tuple[Any, ...]) -> list[Dossier]:
        rows = self._session.fetch(self._queries[name], parameters)
        self._vault.prepare({row[2] for row in rows})
        return [
            Dossier(
                kind=kind,
                number=number,
                part_id=part_id,
                state=state,
                at=at,
                body=self._vault.open(part_id, "dossier", sealed, f"{kind}.{number}"),
            )
            for kind, number, part_id, state, at, sealed in rows
        ]
