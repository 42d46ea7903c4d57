"""Signed mail: what arrives at a real server is verified as a receiver does it."""

import base64
import textwrap
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from kept.channels.dkim import DkimSigner
from kept.channels.smtp import SmtpChannel
from kept.clock import VirtualClock
from kept.core.message import Accepted
from kept.core.unsubscribe import list_unsubscribe_headers
from kept.errors import SettingsError
from tests.contract.dkim_verifier import find_signatures, read_tags, verifies
from tests.contract.servers import Mailroom, mail_server, outgoing

NOW = 1_700_000_000_000_000
NAME = "spring._domainkey.shop.example"
ED25519 = Ed25519PrivateKey.generate()
RSA = generate_rsa_key(public_exponent=65_537, key_size=2_048)
KEYS: dict[str, Any] = {"ed25519": ED25519, "rsa": RSA}


def pem(key: Any, encryption: KeySerializationEncryption | None = None) -> str:
    """Return a private key as an operator's file holds it."""
    made: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    return made.decode().strip()


def dns_of(kind: str) -> dict[str, str]:
    """Return what DNS publishes for a key."""
    public = KEYS[kind].public_key()
    if kind == "ed25519":
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    else:
        raw = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {NAME: f"v=DKIM1; k={kind}; p={base64.b64encode(raw).decode()}"}


def signer_with(key: str, domain: str = "shop.example", selector: str = "spring") -> DkimSigner:
    """Return what signs for the shop."""
    return DkimSigner(domain=domain, selector=selector, key=key)


def receive(kind: str, **changes: Any) -> bytes:
    """Send a message through a real server and return the mail that it took."""
    mailroom = Mailroom()
    with mail_server(mailroom, enable_SMTPUTF8=True) as port:
        channel = SmtpChannel(
            host="127.0.0.1",
            port=port,
            security="none",
            clock=VirtualClock(NOW),
            signer=signer_with(pem(KEYS[kind])),
        )
        assert isinstance(channel.send(outgoing(**changes)), Accepted)
        channel.close()
    content = mailroom.mails[0].content
    assert isinstance(content, bytes)
    return content


def is_good(mail: bytes, kind: str) -> bool:
    """Return whether a mail's one signature is good."""
    (signature,) = find_signatures(mail)
    return verifies(mail, signature, dns_of(kind))


COVERED_ONCE = (
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "list-unsubscribe",
    "list-unsubscribe-post",
)
PROMOTION = {
    "html": "<p>Dear  Ana</p>\n" + "<p>" + "a long line " * 100 + "</p>",
    "subject": "Ein Fahrrad für Ana, " * 6,
    "headers": list_unsubscribe_headers("https://shop.example/u/" + "aB3_" * 60),
}


@pytest.mark.network
@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        PROMOTION,
        {"text": "a\n.\n.b  \t c  \n\n\n\n"},
        {"text": ""},
        {"to": "josé@mail.example", "subject": "Olá"},
    ],
    ids=["plain", "promotion", "dots and blanks", "empty", "utf-8"],
)
def test_what_arrives_is_signed(kind: str, changes: dict[str, Any]) -> None:
    """Folded, encoded and dotted as SMTP needs it, and still what was signed."""
    mail = receive(kind, **changes)
    assert is_good(mail, kind)
    (signature,) = find_signatures(mail)
    tags = read_tags(signature)
    assert (tags["d"], tags["s"], tags["t"]) == ("shop.example", "spring", "1700000000")
    assert max(len(line) for line in signature.splitlines()) < 90


@pytest.mark.network
def test_a_promotions_signature_covers_how_to_leave() -> None:
    """RFC 8058 demands both headers; and each name is there once more than its header."""
    mail = receive("rsa", **PROMOTION)
    (signature,) = find_signatures(mail)
    covered = "".join(read_tags(signature)["h"].split()).split(":")
    for name in COVERED_ONCE:
        assert covered.count(name) == 2, name
    assert covered.count("reply-to") == covered.count("cc") == 1


@pytest.mark.network
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"From: Fernbank", b"From: Ferncliff"),
        (b"\r\nTo: ana@", b"\r\nTo: eve@"),
        (b"\r\nSubject: ", b"\r\nSubject: Re: "),
        (b"\r\nDate: Tue", b"\r\nDate: Wed"),
        (b"\r\nMessage-ID: <m7", b"\r\nMessage-ID: <m8"),
        (b"multipart/alternative", b"multipart/mixed"),
        (b"\r\nMIME-Version: 1.0", b""),
        (b"<https://shop.example/u/", b"<https://evil.example/u/"),
        (b"List-Unsubscribe=One-Click", b"List-Unsubscribe=Two-Click"),
        (b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click", b""),
        (b"\r\nTo: ana@", b"\r\nReply-To: eve@mail.example\r\nTo: ana@"),
        (b"\r\nTo: ana@", b"\r\nFrom: Eve <eve@shop.example>\r\nTo: ana@"),
        (b"\r\nTo: ana@", b"\r\nList-Unsubscribe: <https://evil.example>\r\nTo: ana@"),
        (b"your bill can wait", b"your bill cannot wait"),
        (b"t=1700000000", b"t=1700000001"),
    ],
)
def test_what_was_changed_on_the_way_is_seen(old: bytes, new: bytes) -> None:
    """Headers changed, removed or added, another text, another time of signing."""
    mail = receive("ed25519", **PROMOTION)
    assert old in mail
    assert is_good(mail, "ed25519")
    assert not is_good(mail.replace(old, new, 1), "ed25519")


