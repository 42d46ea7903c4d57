"""What a brand folder holds: YAML, expressions, templates, patterns, stories, units."""

import contextlib
from pathlib import Path
from typing import Final

from kept.core.brand.load import decode_texts, load_struct, read_brand
from kept.core.brand.units import (
    format_money,
    parse_currency,
    parse_decimal,
    parse_duration,
    parse_money,
)
from kept.core.brand.yaml_tree import parse_tree
from kept.core.check.patterns import check_pattern
from kept.core.check.report import Report
from kept.core.checkpoint import key_of
from kept.core.diff.approval import DiffApproval, read_approval, sign_approval
from kept.core.policy.check import check_expression
from kept.core.policy.evaluate import Row, compile_expression, compile_next_change, compile_test
from kept.core.policy.sql_targets import TARGETS
from kept.core.policy.to_sql import to_sql
from kept.core.policy.tree import Expression
from kept.core.policy.types import BOOL
from kept.core.policy.where import Where
from kept.core.story import Story
from kept.core.template import Failed, Situation, Templates, Use, check_template
from kept.errors import InputError, InvalidBrandError, Problem
from tests.fuzz.target import check_refusal, fuzz
from tests.golden.policy_judge import SCOPE

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "ferrowen"
FILES: Final = {
    path.relative_to(EXAMPLE).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(EXAMPLE.rglob("*"))
    if path.suffix in {".yaml", ".liquid"} and "stories" not in path.parts
}
SCHEMA: Final = {"name": "text", "count": "int", "bill.amount": "money(EUR)", "at": "timestamp"}


@fuzz("yaml", "kept.core.brand.yaml_tree", *list(FILES.values())[:6], "a: &b [*b]\n", 'a: "\\0"\n')
def run_yaml(data: bytes) -> None:
    """YAML: a tree, or where it breaks and why."""
    text = data.decode("utf-8", "surrogateescape")
    problems: list[Problem] = []
    tree = parse_tree(text, "brand.yaml", problems)
    lines = text.replace("\r\n", "\n").count("\n") + 1
    for problem in problems:
        assert 1 <= problem.line <= lines + 1
    assert (
        tree is not None
        or problems
        or not text.strip("\ufeff \t\r\n")
        or text.lstrip().startswith(("#", "-", "%"))
    )


@fuzz(
    "brand",
    "kept.core.brand.load",
    *[f"{name}\n{text}" for name, text in FILES.items() if name.endswith(".yaml")][::8],
    *[f"{name}\n{text}" for name, text in FILES.items() if name.count("/") == 0],
    seconds_max=5,
)
def run_brand(data: bytes) -> None:
    """One file of a folder: read, or all that is wrong with its form."""
    name, _, text = data.partition(b"\n")
    file = name.decode("utf-8", "replace")[:100]
    with contextlib.suppress(InvalidBrandError):
        reading = read_brand(decode_texts({file: text}))
        for problem in reading.problems:
            str(problem).encode("utf-8", "surrogateescape")


@fuzz("story", "kept.core.story", *(
    path.read_text(encoding="utf-8") for path in sorted((EXAMPLE / "stories").glob("*.yaml"))[:3]
))  # fmt: skip
def run_story(data: bytes) -> None:
    """A story file."""
    with contextlib.suppress(InvalidBrandError):
        load_struct(data.decode("utf-8", "replace"), "stories/a.yaml", Story)


@fuzz(
    "expression",
    "kept.core.policy.check",
    "days_until(about.ends_at) BETWEEN 0 AND 30 AND NOT about.renewed",
    "exists(case, status <> 'resolved') OR ratio(count_cases, 3) > 0.5",
    "CASE WHEN x IN ('a', 'b') THEN 1 ELSE NULL END",
    "n + m * 2 - 1 > 3 AND name = 'x' AND starts_with(name, 'a')",
    "__import__('os').system('true')",
    "1; DROP TABLE x --",
    seconds_max=5,
)
def run_expression(data: bytes) -> None:
    """A condition: compiled to Python and every SQL, or refused; it never runs as anything else."""
    text = data.decode("utf-8", "surrogateescape")
    for expects in (BOOL, None):
        checked = check_expression(
            text, scope=SCOPE, expects=expects, where=Where(file="a.yaml", line=1, column=1)
        )
        if not isinstance(checked, Expression):
            assert checked
            continue
        row = Row(now=0)
        with contextlib.suppress(KeyError):
            compile_expression(checked)(row)
        with contextlib.suppress(KeyError):
            compile_test(checked)(row)
        compile_next_change(checked)
        for dialect in TARGETS:
            to_sql(checked, dialect)


