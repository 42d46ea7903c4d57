"""The texts in `templates/`: what their names say, and the header above a body.

`templates/NAME.CHANNEL.LOCALE.liquid`, or `templates/NAME.LOCALE.liquid` for the channels that
have no text of their own. `….html.liquid` beside it is the HTML part of the same message. A name
that begins with `_` is a partial, to be put into others by `{% render "_name" %}`.
"""

import re
from typing import Final

import msgspec

from kept.core.policy.where import Where, nearest
from kept.core.template.locales import normalize_locale
from kept.errors import Problem

FOLDER: Final = "templates/"
ENDING: Final = ".liquid"
HEADER_KEYS: Final = ("subject", "title")
_LOCALE: Final = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z]{2,4})?")
_WORD: Final = re.compile(r"_?[a-z0-9][a-z0-9_-]*")
_HEADER_LINE: Final = re.compile(r"([A-Za-z][A-Za-z-]*)[ \t]*:[ \t]*(.*?)[ \t]*$")


class TextName(msgspec.Struct, frozen=True, kw_only=True):
    """What the name of a file in `templates/` says."""

    template: str
    channel: str = ""
    """Empty for a text that serves every channel without one of its own."""
    locale: str = ""
    is_html: bool = False

    @property
    def is_partial(self) -> bool:
        """Return whether the text is only for use within others."""
        return self.template.startswith("_")

    @property
    def partial(self) -> str:
        """Return the name under which `render` finds a partial."""
        return f"{self.template}.{self.locale}" if self.locale else self.template


def path_of(name: str) -> str:
    """Return the path of a template in the folder, from its path or its bare name."""
    return FOLDER + name.removeprefix(FOLDER).removesuffix(ENDING) + ENDING


def parse_name(path: str) -> TextName | None:
    """Return what a path (or bare name) in `templates/` says, or None if it says nothing."""
    words = path.removeprefix(FOLDER).removesuffix(ENDING).split(".")
    is_html = words[-1] == "html"
    if is_html:
        words.pop()
    if not words or not _WORD.fullmatch(words[0]):
        return None
    is_partial = words[0].startswith("_")
    if not (1 if is_partial else 2) <= len(words) <= (2 if is_partial else 3):
        return None
    if len(words) > 1 and not _LOCALE.fullmatch(words[-1]):
        return None
    return TextName(
        template=words[0],
        channel=words[1] if len(words) == 3 else "",
        locale=normalize_locale(words[-1]) if len(words) > 1 else "",
        is_html=is_html,
    )


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The file that a piece of template stands in, and where in it the piece begins."""

    where: Where
    whole: str
    offset: int = 0

    def problem(self, offset: int, message: str, suggestion: str = "") -> Problem:
        """Return a problem with the character at an offset of the piece."""
        return self.where.problem_at(
            self.whole, self.offset + max(offset, 0), message=message, suggestion=suggestion
        )


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a file that is a template of its own, and where in the file it begins."""

    text: str
    offset: int


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A file taken apart."""

    header: dict[str, Piece]
    """`subject` and `title`, where given."""
    body: Piece
    problems: tuple[Problem, ...] = ()


def split_source(text: str, where: Where) -> Source:
    """Return the header and body of a text.

    A header begins on the first line with `subject:` or `title:` and ends with a line `---` or an
    empty line, neither of which is part of the body. A text that begins otherwise is all body.
    """
    first = _HEADER_LINE.match(text.partition("\n")[0])
    if first is None or not _means_header(first[1]):
        return Source(header={}, body=Piece(text=text, offset=0))
    header: dict[str, Piece] = {}
    problems: list[Problem] = []
    offset = 0
    for line in text.split("\n"):
        if line.strip() in ("", "---"):
            offset += len(line) + 1
            break
        problem = _read_line(line, offset, header)
        if problem:
            message, suggestion = problem
            problems.append(where.problem_at(text, offset, message=message, suggestion=suggestion))
        offset += len(line) + 1
    return Source(
        header=header, body=Piece(text=text[offset:], offset=offset), problems=tuple(problems)
    )


def _means_header(key: str) -> bool:
    """Return whether the first word of a text is a header's key, perhaps misspelt."""
    return key.lower() in HEADER_KEYS or bool(nearest(key.lower(), HEADER_KEYS))


def _read_line(line: str, offset: int, header: dict[str, Piece]) -> tuple[str, str] | None:
    """Add a line to the header, or return what is wrong with it and what to do."""
    match = _HEADER_LINE.match(line)
    if match is None:
        return (
            "this line belongs to no header",
            "end the header with a line `---` or an empty line",
        )
    key = match[1].lower()
    if key not in HEADER_KEYS:
        return f"there is no header `{match[1]}`", f"known are {' and '.join(HEADER_KEYS)}"
    if key in header:
        return f"`{key}` is given twice", "keep one of them"
    if not match[2]:
        return f"`{key}` is empty", "write it, or leave the line out"
    header[key] = Piece(text=match[2], offset=offset + match.start(2))
    return None
