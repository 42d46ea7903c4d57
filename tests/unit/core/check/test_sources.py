"""`sources.yaml`: planted mistakes, each found where it is."""

import pytest

from tests.unit.core.check.planted import assert_found, at_place, errors_in, notes_in, with_text

S = "sources.yaml"
SECRET = "a value where a reference belongs"


@pytest.mark.parametrize(
    ("old", "new", "at", "says", "hint"),
    [
        ("limit: 5,", "limit: 0,", "limit:", "may have 0 values", "1 or more"),
        ("limit: 50}", "limit: 5001}", "limit:", "5,001 values of `anonymous_id`", "5000 or less"),
        ("weak, limit: 50}", "weak, limit: 50, reveals: true}", "reveals:", "proves nothing", ""),
        ("trait: email}", "trait: mail}", "trait:", "no trait `mail`", "`email`"),
        ("object: bill}", "object: bil}", "object:", "no kind of object `bil`", "`bill`"),
        ("limit: 50}", 'limit: 50, blocked: ["a("]}', '"a("', "not a regular expression", ""),
        ("limit: 50}", 'limit: 50, blocked: ["(a+)+$"]}', '"(a+)+', "repeats a repetition", "`a+`"),
        ("limit: 50}", f'limit: 50, blocked: ["{"a" * 301}"]}}', '"aaa', "301 characters", ""),
        ("[user_id, email, bill_id]", "[user_id, mail]", "mail", "no namespace `mail`", "email"),
        ("[user_id, email, bill_id]", "[email, email]", "email]", "in the list twice", ""),
        ("traits: [language]", "traits: [langage]", "langage", "no trait", "`language`"),
        ("stale_after: 1 day", "stale_after: 1 minute", "stale_after:", "silent before", ""),
        (
            "kind: browser",
            "kind: browser\n    vouches: [anonymous_id]\n",
            "vouches:",
            "vouch for nobody",
            "server",
        ),
        ("Page Viewed,", '"*",', '"*"', "anybody may send", "list"),
        ("Page Viewed,", '"P*d",', '"P*d"', "not the name of an event", "`*` at the end"),
        ("https://fernbank.example", "fernbank.example", '"fernbank', "not an origin", "https:"),
        ("https://fernbank", "https://*.fernbank", '"https://*', "not an origin", "in full"),
        ("fernbank.example", "fernbank.example/", '"https://fern', "not an origin", "in full"),
        ("fernbank.example", "[:::]", '"https://[', "not an origin", "in full"),
        (
            "kind: server",
            'kind: server\n    origins: ["https://a.example"]',
            "origins:",
            "no browser",
            "",
        ),
        ("kind: server", "kind: server\n    key: s3cr3t", "key:", SECRET, "env:NAME"),
        (
            'secret: "env:FERNBANK_DESK"',
            "secret: whsec_abc",
            "secret:",
            SECRET,
            "change the secret",
        ),
        ("body.created_at", "created_at", "occurred_at:", "not a place", "`body.`"),
        (
            "{case_id: body.ticket.id}\n      - event",
            "{case_id: id}\n      - event",
            "case_id: id",
            "not a place",
            "",
        ),
        (
            "created_at\n        identifiers: {email: body.requester.email}\n        properties",
            "created_at\n        constants",
            "event: Case Opened",
            "nothing says whose",
            "identifiers",
        ),
        ("ticket.solved}", "'~('}", "body.type: '~('", "not a regular expression", ""),
        (
            "{body.type: ticket.solved}",
            "{body.type: ticket.created}",
            "event: Case Resolved",
            "an earlier mapping",
            "",
        ),
        ("pulls: [inbox]", "pulls: [inbx]", "inbx]", "no channel `inbx`", "`inbox`"),
        (
            "pulls: [inbox]",
            "pulls: [inbox, email]",
            "email]",
            "`email` is sent",
            "adapter: call_list",
        ),
        (
            "identifiers: [anonymous_id]\n",
            "identifiers: [anonymous_id]\n    pulls: [inbox]\n",
            "pulls:",
            "`site` is a browser",
            "remove",
        ),
        (
            "vouches: [email]\n    sig",
            "vouches: [email]\n    identifiers: [user_id]\n    sig",
            "email]",
            "may not name",
            "`identifiers`",
        ),
    ],
)
def test_a_mistake_in_the_sources_is_found(
    old: str, new: str, *, at: str, says: str, hint: str
) -> None:
    """One error, at the word, with what to do."""
    texts = with_text(S, old, new)
    if "identifiers: [user_id]" in new:
        texts[S] = texts[S].replace("{email: body", "{user_id: body")
    assert_found(texts, at=f"{S} {at}", says=says, hint=hint)


def test_a_secret_is_never_repeated() -> None:
    """Neither the message nor the suggestion holds it."""
    texts = with_text(S, 'secret: "env:FERNBANK_DESK"', "secret: whsec_hidden")
    assert "whsec_hidden" not in "".join(map(str, errors_in(texts)))


def test_a_webhook_has_mappings() -> None:
    """Without them nothing is understood."""
    texts = with_text(S, "", "  hook: {kind: webhook, events: [Case Opened]}\n")
    assert [problem.message for problem in errors_in(texts)] == [
        "nothing says how the payloads of `hook` become events"
    ]


SIGNED = 'signature: {scheme: hmac_sha256, secret: "env:FERNBANK_DESK", header: X-Signature}\n'


