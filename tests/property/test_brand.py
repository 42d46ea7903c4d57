"""Laws of loading and checking a brand folder, over any text and any mutation."""

import re
from contextlib import nullcontext
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.core.brand.load import decode_texts, load_brand, read_brand, version_of
from kept.core.brand.model import Brand
from kept.core.brand.positions import Positions
from kept.core.brand.yaml_tree import MappingNode, ScalarNode, SequenceNode, parse_tree
from kept.core.check import check_folder, errors_of
from kept.errors import InvalidBrandError, Problem
from tests.unit.core.brand.sample import SAMPLE

FILES: Final = sorted(SAMPLE)
YAML_FILES: Final = [file for file in FILES if file.endswith(".yaml")]

yamlish = st.text(
    alphabet=st.sampled_from("abno:-[]{}#&*!|>'\"%@`,.?\\\n\t \r\0\x85\u2028\ufeffé😀0123~<=/$"),
    max_size=60,
)
texts = st.one_of(st.text(max_size=80), yamlish)


def assert_placed(problems: list[Problem], folder: dict[str, str]) -> None:
    """Assert that each problem speaks of a place that a person can go to."""
    for problem in problems:
        assert problem.message
        if problem.line:
            lines = folder[problem.file].replace("\r\n", "\n").split("\n")
            assert 1 <= problem.line <= len(lines), problem
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1, problem


@given(st.sampled_from(FILES), texts)
def test_any_text_in_any_file_is_read_or_refused_with_places(file: str, text: str) -> None:
    """Nothing but `InvalidBrandError` is ever raised, and each problem lies within the text."""
    folder = {**SAMPLE, file: text}
    problems = check_folder(folder)
    assert_placed(problems, folder)
    form = read_brand(folder).problems
    assert set(form) <= set(problems)
    with pytest.raises(InvalidBrandError) if form else nullcontext():
        load_brand(folder)
    assert len(version_of(folder)) == 16


@given(st.sampled_from(FILES), st.integers(min_value=0, max_value=3_000), texts)
def test_any_text_within_a_file_is_read_or_refused_with_places(
    file: str, offset: int, text: str
) -> None:
    """A slip of the hand, a paste in the wrong place, half a file."""
    whole = SAMPLE[file]
    offset %= len(whole) + 1
    folder = {**SAMPLE, file: whole[:offset] + text + whole[offset + len(text) :]}
    assert_placed(check_folder(folder), folder)


@given(st.dictionaries(st.text(max_size=30), texts, max_size=5))
def test_any_files_are_read_or_refused(folder: dict[str, str]) -> None:
    """Whatever a folder is called and holds, there is an answer."""
    reading = read_brand(folder)
    assert isinstance(reading.brand, Brand)
    assert_placed(list(reading.problems), folder)
    assert reading.problems


@given(st.binary(max_size=60))
def test_any_bytes_are_texts_or_refused_at_the_first_that_is_none(content: bytes) -> None:
    """The place counts characters, not bytes."""
    if content.decode("utf-8", "replace").encode() == content:
        assert decode_texts({"a.yaml": content})["a.yaml"].encode() == content
        return
    with pytest.raises(InvalidBrandError) as caught:
        decode_texts({"a.yaml": content})
    (problem,) = caught.value.problems
    assert 1 <= problem.line <= content.count(b"\n") + 1
    assert 1 <= problem.column <= len(content)


def keys_of(file: str) -> list[tuple[str | int, ...]]:
    """Return the path of every key of a file of the sample."""
    root = parse_tree(SAMPLE[file], file, [])
    found: list[tuple[str | int, ...]] = []
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), root)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, MappingNode):
            waiting += [((*path, key.text), value) for key, value in node.entries]
        elif isinstance(node, SequenceNode):
            waiting += [((*path, index), item) for index, item in enumerate(node.items)]
        if path and isinstance(path[-1], str):
            found.append(path)
    return sorted(found, key=str)


PLACES: Final = [(file, path) for file in YAML_FILES for path in keys_of(file)]


def places_in(file: str) -> Positions:
    """Return the places of a file of the sample."""
    positions = Positions()
    positions.add_file(file, SAMPLE[file], parse_tree(SAMPLE[file], file, []))
    return positions


@given(st.sampled_from(PLACES))
def test_a_misspelt_key_is_reported_where_it_stands(place: tuple[str, tuple[str, ...]]) -> None:
    """Whether it is one of ours or a name, the first problem of the file is on its line."""
    file, path = place
    line, column = places_in(file).at(file, path)
    lines = SAMPLE[file].split("\n")
    written = lines[line - 1]
    key = re.match(r"[^:]+", written[column - 1 :])
    assert key is not None
    lines[line - 1] = written[: column - 1] + "zz" + written[column - 1 :]
    if not key[0][0].isalpha():
        return  # a quoted key: two letters before a quotation mark are another text
    folder = {**SAMPLE, file: "\n".join(lines)}
    found = check_folder(folder)
    assert_placed(found, folder)
    reading = read_brand(folder)
    if reading.problems:
        assert any(problem.file == file and problem.line == line for problem in reading.problems)


