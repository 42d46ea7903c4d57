"""Which adapter a brand's channels get: files until told otherwise, none that speaks in shadow."""

import textwrap
from base64 import b64encode
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from kept.channels.files import FilesChannel
from kept.channels.silent import SilentChannel
from kept.channels.smtp import SmtpChannel
from kept.channels.webhook import WebhookChannel
from kept.clock import VirtualClock
from kept.core.brand.load import load_brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.message import Accepted, Outgoing
from kept.errors import SettingsError
from kept.ports import Channel
from kept.runtime.channels import OUTBOX, build_channels
from kept.settings import Settings
from tests.contract.dkim_verifier import find_signatures, verifies
from tests.contract.servers import Mailroom, mail_server, outgoing
from tests.unit.core.brand.sample import SAMPLE

CHANNELS = textwrap.dedent(
    """
    channels:
      email:
        adapter: smtp
        cost: 0.01 EUR
        address: email
        sender: {shop: Shop <hello@shop.example>}
        settings: {host: relay.example, password: "env:KEPT_TEST_MAIL_PASSWORD"}
      sms:
        adapter: webhook
        cost: 0.07 EUR
        address: email
        settings: {url: "https://sms.example/send", secret: "env:KEPT_TEST_SMS_SECRET"}
      inbox: {adapter: inbox, cost: 0.00 EUR}
    """
)
SECRET = "whsec_" + "a2VwdCB0ZXN0cyBzaWduIHdpdGggdGhpcyBrZXk="


@pytest.fixture
def bundle() -> Bundle:
    """A brand that mails, texts, and has an inbox."""
    consent = SAMPLE["consent.yaml"]
    head, _, _ = consent.partition("channels:")
    return compile_brand(load_brand(dict(SAMPLE) | {"consent.yaml": head + CHANNELS.lstrip()}))


def mailing(**settings: str) -> Bundle:
    """A brand that mails for its shop, with these settings."""
    head, _, _ = SAMPLE["consent.yaml"].partition("channels:")
    told = "".join(f'\n      {name}: "{text}"' for name, text in settings.items())
    channels = f"""
    channels:
      email:
        adapter: smtp
        cost: 0.01 EUR
        address: email
        sender: {{shop: Shop <hello@shop.example>}}
        settings:{told.replace(chr(10), chr(10) + "    ")}
      inbox: {{adapter: inbox, cost: 0.00 EUR}}
    """
    consent = head + textwrap.dedent(channels).lstrip()
    return compile_brand(load_brand(dict(SAMPLE) | {"consent.yaml": consent}))


def build(bundle: Bundle, folder: Path, **told: object) -> dict[str, Channel]:
    """Return the adapters under these settings."""
    settings = msgspec.structs.replace(Settings(brand=folder, data=folder), **told)
    clock = VirtualClock(0)
    files = FilesChannel(folder=settings.data / OUTBOX, clock=clock)
    return build_channels(bundle.brand, settings, files=files, clock=clock, secret=b"s" * 32)


def test_messages_go_to_files_until_the_operator_says_otherwise(
    bundle: Bundle, tmp_path: Path
) -> None:
    """No secret is asked for, and what is pulled needs no adapter."""
    channels = build(bundle, tmp_path)
    assert channels.keys() == {"email", "sms"}
    assert all(isinstance(channel, FilesChannel) for channel in channels.values())


def test_nothing_speaks_in_shadow_whatever_else_is_set(bundle: Bundle, tmp_path: Path) -> None:
    """A trial beside the old system needs no provider and reaches nobody."""
    channels = build(bundle, tmp_path, shadow=True, deliver="providers")
    assert channels.keys() == {"email", "sms"}
    assert all(isinstance(channel, SilentChannel) for channel in channels.values())
    outgoing = Outgoing(
        message_id="m",
        idempotency_key="m",
        channel="email",
        action="welcome",
        to="ana@mail.example",
        sender="Shop <hello@shop.example>",
        text="Hello.\n",
        expires_at=0,
    )
    assert channels["email"].send(outgoing) == Accepted()
    channels["email"].close()


def test_everything_that_is_missing_is_said_at_once(bundle: Bundle, tmp_path: Path) -> None:
    """One start, one list; no secret is in it."""
    with pytest.raises(SettingsError) as caught:
        build(bundle, tmp_path, deliver="providers")
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["channel email", "channel sms"]
    assert "KEPT_TEST_MAIL_PASSWORD" in lines[0]
    assert "KEPT_TEST_SMS_SECRET" in lines[1]