@fuzz(
    "template",
    "kept.core.template.engine",
    *[text for name, text in FILES.items() if name.endswith(".liquid")][:4],
    "subject: Hi {{ name }}\n---\n{% for i in (1..3) %}{{ count }}{% endfor %}{{ at | date }}",
    "{% render '_a' %}{{ name | truncate: 5 | link }}{% if count > 1 %}x{% endif %}",
    "{{ name.__class__ }}{{ name | default: bill.amount | money }}{% assign a = name %}{{ a }}",
    "{% for a in (1..99999999) %}{% for b in (1..99999999) %}x{% endfor %}{% endfor %}",
    seconds_max=5,
)
def run_template(data: bytes) -> None:
    """A template: rendered within its limits, or refused; it reaches nothing but its values."""
    text = data.decode("utf-8", "replace")
    problems = check_template(text, path="x.en", known_names=SCHEMA, use=Use(is_offer=True))
    for path in ("x.en", "x.en.html"):
        try:
            templates = Templates({"x.en": text, path: text}, default_locale="en")
        except InvalidBrandError:
            assert problems or path.endswith("html")
            continue
        situation = Situation(
            values={"name": "<b>Ana</b>", "count": 2, "bill": {"amount": 5}, "at": 60_000_000},
            schema=SCHEMA, locale="en", zone="UTC", now=0,
        )  # fmt: skip
        result = templates.render("x", "email", situation)
        if not isinstance(result, Failed):
            assert len(repr(result)) < 3_000_000
        assert "__" not in repr(result) or "__" in text


@fuzz(
    "pattern", "kept.core.check.patterns", r"^\W*(stop|ende)\W*$", r"(a+)+", r"[^a-z]{2,30}(?:x|y)?"
)
def run_pattern(data: bytes) -> None:
    """A regular expression of a brand: judged without running it."""
    reading = read_brand({})
    report = Report(reading.brand, reading.positions)
    check_pattern(report, ("a", "b"), data.decode("utf-8", "surrogateescape"))


@fuzz(
    "units", "kept.core.brand.units", "1 day", "9.99 EUR", "0.25", "JPY", "-0.000001", "90 minutes"
)
def run_units(data: bytes) -> None:
    """Durations, amounts and numbers with their units."""
    text = data.decode("utf-8", "surrogateescape")
    for parse in (parse_duration, parse_decimal, parse_currency):
        with contextlib.suppress(InputError):
            parse(text)
    with contextlib.suppress(InputError):
        minor, currency = parse_money(text)
        assert parse_money(format_money(minor, currency)) == (minor, currency)


_SEED: Final = bytes(range(32))
_APPROVAL: Final = DiffApproval(
    base="a" * 64, tried="b" * 64, allows=("hardship", "pressure"), because="agreed"
)
_NOTE: Final = sign_approval(_APPROVAL, name="ana", seed=_SEED)


@fuzz("approval", "kept.core.diff.approval", _NOTE, _NOTE.replace("agreed", "no"), "x\n\n— a b\n")
def run_approval(data: bytes) -> None:
    """An approval of a change: nothing counts as signed but what the approver signed, letter by letter."""
    text = data.decode(errors="replace")
    try:
        approval, names = read_approval(text, [key_of("ana", _SEED)])
    except InputError as error:
        check_refusal(error, b"")
        return
    if names:
        assert approval == _APPROVAL
        assert text.startswith(_NOTE.partition("\n\n")[0])
