"""Write keys and tokens: only their hashes are stored, and nothing shows them twice."""

import hmac
import re
from collections.abc import Collection, Iterable
from hashlib import sha256
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

import msgspec

from kept.core.access import Network, is_within
from kept.core.event import Event
from kept.core.values import HOUR
from kept.errors import NotAllowedError

KEY_LENGTH_MAX: Final = 512
_PREFIX_LENGTH: Final = 8
KEY_ID_LENGTH: Final = 12
_ORIGIN: Final = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d{1,5})?")


def hash_key(key: str) -> str:
    """Return the form in which a key is stored: 64 hexadecimal digits.

    Keys are long and random, so that a plain SHA-256 cannot be searched.
    """
    return sha256(key.encode(errors="replace")).hexdigest()


class WriteKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key of a source, and what it may be used for on top of what `sources.yaml` allows."""

    digest: str
    source: str
    made_at: int = 0
    made_by: str = ""
    ends_at: int = 0
    """When it dies by itself, as the old one of a rotation does; 0 for never."""
    origins: tuple[str, ...] = ()
    """Pages that may use it; empty for those that the source allows."""
    events: tuple[str, ...] = ()
    """Names or types of the events that it may send; empty for those that the source allows."""
    networks: tuple[str, ...] = ()
    """Where it may be used from; empty for anywhere."""
    asks: bool = True
    """Whether it may do anything besides sending events: ask, fetch, report."""
    used_at: int = 0
    """When it was last used, to the hour; 0 for never."""

    @property
    def key_id(self) -> str:
        """Return what names it in lists and in the audit: the beginning of its hash."""
        return self.digest[:KEY_ID_LENGTH]

    def may_send(self, event: Event) -> bool:
        """Return whether it may be used for an event of this name and type."""
        return not self.events or event.name in self.events or event.type in self.events


class _Entry:
    """A key as it is looked up: its networks parsed, and when it was last used."""

    __slots__ = ("key", "networks", "used_at")

    def __init__(self, key: WriteKey) -> None:
        self.key = key
        self.networks: tuple[Network, ...] = tuple(ip_network(each) for each in key.networks)
        self.used_at = key.used_at


class KeyRing:
    """The write keys of a brand's sources, by their hashes; one lookup gives key and restrictions."""

    def __init__(self, keys: Iterable[WriteKey]) -> None:
        """Take the keys; a source may have several."""
        self._by_prefix: dict[str, list[_Entry]] = {}
        for key in keys:
            self._by_prefix.setdefault(key.digest[:_PREFIX_LENGTH], []).append(_Entry(key))
        self.used: dict[str, int] = {}
        """Hash -> hour (µs) of keys that were used in an hour that is not written down yet."""

    def find(self, key: str, *, now: int, address: str = "") -> WriteKey | None:
        """Return the key that is offered, None where it is nobody's, or dead.

        Args:
            key: what was offered.
            now: the instant at which it is used.
            address: where from.

        Raises:
            NotAllowedError: it is real, and may not be used from there.
        """
        if not 0 < len(key) <= KEY_LENGTH_MAX:
            return None
        offered = hash_key(key)
        for entry in self._by_prefix.get(offered[:_PREFIX_LENGTH], ()):
            found = entry.key
            if not hmac.compare_digest(found.digest, offered):
                continue
            if found.ends_at and now >= found.ends_at:
                return None
            if entry.networks and not is_within(address, entry.networks):
                raise NotAllowedError(
                    f"this key of {found.source} may not be used from {address or 'there'}"
                )
            if now - entry.used_at >= HOUR:
                entry.used_at = self.used[found.digest] = now // HOUR * HOUR
            return found
        return None


def is_origin(text: str) -> bool:
    """Return whether a text in lower case is the origin of a page, as a browser would name it."""
    try:
        return bool(_ORIGIN.fullmatch(text) and urlsplit(text).hostname)
    except ValueError:
        return False  # between its brackets is no address


def is_listed_origin(origin: str, listed: Collection[str]) -> bool:
    """Return whether an origin (in lower case) is listed; one that is listed without port has any."""
    scheme, _, host = origin.partition("://")
    without_port = f"{scheme}://{host.rpartition(':')[0]}" if ":" in host else origin
    return origin in listed or without_port in listed


def check_asks(key: WriteKey) -> None:
    """Raise `NotAllowedError` for a key that may do nothing but send events."""
    if not key.asks:
        raise NotAllowedError(
            f"this key of {key.source} may only send events; make one that may ask as well"
        )
