"""Durations, amounts and decimals are read exactly or refused with a hint."""

import pytest

from kept.core.brand.units import (
    CURRENCIES,
    format_money,
    parse_decimal,
    parse_duration,
    parse_money,
)
from kept.core.policy.types import currency_digits
from kept.errors import InputError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1 second", 1),
        ("90 seconds", 90),
        ("10 minutes", 600),
        ("1 hour", 3_600),
        ("7 days", 604_800),
        ("2 weeks", 1_209_600),
        ("0 days", 0),
    ],
)
def test_durations_are_microseconds(text: str, seconds: int) -> None:
    """Each unit, singular and plural."""
    assert parse_duration(text) == seconds * 1_000_000


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("7", "write a number and a unit"),
        ("7days", "write a number and a unit"),
        ("-7 days", "write a number and a unit"),
        ("1.5 days", "write a number and a unit"),
        ("\u0667 days", "write a number and a unit"),
        ("7 dayz", "did you mean `day`"),
        ("3 months", "is not a unit of time"),
        ("999999999999 weeks", "longer than a hundred years"),
    ],
)
def test_a_wrong_duration_is_refused_with_a_hint(text: str, hint: str) -> None:
    """Months and years have no fixed length, so they are no units here."""
    with pytest.raises(InputError, match=hint):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "minor", "currency"),
    [
        ("9.99 EUR", 999, "EUR"),
        ("9.9 EUR", 990, "EUR"),
        ("10 EUR", 1_000, "EUR"),
        ("-0.01 EUR", -1, "EUR"),
        ("500 JPY", 500, "JPY"),
        ("1.234 KWD", 1_234, "KWD"),
        ("0.0001 CLF", 1, "CLF"),
    ],
)
def test_amounts_are_minor_units_of_their_currency(text: str, minor: int, currency: str) -> None:
    """Yen have no minor unit, dinars have three digits."""
    assert parse_money(text) == (minor, currency)
    assert parse_money(format_money(minor, currency)) == (minor, currency)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("9.99", "with its currency"),
        ("EUR 9.99", "with its currency"),
        ("9,99 EUR", "with its currency"),
        ("9.999 EUR", "more than 2 digits"),
        ("9.5 JPY", "more than 0 digits"),
        ("9.99 EUX", "not a currency"),
        ("9.99 eur", "did you mean `EUR`"),
        ("99999999999999999 EUR", "more than any account"),
    ],
)
def test_a_wrong_amount_is_refused_with_a_hint(text: str, hint: str) -> None:
    """No rounding and no guessing of currencies."""
    with pytest.raises(InputError, match=hint):
        parse_money(text)


def test_decimals_are_millionths() -> None:
    """Six digits, either sign."""
    assert parse_decimal("23") == 23_000_000
    assert parse_decimal("0.6") == 600_000
    assert parse_decimal("-0.000001") == -1
    for wrong in ("", "1e3", ".5", "1.", "0.0000001", "1 000"):
        with pytest.raises(InputError):
            parse_decimal(wrong)


def test_every_currency_has_digits() -> None:
    """The list of currencies and the table of digits speak of the same ones."""
    assert {currency_digits(currency) for currency in CURRENCIES} == {0, 2, 3, 4}
