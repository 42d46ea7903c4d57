"""How dates, amounts and numbers are written for a customer."""

from typing import Any

import pytest

from kept.core.template import Failed, Rendered, Situation, Templates

NOW = 1_700_000_000_000_000  # 2023-11-14T22:13:20Z
MINUTE = 60_000_000
SCHEMA = {
    "at": "timestamp",
    "day": "date",
    "euro": "money(EUR)",
    "dollar": "money(USD)",
    "yen": "money(JPY)",
    "dinar": "money(KWD)",
    "franc": "money(CHF)",
    "real": "money(BRL)",
    "rate": "decimal",
    "count": "int",
    "name": "text",
    "words": "list",
    "flag": "bool",
}


def written(expression: str, locale: str = "en", zone: str = "Europe/Lisbon", **values: Any) -> str:
    """Return what an expression shows, or the detail of its failure."""
    templates = Templates({f"x.{locale.partition('-')[0]}": expression}, default_locale=locale)
    situation = Situation(values=values, schema=SCHEMA, locale=locale, zone=zone, now=NOW)
    result = templates.render("x", "sms", situation)
    if isinstance(result, Rendered):
        return result.text.removesuffix("\n")
    assert isinstance(result, Failed)
    return result.detail


@pytest.mark.parametrize(
    ("locale", "long", "short", "weekday", "time"),
    [
        ("en", "14 November 2023", "14/11/2023", "Tuesday 14 November", "22:13"),
        ("en-US", "November 14, 2023", "11/14/2023", "Tuesday, November 14", "10:13 pm"),
        ("pt", "14 de novembro de 2023", "14/11/2023", "terça-feira, 14 de novembro", "22:13"),
        ("de", "14. November 2023", "14.11.2023", "Dienstag, 14. November", "22:13 Uhr"),
    ],
)
def test_instants_are_written_as_in_the_customers_country(
    locale: str, long: str, short: str, weekday: str, time: str
) -> None:
    """Three styles of date and a time, in the reader's own habits."""
    assert written("{{ at | date }}", locale, at=NOW) == long
    assert written("{{ at | date: 'short' }}", locale, at=NOW) == short
    assert written("{{ at | date: 'weekday' }}", locale, at=NOW) == weekday
    assert written("{{ at | time }}", locale, at=NOW) == time
    assert written("{{ at }}", locale, at=NOW) == f"{long}, {time}"


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("Pacific/Auckland", "15/11/2023 11:13"),
        ("America/Los_Angeles", "14/11/2023 14:13"),
        ("Asia/Kathmandu", "15/11/2023 03:58"),
    ],
)
def test_instants_are_written_in_the_customers_zone(zone: str, shown: str) -> None:
    """It may be tomorrow already where the customer is."""
    assert written("{{ at | date: 'short' }} {{ at | time }}", zone=zone, at=NOW) == shown


def test_summer_time_counts() -> None:
    """The hour is that of the day in question, not of today."""
    july = 1_688_983_200_000_000  # 2023-07-10T10:00:00Z
    assert written("{{ at | time }}", zone="Europe/Lisbon", at=july) == "11:00"


@pytest.mark.parametrize(
    ("expression", "locale", "values", "shown"),
    [
        ("{{ euro }}", "en", {"euro": 999}, "€9.99"),
        ("{{ euro | money }}", "de", {"euro": 123_456_789}, "1.234.567,89 €"),
        ("{{ euro | money }}", "pt", {"euro": -5}, "-0,05 €"),
        ("{{ real }}", "pt-BR", {"real": 1_990}, "R$ 19,90"),
        ("{{ dollar }}", "en-US", {"dollar": 100_000}, "$1,000.00"),
        ("{{ dollar }}", "en", {"dollar": 100}, "US$1.00"),
        ("{{ yen }}", "de", {"yen": 12_000}, "12.000 ¥"),
        ("{{ dinar }}", "en", {"dinar": 1_500}, "KWD 1.500"),
        ("{{ franc }}", "de-CH", {"franc": 123_450}, "CHF 1’234.50"),  # noqa: RUF001
    ],
)
def test_amounts_are_written_with_their_currency(
    expression: str, locale: str, values: dict[str, Any], shown: str
) -> None:
    """Minor units become whole ones, with the separators and signs of the locale."""
    assert written(expression, locale, **values) == shown


