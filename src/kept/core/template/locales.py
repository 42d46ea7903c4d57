"""How dates, times and amounts are written where the customer lives, as data.

To add a language, add its entry to `LOCALES`; to add a region, its differences. Patterns take the
fields `day`, `day2` (two digits), `month` (the name), `month2` (the number), `year`, `weekday`,
`hour`, `hour2`, `hour12`, `minute2` and `half` (am or pm). Amounts are separated from signs by
plain spaces: a no-break space would double the price of an SMS.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

import msgspec

from kept.core.policy.types import currency_digits


class Locale(msgspec.Struct, frozen=True, kw_only=True):
    """The habits of one language, or of one region of it."""

    months: tuple[str, ...]
    weekdays: tuple[str, ...]
    """From Monday on."""
    halves: tuple[str, str] = ("am", "pm")
    decimal: str
    group: str
    long: str
    short: str
    weekday: str
    time: str
    at: str
    """How a long date and a time are put together."""
    money: str
    """With `sign` and `amount`."""
    percent: str
    signs: Mapping[str, str]
    """Currencies that have a sign here; any other shows its code."""


_SIGNS: Final = {"EUR": "€", "GBP": "£", "USD": "US$", "BRL": "R$", "JPY": "¥"}

_ENGLISH: Final = Locale(
    months=(
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
    weekdays=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    decimal=".",
    group=",",
    long="{day} {month} {year}",
    short="{day2}/{month2}/{year}",
    weekday="{weekday} {day} {month}",
    time="{hour2}:{minute2}",
    at="{date}, {time}",
    money="{sign}{amount}",
    percent="{number}%",
    signs=_SIGNS,
)  # fmt: skip

_PORTUGUESE: Final = Locale(
    months=(
        "janeiro", "fevereiro", "março", "abril", "maio", "junho",
        "julho", "agosto", "setembro", "outubro", "novembro", "dezembro",
    ),
    weekdays=(
        "segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira",
        "sábado", "domingo",
    ),
    decimal=",",
    group=".",
    long="{day} de {month} de {year}",
    short="{day2}/{month2}/{year}",
    weekday="{weekday}, {day} de {month}",
    time="{hour2}:{minute2}",
    at="{date}, {time}",
    money="{amount} {sign}",
    percent="{number}%",
    signs=_SIGNS,
)  # fmt: skip

_GERMAN: Final = Locale(
    months=(
        "Januar", "Februar", "März", "April", "Mai", "Juni",
        "Juli", "August", "September", "Oktober", "November", "Dezember",
    ),
    weekdays=(
        "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag",
    ),
    decimal=",",
    group=".",
    long="{day}. {month} {year}",
    short="{day2}.{month2}.{year}",
    weekday="{weekday}, {day}. {month}",
    time="{hour2}:{minute2} Uhr",
    at="{date}, {time}",
    money="{amount} {sign}",
    percent="{number} %",
    signs=_SIGNS,
)  # fmt: skip

LOCALES: Final[Mapping[str, Locale]] = {
    "de": _GERMAN,
    "de-CH": msgspec.structs.replace(_GERMAN, decimal=".", group="’", money="{sign} {amount}"),  # noqa: RUF001
    "en": _ENGLISH,
    "en-US": msgspec.structs.replace(
        _ENGLISH,
        long="{month} {day}, {year}",
        short="{month2}/{day2}/{year}",
        weekday="{weekday}, {month} {day}",
        time="{hour12}:{minute2} {half}",
        signs={**_SIGNS, "USD": "$"},
    ),
    "pt": _PORTUGUESE,
    "pt-BR": msgspec.structs.replace(_PORTUGUESE, money="{sign} {amount}"),
}


def normalize_locale(name: str) -> str:
    """Return a language tag in one spelling: `pt_br` and `PT-BR` are `pt-BR`."""
    language, _, region = name.replace("_", "-").partition("-")
    return f"{language.lower()}-{region.upper()}" if region else language.lower()


def find_locale(name: str) -> Locale | None:
    """Return the habits of a locale, or of its language, or None if neither is known."""
    name = normalize_locale(name)
    return LOCALES.get(name) or LOCALES.get(name.partition("-")[0])


def write_date(day: date, *, locale: Locale, style: str) -> str:
    """Return a date in the style `long`, `short` or `weekday`."""
    pattern: str = getattr(locale, style)
    return pattern.format(
        day=day.day,
        day2=f"{day.day:02}",
        month=locale.months[day.month - 1],
        month2=f"{day.month:02}",
        year=day.year,
        weekday=locale.weekdays[day.weekday()],
    )


def write_time(moment: datetime, *, locale: Locale) -> str:
    """Return the time of day of a moment that is in the reader's zone already."""
    return locale.time.format(
        hour=moment.hour,
        hour2=f"{moment.hour:02}",
        hour12=moment.hour % 12 or 12,
        minute2=f"{moment.minute:02}",
        half=locale.halves[moment.hour >= 12],
    )


def write_number(number: Decimal, *, locale: Locale, digits: int) -> str:
    """Return a number with this many decimals, rounded half away from zero, and grouped."""
    rounded = number.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
    # Whole and broken part carry different signs, so they are exchanged through a third one.
    text = f"{rounded:,.{digits}f}".replace(",", "\0").replace(".", locale.decimal)
    return text.replace("\0", locale.group)


def write_money(amount: Decimal, *, currency: str, locale: Locale) -> str:
    """Return an amount with its currency's sign, or its code where it has no sign."""
    sign = locale.signs.get(currency, currency)
    number = write_number(abs(amount), locale=locale, digits=currency_digits(currency))
    pattern = locale.money
    if sign == currency:
        # A code is a word: it stands apart, before or after.
        pattern = pattern.replace("{sign}{amount}", "{sign} {amount}")
    return ("-" if amount < 0 else "") + pattern.format(sign=sign, amount=number)
