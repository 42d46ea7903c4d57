"""What a source sends of an amount or a number is read, or is nothing: it never ends the work."""

import pytest

from kept.core.policy.types import INT_MAX
from kept.core.readers import UNREADABLE, reader_for


@pytest.mark.parametrize("raw", ["1e1000000", "-1e999999999", "1e19", "-1e19", 1e300, "9" * 5_000])
@pytest.mark.parametrize("type_text", ["decimal", "money(EUR)", "money(JPY)"])
def test_a_number_too_large_for_its_type_is_unreadable(type_text: str, raw: str | float) -> None:
    """Also one that is too large for decimal arithmetic itself."""
    assert reader_for(type_text)(raw) is UNREADABLE


@pytest.mark.parametrize("raw", ["1e-1000000", "-1e-999999999", "0e1000000", 1e-300])
@pytest.mark.parametrize("type_text", ["decimal", "money(EUR)", "money(JPY)"])
def test_a_number_too_small_to_count_is_nothing(type_text: str, raw: str | float) -> None:
    """It is rounded to the type's own parts, like any other."""
    assert reader_for(type_text)(raw) == 0


@pytest.mark.parametrize(
    ("type_text", "raw", "value"),
    [
        ("decimal", "0.0000005", 1),
        ("decimal", "-0.0000005", -1),
        ("money(EUR)", "9.995 EUR", 1_000),
        ("money(EUR)", 9.99, 999),
        ("money(JPY)", str(INT_MAX), INT_MAX),
        ("money(JPY)", f"{INT_MAX + 1}", UNREADABLE),
        ("money(EUR)", "sNaN", UNREADABLE),
        ("money(EUR)", "Infinity", UNREADABLE),
    ],
)
def test_numbers_are_exact_to_the_last_part(
    type_text: str, raw: str | float, value: object
) -> None:
    """Half a part is rounded away from zero, up to the largest number that a value holds."""
    assert reader_for(type_text)(raw) == value
