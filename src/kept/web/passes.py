"""A pass to one's own inbox: signed, good for a while, and for nothing else.

A site whose visitor has proven who they are asks for a pass with its own key, and hands it to the
page; the page can then look into that inbox, and no key of the site's ever reaches it.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec

PASS_LENGTH_MAX: Final = 200
_MAC_BYTES: Final = 16
_VERSION: Final = "p1"


class Pass(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Whose inbox, and until when (µs)."""

    part_id: int
    expires_at: int


def make_pass(granted: Pass, *, secret: bytes) -> str:
    """Return a pass that `read_pass` turns back."""
    content = msgspec.msgpack.encode(granted)
    return f"{_VERSION}.{_to_text(content)}.{_to_text(_sign(content, secret))}"


def read_pass(text: str, *, secret: bytes, now: int) -> Pass | None:
    """Return what a pass grants, None if we did not write it or its time is over."""
    version, _, rest = text.partition(".")
    content_text, _, mac_text = rest.partition(".")
    if version != _VERSION or len(text) > PASS_LENGTH_MAX or not text.isascii():
        return None
    try:
        content, mac = _to_bytes(content_text), _to_bytes(mac_text)
    except ValueError:
        return None
    if not hmac.compare_digest(mac, _sign(content, secret)):
        return None
    try:
        granted = msgspec.msgpack.decode(content, type=Pass)
    except msgspec.MsgspecError:
        # Signed by us, but in a form that this version does not know.
        return None
    return granted if now < granted.expires_at else None


def _sign(content: bytes, secret: bytes) -> bytes:
    """Return the signature; the prefix keeps it from meaning anything elsewhere."""
    return hmac.digest(secret, b"kept.inbox-pass.1\0" + content, hashlib.sha256)[:_MAC_BYTES]


def _to_text(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _to_bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
