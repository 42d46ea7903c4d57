"""The documentation names what exists, all of it, and nothing else."""

import importlib
import importlib.util
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import msgspec
import pytest
from typer.main import get_command

from kept.errors import KeptError
from tests.tree import ROOT, headings_in, names_of_tests_in, show

DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
FRONT_PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "STYLE.md", "tests/README.md")


def import_if_there(name: str) -> ModuleType | None:
    """Return a module, or None while the project does not have it."""
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


def error_classes(base: type[KeptError] = KeptError) -> Iterator[type[KeptError]]:
    """Yield every class of the exception tree."""
    yield base
    for child in base.__subclasses__():
        yield from error_classes(child)


def command_names(command: Any, path: str) -> Iterator[str]:
    """Yield the full name of every command that a person can type."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path
    else:
        for name, child in children.items():
            if not child.hidden:
                yield from command_names(child, f"{path} {name}")


def setting_names(settings: ModuleType) -> Iterator[str]:
    """Yield every field of a settings struct and every named limit."""
    for name, value in vars(settings).items():
        is_struct = isinstance(value, type) and issubclass(value, msgspec.Struct)
        if is_struct and value.__module__ == settings.__name__:
            yield from value.__struct_fields__
        elif name.isupper() and not name.startswith("_"):
            yield name


def test_every_error_code_has_its_heading_and_no_heading_is_stale() -> None:
    """Codes are stable, unique and listed, and only they are."""
    codes = [error.code for error in error_classes()]
    assert len(codes) == len(set(codes))
    headings = {text for text in headings_in(REFERENCE / "errors.md") if " " not in text} - {
        "Errors"
    }
    assert headings == set(codes)


def test_every_command_has_its_heading() -> None:
    """Whoever sees a command in `kept --help` finds it in the reference."""
    cli = import_if_there("kept.cli.main")
    names = set(command_names(get_command(cli.app), "kept")) if cli else set()
    assert names - headings_in(REFERENCE / "cli.md") == set()


def test_every_setting_is_documented() -> None:
    """Each setting and each limit stands in the reference under its own name."""
    settings = import_if_there("kept.settings")
    names = set(setting_names(settings)) if settings else set()
    page = REFERENCE / "settings.md"
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    assert {name for name in names if f"`{name}`" not in text} == set()


def test_every_guarantee_is_attacked_by_tests_that_exist() -> None:
    """Each row of the table of guarantees names tests by file and name."""
    page = (DOCS / "explanation" / "guarantees.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (G\d+)\b(.*)$", page, flags=re.MULTILINE)
    assert len(rows) == len(dict(rows))
    wrong: list[str] = []
    for guarantee, rest in rows:
        tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", rest)
        if not tests:
            wrong.append(f"{guarantee} names no test")
        for file, name in tests:
            path = ROOT / file
            if not path.exists() or name not in names_of_tests_in(path):
                wrong.append(f"{guarantee}: there is no {file}::{name}")
    assert not wrong


@pytest.mark.parametrize("page", FRONT_PAGES)
def test_front_pages_name_only_targets_and_files_that_exist(page: str) -> None:
    """A newcomer can type what is written and follow each link."""
    text = (ROOT / page).read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?:^|`)make (\w+)", text, flags=re.MULTILINE))
    assert [name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


def test_the_readme_stays_short() -> None:
    """What it is and two commands fit in a hundred lines."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 100


def test_every_page_has_one_title() -> None:
    """One first-level heading, at the top, so that menus and search agree."""
    wrong = []
    for path in sorted(DOCS.rglob("*.md")):
        text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        titles = re.findall(r"^# .+$", text, flags=re.MULTILINE)
        if len(titles) != 1 or not text.startswith(titles[0]):
            wrong.append(show(path))
    assert not wrong
