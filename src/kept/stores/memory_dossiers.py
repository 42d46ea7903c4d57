"""Dossiers in memory: the part of the store's port that is about matters people work on."""

from collections import Counter
from collections.abc import Sequence

from kept.core.dossier import Dossier, DossierKind
from kept.stores.memory_undo import Undo


class MemoryDossiers(Undo):
    """Breaches, findings, approvals and disclosures, in plain dictionaries."""

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__()
        self._dossiers: dict[tuple[str, int, int], Dossier] = {}
        self._dossier_numbers: dict[str, int] = {}

    def next_dossier_number(self, kind: DossierKind) -> int:
        """Take the number that the next matter of a kind shall have."""
        number = self._dossier_numbers.get(kind, 0) + 1
        self._put(self._dossier_numbers, kind, number)
        return number

    def last_dossier_number(self, kind: DossierKind) -> int:
        """Return the number that was taken last, 0 if none was."""
        return self._dossier_numbers.get(kind, 0)

    def save_dossier(self, dossier: Dossier) -> None:
        """Insert a dossier, or replace it."""
        key = (dossier.kind, dossier.number, dossier.part_id)
        self._put(self._dossiers, key, dossier)

    def load_dossier(self, kind: DossierKind, number: int) -> Dossier | None:
        """Return a dossier by its number."""
        found = self.load_dossiers(kind, after=(number, -1), limit=1)
        return found[0] if found and found[0].number == number else None

    def load_dossiers(
        self,
        kind: DossierKind,
        *,
        after: tuple[int, int] = (0, -1),
        states: Sequence[str] = (),
        limit: int,
    ) -> list[Dossier]:
        """Return dossiers in order of (number, part) from `after` (exclusive)."""
        keys = sorted(key for key in self._dossiers if key[0] == kind and key[1:] > after)
        found = [self._dossiers[key] for key in keys]
        return [one for one in found if not states or one.state in states][:limit]

    def load_part_dossiers(self, kind: DossierKind, part_ids: Sequence[int]) -> list[Dossier]:
        """Return all dossiers of a kind about these parts."""
        wanted = set(part_ids)
        keys = sorted(key for key in self._dossiers if key[0] == kind and key[2] in wanted)
        return [self._dossiers[key] for key in keys]

    def count_dossiers(self, kind: DossierKind, number: int) -> dict[str, int]:
        """Return how many dossiers with this number there are, by state."""
        return dict(
            Counter(one.state for key, one in self._dossiers.items() if key[:2] == (kind, number))
        )

    def _forget_dossiers(self, part_ids: Sequence[int]) -> None:
        for key in [key for key in self._dossiers if key[2] in set(part_ids)]:
            self._drop(self._dossiers, key)
