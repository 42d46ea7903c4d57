"""Messages as mail, without a server."""

import email
import email.policy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.channels.mail import Mail, Mailbox, Unmailable, compose_mail, parse_mailbox
from kept.core.message import Outgoing
from kept.core.plain_text import clean_line

AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def compose(**changes: Any) -> Mail | Unmailable:
    """Return a message as mail."""
    given: dict[str, Any] = {
        "message_id": "m7",
        "idempotency_key": "m7",
        "channel": "email",
        "action": "grace",
        "to": "ana@mail.example",
        "sender": "Shop <hello@shop.example>",
        "subject": "Hello",
        "text": "Dear Ana\n",
        "expires_at": 0,
    }
    return compose_mail(Outgoing(**(given | changes)), at=AT)


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        ("ana@mail.example", Mailbox(local="ana", domain="mail.example")),
        (" <ana@mail.example> ", Mailbox(local="ana", domain="mail.example")),
        ("Ana <ana@mail.example>", Mailbox(local="ana", domain="mail.example", name="Ana")),
        ('"Ana, A." <a.n+a@MAIL.de>', Mailbox(local="a.n+a", domain="mail.de", name="Ana, A.")),
        ("Zoë <o'b@münchen.de>", Mailbox(local="o'b", domain="xn--mnchen-3ya.de", name="Zoë")),
        ("ana@localhost", Mailbox(local="ana", domain="localhost")),
    ],
)  # fmt: skip
def test_a_mailbox_is_read(text: str, mailbox: Mailbox) -> None:
    """Bare or after a name; the domain as DNS knows it."""
    assert parse_mailbox(text) == mailbox


def test_the_same_message_gives_the_same_bytes() -> None:
    """A retry is the same mail, its boundary included; another message has another one."""
    first = compose(html="<p>Dear Ana</p>")
    assert isinstance(first, Mail)
    assert first == compose(html="<p>Dear Ana</p>")
    other = compose(html="<p>Dear Bea</p>")
    assert isinstance(other, Mail)
    assert first.content != other.content


def test_mail_is_plain_ascii_in_short_lines() -> None:
    """Every relay carries it unchanged, which a signature needs."""
    mail = compose(subject="Grüße " * 60, text="ä" * 3_000 + "\n" + "x" * 3_000, html="<p>€</p>")
    assert isinstance(mail, Mail)
    assert mail.content.isascii()
    assert max(map(len, mail.content.split(b"\r\n"))) <= 998
    assert b"\n" not in mail.content.replace(b"\r\n", b"")


def test_a_mail_may_ask_for_answers_elsewhere() -> None:
    """Reply-To is the brand's to choose."""
    mail = compose(headers={"Reply-To": "Help <help@shop.example>"})
    assert isinstance(mail, Mail)
    assert b"Reply-To: Help <help@shop.example>\r\n" in mail.content


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@given(subject=TEXTS, name=TEXTS, text=TEXTS, campaign=TEXTS)
def test_no_text_changes_the_form_of_a_mail(
    subject: str, name: str, text: str, campaign: str
) -> None:
    """The same headers, one recipient and one body, whatever is written into them."""
    mail = compose(
        subject=subject,
        text=text,
        sender=f'"{clean_line(name)}" <hello@shop.example>',
        headers={"X-Campaign": campaign},
    )
    if isinstance(mail, Unmailable):
        assert "sender" in mail.detail
        return
    parsed = email.message_from_bytes(mail.content, policy=email.policy.default)
    assert parsed.defects == []
    assert [header.lower() for header in parsed] == [
        "from",
        "to",
        "subject",
        "date",
        "message-id",
        "x-campaign",
        "content-type",
        "content-transfer-encoding",
        "mime-version",
    ]
    assert parsed["To"] == "ana@mail.example"
    assert parsed["From"].addresses[0].addr_spec == "hello@shop.example"
    assert not parsed.is_multipart()


@pytest.mark.parametrize("name", ['{"a":' * 100 + "Ana " + "}" * 100, "x" * 900, "a" * 69 + " b"])
def test_an_odd_name_cuts_no_header_off(name: str) -> None:
    """Python's folding would put an empty line into the midst of one; what follows would be text."""
    mail = compose(to=f"{name} <ana@mail.example>")
    assert isinstance(mail, Mail)
    head = mail.content.partition(b"\r\n\r\n")[0]
    for header in (b"From:", b"To:", b"Subject:", b"Date:", b"Message-ID:"):
        assert b"\r\n" + header in b"\r\n" + head
