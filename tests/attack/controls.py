"""The honest control: `python -m tests.attack.controls` switches each mechanism off and looks who sees it.

Each is attacked, life after life, until a judge of one of the guarantees that rest on it finds a
violation. One that nobody finds within so many operations is a failure of the suite.
"""

import argparse
import random  # noqa: TID251  a failure is repeated by its seed
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from kept.clock import new_id, read_monotonic
from tests.attack.book import SECOND
from tests.attack.life import attack
from tests.attack.providers import Desk, run_providers
from tests.attack.sabotage import SABOTAGES

LIFE_OPERATIONS: Final = 8_000
LIVES_MAX: Final = 6


class Caught(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one sabotage."""

    name: str
    mechanism: str
    operations: int
    """After how many operations it was first seen, or how many were done in vain."""
    seconds: float
    judges: tuple[str, ...]
    """Which judges saw it, with how many violations each; empty where none did."""
    first: str = ""


def list_controls() -> list[tuple[str, str]]:
    """Return each mechanism with each store that has it; those of several nodes are on PostgreSQL alone."""
    return [(name, store) for name, one in SABOTAGES.items() for store in sorted(one.stores)]


def control(folder: Path, desk: Desk, name: str, *, seed: int, store: str = "sqlite") -> Caught:
    """Attack with one mechanism off until it is seen, or for too long."""
    sabotage = SABOTAGES[name]
    began, before = read_monotonic(), 0
    for number in range(LIVES_MAX):
        place = folder / f"{name}{number}"
        result = attack(
            place,
            desk,
            seed=seed + number,
            operations=LIFE_OPERATIONS,
            store=store,
            sabotage=name,
        )
        shutil.rmtree(place)
        found = [one for one in result.violations if one[0].guarantee in sabotage.guarantees]
        if found:
            seen = [f"{one.guarantee} {one.judge}" for one, _ in found]
            violation, after = min(found, key=lambda one: one[1])
            return Caught(
                name=name,
                mechanism=sabotage.mechanism,
                operations=before + after,
                seconds=(read_monotonic() - began) / SECOND,
                judges=tuple(f"{each} ({seen.count(each)})" for each in dict.fromkeys(seen)),
                first=f"{violation.guarantee} {violation.judge}: {violation.what}",
            )
        before += result.operations
    return Caught(
        name=name,
        mechanism=sabotage.mechanism,
        operations=before,
        seconds=(read_monotonic() - began) / SECOND,
        judges=(),
    )


def control_all(names: Iterable[str], *, seed: int, store: str = "sqlite") -> Iterator[Caught]:
    """Control one after the other."""
    folder = Path(tempfile.mkdtemp(prefix="controls-"))
    try:
        with run_providers(random.Random(seed)) as desk:
            for name in names:
                yield control(folder, desk, name, seed=seed, store=store)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Print the table; the exit status says whether everything was seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack.controls", description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    names = told.names or [name for name, store in list_controls() if store == told.store]
    seed = told.seed or int(new_id()[:8], 16)
    print(
        f"seed {seed}\n\n| switched off | seen by | after operations | seconds |\n|---|---|---|---|"
    )
    missed = 0
    for caught in control_all(names, seed=seed, store=told.store):
        seen = ", ".join(caught.judges) or "**nobody**"
        print(
            f"| {caught.mechanism} (`{caught.name}`) | {seen} | {caught.operations} "
            f"| {caught.seconds:.0f} |",
            flush=True,
        )
        print(caught.first, file=sys.stderr, flush=True)
        missed += not caught.judges
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
