"""From a template and values to a message, or to a plain statement why there is none.

A value that is missing or known to be none means that the message does not go: never "Dear ,".
"""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec
from liquid import BoundTemplate
from liquid.exceptions import LiquidError

from kept.core.plain_text import clean_line, is_blank
from kept.core.policy.where import Where
from kept.core.policy.zones import find_zone
from kept.core.template.engine import SOURCE_LENGTH_MAX, Sandbox, render_template
from kept.core.template.filters import View
from kept.core.template.locales import find_locale, normalize_locale
from kept.core.template.source import (
    Place,
    Source,
    TextName,
    parse_name,
    path_of,
    split_source,
)
from kept.core.template.values import Record, Schema
from kept.errors import InvalidBrandError, Problem

SUBJECT_LENGTH_MAX: Final = 500
_BLOCK: Final = re.compile(r"\{%-?\s*((?:end)?(?:if|unless|case|for|comment|raw))\b")


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """A message ready for a channel."""

    subject: str = ""
    title: str = ""
    text: str = ""
    html: str = ""


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """Values that the text needs and that are not there; the message does not go."""

    names: tuple[str, ...]


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """The text cannot be made, whatever the customer: the template or its values are wrong."""

    detail: str


RenderResult: TypeAlias = Rendered | Missing | Failed


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """For whom, when and from what a text is made."""

    values: Mapping[str, Any]
    """By name, in runtime form. A top-level name left out is unknown; None is known to be none."""
    schema: Schema
    locale: str
    zone: str = ""
    """The customer's IANA time zone; without one, no instant is written."""
    now: int

    def view(self, language: str) -> View:
        """Return the customer's own locale if it fits the language of the text, else the text's."""
        own = normalize_locale(self.locale)
        same = own.partition("-")[0] == language.partition("-")[0]
        name = own if same or not language else language
        return View(
            locale=find_locale(name), locale_name=name, zone=find_zone(self.zone), now=self.now
        )

    def record(self) -> Record:
        """Return the values with their types on."""
        return Record(self.values, schema=self.schema, prefix="")