@pytest.mark.network
def test_what_a_relay_may_do_does_no_harm() -> None:
    """It adds its traces on top, folds lines anew, and leaves blanks at the ends of lines."""
    mail = receive("ed25519")
    passed_on = b"Received: by relay.example\r\nX-Relay: yes\r\n" + mail
    passed_on = passed_on.replace(b"\r\nSubject: Your bill", b"\r\nSubject:  Your\r\n\tbill")
    passed_on = passed_on.replace(b"can wait.\r\n", b"can wait. \t\r\n") + b"\r\n\r\n"
    assert passed_on.count(b"\r\n\tbill") == 1
    assert is_good(passed_on, "ed25519")


@pytest.mark.network
def test_another_key_in_dns_proves_nothing() -> None:
    """So that the tests above do not hold for any key."""
    mail = receive("ed25519")
    other = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    dns = {NAME: f"v=DKIM1; k=ed25519; p={base64.b64encode(other).decode()}"}
    (signature,) = find_signatures(mail)
    assert not verifies(mail, signature, dns)


@pytest.mark.network
def test_a_retry_is_signed_alike() -> None:
    """The same message at the same instant gives the same bytes."""
    assert receive("rsa", **PROMOTION) == receive("rsa", **PROMOTION)


RFC_8463_MAIL = textwrap.dedent(
    """\
    DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
     d=football.example.com; i=@football.example.com;
     q=dns/txt; s=brisbane; t=1528637909; h=from : to :
     subject : date : message-id : from : subject : date;
     bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
     b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
     Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
    DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
     d=football.example.com; i=@football.example.com;
     q=dns/txt; s=test; t=1528637909; h=from : to : subject :
     date : message-id : from : subject : date;
     bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
     b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
     DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
     dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
    From: Joe SixPack <joe@football.example.com>
    To: Suzie Q <suzie@shopping.example.net>
    Subject: Is dinner ready?
    Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
    Message-ID: <20030712040037.46341.5F8J@football.example.com>

    Hi.

    We lost the game.  Are you hungry yet?

    Joe.
    """
).replace("\n", "\r\n").encode()  # fmt: skip
RFC_8463_DNS = {
    "brisbane._domainkey.football.example.com": (
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    ),
    "test._domainkey.football.example.com": (
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qh"
        "dR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hst"
        "T5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
    ),
}


def test_the_receiver_of_these_tests_verifies_what_others_signed() -> None:
    """The example that RFC 8463 gives in its appendix, made by neither of the two programs."""
    signatures = find_signatures(RFC_8463_MAIL)
    assert len(signatures) == 2
    for signature in signatures:
        assert verifies(RFC_8463_MAIL, signature, RFC_8463_DNS)
        changed = RFC_8463_MAIL.replace(b"dinner", b"lunch")
        assert not verifies(changed, signature, RFC_8463_DNS)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "no private key in PEM"),
        ("swordfish", "no private key in PEM"),
        (pem(ED25519).replace("M", "N", 1), "no private key in PEM"),
        (pem(ED25519, BestAvailableEncryption(b"x")), "is encrypted"),
        (pem(generate_private_key(SECP256R1())), "neither an RSA nor an Ed25519"),
        (pem(generate_rsa_key(public_exponent=65_537, key_size=1_024)), "1024 bits"),  # noqa: S505
        (
            ED25519.public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            .decode(),
            "no private key in PEM",
        ),
    ],
    ids=["empty", "a word", "damaged", "encrypted", "elliptic", "short", "public"],
)
def test_a_key_that_cannot_sign_is_refused_and_not_repeated(key: str, said: str) -> None:
    """At the start, not at the first message."""
    with pytest.raises(SettingsError, match=said) as caught:
        signer_with(key)
    assert not key or key not in str(caught.value)
    assert caught.value.__cause__ is None


def test_everything_that_is_wrong_with_a_signature_is_said_at_once() -> None:
    """Domain, selector and key are three lines."""
    with pytest.raises(SettingsError) as caught:
        signer_with("swordfish", domain="Shop.example; t=1", selector="spring\r\nBcc: eve")
    lines = str(caught.value).splitlines()
    assert ["`dkim_" in line for line in lines] == [True, True, True]


@pytest.mark.parametrize(
    ("sender", "may"),
    [
        ("shop.example", True),
        ("news.shop.example", True),
        ("example", True),
        ("bank.example", False),
        ("myshop.example", False),
    ],
)
def test_a_signature_speaks_for_its_own_domain_only(sender: str, may: bool) -> None:  # noqa: FBT001
    """The domain itself, those under it, and the one that it lies under."""
    assert signer_with(pem(ED25519)).may_sign_for(sender) is may