def test_providers_are_spoken_to_when_they_are_asked_for(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets come from where the brand folder says."""
    monkeypatch.setenv("KEPT_TEST_MAIL_PASSWORD", "swordfish")
    monkeypatch.setenv("KEPT_TEST_SMS_SECRET", SECRET)
    channels = build(bundle, tmp_path, deliver="providers")
    assert isinstance(channels["email"], SmtpChannel)
    assert isinstance(channels["sms"], WebhookChannel)
    for channel in channels.values():
        channel.close()


def test_everything_that_is_missing_of_one_channel_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each setting is a line that names the variable or the file; no secret is in it."""
    monkeypatch.setenv("KEPT_TEST_DKIM_KEY", "swordfish")
    bundle = mailing(
        host="env:KEPT_TEST_MAIL_HOST",
        username="env:KEPT_TEST_MAIL_USER",
        password=f"file:{tmp_path}/none",
        dkim_domain="shop.example",
        dkim_selector="spring",
        dkim_key="env:KEPT_TEST_DKIM_KEY",
    )
    with pytest.raises(SettingsError) as caught:
        build(bundle, tmp_path, deliver="providers")
    lines = str(caught.value).splitlines()
    assert [line.split()[2] for line in lines] == ["`host`:", "`username`:", "`password`:"]
    assert "KEPT_TEST_MAIL_HOST" in lines[0]
    assert "KEPT_TEST_MAIL_USER" in lines[1]
    assert f"{tmp_path}/none" in lines[2]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"dkim_domain": "shop.example"}, ["`dkim_selector`, `dkim_key` as well"]),
        (
            {"dkim_domain": "Shop", "dkim_selector": "a b", "dkim_key": "env:KEPT_TEST_DKIM_KEY"},
            ["`dkim_domain`", "`dkim_selector`", "`dkim_key` holds no private key"],
        ),
        (
            {"security": "env:KEPT_TEST_WORD", "port": "env:KEPT_TEST_WORD"},
            ["`security` is 'swordfish'", "`port` is 'swordfish'"],
        ),
    ],
)
def test_settings_that_cannot_be_right_are_told_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], said: list[str]
) -> None:
    """What the folder's check cannot see, since it stands in the environment."""
    monkeypatch.setenv("KEPT_TEST_DKIM_KEY", "swordfish")
    monkeypatch.setenv("KEPT_TEST_WORD", "swordfish")
    with pytest.raises(SettingsError) as caught:
        build_of(settings, tmp_path)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(said)
    for line, words in zip(lines, said, strict=True):
        assert line.startswith("channel email: ")
        assert words in line


def build_of(settings: dict[str, str], folder: Path) -> dict[str, Channel]:
    """Return the adapters of a brand that mails with these settings beside a host."""
    bundle = mailing(host="mail.shop.example")
    email = bundle.brand.consent.channels["email"]
    told = msgspec.structs.replace(email, settings=email.settings | settings)
    channels = bundle.brand.consent.channels | {"email": told}
    consent = msgspec.structs.replace(bundle.brand.consent, channels=channels)
    brand = msgspec.structs.replace(bundle.brand, consent=consent)
    changed = msgspec.structs.replace(bundle, brand=brand)
    return build(changed, folder, deliver="providers")


@pytest.mark.network
def test_mail_is_signed_where_the_brand_gives_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the folder's settings to a mail that a receiver verifies."""
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "dkim.pem").write_bytes(secret)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    mailroom = Mailroom()
    with mail_server(mailroom) as port:
        settings = {
            "host": "127.0.0.1",
            "port": str(port),
            "security": "none",
            "dkim_domain": "shop.example",
            "dkim_selector": "spring",
            "dkim_key": f"file:{tmp_path}/dkim.pem",
        }
        channels = build(mailing(**settings), tmp_path, deliver="providers")
        assert isinstance(channels["email"].send(outgoing()), Accepted)
        channels["email"].close()
    mail = mailroom.mails[0].content
    assert isinstance(mail, bytes)
    (signature,) = find_signatures(mail)
    record = f"v=DKIM1; k=ed25519; p={b64encode(public).decode()}"
    assert verifies(mail, signature, {"spring._domainkey.shop.example": record})


def test_a_signature_that_proves_nothing_of_the_sender_is_refused(tmp_path: Path) -> None:
    """DMARC asks for the domain of the From; with another one every mail would fail it."""
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "dkim.pem").write_bytes(secret)
    settings = {
        "dkim_domain": "bank.example",
        "dkim_selector": "spring",
        "dkim_key": f"file:{tmp_path}/dkim.pem",
    }
    with pytest.raises(SettingsError, match=r"shop sends from shop\.example"):
        build_of(settings, tmp_path)
