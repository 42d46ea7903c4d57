"""Everything that is wrong with a template, found before it can be used."""

from collections.abc import Mapping
from typing import Final

import msgspec

from kept.core.policy.where import Where
from kept.core.policy.zones import find_zone
from kept.core.template.engine import Sandbox
from kept.core.template.filters import View
from kept.core.template.honesty import FILLER, find_scarcity, find_typed_terms, hide_markup
from kept.core.template.locales import find_locale
from kept.core.template.markup import find_unsafe_places
from kept.core.template.render import compile_text, make_sandboxes, misnamed
from kept.core.template.source import Piece, Place, TextName, parse_name, path_of, split_source
from kept.core.template.values import Schema
from kept.core.template.walk import Walk
from kept.errors import Problem

_CHECKED_AT: Final = 1_767_225_600_000_000  # 2026-01-01: any instant does, so long as it is one
NO_TEXTS: Final[Mapping[str, str]] = {}


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What a text is used for, as far as it decides what the text may say."""

    is_offer: bool = False
    """Whether terms are data: no rate or price may be typed by hand, no scarcity be made up."""
    has_limit: bool = False
    """Whether a fact stands behind scarcity (`limited_to` of the terms)."""
    needs_subject: bool = False
    """Whether the channel shows a subject, as e-mail does."""


def check_template(
    text: str,
    *,
    path: str,
    known_names: Schema,
    use: Use = Use(),  # noqa: B008 - frozen
    others: Mapping[str, str] = NO_TEXTS,
) -> list[Problem]:
    """Return all problems of a file in `templates/`.

    Args:
        text: The file's content.
        path: Its path in the brand folder, or its bare name.
        known_names: Dotted name -> type of every value that it may use.
        use: What it is used for.
        others: The folder's texts by path or bare name, among which partials are looked for.
    """
    where = Where(file=path_of(path), line=1, column=1)
    name = parse_name(path)
    if name is None:
        return [misnamed(where)]
    plain, html = make_sandboxes(others)
    source = split_source(text, where)
    place = Place(where=where, whole=text)
    problems = list(source.problems)
    if name.is_html and source.header:
        problems.append(
            where.problem("an HTML part has no header", suggestion="write it above the text part")
        )
    if (
        use.needs_subject
        and not (name.is_html or name.is_partial)
        and "subject" not in source.header
    ):
        problems.append(
            where.problem(
                "an e-mail needs a subject",
                suggestion="begin the file with a line `subject: …` and a line `---`",
            )
        )
    for piece in source.header.values():
        problems += _check_piece(piece, plain, name, place=place, known_names=known_names, use=use)
    sandbox = html if name.is_html else plain
    problems += _check_piece(
        source.body, sandbox, name, place=place, known_names=known_names, use=use
    )
    return problems


def check_line(
    text: str,
    *,
    where: Where,
    known_names: Schema,
    locale: str,
    use: Use = Use(),  # noqa: B008
) -> list[Problem]:
    """Return all problems of one line of Liquid that stands elsewhere in a brand folder."""
    name = TextName(template="line", locale=locale)
    place = Place(where=where, whole=text)
    sandbox = Sandbox({}, is_html=False)
    return _check_piece(
        Piece(text=text, offset=0), sandbox, name, place=place, known_names=known_names, use=use
    )


class Said:
    """Says which names of values a text may say, in every branch and partial."""

    def __init__(self, texts: Mapping[str, str] = NO_TEXTS) -> None:
        """Take the folder's texts, among which partials are looked for."""
        self._plain, self._html = make_sandboxes(texts)

    def names(self, text: str, *, path: str, known_names: Schema) -> frozenset[str]:
        """Return the names that a text may say.

        Args:
            text: a file of `templates/` that was checked, or a line with the path `line.LOCALE`.
            path: its path in the brand folder, or its bare name.
            known_names: dotted name -> type of every value that it may use.
        """
        name = parse_name(path)
        if name is None:
            return frozenset()
        place = Place(where=Where(file=path), whole=text)
        source = split_source(text, place.where)
        body = self._html if name.is_html else self._plain
        found: set[str] = set()
        for piece, sandbox in (
            *((piece, self._plain) for piece in source.header.values()),
            (source.body, body),
        ):
            compiled = compile_text(sandbox, piece.text, place)
            if not isinstance(compiled, Problem):
                walk = Walk(
                    sandbox, place, schema=known_names, view=_view_of(name), is_partial=False
                )
                walk.visit(compiled)
                found |= walk.names
        return frozenset(found)


def _view_of(name: TextName) -> View:
    """Return a view in a text's own language."""
    return View(
        locale=find_locale(name.locale) if name.locale else find_locale("en"),
        locale_name=name.locale,
        zone=find_zone("UTC"),
        now=_CHECKED_AT,
    )


def _check_piece(
    piece: Piece, sandbox: Sandbox, name: TextName, *, place: Place, known_names: Schema, use: Use
) -> list[Problem]:
    """Return the problems of one piece of a file."""
    place = Place(where=place.where, whole=place.whole, offset=piece.offset)
    compiled = compile_text(sandbox, piece.text, place)
    if isinstance(compiled, Problem):
        return [compiled]
    walk = Walk(sandbox, place, schema=known_names, view=_view_of(name), is_partial=name.is_partial)
    walk.visit(compiled)
    problems = walk.problems
    filled = fill(piece.text, walk.literals)
    said = filled
    if sandbox.autoescape:
        problems += [
            place.problem(claim.offset, claim.message, claim.suggestion)
            for claim in find_unsafe_places(filled, walk.last_filters)
        ]
        said = hide_markup(filled)
    if use.is_offer:
        claims = list(find_typed_terms(said))
        if not use.has_limit:
            claims += find_scarcity(said, name.locale.partition("-")[0])
        problems += [
            place.problem(claim.offset, claim.message, claim.suggestion) for claim in claims
        ]
    return problems


def fill(text: str, literals: list[tuple[int, str]]) -> str:
    """Return a template's own words in their places, and filler for everything that is Liquid."""
    filled = [FILLER] * len(text)
    for offset, literal in literals:
        # White space that a tag took away moves a text behind the place where it seems to be.
        start = text.find(literal, max(offset, 0))
        if start >= 0:
            filled[start : start + len(literal)] = literal
    return "".join(filled)
