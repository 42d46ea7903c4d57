"""Which adapter a brand's channels get: files until told otherwise, none that speaks in shadow."""

import textwrap
from pathlib import Path

import msgspec
import pytest

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
from kept.runtime.channels import build_channels
from kept.settings import Settings
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


def build(bundle: Bundle, folder: Path, **told: object) -> dict[str, Channel]:
    """Return the adapters under these settings."""
    settings = msgspec.structs.replace(Settings(brand=folder, data=folder), **told)
    return build_channels(bundle, settings, clock=VirtualClock(0))


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
