"""The guarantees under attack: a few minutes of what `python -m tests.attack` does for as long as one likes.

`KEPT_ATTACK_OPERATIONS` says how many operations there are, `KEPT_ATTACK_SEED` repeats a run, and
`KEPT_ATTACK_CONTROLS=all` switches every mechanism off in turn.
"""

import os
import random  # noqa: TID251  a failure is repeated by its seed
from pathlib import Path

import pytest

from kept.clock import new_id
from tests.attack.controls import control, list_controls
from tests.attack.life import Result, attack
from tests.attack.providers import run_providers
from tests.postgres import find_binaries

pytestmark = [pytest.mark.crash, pytest.mark.network]

OPERATIONS = {
    "sqlite": int(os.environ.get("KEPT_ATTACK_OPERATIONS", "20000")),
    "postgres": int(os.environ.get("KEPT_ATTACK_OPERATIONS", "5000")),
}
LIFE_OPERATIONS = 60_000
SEED = int(os.environ.get("KEPT_ATTACK_SEED", "0"))
QUICK = ("nothing_listed", "nothing_asked_of_consent", "no_caps")
"""Controls that are seen within seconds; the others take minutes."""
CONTROLS = (
    list_controls()
    if os.environ.get("KEPT_ATTACK_CONTROLS") == "all"
    else [(name, "sqlite") for name in QUICK]
)


def shown(result: Result, seed: int) -> str:
    """Return what was found, and how it is repeated."""
    found = [f"{one.guarantee} {one.judge}: {one.what}" for one, _ in result.violations]
    return "\n".join([f"repeat with --seed {seed} ({result.life})", *found[:20]])


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_no_promise_is_broken_under_attack(tmp_path: Path, store: str) -> None:
    """G1, G2, G3, G4, G5, G7, G9, G10, G11: by the logs of clients and providers, and by a recount."""
    if store == "postgres" and find_binaries() is None:
        pytest.skip("PostgreSQL is not found")
    seed = SEED or int(new_id()[:8], 16)
    print(f"repeat with KEPT_ATTACK_SEED={seed} KEPT_ATTACK_OPERATIONS={OPERATIONS[store]}")
    done = number = 0
    with run_providers(random.Random(seed)) as desk:
        while done < OPERATIONS[store]:
            result = attack(
                tmp_path / f"l{number}",
                desk,
                seed=seed,
                operations=min(LIFE_OPERATIONS, OPERATIONS[store] - done),
                store=store,
            )
            assert not result.violations, shown(result, seed)
            assert result.counts["hand-overs"] > 0
            done += result.operations
            number += 1


@pytest.mark.parametrize(("name", "store"), CONTROLS)
def test_the_judges_see_when_a_mechanism_is_switched_off(
    tmp_path: Path, name: str, store: str
) -> None:
    """A control: without it the same attack breaks what rests on it, and a judge says so."""
    if store == "postgres" and find_binaries() is None:
        pytest.skip("PostgreSQL is not found")
    seed = SEED or int(new_id()[:8], 16)
    with run_providers(random.Random(seed)) as desk:
        caught = control(tmp_path, desk, name, seed=seed, store=store)
    assert caught.judges, f"{caught.operations} operations without {caught.mechanism}: seed {seed}"
