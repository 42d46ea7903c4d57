"""The filters that a template may use: written here, so that none can read a file or grow a text.

Each takes a value that has its type on and gives text, or a smaller value. None stays None through
all of them but `default`, so that a missing value is still seen as missing where it is printed.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial, wraps
from typing import Any, Final, Protocol
from urllib.parse import quote, urlsplit

import msgspec
from liquid.exceptions import FilterArgumentError
from liquid.filter import with_context

from kept.core.plain_text import clean_line, clean_text, is_blank
from kept.core.policy.zones import Zone
from kept.core.template.locales import (
    Locale,
    write_date,
    write_money,
    write_number,
    write_time,
)
from kept.core.template.values import Day, Fraction, Instant, Money
from kept.core.values import MINUTE

TEXT_FILTER_MAX: Final = 10_000
DIGITS_MAX: Final = 20
"""Of a number before its point: no value has more, and with its decimals it is still exact."""
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - local time, the zone's offset is added
_DATE_STYLES: Final = ("long", "short", "weekday")
_LINK_SCHEMES: Final = frozenset({"https", "http", "mailto", "tel"})


class MissingValueError(Exception):
    """A value that is printed or asked for is not there; it never leaves the template package."""

    def __init__(self, name: str) -> None:
        """Remember which."""
        self.name = name
        super().__init__(name)


class View(msgspec.Struct, frozen=True, kw_only=True):
    """For whom and when a text is written."""

    locale: Locale | None
    locale_name: str
    zone: Zone | None
    now: int


class HasView(Protocol):
    """A render context, as far as filters need it."""

    view: View


def print_value(value: object, view: View) -> str | None:
    """Return what `{{ value }}` shows without a filter, or None if there is nothing to show."""
    if isinstance(value, str):
        # Not `str(value)`: a text that is already escaped must stay known as such.
        text = type(value)(clean_text(value))
        return None if is_blank(text) else text
    if value is None:
        return None
    if isinstance(value, bool):
        raise FilterArgumentError("a yes or no cannot be printed: ask for it with `if`", token=None)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Money):
        return _show_money(value, view)
    if isinstance(value, Fraction | float | Decimal):
        return _show_number(value, view)
    if isinstance(value, Day):
        return _show_date(value, view)
    if isinstance(value, Instant):
        return f"{_locale(view).at}".format(
            date=_show_date(value, view), time=_show_time(value, view)
        )
    raise FilterArgumentError(
        "a list or a record cannot be printed: name a field of it", token=None
    )


def _locale(view: View) -> Locale:
    if view.locale is None:
        raise FilterArgumentError(
            f"dates and amounts have no form for the locale {view.locale_name!r}", token=None
        )
    return view.locale


def _moment(value: Instant, view: View) -> datetime:
    """Return an instant in the reader's zone; without one, what is printed would be a guess."""
    if view.zone is None:
        raise MissingValueError("time zone")
    try:
        return _EPOCH + timedelta(microseconds=value.at + view.zone.offset_at(value.at))
    except OverflowError:
        raise FilterArgumentError(
            "the instant is in no year that can be written", token=None
        ) from None


def _show_date(value: object, view: View, style: object = "long") -> str:
    """Return a date or an instant as a date: `long`, `short` or `weekday`."""
    if style not in _DATE_STYLES:
        raise FilterArgumentError(
            f"date knows the styles {', '.join(_DATE_STYLES)}, not {style!r}", token=None
        )
    locale = _locale(view)
    if isinstance(value, Instant):
        return write_date(_moment(value, view).date(), locale=locale, style=str(style))
    if isinstance(value, Day):
        try:
            day = date(1970, 1, 1) + timedelta(days=value.on)
        except OverflowError:
            raise FilterArgumentError(
                "the date is in no year that can be written", token=None
            ) from None
        return write_date(day, locale=locale, style=str(style))
    raise _wrong("date", "a date or a timestamp", value)


def _show_time(value: object, view: View) -> str:
    """Return an instant's time of day."""
    if not isinstance(value, Instant):
        raise _wrong("time", "a timestamp", value)
    return write_time(_moment(value, view), locale=_locale(view))


def _show_money(value: object, view: View) -> str:
    """Return an amount with its currency."""
    if not isinstance(value, Money):
        raise _wrong("money", "money", value)
    return write_money(value.amount, currency=value.currency, locale=_locale(view))


def _show_number(value: object, view: View, digits: object = None) -> str:
    """Return a number in the reader's writing, with a fixed number of decimals if given."""
    number = _number("number", value)
    if digits is None:
        exponent = number.normalize().as_tuple().exponent
        digits = max(0, -exponent) if isinstance(exponent, int) else 0
    return write_number(number, locale=_locale(view), digits=_digits("number", digits))


def _show_percent(value: object, view: View, digits: object = 1) -> str:
    """Return a fraction as per cent: 0.256 is 25.6 %."""
    locale = _locale(view)
    number = write_number(
        _number("percent", value) * 100, locale=locale, digits=_digits("percent", digits)
    )
    return locale.percent.format(number=number)


