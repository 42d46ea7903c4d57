"""Who is speaking: the write key of a request, wherever its SDK puts it, and whose it is.

Only hashes of keys are stored. Keys are long and random, so a plain SHA-256 cannot be searched.
"""

import base64
import binascii
import hmac
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Final

KEY_LENGTH_MAX: Final = 512
_PREFIX_LENGTH: Final = 8


def hash_key(key: str) -> str:
    """Return the form in which a write key is stored: 64 hexadecimal digits."""
    return sha256(key.encode(errors="replace")).hexdigest()


class KeyRing:
    """The write keys of a brand's sources, by their hashes."""

    def __init__(self, hashes: Mapping[str, str]) -> None:
        """Take each key's hash with the name of its source; a source may have several keys."""
        self._by_prefix: dict[str, list[tuple[str, str]]] = {}
        for each, source in hashes.items():
            self._by_prefix.setdefault(each[:_PREFIX_LENGTH], []).append((each, source))

    def find(self, key: str) -> str | None:
        """Return the name of the source that a key belongs to."""
        if not 0 < len(key) <= KEY_LENGTH_MAX:
            return None
        offered = hash_key(key)
        for stored, source in self._by_prefix.get(offered[:_PREFIX_LENGTH], ()):
            if hmac.compare_digest(stored, offered):
                return source
        return None


def offered_keys(headers: Mapping[bytes, bytes], query: Mapping[str, str]) -> Iterator[str]:
    """Yield what may be the write key of a request, the usual places first.

    Basic carries it as the user, with or without a colon; Bearer as it is; some put the bare key
    into `Authorization`, some `key:secret` into `X-Write-Key`, beacons put it into the query.
    """
    header = headers.get(b"authorization", b"").decode("latin-1").strip()
    if header:
        scheme, _, rest = header.partition(" ")
        rest = rest.strip()
        if scheme.lower() == "basic":
            yield from _both(_decode_basic(rest))
        elif rest:
            yield rest
        yield header
    yield from _both(headers.get(b"x-write-key", b"").decode("latin-1").strip())
    if "writeKey" in query:
        yield query["writeKey"]


def _both(pair: str) -> Iterator[str]:
    """Yield the part before the colon, and the whole where there is more."""
    head, colon, tail = pair.partition(":")
    if head:
        yield head
    if colon and tail:
        yield pair


def _decode_basic(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return ""
