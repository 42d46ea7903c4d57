"""Masked values are recognised by whoever knows them, and tell nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.core.mask import mask_text, mask_value


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("anabela@mail.example", "a•••a@•••.example"),
        ("anabela@harbour.example", "a•••a@h•••r.example"),
        ("ana@localhost", "•••@•••"),
        ("@handle", "@•••e"),
        ("Ana", "•••"),
        ("Benedita", "B•••a"),
        ("+351912345678", "+•••8"),
        ("", "•••"),
    ],
)
def test_ends_are_shown_and_the_rest_is_not(text: str, masked: str) -> None:
    """Of an address each part by itself; of a short text nothing."""
    assert mask_text(text) == masked


@given(st.text(min_size=5, max_size=60))
def test_no_more_than_the_ends_of_each_part_are_shown(text: str) -> None:
    """Whatever the text, at most five letters and the ending of a domain are left of it."""
    domain = text.rpartition("@")[2]
    ending = domain[domain.rindex(".") :] if "." in domain else ""
    shown = mask_text(text).removesuffix(ending).replace("•••", "")
    assert len(shown) <= 5


def test_a_yes_or_no_needs_no_mask() -> None:
    """It names nobody; a number does."""
    assert mask_value(None) is None
    assert mask_value(True) is True
    assert mask_value(351912345678) == "3•••8"
