"""A webhook channel as the tests of webhooks set it up."""

from base64 import b64decode
from typing import Any

from kept.channels.webhook import WebhookChannel
from kept.clock import VirtualClock

SECRET = "whsec_" + "a2VwdCBrZXB0IGtlcHQga2VwdCBrZXB0"
KEY = b64decode("a2VwdCBrZXB0IGtlcHQga2VwdCBrZXB0")
CLOCK = VirtualClock(1_700_000_000_000_000)
TIMESTAMP = 1_700_000_000


def channel_to(port: int, **settings: Any) -> WebhookChannel:
    """Return a channel to a port on this machine, which is a private address."""
    url = settings.pop("url", f"http://127.0.0.1:{port}/hook?a=b")
    given: dict[str, Any] = {"secret": SECRET, "allow_private": True, "timeout_seconds": 5.0}
    return WebhookChannel(url=url, clock=CLOCK, **(given | settings))