@pytest.mark.parametrize(
    ("expression", "locale", "shown"),
    [
        ("{{ rate | percent }}", "en", "25.6%"),
        ("{{ rate | percent }}", "de", "25,6 %"),
        ("{{ rate | percent: 0 }}", "pt", "26%"),
        ("{{ rate | percent: 3 }}", "en", "25.586%"),
        ("{{ rate }}", "de", "0,25586"),
        ("{{ rate | number: 2 }}", "en", "0.26"),
        ("{{ count | number }}", "de", "1.234.567"),
        ("{{ count }}", "de", "1234567"),
    ],
)
def test_numbers_are_rounded_half_away_from_zero_and_written_locally(
    expression: str, locale: str, shown: str
) -> None:
    """A whole number without a filter is left alone: it may be a year or a code."""
    assert written(expression, locale, rate=255_860, count=1_234_567) == shown


def test_minutes_left_are_whole_minutes_from_now() -> None:
    """Part of a minute does not count as one."""
    assert written("{{ at | minutes_left }}", at=NOW + 15 * MINUTE + 59_000_000) == "15"


def test_a_moment_that_is_past_has_no_minutes_left() -> None:
    """A table in zero minutes is no invitation."""
    assert "the moment is past" in written("{{ at | minutes_left }}", at=NOW)


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("{{ count }} {{ count | plural: 'day', 'days' }}", "1 day"),
        ("{{ name | upcase }}", "JOSÉ DA SILVA"),
        ("{{ name | downcase }}", "josé da silva"),
        ("{{ 'ana' | capitalize }}", "Ana"),
        ("{{ name | truncate: 5 }}", "José…"),
        ("{{ name | truncate: 50 }}", "José da Silva"),
        ("{{ name | url_encode }}", "Jos%C3%A9%20da%20Silva"),
        ("{{ name | size }}", "13"),
        ("{{ words | join }}", "a, b"),
        ("{{ words | join: ' & ' }}", "a & b"),
        ("{{ words | first }}{{ words | last }}{{ words | size }}", "ab2"),
        ("{{ 'https://a.example/x' | link }}", "https://a.example/x"),
        ("{{ 'mailto:a@b.example' | link }}", "mailto:a@b.example"),
    ],
)
def test_texts_and_lists_have_a_few_filters(expression: str, shown: str) -> None:
    """Enough to write a message with, and nothing that could make a text grow without end."""
    assert written(expression, name="José da Silva", words=["a", "b"], count=1) == shown


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "data:text/html,x", "//evil.example", "https://a b", "http://["],
)
def test_a_link_leads_to_the_web_to_mail_or_to_a_telephone(address: str) -> None:
    """A value that would run as code, or leads nowhere, is no link."""
    assert "link: not an address" in written("{{ name | link }}", name=address)


@pytest.mark.parametrize(
    "expression",
    [
        "{{ name | date }}",
        "{{ count | date }}",
        "{{ at | date: 'funny' }}",
        "{{ day | time }}",
        "{{ count | money }}",
        "{{ name | percent }}",
        "{{ rate | percent: 9 }}",
        "{{ rate | percent: 'x' }}",
        "{{ flag | number }}",
        f"{{{{ {'9' * 21} | number: 6 }}}}",
        f"{{{{ {'9' * 21} | percent }}}}",
        f"{{{{ {'9' * 400}.5 | number }}}}",
        "{{ name | minutes_left }}",
        "{{ name | plural: 'a', 'b' }}",
        "{{ name | truncate: 0 }}",
        "{{ name | join }}",
        "{{ count | size }}",
        "{{ count | first }}",
        "{{ count | last }}",
        "{{ count | upcase }}",
        "{{ name | truncate: 1, 2, 3 }}",
        "{{ name | nope }}",
        "{{ flag }}",
        "{{ words }}",
    ],
)
def test_a_filter_on_the_wrong_value_is_a_failure(expression: str) -> None:
    """Nothing is printed that is not what it says."""
    shown = written(
        expression, name="Ana", count=2, at=NOW, day=19_675, rate=1, flag=True, words=["a"]
    )
    assert shown.startswith("templates/x.en.liquid, text: ")


def test_an_instant_outside_the_calendar_is_a_failure() -> None:
    """The years 1 to 9999 can be written, in the customer's zone."""
    assert "no year" in written("{{ at | date }}", at=2**62)
    assert "no year" in written(
        "{{ at | date }}", zone="Pacific/Auckland", at=253_402_300_799_000_000
    )
    assert "no year" in written("{{ day }}", day=10**9)


def test_a_language_without_formats_prints_text_but_no_dates() -> None:
    """A language is a text's own matter; how it writes dates must be known."""
    assert written("Olá {{ name }}", "fr", name="Ana") == "Olá Ana"
    assert "no form for the locale 'fr'" in written("{{ day }}", "fr", day=1)
