"""Reads the corpus of the condition language: expressions, rows and the values they must have."""

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from kept.core.policy.evaluate import UNKNOWN, Outcome, Row
from kept.core.policy.literals import Wrong, read_text, read_typed
from kept.core.policy.scope import Fact, as_fact
from kept.core.policy.types import DECIMAL_ONE, Scalar, Type
from tests.golden.policy_judge import SCOPE

FOLDER: Final = Path(__file__).parent
CORPUS: Final = FOLDER / "policy.txt"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the corpus."""

    line: int
    expression: str
    row: Row
    expected: str


def read_corpus() -> list[Case]:
    """Return all cases of the corpus."""
    return list(_read_lines(CORPUS.read_text(encoding="utf-8").splitlines()))


def _read_lines(lines: list[str]) -> Iterator[Case]:
    base: dict[str, Any] = {}
    for number, line in enumerate(lines, start=1):
        if line.startswith("@"):
            base = _read_yaml(line.removeprefix("@"))
        elif line and not line.startswith("#"):
            expression, row, expected = (part.strip() for part in line.split("|"))
            given = base | _read_yaml("{" + row + "}")
            yield Case(line=number, expression=expression, row=_row(given), expected=expected)


def _read_yaml(text: str) -> dict[str, Any]:
    """Return a mapping in which everything but ~ is still text."""
    loaded = yaml.load(text, Loader=_Loader)  # noqa: S506 - it makes texts and NULL only
    assert isinstance(loaded, dict), text
    return loaded


class _Loader(yaml.BaseLoader):
    """Reads ~ as NULL and every other scalar as text."""

    def construct_scalar(self, node: Any) -> Any:
        """Return a scalar as it is written."""
        value = super().construct_scalar(node)
        return None if value == "~" and node.style is None else value


def _row(given: Mapping[str, Any]) -> Row:
    known = {*SCOPE.facts, *SCOPE.objects, "about", "offer", "now", "zone"}
    assert set(given) <= known, sorted(set(given) - known)
    return Row(
        facts=_fields(SCOPE.facts, given),
        fields={
            space: _fields(SCOPE.fields_of(space), given.get(space, {}))
            for space in ("about", "offer")
        },
        objects={
            kind: [_fields(fields, item) for item in given.get(kind, [])]
            for kind, fields in SCOPE.objects.items()
        },
        now=_instant(given["now"]),
        zone=given["zone"],
    )


def _fields(fields: Mapping[str, Fact | Type], given: Mapping[str, Any]) -> dict[str, Scalar]:
    values: dict[str, Scalar] = {}
    for name, field in fields.items():
        fact = as_fact(field)
        assert fact is not None
        text = given.get(name)
        if text is not None:
            values[name] = read_value(text, fact.type)
        else:
            plain: dict[str, Scalar] = {"bool": False, "text": ""}
            values[name] = None if fact.nullable else plain.get(fact.type.kind, 0)
    return values


def _instant(text: str) -> int:
    found = read_typed("timestamp", text)
    assert not isinstance(found, Wrong)
    assert isinstance(found.value, int)
    return found.value


def read_value(text: str, of: Type) -> Scalar:
    """Return a value of a type as a row or an expectation gives it."""
    if of.kind == "bool":
        return {"true": True, "false": False}[text]
    if of.kind == "text":
        return unicodedata.normalize("NFC", text)
    negative = text.startswith("-")
    digits = text.removeprefix("-")
    if of.kind in {"int", "decimal"}:
        # The smallest numbers have no constant of their own: their digits alone are too large.
        if of.kind == "int":
            return int(text)
        whole, _, fraction = digits.partition(".")
        value = int(whole) * DECIMAL_ONE + int(fraction.ljust(6, "0") or "0")
        return -value if negative else value
    if of.kind == "money":
        amount, currency = text.split()
        assert currency == of.currency
        return int(amount.replace(".", ""))
    found = read_typed(of.kind, text)
    assert not isinstance(found, Wrong), text
    return found.value


def read_outcome(text: str, of: Type) -> Outcome:
    """Return the value that a line of the corpus expects."""
    if text in {"NULL", "unknown"}:
        return None if text == "NULL" else UNKNOWN
    if of.kind == "text":
        found = read_text(text.removeprefix("'").removesuffix("'").replace("''", "'"))
        assert not isinstance(found, Wrong)
        return found.value
    return read_value(text, of)