@given(st.sampled_from(PLACES))
def test_a_value_of_another_form_is_reported_where_it_stands(
    place: tuple[str, tuple[str, ...]],
) -> None:
    """A mapping within a list is welcome nowhere in the format, but in details."""
    file, path = place
    positions = places_in(file)
    line, column = positions.at_value(file, path)
    root = parse_tree(SAMPLE[file], file, [])
    node = node_at(root, path)
    if not isinstance(node, ScalarNode) or node.style in {"|", ">"}:
        return
    lines = SAMPLE[file].split("\n")
    rest = lines[line - 1][column - 1 :]
    quoted = node.style + node.text.replace("'", "''") * bool(node.style) + node.style
    written = quoted if node.style else node.text
    if not rest.startswith(written):
        return  # a text of several lines
    lines[line - 1] = lines[line - 1][: column - 1] + "[{a: b}]" + rest[len(written) :]
    folder = {**SAMPLE, file: "\n".join(lines)}
    problems = read_brand(folder).problems
    assert [(problem.file, problem.line) for problem in problems] == [(file, line)]
    assert column <= problems[0].column <= column + 1


def node_at(root: Any, path: tuple[str | int, ...]) -> Any:
    """Return the node at a path."""
    node = root
    for step in path:
        if isinstance(node, MappingNode):
            node = next(value for key, value in node.entries if key.text == step)
        else:
            node = node.items[step]
    return node


@given(st.sampled_from(PLACES))
def test_a_dropped_key_is_reported_or_was_not_needed(place: tuple[str, tuple[str, ...]]) -> None:
    """Whatever is dropped, what remains is checked, and a required key is missed by its name."""
    file, path = place
    positions = places_in(file)
    line, column = positions.at(file, path)
    lines = SAMPLE[file].split("\n")
    before = lines[line - 1][: column - 1]
    if before.strip() not in {"", "-"} or "-" in before:
        return  # in a mapping on one line
    end = line
    while end < len(lines) and (
        not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > column - 1
    ):
        end += 1
    folder = {**SAMPLE, file: "\n".join(lines[: line - 1] + lines[end:])}
    problems = check_folder(folder)
    assert_placed(problems, folder)
    required = {
        field for field in ("entity", "purpose", "kind", "when", "action") if path == (field,)
    }
    if file.startswith("actions/") and required:
        missing = [problem for problem in problems if "is missing" in problem.message]
        assert [(problem.file, problem.message) for problem in missing] == [
            (file, f"the key `{path[0]}` is missing")
        ]


REFERENCES: Final = [
    ("actions/missed_bill.yaml", "entity: ", "shop"),
    ("actions/missed_bill.yaml", "purpose: ", "service"),
    ("actions/missed_bill.yaml", "about: ", "bill"),
    ("actions/missed_bill.yaml", "channels: [", "email"),
    ("actions/phone_plan.yaml", "topic: ", "renewal"),
    ("actions/phone_plan.yaml", "terms_from: ", "plan_s"),
    ("actions/phone_plan.yaml", "placements: [", "till"),
    ("actions/phone_plan.yaml", "when: ", "orders_90d"),
    ("actions/small_loan.yaml", "segment.", "browsing"),
    ("brand.yaml", "asks: [", "first_name"),
    ("brand.yaml", "zone: ", "zone"),
    ("sources.yaml", "vouches: [", "user_id"),
    ("consent.yaml", "address: ", "email"),
    ("contact.yaml", "purposes: [", "marketing"),
    ("contact.yaml", "exists(", "case"),
    ("cohorts.yaml", "newcomer: {when: days_since(", "customer_since"),
]


@given(st.lists(st.sampled_from(REFERENCES), min_size=1, max_size=6, unique=True))
def test_all_renamed_references_are_reported_at_once(
    renamed: list[tuple[str, str, str]],
) -> None:
    """However many are broken, one run reports each of them at its file and line."""
    folder = dict(SAMPLE)
    wanted = set()
    for file, before, name in renamed:
        lines = folder[file].split("\n")
        number = next(index for index, line in enumerate(lines) if before + name in line)
        lines[number] = lines[number].replace(before + name, f"{before}{name}q", 1)
        folder[file] = "\n".join(lines)
        wanted.add((file, number + 1))
    found = {(problem.file, problem.line) for problem in errors_of(check_folder(folder))}
    assert wanted <= found
