"""Names and `brand.yaml`: planted mistakes, each found where it is."""

import pytest

from tests.unit.core.check.planted import assert_found, errors_in, notes_in, with_text

B, F, C, S = "brand.yaml", "facts.yaml", "consent.yaml", "sources.yaml"


@pytest.mark.parametrize(
    ("file", "old", "new", "at", "says", "hint"),
    [
        (B, "currency: EUR", "currency: EUX", "currency:", "not a currency", "did you mean"),
        (B, "Europe/Vienna", "Europe/Viena", "time_zone:", "not a time zone", "Europe/Vienna"),
        (B, "locale: language", "locale: langage", "locale:", "no trait `langage`", "`language`"),
        (B, "[en, de]", "[en, de, en]", "en]", "in the list twice", ""),
        (B, "[en, de]", "[en, DE]", "DE]", "`DE` is written `de`", "`de`"),
        (B, "asks: [first_name]", "asks: [last_name]", "last_name", "no trait", "`first_name`"),
        (B, "asks: [first_name]", "asks: [email]", "email", "no question to ask", "facts.yaml"),
        (B, "{kind: gate}", "{kind: gate, asks: [first_name]}", "asks:", "nobody to ask", ""),
        (B, "shows: 1", "shows: 0", "shows:", "shows 0 actions", "1 or more"),
        (
            B,
            "kind: inbound,",
            "kind: inbound, channel: mail,",
            "channel:",
            "no channel `mail`",
            "`email`",
        ),
        (
            B,
            "outbound: {kind: outbound}",
            "out: {kind: outbound}",
            "out:",
            "`outbound` is the placement",
            "",
        ),
        (
            B,
            "name: first_name",
            "universal_control_percent: 60",
            "universal",
            "control group of 60 %",
            "50",
        ),
        (B, "name: first_name", "history: 0 days", "history:", "no history", ""),
        (
            B,
            "contact: hello@shop",
            "lawful_basis_notice: our site, contact: hello@shop",
            "lawful_basis_notice:",
            "no address that a customer can open",
            "https://",
        ),
        (C, "  news_1:", "  News 1:", "News 1:", "not a plain name", "`news_1`"),
        (
            C,
            "  renewal: {",
            "  x|y: {description: x}\n  renewal: {",
            "x|y",
            "not a plain name",
            "`x_y`",
        ),
        (
            F,
            "fields: {status: text}",
            "fields: {status: text, key: text}",
            "key: text",
            "`key` is the",
            "",
        ),
        (
            S,
            "  site:\n",
            "  kept: {kind: server, events: [A]}\n  site:\n",
            "kept:",
            "Kept itself",
            "",
        ),
    ],
)
def test_a_mistake_in_names_and_company_is_found(
    file: str, old: str, new: str, *, at: str, says: str, hint: str
) -> None:
    """One error, at the word, with what to do."""
    assert_found(with_text(file, old, new), at=f"{file} {at}", says=says, hint=hint)


def test_a_trait_that_describes_a_customer_is_a_text() -> None:
    """A time zone cannot be a number."""
    texts = with_text(F, "zone: {type: text,", "zone: {type: int,")
    assert_found(texts, at="brand.yaml zone:", says="the trait `zone` is a int")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cohort", "means something else"),
        ("terms", "means something else"),
        ("case", "hide each other"),
        ("between", "a word of the condition language"),
    ],
)
def test_a_feature_that_hides_or_is_hidden_is_refused(name: str, says: str) -> None:
    """What a condition says must mean one thing."""
    texts = with_text(F, "", f"  {name}: {{count: Order Completed}}\n")
    assert_found(texts, at=f"{F} {name}:", says=says)


def test_the_name_of_those_in_no_cohort_is_no_cohort() -> None:
    """Else nobody could tell which is meant."""
    texts = with_text("cohorts.yaml", "otherwise: ordinary", "otherwise: loyal")
    assert_found(texts, at="cohorts.yaml otherwise:", says="`loyal` is both")


@pytest.mark.parametrize("name", ["terms", "offer"])
def test_a_kind_of_object_that_hides_is_refused(name: str) -> None:
    """Conditions and texts call something else by this name."""
    kind = f"objects:\n  {name}:\n    key: x\n    fields: {{a: text}}\n    events: {{Bill Paid: {{}}}}\n"
    texts = with_text(F, "objects:\n", kind)
    assert_found(texts, at=f"{F} {name}:", says="means something else")


def test_actions_have_plain_names_too() -> None:
    """They are said in holds, scopes and commands."""
    texts = with_text("actions/late_fee.yaml", "action: late_fee", "action: Late fee")
    assert_found(texts, at="actions/late_fee.yaml action:", says="plain name", hint="`late_fee`")


def test_a_locale_is_a_language() -> None:
    """One that is no locale is refused; one without forms for dates is noted."""
    texts = with_text(B, "[en, de]", "[en, deutsch]")
    assert_found(texts, at=f"{B} deutsch", says="is not a locale", hint="pt-BR")
    notes = notes_in(with_text(B, "[en, de]", "[en, de, sv]"))
    assert any("no form of their own for the locale `sv`" in note.message for note in notes)


def test_a_brand_speaks_a_language() -> None:
    """Without locales nothing can be said."""
    (problem,) = [
        problem for problem in errors_in(with_text(B, "[en, de]", "[]")) if problem.file == B
    ]
    assert problem.message == "the brand speaks no language"