def _minutes_left(value: object, view: View) -> int:
    """Return the whole minutes from now until an instant; an instant that is past is a failure."""
    if not isinstance(value, Instant):
        raise _wrong("minutes_left", "a timestamp", value)
    if value.at <= view.now:
        raise FilterArgumentError("minutes_left: the moment is past", token=None)
    return (value.at - view.now) // MINUTE


def _plural(value: object, view: View, one: object = "", other: object = "") -> object:
    """Return the first word for 1 and the second for any other number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong("plural", "an int", value)
    return one if value == 1 else other


def _truncate(value: object, view: View, length: object = 50) -> str:
    """Return a text of at most this many characters, with an ellipsis if it was cut."""
    text = _text("truncate", value)
    if isinstance(length, bool) or not isinstance(length, int) or length < 1:
        raise FilterArgumentError("truncate takes a length of 1 or more", token=None)
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _join(value: object, view: View, separator: object = ", ") -> str:
    """Return the items of a list as one text."""
    if not isinstance(value, list):
        raise _wrong("join", "a list", value)
    shown = [print_value(item, view) for item in value[:100]]
    return str(separator)[:20].join(text for text in shown if text is not None)


def _size(value: object, view: View) -> int:
    """Return how many items a list, or characters a text, has."""
    if not isinstance(value, list | str):
        raise _wrong("size", "a list or a text", value)
    return len(value)


def _first(value: object, view: View) -> object:
    """Return the first item of a list, or nothing."""
    if not isinstance(value, list):
        raise _wrong("first", "a list", value)
    return value[0] if value else None


def _last(value: object, view: View) -> object:
    """Return the last item of a list, or nothing."""
    if not isinstance(value, list):
        raise _wrong("last", "a list", value)
    return value[-1] if value else None


def _link(value: object, view: View) -> str:
    """Return an address that may stand in `href`: web, mail or telephone, and nothing that runs."""
    text = clean_line(_text("link", value))
    try:
        scheme = urlsplit(text).scheme
    except ValueError:
        scheme = ""
    if scheme.lower() not in _LINK_SCHEMES or " " in text:
        raise FilterArgumentError(
            "link: not an address that begins with https:, http:, mailto: or tel:", token=None
        )
    return text


def _default(value: object, view: View, instead: object = None) -> object:
    """Return the value, or the other one where it is known to be none or empty."""
    nothing = value is None or (isinstance(value, str) and is_blank(value))
    return instead if nothing else value


def _wrong(name: str, wanted: str, value: object) -> FilterArgumentError:
    found = {
        Instant: "a timestamp", Day: "a date", Money: "money", Fraction: "a decimal",
        str: "a text", bool: "a yes or no", int: "an int", list: "a list",
    }.get(type(value), "a record")  # fmt: skip
    return FilterArgumentError(f"{name} takes {wanted}, not {found}", token=None)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(name, "a text", value)
    return value[:TEXT_FILTER_MAX]


def _number(name: str, value: object) -> Decimal:
    if isinstance(value, Fraction):
        return value.number
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise _wrong(name, "a number", value)
    number = Decimal(str(value))
    if not number.is_finite() or number.adjusted() >= DIGITS_MAX:
        raise FilterArgumentError(
            f"{name} takes a number of at most {DIGITS_MAX} digits", token=None
        )
    return number


def _digits(name: str, digits: object) -> int:
    if isinstance(digits, bool) or not isinstance(digits, int) or not 0 <= digits <= 6:
        raise FilterArgumentError(f"{name} takes 0 to 6 decimals", token=None)
    return digits


def _on_text(name: str, change: Callable[[str], str]) -> Callable[..., str]:
    """Return a filter that changes one text into another."""

    def changed(value: object, view: View) -> str:
        return change(_text(name, value))

    return changed


_FILTERS: Final[Mapping[str, Callable[..., object]]] = {
    "capitalize": _on_text("capitalize", lambda text: text[:1].upper() + text[1:]),
    "date": _show_date,
    "default": _default,
    "downcase": _on_text("downcase", str.lower),
    "first": _first,
    "join": _join,
    "last": _last,
    "link": _link,
    "minutes_left": _minutes_left,
    "money": _show_money,
    "number": _show_number,
    "percent": _show_percent,
    "plural": _plural,
    "size": _size,
    "time": _show_time,
    "truncate": _truncate,
    "upcase": _on_text("upcase", str.upper),
    "url_encode": _on_text("url_encode", partial(quote, safe="")),
}


def _as_liquid(name: str, function: Callable[..., object]) -> Callable[..., object]:
    """Return a filter as the engine calls it: with its context, and with None passed through."""

    @wraps(function)
    def called(value: object, *arguments: Any, context: HasView) -> object:
        if value is None and name != "default":
            return None
        return function(value, context.view, *arguments)

    return with_context(called)


FILTERS: Final[Mapping[str, Callable[..., object]]] = {
    name: _as_liquid(name, function) for name, function in _FILTERS.items()
}
"""Name -> filter; `docs/reference/templates.md` describes each."""
