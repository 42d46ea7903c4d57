"""Mail that comes back, genuine and forged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.core.bounce import (
    find_status,
    is_address_failure,
    mail_id_of,
    make_return_path,
    read_bounce,
    read_return_path,
)
from kept.core.feedback import Feedback

SECRET = b"s" * 32
PATH = make_return_path("m7-grace", address="bounces@shop.example", secret=SECRET)

REPORT = """Return-Path: <>
From: MAILER-DAEMON@relay.example
To: {to}
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I'm sorry to have to inform you.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example

Final-Recipient: rfc822; ana@mail.example
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 no such user

--b
Content-Type: {original}

From: Shop <hello@shop.example>
To: ana@mail.example
Message-ID: <m7-grace@shop.example>
Subject: Your bill

--b--
"""


def report(
    action: str = "failed", status: str = "5.1.1", to: str = PATH, original: str = "message/rfc822"
) -> bytes:
    """Return a delivery report as a mail server writes it."""
    text = REPORT.format(to=to, action=action, status=status, original=original)
    return text.replace("\n", "\r\n").encode()


@pytest.mark.parametrize("original", ["message/rfc822", "text/rfc822-headers"])
def test_a_hard_bounce_names_its_message(original: str) -> None:
    """By the return path that is proven ours, or else by the returned mail's own id."""
    expected = Feedback(
        outcome="bounced", message_id="m7-grace", provider_id="m7-grace", hard=True, detail="5.1.1"
    )
    assert read_bounce(report(original=original), secrets=[SECRET]) == expected
    assert read_bounce(report(original=original, to="postmaster@shop.example")) == expected


@pytest.mark.parametrize("status", ["5.2.2", "4.4.1", "5.7.1", "5.1.8", "5.4.7", ""])
def test_a_full_mailbox_or_a_dislike_of_the_sender_is_a_soft_bounce(status: str) -> None:
    """The message did not arrive, but the address is not at fault."""
    bounce = read_bounce(report(status=status), secrets=[SECRET])
    assert bounce is not None
    assert (bounce.outcome, bounce.hard, bounce.detail) == ("bounced", False, status)


def test_a_delayed_message_has_not_bounced() -> None:
    """The relay still tries."""
    assert read_bounce(report(action="delayed", status="4.4.1"), secrets=[SECRET]) is None


def test_a_report_of_delivery_is_taken() -> None:
    """Asked for or not, it says that the message arrived."""
    told = read_bounce(report(action="delivered", status="2.0.0"), secrets=[SECRET])
    assert told is not None
    assert (told.outcome, told.hard) == ("delivered", False)


@pytest.mark.parametrize(
    "to",
    [
        "bounces@shop.example",
        "bounces+m7-grace@shop.example",
        "bounces+m7-grace=0000000000000000@shop.example",
        PATH.replace("m7-grace", "m8-grace"),
        make_return_path("m7-grace", address="bounces@shop.example", secret=b"x" * 32),
    ],
)
def test_a_forged_report_closes_no_address(to: str) -> None:
    """Anybody can write a report about anybody; only a signed return path proves it."""
    assert read_bounce(report(to=to), secrets=[SECRET]) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff\xfe",
        b"Subject: hello\r\n\r\nI am on holiday.",
        report().replace(b"message/delivery-status", b"text/plain"),
        report(to="a@b").replace(b"Message-ID", b"X-ID"),
        report().replace(b"Action", b"X-Action"),
        b'Content-Type: multipart/report; boundary="' + b"x" * 100_000 + b'"\r\n\r\n',
        b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i)
            for i in range(3_000)
        ),
        b"To: " + b"a@b," * 100_000 + b"\r\n" + report(to="a@b"),
        b"x" * 1_000_001,
        b"Content-Type: message/delivery-status\r\n\r\n\r\nAction: =?utf-8?b?////?=\r\n",
    ],
)
def test_what_is_no_report_on_our_mail_says_nothing(raw: bytes) -> None:
    """Replies, garbage and mail built to break a parser are left aside."""
    assert read_bounce(raw, secrets=[SECRET]) is None


def test_a_report_that_quotes_no_message_of_ours_says_nothing() -> None:
    """Without a secret, the quoted Message-ID is all there is to go by."""
    for other in (b"X-ID: a", b"Message-ID: <nobody>", b"Message-ID: <A.B@mail.example>"):
        damaged = report().replace(b"Message-ID: <m7-grace@shop.example>", other)
        assert read_bounce(damaged) is None
    assert read_bounce(report().replace(b"message/rfc822", b"text/plain")) is None


@given(st.binary(max_size=300), st.integers(0, 1_000))
def test_a_damaged_report_never_breaks_anything(noise: bytes, place: int) -> None:
    """Whatever arrives at the return path is read or left aside."""
    whole = report()
    read_bounce(whole[:place] + noise + whole[place + len(noise) :], secrets=[SECRET])
    read_bounce(whole[:place] + noise + whole[place:])


@given(st.text(max_size=100))
def test_every_key_has_a_name_that_may_stand_in_an_address(key: str) -> None:
    """And the return path made of it says it again, whatever a relay does to its case."""
    mail_id = mail_id_of(key)
    path = make_return_path(mail_id, address="bounces@shop.example", secret=SECRET)
    local = path.partition("@")[0]
    assert len(local) <= 64
    assert local.isascii()
    assert read_return_path(path.upper(), [b"old" * 20, SECRET]) == mail_id


def test_different_keys_have_different_names() -> None:
    """A key that may not stand in an address is replaced by its hash."""
    keys = ["m7-grace", "M7-grace", "m7.grace", "m7 grace", "m7-" + "x" * 40, ""]
    assert len({mail_id_of(key) for key in keys}) == len(keys)
    assert mail_id_of("m7-grace") == "m7-grace"


@pytest.mark.parametrize(
    ("reply", "status", "is_address"),
    [
        ("550 5.1.1 no such user", "5.1.1", True),
        ("550-5.1.10 null MX", "5.1.10", True),
        ("553 5.1.8 sender rejected", "5.1.8", False),
        ("552 5.2.2 mailbox full", "5.2.2", False),
        ("550 no such user", "", False),
        ("host 192.5.1.1 says 550", "", False),
    ],
)
def test_a_status_is_found_and_understood(reply: str, status: str, *, is_address: bool) -> None:
    """An IP address in the text is no status."""
    assert find_status(reply) == status
    assert is_address_failure(status) == is_address
