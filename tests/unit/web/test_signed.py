"""Webhooks and providers that sign: whose secret is missing, and whom that shuts out."""

from types import SimpleNamespace
from typing import Any, Final

import pytest

from kept.core.brand.load import load_brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.errors import SettingsError, UnknownCallerError
from kept.web.signed import Signers
from tests.scenario.larkmead import LARKMEAD

SOURCES: Final = "sources.yaml"
WEBHOOK: Final = """sources:
  sms:
    kind: webhook
    vouches: [email]
    signature: {scheme: token, secret: "env:LARKMEAD_REPLIES"}
    mappings:
      - event: Unsubscribed
        identifiers: {email: body.email}
"""


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """Give a brand whose text messages and whose replies to them have one name, and no secret yet."""
    for name in ("LARKMEAD_REPLIES", "LARKMEAD_SMS_SECRET"):
        monkeypatch.delenv(name, raising=False)
    texts = LARKMEAD | {SOURCES: LARKMEAD[SOURCES].replace("sources:\n", WEBHOOK, 1)}
    return compile_brand(load_brand(texts))


def ask(signers: Signers) -> None:
    """Let somebody who proves nothing report as the provider of text messages."""
    signers.check_provider("sms", headers={b"webhook-timestamp": b"0"}, body=b"{}", now=0)


def test_a_channel_without_its_secret_shuts_no_webhook_of_the_same_name(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server starts, and hears whoever replies; only the provider's own reports are shut out."""
    monkeypatch.setenv("LARKMEAD_REPLIES", "t0ken")
    runtime: Any = SimpleNamespace(bundle=bundle)
    signers = Signers(runtime)
    assert signers.find_webhook("sms").touchpoint.name == "sms"
    with pytest.raises(SettingsError, match="LARKMEAD_SMS_SECRET"):
        ask(signers)


def test_a_webhook_without_its_secret_shuts_no_provider_of_the_same_name(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stops a start; where a new brand brings it, only the webhook is shut."""
    monkeypatch.setenv("LARKMEAD_SMS_SECRET", "s3cret")
    runtime: Any = SimpleNamespace(bundle=bundle)
    with pytest.raises(SettingsError, match="LARKMEAD_REPLIES"):
        Signers(runtime)
    runtime.bundle = compile_brand(load_brand(LARKMEAD))
    signers = Signers(runtime)
    runtime.bundle = bundle
    with pytest.raises(SettingsError, match="LARKMEAD_REPLIES"):
        signers.find_webhook("sms")
    with pytest.raises(UnknownCallerError):
        ask(signers)
