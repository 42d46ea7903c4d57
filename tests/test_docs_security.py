"""The pages on security name code and tests that exist, and every requirement of the standard once."""

import re
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.fuzz.target import targets
from tests.tree import ROOT, names_of_tests_in

THREATS: Final = ROOT / "docs" / "explanation" / "threat-model.md"
REQUIREMENTS: Final = ROOT / "docs" / "reference" / "asvs.md"
REQUIREMENT_COUNT: Final = 253
"""How many of ASVS 5.0.0's requirements belong to levels 1 and 2."""
ANSWERS: Final = frozenset({"held", "in part", "not held", "operator", "does not apply"})


@pytest.mark.parametrize("page", [THREATS, REQUIREMENTS], ids=lambda page: page.stem)
def test_what_is_named_exists(page: Path) -> None:
    """A claim that rests on nothing is worse than none."""
    text = page.read_text(encoding="utf-8")
    wrong = []
    for file, name in re.findall(r"`([\w./-]+\.(?:py|md|yaml|sql))(?:::(\w+))?`", text):
        path = ROOT / file
        if not path.exists():
            wrong.append(file)
        elif name and name not in names_of_tests_in(path):
            wrong.append(f"{file}::{name}")
    assert not wrong


def test_every_threat_names_its_test() -> None:
    """The last column of each row; rows are STRIDE's letters."""
    rows = re.findall(r"^\| ([STRIDE]) \|(.*)\|$", THREATS.read_text("utf-8"), re.MULTILINE)
    assert len(rows) > 40
    wrong = [
        f"{letter}: {rest[:60]}" for letter, rest in rows if "::" not in rest.rpartition("|")[2]
    ]
    assert not wrong
    assert {letter for letter, _ in rows} == set("STRIDE")


def test_every_requirement_is_answered_once() -> None:
    """Held with what holds it, or plainly not."""
    text = REQUIREMENTS.read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (\d+\.\d+\.\d+) \| (\d) \| ([^|]*) \| ([^|]*) \| (.*) \|$", text, re.MULTILINE
    )
    names = [row[0] for row in rows]
    assert len(names) == len(set(names)) == REQUIREMENT_COUNT
    wrong = [f"{name}: {answer}" for name, _, _, answer, _ in rows if answer not in ANSWERS]
    wrong += [
        f"{name} is held by nothing that is named"
        for name, _, _, answer, where in rows
        if answer in {"held", "in part"} and "`" not in where and "](" not in where
    ]
    counted = dict(re.findall(r"^\| ([a-z ]+) \| [^|]* \| (\d+) \|$", text, re.MULTILINE))
    wrong += [
        f"{answer}: {found} rows, and the table on top says {counted.get(answer)}"
        for answer, found in Counter(row[3] for row in rows).items()
        if counted.get(answer) != str(found)
    ]
    wrong += [f"{name} gives no reason" for name, *_, where in rows if len(where) < 4]
    assert not wrong


def test_every_fuzzed_module_exists() -> None:
    """A target says which module it attacks."""
    for target in targets().values():
        path = ROOT / "src" / Path(*target.module.split(".")).with_suffix(".py")
        assert path.exists(), target.module
