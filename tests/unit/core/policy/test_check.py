"""What names mean, what constants become, and what a place asks for."""

import pytest
from sqlglot import exp

from kept.core.policy.check import _Checker, check_expression
from kept.core.policy.parse import Parsed
from kept.core.policy.scope import Fact, Scope, as_fact
from kept.core.policy.tree import (
    Expression,
    Literal,
    RowField,
    depth_of,
    facts_read,
    fields_read,
    objects_read,
    reads_zone,
    walk,
)
from kept.core.policy.types import BOOL, DATE, DECIMAL, INT, TEXT, TIMESTAMP, Type, money
from kept.core.policy.where import Where
from kept.errors import Problem

EUR = money("EUR")
WHERE = Where(file="actions/renewal.yaml", line=1, column=1)
SCOPE = Scope(
    facts={
        "orders": Fact(type=INT, nullable=False),
        "order": Fact(type=INT),
        "status": Fact(type=TEXT),
        "rating": Fact(type=DECIMAL),
        "trait.born_on": Fact(type=DATE),
        "segment.park_regular": Fact(type=BOOL, nullable=False),
    },
    objects={
        "case": {"status": TEXT, "opened_at": TIMESTAMP},
        "order": {"total": EUR, "number": Fact(type=INT, nullable=False)},
    },
    about="order",
    more={"offer": {"price": EUR}},
)


def check(text: str, expects: Type | None = None) -> Expression:
    """Return an expression that must be right."""
    found = check_expression(text, scope=SCOPE, expects=expects, where=WHERE)
    assert isinstance(found, Expression), [str(problem) for problem in found]
    return found


def refuse(text: str, expects: Type | None = None) -> Problem:
    """Return the first problem of an expression that must be wrong."""
    found = check_expression(text, scope=SCOPE, expects=expects, where=WHERE)
    assert isinstance(found, list)
    return found[0]


def test_words_of_sql_may_be_names() -> None:
    """A fact may be called `order` and an object `case`; nothing in SQL stands in the way."""
    expression = check("order > 3 AND exists(case, case.status = 'open') AND count(order) > 0")
    assert facts_read(expression) == {"order"}
    assert objects_read(expression) == {"case", "order"}


def test_a_bare_name_within_an_aggregate_is_first_a_field_of_the_object() -> None:
    """`status` is the case's own, although a fact has that name too."""
    inner = check("exists(case, status = 'open')")
    assert facts_read(inner) == frozenset()
    assert any(isinstance(node, RowField) for node in walk(inner.root))
    assert facts_read(check("status = 'open'")) == {"status"}


def test_facts_and_the_object_in_play_are_reached_from_within_an_aggregate() -> None:
    """A predicate may compare a field with a fact, with `about` and with `offer`."""
    expression = check(
        "exists(order, total > about.total OR total > offer.price OR number > orders)"
    )
    assert facts_read(expression) == {"orders"}
    assert fields_read(expression) == {"about.total", "offer.price"}


def test_a_name_with_dots_may_be_a_fact() -> None:
    """Traits and segments are facts whose names have a dot."""
    expression = check("segment.park_regular AND years_since(trait.born_on) >= 18", BOOL)
    assert facts_read(expression) == {"segment.park_regular", "trait.born_on"}
    assert reads_zone(expression)
    assert not reads_zone(check("orders > 3"))


def test_without_an_object_in_play_there_is_no_about() -> None:
    """The advice says how to bring an object into play."""
    found = check_expression("about.total > 0", scope=Scope(facts={}), expects=None, where=WHERE)
    assert isinstance(found, list)
    assert "about:" in found[0].suggestion


