"""Was it a person who opened that message, or a machine on the way to them?

Mail services fetch pictures and follow links before anybody reads: to hide the reader, to look for
viruses, to be quick. Such an opening says nothing about the customer, so it is marked and the fold
leaves it out. Where nothing tells, it counts as a person's.
"""

import re
from typing import Any, Final

from kept.core.values import SECOND, parse_instant

OPENINGS: Final = frozenset({"Email Opened", "Email Link Clicked"})
INSTANT: Final = 2 * SECOND
"""Nobody opens a message sooner than this after its delivery."""

# How providers say it themselves, compared without case, `_` and `-`.
_FLAGS: Final = (
    "machine",
    "ismachine",
    "machineopen",
    "ismachineopen",
    "machineopened",
    "sgmachineopen",
    "bot",
    "isbot",
    "prefetch",
    "isprefetch",
    "prefetched",
    "isprefetched",
)
# `Sec-Purpose`, `Purpose` and `X-Moz`, as a pixel's request or a provider passes them on.
_PURPOSES: Final = ("purpose", "secpurpose", "xpurpose", "xmoz")
_MACHINES: Final = re.compile(
    r"\bbot\b|bot[/;) ]|crawler|spider|scanner|preview|prefetch|barracuda|mimecast|proofpoint"
    r"|safelinks|symantec|messagelabs|fireeye|trendmicro|sophos|headless|python-|curl/|wget/"
    r"|go-http-client|java/|okhttp|libwww",
    re.IGNORECASE,
)
# Privacy protection fetches every picture on arrival and names itself by this alone.
_BARE_AGENT: Final = "mozilla/5.0"
# These proxies stand for a person too; only when they come at once were they the first reader.
_PROXIES: Final = re.compile(
    r"googleimageproxy|ggpht|yahoomailproxy|outlook-ios-android", re.IGNORECASE
)


def is_machine_opening(
    properties: dict[str, Any], context: dict[str, Any], *, occurred_at: int
) -> bool:
    """Return whether what is known of an opening tells that no person caused it."""
    known = {
        _plain(key): value for source in (context, properties) for key, value in source.items()
    }
    if any(_says_yes(known.get(flag)) for flag in _FLAGS):
        return True
    if any(
        "prefetch" in str(known.get(name)) or known.get(name) == "preview" for name in _PURPOSES
    ):
        return True
    agent = str(known.get("useragent") or "").strip()
    if agent.lower() == _BARE_AGENT or _MACHINES.search(agent):
        return True
    delivered = known.get("deliveredat") or known.get("sentat")
    delivered_at = parse_instant(delivered) if isinstance(delivered, str) else None
    return (
        delivered_at is not None
        and 0 <= occurred_at - delivered_at < INSTANT
        and bool(_PROXIES.search(agent))
    )


def _plain(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()


def _says_yes(value: Any) -> bool:
    return value in (True, 1) or (isinstance(value, str) and value.lower() in {"true", "yes", "1"})