def test_a_webhook_that_does_not_sign_needs_its_write_key() -> None:
    """As the how-to has it; that it could be better is noted."""
    texts = with_text(S, f"    {SIGNED}", "")
    assert errors_in(texts) == []
    (note,) = notes_in(texts)
    assert "needs its write key" in note.message
    assert "kept key add help_desk" in note.suggestion


@pytest.mark.parametrize(
    ("scheme", "header", "noted"),
    [
        ("hmac_sha256", "", []),
        ("hmac_sha1", "", []),
        ("token", ", header: X-Token", []),
        (
            "token",
            "",
            ["the token may come in the address (`?token=`), which proxies write into logs"],
        ),
    ],
)
def test_a_signature_needs_no_header_of_its_own(scheme: str, header: str, noted: list[str]) -> None:
    """A gateway that can set nothing but its address is connected, and it is said what that costs."""
    signed = f'signature: {{scheme: {scheme}, secret: "env:FERNBANK_DESK"{header}}}\n'
    texts = with_text(S, SIGNED, signed)
    assert errors_in(texts) == []
    assert [note.message for note in notes_in(texts)] == noted


def test_only_a_webhook_has_a_signature() -> None:
    """What is never looked at is not written."""
    signature = "    signature: {scheme: token, secret: env:X, header: X}\n"
    texts = with_text(S, "    rhythm:", f"{signature}    rhythm:")
    assert_found(texts, at=f"{S} signature:", says="no webhook", hint="kind: webhook")


def test_a_mapping_makes_only_events_that_its_source_may_send() -> None:
    """The whitelist counts for webhooks too."""
    texts = with_text(S, "events: [Case Opened, Case Resolved]", "events: [Case Opened]")
    assert_found(texts, at=f"{S} event: Case Resolved", says="may not send `Case Resolved`")


def test_a_source_sends_something() -> None:
    """One without events is a slip."""
    texts = with_text(S, "", "  mute: {kind: server}\n")
    assert_found(texts, at=f"{S} mute:", says="may send no event")


def test_a_channel_that_nobody_may_fetch_is_noted() -> None:
    """Whatever goes there waits until it expires."""
    texts = with_text(S, "    pulls: [inbox]\n", "")
    (note,) = notes_in(texts)
    assert note.file == "consent.yaml"
    assert "`inbox`" in note.message
    assert "pulls: [inbox]" in note.suggestion


def test_a_browser_that_changes_objects_is_noted() -> None:
    """A forged payment would pay a bill; who wants it so is warned with the reason."""
    texts = with_text(S, "Page Viewed,", "Bill Paid, Consent Given,")
    notes = notes_in(texts)
    assert [at_place(texts, note).partition(",")[0] for note in notes] == [
        "Bill Paid",
        "Consent Given",
    ]
    assert "changes a `bill`" in notes[0].message
    assert errors_in(texts) == []


TOLD = "    suppressions: {url: env:URL, secret: env:KEY, identifiers: [email]}\n"


@pytest.mark.parametrize(
    ("tool", "says", "hint"),
    [
        (TOLD.replace("email", "mail"), "no namespace `mail`", "`email`"),
        (TOLD.replace(", secret: env:KEY", ""), "nothing proves", "env:NAME"),
        (TOLD.replace("env:KEY", "whsec_abc"), SECRET, "change the secret"),
        (TOLD.replace("url: env:URL, ", ""), "nothing says what is called", "`url:`"),
        (TOLD.replace(", identifiers: [email]", ""), "by which identifiers", "[email]"),
        (TOLD.replace("email", "bill_id"), "names a bill, not a customer", "people"),
        (TOLD.replace("}", ", purposes: [marketting]}"), "no purpose", "`marketing`"),
        (TOLD.replace("}", ", channels: [emial]}"), "no channel", "`email`"),
        (TOLD.replace("env:URL", "http://tool.example/"), "does not begin with https", "public"),
        (TOLD.replace("env:URL", "https://10.0.0.7/"), "no public address", "env:NAME"),
        (TOLD.replace("env:URL", "https://localhost/"), "no public address", "env:NAME"),
        (TOLD.replace("env:URL", "https://a@tool.example/"), "user name", "public"),
        (f"    identifiers: [user_id]\n{TOLD}", "may not name", "`identifiers`"),
    ],
)
def test_a_mistake_in_how_a_tool_is_told_is_found(tool: str, says: str, hint: str) -> None:
    """Where it is called, what signs the calls, and whom it is told of."""
    texts = with_text(S, "", f"  tool:\n    kind: server\n{tool}")
    (found,) = errors_in(texts)
    assert says in found.message
    assert hint in found.suggestion
    assert at_place(texts, found)


def test_a_tool_needs_no_events_and_may_fetch_instead_of_being_called() -> None:
    """One that only asks and listens is in order."""
    tools = f"  called:\n    kind: server\n{TOLD}  fetches:\n    kind: server\n"
    tools += "    suppressions: {identifiers: [email]}\n"
    assert errors_in(with_text(S, "", tools)) == []


def test_no_browser_is_told_of_anybody() -> None:
    """Its key is public."""
    texts = with_text(S, "", f"  page:\n    kind: browser\n    events: [Page Viewed]\n{TOLD}")
    assert "told nothing about anybody" in errors_in(texts)[0].message
