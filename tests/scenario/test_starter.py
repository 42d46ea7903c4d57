"""The brand that `kept init` writes is in order, and keeps the promises of its own stories."""

from importlib import resources
from pathlib import Path

import pytest

from kept.core.check import check_folder
from kept.core.compile import compile_brand
from kept.runtime.folder import load_checked, read_folder
from kept.runtime.stories import play_stories, read_stories

STARTER = Path(str(resources.files("kept.cli").joinpath("starter")))


def test_the_starter_has_neither_errors_nor_notes() -> None:
    """Whoever begins with it begins with a clean table."""
    assert check_folder(read_folder(STARTER)) == []


@pytest.mark.parametrize("file", sorted(read_stories(STARTER)))
def test_the_starter_keeps_the_promises_of_its_stories(file: str) -> None:
    """Each story is played on the real flows in virtual time."""
    bundle = compile_brand(load_checked(read_folder(STARTER)))
    (told,) = play_stories(bundle, {file: read_stories(STARTER)[file]})
    assert told.differences == ()
