"""Attack the guarantees by hand: `python -m tests.attack --operations 1000000 --seed 7`."""

import argparse
import random  # noqa: TID251  a failure is repeated by its seed
import shutil
import sys
import tempfile
from pathlib import Path

from kept.clock import new_id, read_monotonic
from tests.attack.book import SECOND
from tests.attack.life import Result, attack
from tests.attack.providers import run_providers

LIFE_OPERATIONS = 50_000


def main() -> None:
    """Attack until so many operations are done, or so many minutes have passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--operations", type=int, default=50_000)
    parser.add_argument("--life", type=int, default=LIFE_OPERATIONS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--sabotage", default="")
    parser.add_argument("--keep", type=Path)
    told = parser.parse_args()
    seed = told.seed or int(new_id()[:8], 16)
    print(f"seed {seed}", flush=True)
    began, done, number, wrong = read_monotonic(), 0, told.first, 0
    folder = told.keep or Path(tempfile.mkdtemp(prefix="attack-"))
    with run_providers(random.Random(seed)) as desk:
        while done < told.operations:
            if told.minutes and read_monotonic() - began > told.minutes * 60 * SECOND:
                break
            place = folder / f"l{number}"
            operations = min(told.life, told.operations - done)
            result = attack(
                place,
                desk,
                seed=seed,
                operations=operations,
                store=told.store,
                sabotage=told.sabotage,
            )
            show(result)
            done += result.operations
            number += 1
            wrong += len(result.violations)
            if not result.violations and told.keep is None:
                shutil.rmtree(place)
    print(f"{done} operations, {wrong} violations, seed {seed}")
    sys.exit(1 if wrong else 0)


def show(result: Result) -> None:
    """Print what a life came to."""
    print(f"{result.life}: {result.operations} operations in {result.seconds:.0f} s", result.counts)
    for violation, after in result.violations[:20]:
        print(f"  {violation.guarantee} {violation.judge} after {after}: {violation.what}")
    if len(result.violations) > 20:
        print(f"  and {len(result.violations) - 20} more")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