@pytest.mark.parametrize(
    ("text", "expects", "value"),
    [
        ("1", DECIMAL, 1_000_000),
        ("-1", DECIMAL, -1_000_000),
        ("0", EUR, 0),
        ("2 * 3", DECIMAL, 6_000_000),
        ("NULL", EUR, None),
        ("TRUE", BOOL, True),
        ("'Jose\u0301'", TEXT, "Jos\u00e9"),
        ("money '9.99 EUR'", EUR, 999),
        ("date '1970-01-02'", DATE, 1),
        ("1 + 1 = 2", BOOL, True),
        ("CASE WHEN TRUE THEN 1 ELSE 2 END + 1", INT, 2),
    ],
)
def test_a_constant_takes_the_type_of_its_place(text: str, expects: Type, value: object) -> None:
    """And is computed once, when the folder is checked."""
    root = check(text, expects).root
    assert isinstance(root, Literal)
    assert (root.value, root.type) == (value, expects)


@pytest.mark.parametrize(
    ("text", "expects", "advice"),
    [
        ("orders", BOOL, "compare it"),
        ("orders", EUR, "money '1.00 EUR'"),
        ("orders", DECIMAL, "decimal(x)"),
        ("1", EUR, "money '1.00 EUR'"),
        ("rating", INT, ""),
        ("0.5", EUR, "money '1.00 EUR'"),
    ],
)
def test_what_does_not_fit_its_place_is_refused_with_advice(
    text: str, expects: Type, advice: str
) -> None:
    """A value of another type is never taken in silence."""
    problem = refuse(text, expects)
    assert "is needed here" in problem.message
    assert advice in problem.suggestion


def test_sums_are_one_level_however_long_they_are() -> None:
    """A sum of sums is one sum, which is checked at its end."""
    assert depth_of(check("orders + (orders - (orders + 1)) - 2").root) == 2


def test_a_field_given_as_a_type_may_be_null() -> None:
    """Only a `Fact` can say that it is always there."""
    assert as_fact(INT) == Fact(type=INT, nullable=True)
    assert as_fact(None) is None
    assert check("exists(order, number > 3)").root.nullable is False


def test_what_is_too_deep_is_to_be_given_a_name() -> None:
    """Thirteen levels are one too many for the engine that bears the least."""
    problem = refuse(" * ".join(["rating"] * 13) + " > 1")
    assert "within one another" in problem.message
    assert "declare a part" in problem.suggestion


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("exists(order, lower)", "does not change letters"),
        ("case > 1", "it is a kind of object; write exists(case, ...)"),
        ("case", "it is a kind of object; write exists(case, ...)"),
        ("exists(case, case)", "it is a kind of object"),
        ("offer.zzz > 0", "offer has price"),
        ("offer.prise > 0", "did you mean offer.price?"),
        ("trait.bornon > date '2000-01-01'", "did you mean trait.born_on?"),
        ("about.qqq > 0", "about has number, total"),
        ("offer > 0", "write one of its fields: price"),
        ("abs(zzz(1)) > 0", "lists all functions"),
        ("-(zzz) > 0", "declare it in facts.yaml"),
        ("zzz * 2 > 0", "declare it in facts.yaml"),
        ("orders IS NOT 3", ""),
        ("round(rating, NULL) = 1", "round(decimal, digits)"),
        ("order NULL", ""),
        ("1 (order)", ""),
    ],
)
def test_each_mistake_has_its_advice(text: str, advice: str) -> None:
    """A name, a function, a word out of place: the problem says what to write."""
    assert advice in refuse(text).suggestion


def test_a_part_that_the_language_does_not_know_is_refused() -> None:
    """Should the parser ever make something new of known words, it goes no further."""
    parsed = Parsed(text="x", where=WHERE, root=exp.Star(), words=[], problems=[])
    checker = _Checker(parsed, SCOPE)
    assert checker.check(parsed.root) is None
    assert checker.problems[0].message == "this is not part of the language"


def test_names_are_offered_from_everything_that_can_be_written() -> None:
    """Facts, fields of `about` and of other namespaces."""
    assert set(SCOPE.all_names()) >= {"orders", "trait.born_on", "about.total", "offer.price"}
