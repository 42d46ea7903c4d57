"""Texts that prove who wrote them: `VERSION.PAYLOAD.MAC`, safe to put into a URL.

Each kind of text is signed under a prefix of its own, so that one never means anything as another.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Final

import msgspec

_MAC_BYTES: Final = 16


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of signed text."""

    version: str
    """The first word of the text; what another version wrote is not read."""
    prefix: bytes
    """What is signed in front of the payload; no other kind has it."""
    length_max: int

    def write(self, payload: bytes, *, secret: bytes) -> str:
        """Return a text that `read` turns back."""
        return f"{self.version}.{_to_text(payload)}.{_to_text(self._sign(payload, secret))}"

    def read(self, text: str, secrets: Iterable[bytes]) -> bytes | None:
        """Return the payload, or None if none of these secrets signed exactly this text."""
        if len(text) > self.length_max or not text.isascii():
            return None
        version, _, rest = text.partition(".")
        payload_text, _, mac_text = rest.partition(".")
        payload, mac = _to_bytes(payload_text), _to_bytes(mac_text)
        if version != self.version or not payload or not mac:
            return None
        if any(hmac.compare_digest(mac, self._sign(payload, secret)) for secret in secrets):
            return payload
        return None

    def _sign(self, payload: bytes, secret: bytes) -> bytes:
        return hmac.digest(secret, self.prefix + payload, hashlib.sha256)[:_MAC_BYTES]


def _to_text(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _to_bytes(text: str) -> bytes | None:
    """Return what a text encodes, None if it is not exactly the text that we would write for it."""
    try:
        content = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return content if _to_text(content) == text else None
