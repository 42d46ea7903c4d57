"""What comes back of messages: reports of mail servers, callbacks of providers; and what goes out."""

from datetime import UTC, datetime
from email import message_from_bytes, policy

from kept.channels.address import parse_target
from kept.channels.mail import Unmailable, compose_mail, parse_mailbox
from kept.channels.post import Answer
from kept.channels.webhook import judge, write_body
from kept.core.bounce import find_status, make_return_path, read_bounce, read_return_path
from kept.core.feedback import parse_callback
from kept.core.message import Outgoing
from kept.core.plain_text import clean_line, clean_text
from kept.errors import InputError, KeptError
from tests.fuzz.target import CANARY, check_refusal, fuzz
from tests.unit.core.test_bounce import PATH, SECRET, report
from tests.unit.core.touchpoint_sample import NOW


@fuzz("bounce", "kept.core.bounce", report(), report(original="text/rfc822-headers"), seconds_max=5)
def run_bounce(data: bytes) -> None:
    """A mail that came back: about a message of ours and signed by us, or nothing."""
    for secrets in ((), (SECRET,)):
        feedback = read_bounce(data, secrets=secrets)
        if feedback is not None:
            assert feedback.outcome in ("bounced", "delivered")
            assert 0 < len(feedback.message_id) <= 32
            if secrets:
                assert feedback.message_id == "m7-grace", "a return path was forged"
    find_status(data.decode("latin-1"))


@fuzz("return-path", "kept.core.bounce", PATH, f"<{PATH}>")
def run_return_path(data: bytes) -> None:
    """An address that mail came back to."""
    found = read_return_path(data.decode("utf-8", "surrogateescape"), [SECRET])
    assert found in (None, "m7-grace"), "a return path was forged"
    if found:
        assert read_return_path(make_return_path(found, address="b@x", secret=SECRET), [SECRET])


@fuzz(
    "callback",
    "kept.core.feedback",
    f'{{"type":"bounced","message_id":"m1","bounce":"hard","detail":"{CANARY}"}}',
    '{"events":[{"type":"opened","provider_id":"p","occurred_at":"2025-11-03T09:00:00Z","id":"1"}]}',
    '[{"type":"replied","message_id":"m1","text":"STOP\\u202e"},7]',
)
def run_callback(data: bytes) -> None:
    """What a provider reports, item by item."""
    try:
        callback = parse_callback(data, now=NOW)
    except InputError as error:
        check_refusal(error, data)
        return
    for feedback in callback.feedback:
        assert feedback.occurred_at <= NOW
        assert clean_text(feedback.detail) == feedback.detail
        feedback.detail.encode()
    assert not any(CANARY in each.detail for each in callback.unreadable)


@fuzz(
    "mail",
    "kept.channels.mail",
    "Ana <ana@mail.example>\nShop <hello@shop.example>\nYour bill\nX-A: b\nHello",
    "ana@bücher.example\nhello@shop.example\n=?utf-8?q?x?=\nBcc: c\nHi",
    seconds_max=5,
)
def run_mail(data: bytes) -> None:
    """A customer's own words in a mail: no header, no recipient and no part more than there are."""
    text = data.decode("utf-8", "surrogateescape")
    to, sender, subject, header, *rest = [*text.split("\n"), "", "", "", ""][:40]
    parse_mailbox(to)
    name, _, value = header.partition(": ")
    outgoing = Outgoing(
        message_id="m1", idempotency_key="m1", channel="email", action="a", to=to,
        sender=sender if "@" in sender else "hello@shop.example", subject=subject,
        text="\n".join(rest), html="<p>\n".join(rest), headers={name: value} if name else {},
        expires_at=NOW,
    )  # fmt: skip
    try:
        mail = compose_mail(outgoing, at=datetime(2025, 11, 3, tzinfo=UTC))
    except UnicodeError:
        # Half a character never gets this far: texts are cleaned where they are rendered.
        assert any("\ud800" <= character <= "\udfff" for character in text)
        return
    if isinstance(mail, Unmailable):
        return
    head, _, _ = mail.content.partition(b"\n\n")
    read = message_from_bytes(mail.content, policy=policy.compat32)
    for once in ("From", "To", "Subject", "Date", "Message-ID"):
        assert len(read.get_all(once, [])) == 1, once
    assert not read.get_all("Bcc", [])
    assert len(read.keys()) <= 10
    assert b"\r" not in head.replace(b"\r\n", b"\n")


@fuzz(
    "answer", "kept.channels.webhook", '429\nretry-after: 7\n{"id":"p"}', "409\n\n\xff", "301\n\n"
)
def run_answer(data: bytes) -> None:
    """What a provider answers to a post."""
    status, _, rest = data.partition(b"\n")
    head, _, body = rest.partition(b"\n")
    name, _, value = head.decode("latin-1").partition(": ")
    answer = Answer(
        status=int(status[:3]) if status[:3].isdigit() else 200,
        headers={name: value},
        body=body[:65_536],
        keep_open=False,
    )
    result = judge(answer, NOW)
    detail = getattr(result, "detail", "")
    assert clean_line(detail) == detail.strip()


@fuzz(
    "webhook-url",
    "kept.channels.address",
    "https://hooks.example/a?b=c",
    "http://[::1]:80/",
    "https://0x7f.1/",
)
def run_target(data: bytes) -> None:
    """Where a webhook may go: never to an address that is none of the open internet."""
    try:
        target = parse_target(data.decode("utf-8", "surrogateescape"), allow_private=False)
    except KeptError:
        return
    assert target.is_tls
    assert not set(target.authority + target.path) & set("\r\n \0\t")
    target.authority.encode("ascii")
    target.path.encode("ascii")


@fuzz("plain-text", "kept.core.plain_text", "Ana\r\nBcc: x\u202e", "\u200d\u00ad\ue000")
def run_plain_text(data: bytes) -> None:
    """Whatever somebody calls themselves, it is one line, and clean text stays as it is."""
    text = data.decode("utf-8", "surrogateescape")
    line = clean_line(text)
    assert not set(line) & set("\r\n\0\x0b\x0c\x85\u2028\u2029\u202e")
    once = clean_text(text)
    assert clean_text(once) == once
    outgoing = Outgoing(
        message_id="m", idempotency_key="m", channel="c", action="a", to=line, sender="", text=once,
        expires_at=NOW,
    )  # fmt: skip
    write_body(outgoing, NOW)
