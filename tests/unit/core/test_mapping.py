"""Paths find values in foreign payloads, and conditions compare them as people mean it."""

from typing import Any

import pytest

from kept.core.brand.model import Mapping
from kept.core.mapping import MISSING, CompiledMapping, find_value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("body.a.0.b", 1),
        ("body.a.-1.b", 2),
        ("body.a.2.b", MISSING),
        ("body.a.-3", MISSING),
        ("body.a.x", MISSING),
        ("body.n", None),
        ("body.n.x", MISSING),
        ("body.0", "zero"),
        ("headers.x", MISSING),
        ("a", MISSING),
    ],
)
def test_a_path_walks_through_objects_and_lists(path: str, value: Any) -> None:
    """By name, by number from either end; what is null is there, what is missing is not."""
    document = {"body": {"a": [{"b": 1}, {"b": 2}], "n": None, "0": "zero"}}
    assert find_value(document, path) is value or find_value(document, path) == value


@pytest.mark.parametrize(
    ("expected", "value", "holds"),
    [
        ("open", "Open ", True),
        ("STRASSE", "Straße", True),
        ("open", "opened", False),
        ("7", 7, True),
        (7, 7, True),
        (7, "7", True),
        (7, 7.5, False),
        (1, True, False),
        (True, True, True),
        (True, 1, False),
        (True, "true", False),
        (False, None, False),
        (("a", "b"), "B", True),
        (("a", "~^b"), "beta", True),
        (("a", "b"), "c", False),
        ("vip", ["new", "VIP"], True),
        ("vip", [], False),
        ("~\\bstop\\b", "please STOP now", True),
        ("~^stop$", "stop it", False),
        ("~7", 7, False),
        ("~.", None, False),
        ("a", {"a": 1}, False),
    ],
)
def test_a_condition_compares_as_people_mean_it(expected: Any, value: Any, *, holds: bool) -> None:
    """Texts without regard to case, numbers by value, lists by any element, `~` by pattern."""
    mapping = CompiledMapping(
        Mapping(event="A", when={"body.x": expected}), object_keys=frozenset()
    )
    assert mapping.applies({"body": {"x": value}}) is holds
    assert not mapping.applies({"body": {}})
