"""Durations, amounts of money and decimals as texts, read exactly.

An amount becomes whole minor units of its currency: how many digits those are is set by ISO 4217,
two for most. Nothing passes through a float.
"""

import re
from typing import Final

from kept.core.brand.suggest import suggest_name
from kept.core.policy.types import DECIMAL_ONE, currency_digits
from kept.core.values import DAY, HOUR, MINUTE, SECOND
from kept.errors import InputError

_UNITS: Final = {"second": SECOND, "minute": MINUTE, "hour": HOUR, "day": DAY, "week": 7 * DAY}
DURATION_MAX: Final = 36_525 * _UNITS["day"]
"""A hundred years: longer than any promise, and far from the end of a 64-bit instant."""
AMOUNT_MAX: Final = 10**15
"""No amount has more minor units: sums of a thousand such stay exact in 64 bits."""

_CURRENCY_NAMES: Final = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP "
    "BYN BZD CAD CDF CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD "
    "FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY "
    "KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP "
    "MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR "
    "RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT "
    "TND TOP TRY TTD TWD TZS UAH UGX USD UYI UYU UZS VES VND VUV WST XAF XCD XCG XOF XPF YER "
    "ZAR ZMW ZWG"
)
CURRENCIES: Final = frozenset(_CURRENCY_NAMES.split())
"""The currencies of ISO 4217 that anybody is paid in."""

_DURATION: Final = re.compile(r"(\d{1,12}) ([A-Za-z]+)", re.ASCII)
_MONEY: Final = re.compile(r"(-?)(\d{1,18})(?:\.(\d{1,9}))? ([A-Za-z]{3})", re.ASCII)
_DECIMAL: Final = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,6}))?", re.ASCII)


def parse_duration(text: str) -> int:
    """Return a duration such as `7 days` in microseconds.

    Raises:
        InputError: it is not a whole number of seconds, minutes, hours, days or weeks.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InputError(f"`{text}` is not a duration; write a number and a unit, such as `7 days`")
    count, unit = int(match[1]), match[2].removesuffix("s")
    if unit not in _UNITS:
        instead = suggest_name(unit, _UNITS)
        raise InputError(f"`{match[2]}` is not a unit of time; {instead}")
    if count * _UNITS[unit] > DURATION_MAX:
        raise InputError(f"`{text}` is longer than a hundred years")
    return count * _UNITS[unit]


def parse_money(text: str) -> tuple[int, str]:
    """Return an amount such as `9.99 EUR` as (minor units, currency).

    Raises:
        InputError: it is not an amount, the currency is unknown, or it has parts of a minor unit.
    """
    match = _MONEY.fullmatch(text)
    if match is None:
        raise InputError(f"`{text}` is not an amount; write it with its currency, like `9.99 EUR`")
    sign, whole, fraction, currency = match[1], match[2], match[3] or "", match[4]
    parse_currency(currency)
    digits = currency_digits(currency)
    if len(fraction) > digits:
        raise InputError(f"`{text}` has more than {digits} digits after the point of {currency}")
    minor = int(whole + fraction.ljust(digits, "0"))
    if minor > AMOUNT_MAX:
        raise InputError(f"`{text}` is more than any account holds")
    return -minor if sign else minor, currency


def parse_currency(text: str) -> str:
    """Return the code of a currency of ISO 4217, such as `EUR`.

    Raises:
        InputError: there is no such currency.
    """
    if text not in CURRENCIES:
        instead = suggest_name(text, CURRENCIES)
        raise InputError(f"`{text}` is not a currency of ISO 4217; {instead}")
    return text


def parse_decimal(text: str) -> int:
    """Return a decimal such as `23` or `0.6` in millionths.

    Raises:
        InputError: it is not a decimal number of at most six digits after the point.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise InputError(f"`{text}` is not a decimal number with at most 6 digits after the point")
    millionths = int(match[2]) * DECIMAL_ONE + int((match[3] or "").ljust(6, "0"))
    return -millionths if match[1] else millionths


def format_money(minor: int, currency: str) -> str:
    """Return an amount as a brand file writes it: the inverse of `parse_money`."""
    digits = currency_digits(currency)
    sign = "-" if minor < 0 else ""
    text = str(abs(minor)).rjust(digits + 1, "0")
    if digits == 0:
        return f"{sign}{text} {currency}"
    return f"{sign}{text[:-digits]}.{text[-digits:]} {currency}"
