"""Each key has its place, and so has each character within a text."""

import pytest

from kept.core.brand.positions import Positions
from kept.core.brand.yaml_tree import parse_tree
from kept.errors import Problem

FILE = "actions/a.yaml"


def positions_of(text: str) -> Positions:
    """Return the places of a text that is in order."""
    problems: list[Problem] = []
    positions = Positions()
    positions.add_file(FILE, text, parse_tree(text, FILE, problems))
    assert not problems
    return positions


def test_a_key_a_value_and_an_item_are_found() -> None:
    """Paths are keys and indexes; what is not written falls back to what is above it."""
    positions = positions_of("a: 1\nb:\n  c: [x, y]\n  d: {e: f}\n")
    assert positions.at(FILE, ("b",)) == (2, 1)
    assert positions.at_value(FILE, ("b", "d", "e")) == (4, 10)
    assert positions.at(FILE, ("b", "c", 1)) == (3, 10)
    assert positions.at(FILE, ("b", "d", "missing", "deeper")) == (4, 3)
    assert positions.at(FILE, ("missing",)) == (1, 1)
    assert positions.at("none.yaml", ("a",)) == (1, 1)
    assert positions.has(FILE, ("b", "c", 0))
    assert not positions.has(FILE, ("b", "c", 2))


@pytest.mark.parametrize(
    "source",
    [
        "when: aa = b AND\n  ccc > 1\n",
        "when: 'aa = b AND\n  ccc > 1'\n",
        'when: "aa = b AND\n  ccc > 1"\n',
        "when: >-\n  aa = b AND\n  ccc > 1\n",
        "when: |\n  aa = b AND\n  ccc > 1\n",
        "when:\n  aa = b\n  AND ccc > 1\n",
    ],
)
def test_a_place_within_a_text_is_found_in_the_file(source: str) -> None:
    """However YAML folds and indents it."""
    positions = positions_of(source)
    lines = source.split("\n")
    literal = source.startswith("when: |")
    text = "aa = b AND\nccc > 1" if literal else "aa = b AND ccc > 1"
    for piece in ("aa", "b", "AND", "ccc", "> 1", "1"):
        before = text[: text.index(piece)]
        line, column = before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1
        found_line, found_column = positions.inside(FILE, ("when",), line, column)
        assert lines[found_line - 1][found_column - 1 :].startswith(piece[:2].strip())


def test_quotes_within_quotes_count_once() -> None:
    """A doubled quote and a backslash are one character of the text."""
    positions = positions_of("a: 'x = ''y'' z'\nb: \"x = \\\"y\\\" z\"\n")
    assert positions.inside(FILE, ("a",), 1, 9) == (1, 15)
    assert positions.inside(FILE, ("b",), 1, 9) == (2, 15)


def test_a_place_past_the_end_is_the_beginning() -> None:
    """A parser that points behind a text still gets a place in the file."""
    positions = positions_of("a: xy\n")
    assert positions.inside(FILE, ("a",), 1, 99) == (1, 4)
    assert positions.inside(FILE, ("a",), 9, 9) == (1, 4)
    assert positions.inside(FILE, ("b",), 1, 1) == (1, 1)


def test_names_lead_to_files() -> None:
    """An action's file need not be called like the action."""
    positions = Positions()
    positions.add_name("action", "greet", "actions/a.yaml")
    assert positions.file_of("action", "greet") == "actions/a.yaml"
    assert positions.file_of("action", "other") == ""
