"""The types of the language, and how a brand folder names them."""

import pytest

from kept.core.policy.types import (
    BOOL,
    DATE,
    DATE_MAX,
    DATE_MIN,
    INT,
    INT_MAX,
    INT_MIN,
    TEXT,
    Type,
    bounds_of,
    check_type,
    currency_digits,
    money,
    parse_type,
)
from kept.core.policy.where import Where
from kept.errors import InvalidBrandError

WHERE = Where(file="facts.yaml", line=3, column=11)


@pytest.mark.parametrize(
    "text", ["bool", "int", "decimal", "text", "date", "timestamp", "money(EUR)"]
)
def test_a_type_reads_back_as_it_is_written(text: str) -> None:
    """The text of a type is the text that means it."""
    assert str(parse_type(text)) == text


def test_money_has_its_currency_in_its_type() -> None:
    """Amounts of two currencies are of two types."""
    assert parse_type("money(EUR)") == money("EUR") != money("USD")


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("strin", "use bool, int, decimal"),
        ("integer", "did you mean int?"),
        ("timestmp", "did you mean timestamp?"),
        ("money(eur)", "did you mean money(EUR)?"),
        ("money", "did you mean money(EUR)?"),
        ("", "use bool"),
    ],
)
def test_a_wrong_type_is_a_problem_with_advice(text: str, suggestion: str) -> None:
    """The problem has the place of the text, and names the nearest type."""
    found = check_type(text, where=WHERE)
    assert isinstance(found, list)
    assert (found[0].line, found[0].column) == (3, 11)
    assert found[0].suggestion.startswith(suggestion)


def test_a_wrong_type_in_checked_text_is_an_error_of_the_brand() -> None:
    """Whoever asks without checking first gets the exception that tells why."""
    with pytest.raises(InvalidBrandError) as caught:
        parse_type("float")
    assert "'float' is not a type" in str(caught.value.problems[0])


@pytest.mark.parametrize(
    ("currency", "digits"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("XYZ", 2)]
)
def test_a_currency_has_the_digits_of_its_minor_unit(currency: str, digits: int) -> None:
    """Two for most, none for the yen, three for the dinar, as ISO 4217 has it."""
    assert currency_digits(currency) == digits


@pytest.mark.parametrize(
    ("of", "bounds"),
    [
        (INT, (INT_MIN, INT_MAX)),
        (money("EUR"), (INT_MIN, INT_MAX)),
        (DATE, (DATE_MIN, DATE_MAX)),
        (TEXT, None),
        (BOOL, None),
    ],
)
def test_a_type_bounds_its_values(of: Type, bounds: tuple[int, int] | None) -> None:
    """Numbers have 64 bits, dates the years 1 to 9999, and the rest has no bounds."""
    assert bounds_of(of) == bounds
