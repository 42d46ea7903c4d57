"""Where a webhook may go: a public address, looked up once and then held to.

A name may lead anywhere, and somewhere else a moment later. So the address is resolved here, every
address it has is judged, and the connection is made to the very one that was judged.
"""

import re
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import msgspec

from kept.errors import SettingsError

IpAddress: TypeAlias = IPv4Address | IPv6Address

_HOST: Final = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]*:[0-9a-f:.]*")
"""A name or an address; anything else would end up in a header and in a look-up as it is."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL: Final = IPv6Network("64:ff9b:1::/48")
_COMPATIBLE: Final = IPv6Network("::/96")
_ASSIGNED: Final = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))
"""Set aside for protocols and for relays; older Pythons call them global."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a webhook's URL that are needed to post to it."""

    is_tls: bool
    host: str
    """As a certificate names it: ASCII, small letters, no brackets."""
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Return the value of the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


class Forbidden(msgspec.Struct, frozen=True, kw_only=True):
    """A target leads where webhooks may not go."""

    detail: str


def parse_target(url: str, *, allow_private: bool) -> Target:
    """Return a URL's parts; raises `SettingsError` for one that no webhook may have."""
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode("ascii") if parts.hostname else ""
    except ValueError as error:
        raise SettingsError(f"the webhook's URL cannot be read: {error}") from error
    if parts.scheme not in ("https", "http") or not _HOST.fullmatch(host):
        raise SettingsError("a webhook's URL begins with https:// and a host")
    if parts.scheme == "http" and not allow_private:
        raise SettingsError(
            "a webhook's URL begins with https://; plain http is for private addresses, "
            "which the server's settings must allow"
        )
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise SettingsError("a webhook's URL has no user name, no password and no fragment")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii() or any(character <= " " or character == "\x7f" for character in path):
        raise SettingsError("a webhook's path is written in ASCII without spaces: escape the rest")
    literal = _read_literal(host)
    if literal is not None and not allow_private and not is_public(literal):
        raise SettingsError(
            f"a webhook may not go to {literal}, which is no public address; "
            "the server's settings can allow it"
        )
    is_tls = parts.scheme == "https"
    return Target(is_tls=is_tls, host=host, port=port or (443 if is_tls else 80), path=path)


def resolve(target: Target, *, allow_private: bool) -> tuple[str, ...] | Forbidden:
    """Return the addresses of a target; raises `OSError` where its name cannot be resolved."""
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = tuple(dict.fromkeys(str(place[0]) for *_, place in found))
    if not allow_private:
        # One bad address among good ones is a trap, not an accident to be stepped around.
        for address in addresses:
            if not is_public(ip_address(address)):
                return Forbidden(
                    detail=f"{target.host} leads to {address}, which is no public address"
                )
    return addresses


def is_public(address: IpAddress) -> bool:
    """Return whether an address is one of the open internet, whatever it is wrapped in."""
    if isinstance(address, IPv6Address):
        wrapped = _unwrap(address)
        if wrapped is not None:
            return is_public(wrapped)
        if address in _COMPATIBLE or address in _NAT64_LOCAL or address.is_site_local:
            return False
    elif any(address in network for network in _ASSIGNED):
        return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
        and not address.is_link_local
        and not address.is_loopback
    )


def _unwrap(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address carries to, if any."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


def _read_literal(host: str) -> IpAddress | None:
    """Return the address that a host is written as: dotted, decimal, octal, short or IPv6."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None
