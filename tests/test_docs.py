"""The documentation names what exists, all of it, and nothing else."""

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile

import pytest
from typer.exceptions import TyperException

from kept.core.brand.load import load_struct
from kept.core.story import Story
from kept.errors import KeptError
from kept.web.routes import ENDPOINTS
from tests.reference_pages import PAGES, as_it_should_be, as_written, commands
from tests.tree import ROOT, headings_in, names_of_tests_in, show

DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PATH = re.compile(r"/v1/[\w/{}:-]*[\w}](?![\w|])")
STORY = re.DOTALL | re.MULTILINE
COMMAND = re.compile(r"(?:^|`)kept ([a-z]+(?:-[a-z]+)*)", re.MULTILINE)
BLOCK = re.compile(r"^ *```(?:sh)?\n(.*?)^ *```", STORY)
FRONT_PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "STYLE.md", "tests/README.md")


def error_classes(base: type[KeptError] = KeptError) -> Iterator[type[KeptError]]:
    """Yield every class of the exception tree."""
    yield base
    for child in base.__subclasses__():
        yield from error_classes(child)


def test_every_error_code_has_its_heading_and_no_heading_is_stale() -> None:
    """Codes are stable, unique and listed, and only they are."""
    codes = [error.code for error in error_classes()]
    assert len(codes) == len(set(codes))
    headings = {text for text in headings_in(REFERENCE / "errors.md") if " " not in text} - {
        "Errors"
    }
    assert headings == set(codes)


@pytest.mark.parametrize("page", PAGES)
def test_commands_settings_and_routes_are_listed_as_they_are(page: str) -> None:
    """`.venv/bin/python -m tests.reference_pages` writes these pages anew."""
    assert as_written(page) == as_it_should_be(page)


def test_every_command_has_its_heading() -> None:
    """Whoever sees a command in `kept --help` finds it in the reference."""
    assert {name for name, _ in commands()} <= headings_in(REFERENCE / "cli.md")


def is_answered(named: str) -> bool:
    """Return whether a path is a route; words in capitals stand for anything, as in `/v1/TYPE`."""
    pattern = re.sub(r"[A-Z]+", r"[^/]+", re.escape(named.rstrip("/")))
    return any(
        re.fullmatch(pattern, each.path)
        or re.fullmatch(re.sub(r"\{.*?\}", r"[^/]+", each.path), named.rstrip("/"))
        for each in ENDPOINTS
    )


def test_every_path_that_is_named_is_answered() -> None:
    """What a page tells somebody to call is a route of the server."""
    wrong = [
        f"{show(path)}: {named}"
        for path in sorted(DOCS.rglob("*.md"))
        for named in PATH.findall(path.read_text(encoding="utf-8"))
        if not is_answered(named)
    ]
    assert not wrong


def test_the_example_lists_every_variable_that_it_reads() -> None:
    """Whoever serves it sets what its README names, and the server starts."""
    example = ROOT / "examples" / "ferrowen"
    read = {
        name
        for path in example.rglob("*.yaml")
        for name in re.findall(r"env:(\w+)", path.read_text(encoding="utf-8"))
    }
    told = re.findall(r"`(FERROWEN_\w+)`", (example / "README.md").read_text(encoding="utf-8"))
    assert set(told) == read
    assert len(told) == len(read)


def test_every_command_that_is_named_exists() -> None:
    """What a page tells somebody to type is understood."""
    known = {name.removeprefix("kept ").split()[0] for name, _ in commands()}
    wrong = [
        f"{show(path)}: kept {named}"
        for path in [*sorted(DOCS.rglob("*.md")), ROOT / "README.md"]
        for named in COMMAND.findall(path.read_text(encoding="utf-8"))
        if named not in known
    ]
    assert not wrong


def commands_in(text: str) -> Iterator[list[str]]:
    """Yield the words of each line of a block that begins with `kept`, up to another command."""
    for block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip().startswith("kept "):
                words = shlex.split(line, comments=True)
                yield list(takewhile(lambda word: word not in ("|", "||", "&", "&&", ">"), words))


def test_every_command_that_is_shown_has_the_options_that_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever types what a block shows is not told that something is missing, or not known."""
    monkeypatch.setenv("KEPT_DATA", "my-data")
    known, wrong = dict(commands()), []
    for path in (*sorted(DOCS.rglob("*.md")), ROOT / "README.md"):
        if path == REFERENCE / "cli.md":
            # Usages, and no examples.
            continue
        for words in commands_in(path.read_text(encoding="utf-8")):
            name = next((one for n in (3, 2) if (one := " ".join(words[:n])) in known), "")
            try:
                known[name].make_context(name, words[name.count(" ") + 1 :])
            except (KeyError, TyperException) as error:
                wrong.append(f"{show(path)}: {shlex.join(words)}: {error}")
    assert not wrong


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


def test_every_story_on_a_page_is_a_story() -> None:
    """What a page shows as a story file is read as one."""
    shown = [
        (show(path), block)
        for path in sorted(DOCS.rglob("*.md"))
        for block in re.findall(r"^```yaml\n(story: .*?)^```", path.read_text("utf-8"), STORY)
    ]
    assert shown
    for name, text in shown:
        assert load_struct(text, name, Story).steps
