"""The stories of the brands that are shipped, to be played on any store and by any number of nodes."""

from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

import msgspec

from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.story import Story
from kept.flows.play import play
from kept.ports import Store
from kept.runtime.folder import load_checked, read_folder
from kept.runtime.stories import read_stories
from tests.tree import ROOT

BRANDS: Final = {
    "ferrowen": ROOT / "examples" / "ferrowen",
    "starter": Path(str(resources.files("kept.cli").joinpath("starter"))),
}
_TILL: Final = "ferrowen/30-till-falls-silent"
_LATER: Final = {"2026-01-12T11:00:01Z": "2026-01-12T11:00:03Z"}
"""Where nodes share a store, a source is known to be silent two seconds later."""


@cache
def compiled(brand: str) -> Bundle:
    """Return a brand that is shipped, ready to play."""
    return compile_brand(load_checked(read_folder(BRANDS[brand])))


def _read() -> dict[str, Story]:
    return {
        f"{brand}/{Path(file).stem}": story
        for brand, folder in BRANDS.items()
        for file, story in read_stories(folder).items()
    }


STORIES: Final = _read()
"""Brand and name of the file -> the story."""


def differences_on(stores: Sequence[Store], name: str) -> list[str]:
    """Play a story on what nodes see one empty store through; return what is not as it must be."""
    story = STORIES[name]
    if stores[0].is_shared and name == _TILL:
        steps = [msgspec.structs.replace(s, at=_LATER.get(s.at, s.at)) for s in story.steps]
        story = msgspec.structs.replace(story, steps=tuple(steps))
    differences, _ = play(story, compiled(name.partition("/")[0]), *stores)
    return [str(each) for each in differences]
