"""Where a text stands in a file, so that a problem points at the very character."""

import difflib
from collections.abc import Iterable

import msgspec

from kept.errors import Problem


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """The place of a text in a file: the line and column, from 1, of its first character.

    A text of several lines (a YAML block) begins each of its lines at the same column. Line 0
    means that the place is not known.
    """

    file: str
    line: int = 0
    column: int = 0

    def problem(self, message: str, *, suggestion: str = "") -> Problem:
        """Return a problem with the text as a whole."""
        return Problem(
            file=self.file,
            line=self.line,
            column=self.column,
            message=message,
            suggestion=suggestion,
        )

    def problem_at(self, text: str, offset: int, *, message: str, suggestion: str = "") -> Problem:
        """Return a problem with the character at an offset of the text."""
        if not self.line:
            return self.problem(message, suggestion=suggestion)
        before = text[:offset]
        line = self.line + before.count("\n")
        column = max(self.column, 1) + len(before) - (before.rfind("\n") + 1)
        return Problem(
            file=self.file, line=line, column=column, message=message, suggestion=suggestion
        )


def shown(text: str) -> str:
    """Return a text as a message may show it: short, and with no letter that cannot be seen."""
    short = text if len(text) <= 40 else text[:37] + "..."
    return short if short.isprintable() else ascii(short)[1:-1]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name most like a misspelt one, or an empty text if none is like it."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else ""
