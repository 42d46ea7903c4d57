"""What a run of the benchmark says: rows of figures, each the median of several rounds."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure; `against` names the row of the same run that it is compared with."""

    name: str
    value: float
    unit: str
    against: str | None = None
    ratio: float | None = None
    """This row's value divided by that of `against`."""


class Figures:
    """Collects the rounds of each figure and turns them into rows in the order of first mention."""

    def __init__(self) -> None:
        """Start with nothing measured."""
        self._rounds: dict[str, list[float]] = {}
        self._units: dict[str, str] = {}
        self._against: dict[str, str] = {}

    def add(self, name: str, value: float, unit: str, *, against: str | None = None) -> None:
        """Add one round of a figure."""
        if self._units.setdefault(name, unit) != unit:
            raise ValueError(f"{name!r} was measured in {self._units[name]}, not in {unit}")
        self._rounds.setdefault(name, []).append(value)
        if against is not None:
            self._against[name] = against

    def compare(self, name: str, against: str) -> None:
        """Say with which row a figure is compared, once both are known."""
        self._against[name] = against

    def rounds(self, name: str) -> Sequence[float]:
        """Return all rounds of a figure, empty if it was not measured."""
        return self._rounds.get(name, ())

    def median(self, name: str) -> float:
        """Return the median of the rounds of a figure."""
        return statistics.median(self._rounds[name])

    def spread(self, name: str) -> float:
        """Return the widest distance of a round from the median, as a fraction of the median."""
        middle = self.median(name)
        if not middle:
            return 0.0
        return max(abs(value - middle) for value in self._rounds[name]) / abs(middle)

    def rows(self) -> list[Row]:
        """Return one row for each figure; a rival that was not measured leaves the ratio empty."""
        return [self._row(name) for name in self._rounds]

    def _row(self, name: str) -> Row:
        value, against = self.median(name), self._against.get(name)
        ratio = None
        if against in self._rounds and self.median(against):
            ratio = round(value / self.median(against), 4)
        return Row(
            name=name,
            value=_significant(value),
            unit=self._units[name],
            against=against if against in self._rounds else None,
            ratio=ratio,
        )


class Latest(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run: the machine and the rows, as they stand in bench/latest.json."""

    machine: dict[str, Any]
    rows: list[Row]


def write_latest(path: Path, latest: Latest) -> None:
    """Write a run to a file."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(latest), indent=2) + b"\n")


def _significant(value: float) -> float:
    """Return the value with four significant digits: more would pretend to be known."""
    return float(f"{value:.4g}")
