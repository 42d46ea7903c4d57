"""The reference pages list every key as the structs declare it."""

import re

import pytest

from kept.core.brand import model
from tests.unit.core.brand.reference_tables import PAGES, anchor, structs_on, with_tables

NOT_WRITTEN = {"Brand", "Kind", "Match"}
"""What no file holds."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_are_those_of_the_structs(page: object) -> None:
    """`.venv/bin/python -m tests.unit.core.brand.reference_tables` writes them anew."""
    text = page.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    assert with_tables(text) == text


def test_every_struct_is_on_one_page() -> None:
    """None is forgotten, none is there twice."""
    listed = [name for page in PAGES for name in structs_on(page.read_text(encoding="utf-8"))]
    assert sorted(listed) == sorted(set(model.__all__) - NOT_WRITTEN)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_link_to_headings_of_their_page(page: object) -> None:
    """A link to a struct leads to its table."""
    text = page.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    headings = {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= headings
    assert anchor("QuietHours") == "quiet-hours"
