"""Text from outside made safe to show: no forged lines, no hidden or reordering characters.

A name is written by whoever fills in a form. Put as it is into a subject line it could add header
lines, swallow the words after it by reversing their order, or pretend to be another name by
characters that nobody sees.
"""

import re
import unicodedata
from typing import Final

_REORDERING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Embeddings, overrides and isolates: they change the order of text that is not their own."""

_JOINERS: Final = frozenset("\u200c\u200d")
_INVISIBLE_LETTERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_SUSPECT: Final = re.compile(
    r"[^\n\t\u0020-\u007e\u00a1-\u00ac\u00ae-\u034e\u0350-\u0588\u2010-\u2027\u2030-\u205e\u20a0-\u20bf]"
)
"""Anything but the letters and signs of which it is plain that they are harmless."""
_LINE_BREAKS: Final = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What begins a formula in some spreadsheet, as letters of full width too."""
_SPACES: Final = re.compile(r"\s+")


def clean_text(text: str) -> str:
    """Return text for a body: line breaks stay, control and reordering characters go."""
    text = _LINE_BREAKS.sub("\n", text)
    if _SUSPECT.search(text) is None:
        return text
    return "".join(character for character in text if not _is_harmful(character))


def clean_line(text: str) -> str:
    """Return text for a header or a title: one line, and nothing in it that nobody sees."""
    text = _LINE_BREAKS.sub("\n", text)
    if _SUSPECT.search(text) is not None:
        text = "".join(
            character for index, character in enumerate(text) if _is_visible(text, index)
        )
    return _SPACES.sub(" ", text).strip()


def as_cell(text: str) -> str:
    """Return text for a cell of a CSV file: no spreadsheet takes it for a formula.

    As OWASP says of CSV injection: an apostrophe goes before what could begin one.
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def is_blank(text: str) -> bool:
    """Return whether a reader would see nothing at all."""
    if _SUSPECT.search(text) is None:
        return not text or text.isspace()
    return not clean_line(text)


def _is_harmful(character: str) -> bool:
    """Return whether a character has no business in a message's body."""
    if character in "\n\t":
        return False
    # Cs: half a character, which no encoding can carry. U+E0000..: tags that only machines read.
    return (
        character in _REORDERING
        or unicodedata.category(character) in ("Cc", "Cs")
        or "\U000e0000" <= character <= "\U000e007f"
    )


def _is_visible(text: str, index: int) -> bool:
    """Return whether the character at this place may stand in a line."""
    character = text[index]
    if character in _JOINERS:
        return _joins(text, index)
    if character in _INVISIBLE_LETTERS:
        return False
    # Line breaks and tabs become spaces later.
    return (
        unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn") or character in "\n\t"
    )


def _joins(text: str, index: int) -> bool:
    """Return whether a joiner does its work: between joining letters, or within an emoji."""
    if index == 0 or index + 1 == len(text):
        return False
    before, after = text[index - 1], text[index + 1]
    if "\u0600" <= before <= "\u1cff" and "\u0600" <= after <= "\u1cff":
        return unicodedata.category(before)[0] in "LM" and unicodedata.category(after)[0] in "LM"
    is_emoji = unicodedata.category(after) == "So"
    return (
        text[index] == "\u200d" and is_emoji and unicodedata.category(before) in ("So", "Sk", "Mn")
    )
