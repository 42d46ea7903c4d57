"""Play a brand's stories, each on an empty store of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from kept.core.brand.load import decode_texts, load_struct
from kept.core.bundle import Bundle
from kept.core.story import Story
from kept.errors import InvalidBrandError, Problem
from kept.flows.play import Difference, play
from kept.stores.memory import MemoryStore

FOLDER: Final = "stories"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One story that was played."""

    file: str
    story: Story
    differences: tuple[Difference, ...]


def read_stories(folder: Path) -> dict[str, Story]:
    """Return a brand's stories by file name, also those in folders within.

    Raises:
        InvalidBrandError: with everything that is wrong with any of them.
    """
    stories: dict[str, Story] = {}
    problems: list[Problem] = []
    for path in sorted((folder / FOLDER).rglob("*.yml")):
        name = path.relative_to(folder).as_posix()
        suggestion = f"rename it to {name.removesuffix('.yml')}.yaml"
        problems.append(
            Problem(file=name, message="no story is read from it", suggestion=suggestion)
        )
    for path in sorted((folder / FOLDER).rglob("*.yaml")):
        name = path.relative_to(folder).as_posix()
        try:
            text = decode_texts({name: path.read_bytes()})[name]
            stories[name] = load_struct(text, name, Story)
        except InvalidBrandError as error:
            problems += error.problems
    if problems:
        raise InvalidBrandError(problems)
    return stories


def play_stories(bundle: Bundle, stories: dict[str, Story]) -> Iterator[Told]:
    """Play stories one after the other."""
    for name, story in stories.items():
        differences, _ = play(story, bundle, MemoryStore())
        yield Told(file=name, story=story, differences=tuple(differences))
