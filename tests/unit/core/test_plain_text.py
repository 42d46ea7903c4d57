"""Names from forms, made safe to show."""

import pytest

from kept.core.plain_text import as_cell, clean_line, clean_text, is_blank


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Ana\r\nBcc: victim@example.com", "Ana Bcc: victim@example.com"),
        ("Ana\u2028Bcc: x", "Ana Bcc: x"),
        ("Ana\x85Bcc: x", "Ana Bcc: x"),
        ("Ana\x00\x1b[31m", "Ana[31m"),
        ("user\u202etxt.exe", "usertxt.exe"),
        ("\u2066Ana\u2069", "Ana"),
        ("A\u200bn\u2060a\ufeff", "Ana"),
        ("soft\u00adhyphen", "softhyphen"),
        ("pay\U000e0041\U000e007f", "pay"),
        ("a\u200db\u200cc", "abc"),
        ("half \ud83d", "half"),
        ("\u200dab\u200c", "ab"),
        ("  a \t b  ", "a b"),
    ],
)
def test_a_line_loses_what_forges_hides_or_reorders(given: str, shown: str) -> None:
    """Line breaks become spaces; control, invisible and reordering characters go."""
    assert clean_line(given) == shown


@pytest.mark.parametrize(
    "name",
    [
        "Zoë Ångström",
        "Иван Петров",
        "שָׁלוֹם",
        "محمد",
        "李小龍",
        "علی\u200cرضا",  # noqa: RUF001
        "क्\u200dष",
        "👩\u200d🚀",
        "O’Brien",  # noqa: RUF001
    ],
)
def test_a_line_keeps_every_name_as_people_write_it(name: str) -> None:
    """Accents, right-to-left scripts, joiners that join, and emoji sequences stay."""
    assert clean_line(name) == name


def test_a_body_keeps_its_lines_and_loses_overrides() -> None:
    """Text of several lines stays so, with one kind of line break."""
    assert clean_text("a\r\nb\rc\td\u202e\x07") == "a\nb\nc\td"


@pytest.mark.parametrize("text", ["", " \n", "\u200b", "\u3164", "\u202e\u2066", "\u2800 \u00a0"])
def test_what_nobody_sees_is_blank(text: str) -> None:
    """A name of invisible characters is no name."""
    assert is_blank(text)


def test_what_somebody_sees_is_not_blank() -> None:
    """One visible character is enough."""
    assert not is_blank("\u200bא")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1"])
def test_no_cell_is_a_formula(text: str) -> None:
    """A spreadsheet shows it, and does not compute it."""
    assert as_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Bill Paid", "{}", "a=1", "2026-01-01"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    """An apostrophe only where it is needed."""
    assert as_cell(text) == text
