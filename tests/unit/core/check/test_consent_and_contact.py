"""`consent.yaml` and `contact.yaml`: planted mistakes, each found where it is."""

import pytest

from tests.unit.core.check.planted import assert_found, at_place, errors_in, notes_in, with_text

C, T = "consent.yaml", "contact.yaml"


@pytest.mark.parametrize(
    ("old", "new", "at", "says", "hint"),
    [
        ("basis: consent,", "basis: contract,", "basis:", "no basis for that", "basis: consent"),
        (
            "basis: contract,",
            "basis: contract, channels: [email, inbox, mail],",
            "mail]",
            "no channel `mail`",
            "email",
        ),
        ("    address: email\n", "", "email:", "where `email` reaches", "address:"),
        ("address: email", "address: mail", "address:", "no trait or namespace `mail`", "`email`"),
        ("cost: 0.01 EUR", "cost: 0.01 USD", "cost:", "in USD", "one currency"),
        ("cost: 0.01 EUR", "cost: -0.01 EUR", "cost:", "negative", ""),
        ("{shop: shop@", "{shoop: shop@", "shoop:", "no legal entity `shoop`", "`shop`"),
        (
            '{host: "env:FERNBANK_SMTP"}',
            "{password: hunter2}",
            "password:",
            "a value where a ref",
            "env:",
        ),
        (
            '"env:FERNBANK_SMTP"',
            '"smtp://me:pw@mail.example"',
            "host:",
            "looks like a secret",
            "env:",
        ),
        ('"env:FERNBANK_SMTP"', "aB3dE5gH7jK9mN1pQ3sT5vW7", "host:", "looks like a secret", ""),
        ('{host: "env:', '{hosst: "env:', "hosst:", "no setting of smtp `hosst`", "`host`"),
        ("{host:", '{port: "x", host:', "port:", "`x` is no port", '"587"'),
        (
            "{host:",
            "{dkim_domain: shop.example, host:",
            "dkim_domain:",
            "needs `dkim_selector` and `dkim_key`",
            "all three",
        ),
        (
            "{host:",
            "{dkim_domain: shop.example, dkim_selector: spring, dkim_key: pem, host:",
            "dkim_key:",
            "a value where a ref",
            "env:",
        ),
        ("{host:", "{security: ssl, host:", "security:", "`ssl` is no security", "starttls"),
        (
            "{adapter: inbox,",
            "{adapter: inbox, settings: {a: b},",
            "a: b",
            "no setting of inbox",
            "",
        ),
        ("purpose: marketing\n", "purpose: marketng\n", "purpose:", "no purpose", "`marketing`"),
        (", de: Ich will Neues und Angebote.}", "}", "text:", "there is no text in `de`", ""),
        ("[shop, marketing]", "[shops, marketing]", "shops", "no legal entity", "`shop`"),
        ("[shop, marketing]", "[shop, markting]", "markting", "no purpose", "`marketing`"),
    ],
)
def test_a_mistake_in_consent_is_found(
    old: str, new: str, *, at: str, says: str, hint: str
) -> None:
    """One error, at the word, with what to do."""
    assert_found(with_text(C, old, new), at=f"{C} {at}", says=says, hint=hint)


@pytest.mark.parametrize(
    "setting",
    ["host: mail.example", "port: '587'", "security: tls", "username: me", "password: env:PW"],
)
def test_an_ordinary_setting_is_no_secret(setting: str) -> None:
    """Hosts, ports and addresses may be written."""
    assert errors_in(with_text(C, 'host: "env:FERNBANK_SMTP"', setting)) == []


@pytest.mark.parametrize(
    ("old", "new", "at", "says", "hint"),
    [
        ("{count: 2,", "{count: 0,", "count:", "a cap of 0", "hold"),
        ("window: 7 days", "window: 0 days", "window:", "has no length", ""),
        ('end: "08:00"', 'end: "21:00"', "end:", "have no length", "hold"),
        (
            "{purposes: [marketing]}",
            "{purposes: [markting]}",
            "markting",
            "no purpose",
            "`marketing`",
        ),
        ("{purposes: [marketing]}", "{topics: [renewl]}", "renewl", "no topic", "`renewal`"),
        ("{purposes: [marketing]}", "{kinds: [ofer]}", "ofer", "no kind of action", "`offer`"),
        ("{purposes: [marketing]}", "{actions: [latefee]}", "latefee", "no action", "`late_fee`"),
        ("{purposes: [marketing]}", "{channels: [sms]}", "sms", "no channel", "`email`"),
        (
            "{purposes: [marketing]}",
            "{purposes: [service], promotional: true}",
            "promotional:",
            "none of these purposes is promotional",
            "",
        ),
        (
            "{purposes: [marketing]}",
            "{purposes: [marketing], promotional: false}",
            "promotional:",
            "none of these purposes is free of promotion",
            "",
        ),
        ("pressure:", "choice_limit: 0\npressure:", "choice_limit:", "a choice of 0", "3 is usual"),
        ("pressure:", "decline_rest: 0 days\npressure:", "decline_rest:", "has no length", ""),
        ("orders_90d }} orders", "orders }} orders", "orders }}", "orders", "orders_90d"),
        (
            "    because:",
            "    about: cas\n    because:",
            "about:",
            "no kind of object `cas`",
            "`case`",
        ),
        (
            "    because:",
            "    until: last_case\n    because:",
            "last_case",
            "not known",
            "last_case_at",
        ),
    ],
)
def test_a_mistake_in_contact_is_found(
    old: str, new: str, *, at: str, says: str, hint: str
) -> None:
    """One error, at the word, with what to do."""
    assert_found(with_text(T, old, new), at=f"{T} {at}", says=says, hint=hint)


def test_a_mail_server_without_a_name_is_noted() -> None:
    """Until the operator says otherwise every message goes into files, so that it can wait."""
    texts = with_text(C, '{host: "env:FERNBANK_SMTP"}', "{}")
    (note,) = notes_in(texts)
    assert note.message == "`email` does not say its `host`"
    assert errors_in(texts) == []


def test_what_is_promotional_must_exist_before_it_is_hushed() -> None:
    """A scope that covers nothing, or all by mistake, is refused where it stands."""
    texts = with_text(C, "promotional: true", "promotional: false")
    found = [problem for problem in errors_in(texts) if problem.file == T]
    assert [problem.message for problem in found] == ["no purpose is promotional"]
    assert at_place(texts, found[0]).startswith("promotional: true")


def test_quiet_hours_need_a_time_zone() -> None:
    """Without a trait that tells it, nothing covered would ever leave."""
    texts = with_text("brand.yaml", "zone: zone\n", "")
    assert_found(texts, at=f"{T} night:", says="which no trait tells", hint="zone:")


def test_promotions_without_a_cap_are_noted() -> None:
    """It may be meant, but it should be known."""
    texts = with_text(T, "covers: {promotional: true}", "covers: {topics: [renewal]}")
    (note,) = notes_in(texts)
    assert "no cap covers the promotional purpose `marketing`" in note.message
