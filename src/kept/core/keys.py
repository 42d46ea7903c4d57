"""Write keys and tokens: only their hashes are stored, and nothing shows them twice."""

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

KEY_LENGTH_MAX: Final = 512
_PREFIX_LENGTH: Final = 8


def hash_key(key: str) -> str:
    """Return the form in which a key is stored: 64 hexadecimal digits.

    Keys are long and random, so that a plain SHA-256 cannot be searched.
    """
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
