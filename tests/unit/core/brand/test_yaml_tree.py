"""What can surprise or hurt in YAML is refused, each with its place."""

import pytest
import yaml

from kept.core.brand import yaml_tree
from kept.core.brand.yaml_tree import MappingNode, ScalarNode, parse_tree
from kept.errors import Problem


def refusal(text: str) -> Problem:
    """Return the one problem of a text."""
    problems: list[Problem] = []
    assert parse_tree(text, "a.yaml", problems) is None
    (problem,) = problems
    return problem


LAUGHS = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        (LAUGHS, 1, 4, "the anchor `&a`"),
        ("a: *x", 1, 4, "the alias `*x`"),
        ("a: !!python/object:os.system x", 1, 4, "the tag"),
        ("a: !x y", 1, 4, "the tag `!x`"),
        ("a: 1\n---\nb: 2", 2, 1, "a second document"),
        ("a:\n\tb: 1", 2, 1, "a tab"),
        ("a: \x00", 1, 4, "the control character U+0000"),
        ("a: b\x85c", 1, 5, "the control character U+0085"),
        ("a: b\u2028c", 1, 5, "the control character U+2028"),
        ("a: b\rc", 1, 5, "the control character U+000D"),
        ("a: \ud800", 1, 4, "not a character"),
        ("a: \ufeff", 1, 4, "the invisible character U+FEFF"),
        ('a: "\\0"', 1, 4, "the escape for U+0000"),
        ("? [a]\n: b", 1, 3, "a list or mapping as a key"),
        ("a: 'b", 1, 4, "this is not YAML"),
        ("a: b: c", 1, 5, "this is not YAML"),
        ("a: [b", 1, 6, "this is not YAML"),
        ("a: @b", 1, 4, "this is not YAML"),
        ("[" * 21 + "]" * 21, 1, 21, "more than 20 levels"),
        ("a: " + "[" * 100_000, 1, 23, "more than 20 levels"),
        ("a: " + "x" * 20_001, 1, 4, "a text of 20,001 characters"),
        ("- a\n" * 50_001, 50_000, 3, "more than 50,000"),
        ("#" * 262_145, 1, 1, "this file has 262,145 characters"),
    ],
)
def test_what_can_surprise_is_refused(text: str, line: int, column: int, message: str) -> None:
    """None of it needs to be read to the end."""
    problem = refusal(text)
    assert message in problem.message
    # The two parsers place the end of a broken text a little differently.
    slack = 2 if "not YAML" in message else 0
    assert problem.line == line
    assert abs(problem.column - column) <= slack


def test_a_key_that_is_there_twice_is_reported_and_the_first_one_stays() -> None:
    """Another reader might take the last one, so it must not be there at all."""
    problems: list[Problem] = []
    tree = parse_tree("a: 1\nb: 2\na: {c: 3}\n", "a.yaml", problems)
    assert [str(problem) for problem in problems] == [
        "a.yaml:3:1: the key `a` is here twice, first in line 1; keep one of the two"
    ]
    assert isinstance(tree, MappingNode)
    assert [(key.text, value) for key, value in tree.entries] == [
        ("a", ScalarNode("1", 1, 4)),
        ("b", ScalarNode("2", 2, 4)),
    ]


def test_a_file_of_garbage_does_not_report_each_of_its_bytes() -> None:
    """One character a line, and at most twenty lines."""
    problems: list[Problem] = []
    parse_tree("\x01\x02\n" * 100, "a.yaml", problems)
    assert len(problems) == 20


def test_an_empty_text_is_nothing_and_no_problem() -> None:
    """Comments alone say nothing either."""
    problems: list[Problem] = []
    assert parse_tree("", "a.yaml", problems) is None
    assert parse_tree("# nothing\n", "a.yaml", problems) is None
    assert not problems


@pytest.mark.parametrize(
    "text",
    [
        "a: {b: [c, 'd'], e: |\n  f\n}",
        'a: é\nb: >-\n  c\n  d\ne: "f \\"g\\""\n',
        'a: "\\UFFFFFFFF"',
        "a: [b",
        "a: &b c",
        "%YAML 9.9\n---\na: b",
    ],
)
def test_without_libyaml_the_same_is_read(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pure parser gives the same tree, or refuses as well."""
    fast: list[Problem] = []
    tree = parse_tree(text, "a.yaml", fast)
    monkeypatch.setattr(yaml_tree, "_LOADER", yaml.SafeLoader)
    slow: list[Problem] = []
    assert parse_tree(text, "a.yaml", slow) == tree
    assert len(slow) == len(fast)
