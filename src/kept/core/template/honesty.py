"""What a template may not say in its own words: rates, prices, and scarcity without a fact.

Terms are data and their headlines are generated, so that offers can be compared. A number typed
into a text would stay when the terms change.
"""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

FILLER: Final = "\0"
"""Stands for each character that is Liquid, not text, so that places stay what they are."""

_PERCENT: Final = re.compile(
    r"\d[\d.,\u00a0 ]*(?:[%％﹪٪]|(?:percent|per cent|prozent|por cento|por ciento)\b)",  # noqa: RUF001
    re.IGNORECASE,
)
_CODES: Final = r"(?:EUR|USD|GBP|BRL|CHF|JPY|euros?|dollars?|pounds?|franken|reais)"
_PRICE: Final = re.compile(
    r"(?:[€$£¥₹]|\b" + _CODES + r")[\u00a0 ]*\d[\d.,]*"
    r"|\d[\d.,]*[\u00a0 ]*(?:[€$£¥₹]|" + _CODES + r"\b)",
    re.IGNORECASE,
)

SCARCITY: Final[Mapping[str, tuple[str, ...]]] = {
    "de": (
        "begrenzte zeit", "fast ausverkauft", "in kürze vorbei", "jetzt zugreifen",
        "letzte chance", "letzte gelegenheit", "nur für kurze zeit", "nur heute", "nur kurze zeit",
        "nur noch # verfügbar", "nur noch heute", "nur noch wenige", "solange der vorrat reicht",
    ),
    "en": (
        "act now", "almost gone", "before it's gone", "ends soon", "expires soon", "final hours",
        "hurry up", "last chance", "last few", "limited time", "only # left", "only # remaining",
        "only a few left", "only today", "selling fast", "today only", "while stocks last",
        "while supplies last",
    ),
    "pt": (
        "apenas hoje", "corra já", "enquanto durarem os estoques", "enquanto durarem os stocks",
        "não perca", "quase a acabar", "quase esgotado", "restam apenas #", "somente hoje",
        "só hoje", "tempo limitado", "última chance", "última oportunidade", "últimas horas",
        "últimas unidades",
    ),
}  # fmt: skip
"""Language -> phrases that claim that something is running out; `#` is a number or a value."""

_TAG: Final = re.compile(
    r"<(style|script)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.DOTALL | re.IGNORECASE
)
_ENTITY: Final = re.compile(r"&#?\w+;")


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a text says and may not, and where it begins."""

    offset: int
    message: str
    suggestion: str


def hide_markup(text: str) -> str:
    """Return HTML as a reader sees it, every character in its place."""
    text = _TAG.sub(lambda match: " " * len(match[0]), text)
    return _ENTITY.sub(lambda match: html.unescape(match[0]).ljust(len(match[0])), text)


def find_typed_terms(text: str) -> Iterator[Claim]:
    """Yield rates and prices that are written by hand."""
    for pattern, what in ((_PERCENT, "rate"), (_PRICE, "price")):
        for match in pattern.finditer(text):
            yield Claim(
                offset=match.start(),
                message=f"a {what} is typed by hand: `{match[0].strip()}`",
                suggestion="put it into the action's terms and print it, such as {{ terms.price }}",
            )


def find_scarcity(text: str, language: str) -> Iterator[Claim]:
    """Yield phrases that claim scarcity, in the text's own language and in English."""
    for phrase in dict.fromkeys((*SCARCITY.get(language, ()), *SCARCITY["en"])):
        for match in re.finditer(_phrase_pattern(phrase), text, re.IGNORECASE):
            yield Claim(
                offset=match.start(),
                message=f"`{_shown(match[0])}` claims scarcity without a fact behind it",
                suggestion="give the terms a `limited_to`, or say it without pressure",
            )


def _shown(phrase: str) -> str:
    """Return a phrase for a message, with one sign for each value in it."""
    return re.sub(f"{FILLER}+", "…", phrase)


def _phrase_pattern(phrase: str) -> str:
    """Return the pattern of a phrase, its words apart by any space."""
    number = rf"(?:\d+|{FILLER}+)"
    words = (number if word == "#" else re.escape(word) for word in phrase.split())
    return r"\b" + r"[\s\u00a0]+".join(words).replace("'", "['’]") + r"(?!\w)"  # noqa: RUF001