class _Text(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled file."""

    path: str
    language: str
    subject: BoundTemplate | None
    title: BoundTemplate | None
    body: BoundTemplate


class Templates:
    """A brand's templates, compiled once and safe to use from several threads."""

    def __init__(self, texts: Mapping[str, str], *, default_locale: str) -> None:
        """Compile texts given by path or bare name; raises `InvalidBrandError` with all faults."""
        self._default_locale = normalize_locale(default_locale)
        self._texts: dict[TextName, _Text] = {}
        plain, html = make_sandboxes(texts)
        problems: list[Problem] = []
        for name, text in texts.items():
            where = Where(file=path_of(name), line=1, column=1)
            parsed = parse_name(name)
            if parsed is None:
                problems.append(misnamed(where))
            elif not parsed.is_partial:
                source = split_source(text, where)
                problems += source.problems
                sandbox = html if parsed.is_html else plain
                place = Place(where=where, whole=text)
                compiled = _compile(sandbox, plain, source, name=parsed, place=place)
                if isinstance(compiled, Problem):
                    problems.append(compiled)
                else:
                    self._texts[parsed] = compiled
        for known in self._texts:
            if known.is_html and msgspec.structs.replace(known, is_html=False) not in self._texts:
                where = Where(file=self._texts[known].path)
                problems.append(
                    where.problem(
                        "there is no text part beside this HTML part",
                        suggestion="write the same message as plain text, without `.html`",
                    )
                )
        if problems:
            raise InvalidBrandError(problems)

    def render(self, template: str, channel: str, situation: Situation) -> RenderResult:
        """Return the message that a template gives on a channel, in the best language there is."""
        found = self.find(template, channel, situation.locale)
        if found is None:
            return Failed(
                detail=f"there is no templates/{template}.{channel}.{situation.locale}.liquid, "
                f"none for every channel, and none in {self._default_locale}"
            )
        text = self._texts[found]
        html = self._texts.get(msgspec.structs.replace(found, is_html=True))
        view = situation.view(text.language)
        values = situation.record()
        parts = {"subject": text.subject, "title": text.title, "text": text.body}
        if html is not None:
            parts["html"] = html.body
        made: dict[str, str] = {}
        missing: dict[str, None] = {}
        for part, compiled in parts.items():
            if compiled is None:
                continue
            try:
                made[part], names = render_template(compiled, values, view)
            except LiquidError as error:
                return Failed(detail=f"{text.path}, {part}: {error.message}")
            missing.update(dict.fromkeys(names))
        if missing:
            return Missing(names=tuple(missing))
        return _finish(made, text.path)

    def find(self, template: str, channel: str, locale: str) -> TextName | None:
        """Return which text serves: the customer's language first, then a text for the channel."""
        own = normalize_locale(locale)
        for wanted in dict.fromkeys((own, own.partition("-")[0], self._default_locale)):
            for through in (channel, ""):
                name = TextName(template=template, channel=through, locale=wanted)
                if name in self._texts:
                    return name
        return None


class Line:
    """One compiled line of Liquid, such as an action's headline or a hold's reason."""

    def __init__(self, text: str, *, where: Where) -> None:
        """Compile a line; raises `InvalidBrandError` with its place."""
        compiled = compile_text(Sandbox({}, is_html=False), text, Place(where=where, whole=text))
        if isinstance(compiled, Problem):
            raise InvalidBrandError([compiled])
        self._template = compiled
        self._where = where

    def render(self, situation: Situation) -> str | Missing | Failed:
        """Return the line as text, or why there is none."""
        try:
            text, names = render_template(
                self._template, situation.record(), situation.view(situation.locale)
            )
        except LiquidError as error:
            return Failed(detail=f"{self._where.file}: {error.message}")
        if names:
            return Missing(names=names)
        return clean_line(text)


def make_sandboxes(texts: Mapping[str, str]) -> tuple[Sandbox, Sandbox]:
    """Return the sandbox of plain texts and that of HTML, each with the partials it may render."""
    partials: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for name, text in texts.items():
        parsed = parse_name(name)
        if parsed is not None and parsed.is_partial:
            partials[parsed.is_html][parsed.partial] = text
    return Sandbox(partials[False], is_html=False), Sandbox(partials[True], is_html=True)


def misnamed(where: Where) -> Problem:
    """Return the problem of a file whose name says nothing."""
    return Where(file=where.file).problem(
        "the name does not say which template, channel and locale this is",
        suggestion="name it templates/NAME.CHANNEL.LOCALE.liquid, such as welcome.email.en.liquid",
    )


def compile_text(sandbox: Sandbox, text: str, place: Place) -> BoundTemplate | Problem:
    """Return a compiled piece of a file, or what is wrong with it."""
    if len(text) > SOURCE_LENGTH_MAX:
        return place.where.problem(
            f"the template has {len(text):,} characters",
            suggestion=f"at most {SOURCE_LENGTH_MAX:,}",
        )
    try:
        return sandbox.from_string(text, path=place.where.file)
    except LiquidError as error:
        message = str(error.message)
        if "unexpected liquid parsing error" in message:
            message = "an expression is nested too deeply or cannot be read"
        at = error.token.start_index if error.token is not None else -1
        opened = None if at >= 0 else _last_open(text)
        if opened is None:
            return place.problem(at if at >= 0 else len(text.rstrip()), message)
        block, at = opened
        return place.problem(
            at, f"this `{block}` is never closed", f"end it with {{% end{block} %}}"
        )


def _last_open(text: str) -> tuple[str, int] | None:
    """Return the innermost block that is never closed, and where it begins."""
    opened: list[tuple[str, int]] = []
    for match in _BLOCK.finditer(text):
        if not match[1].startswith("end"):
            opened.append((match[1], match.start()))
        elif opened:
            opened.pop()
    return opened[-1] if opened else None


def _compile(
    sandbox: Sandbox, plain: Sandbox, source: Source, *, name: TextName, place: Place
) -> _Text | Problem:
    """Return a file's pieces compiled, or the first problem."""
    compiled: dict[str, BoundTemplate] = {}
    for key, piece in {**source.header, "body": source.body}.items():
        at = msgspec.structs.replace(place, offset=piece.offset)
        # A subject is text even above an HTML body.
        line = compile_text(sandbox if key == "body" else plain, piece.text, at)
        if isinstance(line, Problem):
            return line
        compiled[key] = line
    return _Text(
        path=place.where.file,
        language=name.locale,
        subject=compiled.get("subject"),
        title=compiled.get("title"),
        body=compiled["body"],
    )


def _finish(made: dict[str, str], path: str) -> Rendered | Failed:
    """Return the message with its lines made safe, or why it cannot go out like this."""
    subject = clean_line(made.get("subject", ""))
    title = clean_line(made.get("title", ""))
    if len(subject) > SUBJECT_LENGTH_MAX or len(title) > SUBJECT_LENGTH_MAX:
        return Failed(detail=f"{path}: a subject or title over {SUBJECT_LENGTH_MAX} characters")
    if is_blank(made["text"]):
        return Failed(detail=f"{path}: the message would be empty")
    return Rendered(
        subject=subject, title=title, text=made["text"].strip() + "\n", html=made.get("html", "")
    )
