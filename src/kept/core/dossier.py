"""Dossiers: small records of a matter that people work on, kept by the store beside the stream.

A breach that was declared, what was found of each customer in it, an approval that somebody waits
for, and what a source was shown: each is a dossier with a state and a body of its own form.
"""

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

DossierKind: TypeAlias = Literal["approval", "breach", "finding", "disclosure"]


class Dossier(msgspec.Struct, frozen=True, kw_only=True):
    """One record, known by its kind, its number, and the part that it is about."""

    kind: DossierKind
    number: int
    """Which matter: grows by one for each of a kind; findings have the number of their breach."""
    part_id: int
    """Whose it is: sealed with that part's key and forgotten with it; 0 for the house's own."""
    state: str
    at: int
    """When it began (µs)."""
    body: bytes


class Dossiers(Protocol):
    """Where dossiers are kept: a part of every store, written within its transactions."""

    def next_dossier_number(self, kind: DossierKind) -> int:
        """Take the number that the next matter of a kind shall have; none is given twice."""

    def last_dossier_number(self, kind: DossierKind) -> int:
        """Return the number that was taken last, 0 if none was."""

    def save_dossier(self, dossier: Dossier) -> None:
        """Insert a dossier, or replace the one of this kind, number and part."""

    def load_dossier(self, kind: DossierKind, number: int) -> Dossier | None:
        """Return the dossier of a kind with this number, of the lowest part where there are several."""

    def load_dossiers(
        self,
        kind: DossierKind,
        *,
        after: tuple[int, int] = (0, -1),
        states: Sequence[str] = (),
        limit: int,
    ) -> list[Dossier]:
        """Return dossiers in order of (number, part) from `after` (exclusive), in any of the states."""

    def load_part_dossiers(self, kind: DossierKind, part_ids: Sequence[int]) -> list[Dossier]:
        """Return all dossiers of a kind about these parts, in order of (number, part)."""

    def count_dossiers(self, kind: DossierKind, number: int) -> dict[str, int]:
        """Return how many parts have a dossier with this number, by its state."""
