"""The process that writes history dies at every step it takes, one after the other."""

from itertools import count
from pathlib import Path

from tests.history_lives import lives_through_death

STEPS_MIN = 40


def test_a_death_at_any_step_neither_loses_nor_doubles_a_row(tmp_path: Path) -> None:
    """Before and after every commit, every file and every renaming, until it is through without one."""
    for step in count(1):
        if not lives_through_death(tmp_path / str(step), step):
            assert step > STEPS_MIN
            return
