"""Where a PostgreSQL database is, and what may be told of it: never the password."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit, urlunsplit

from kept.errors import SettingsError

_SCHEMES: Final = frozenset({"postgresql", "postgres"})
_SAID_MODES: Final = frozenset({"disable", "require", "verify-ca", "verify-full"})
"""Modes of `sslmode` that mean what they say: the others take the open line where they are offered no other."""


class Address:
    """The address of one database; it is shown without user and password."""

    def __init__(self, url: str) -> None:
        """Take an address.

        Raises:
            SettingsError: it is none, or leaves open whether others on the network can listen. The
                message never repeats it.
        """
        parts = urlsplit(url.strip())
        if parts.scheme not in _SCHEMES or not parts.path.strip("/"):
            raise SettingsError(
                "the database is given as postgresql://USER@HOST/DATABASE, or as env:NAME or "
                "file:PATH where that stands; several hosts stand with commas between"
            )
        if not _is_settled(parts):
            raise SettingsError(
                "the database is reached over the network, and its address does not say how: add "
                "?sslmode=verify-full&sslrootcert=PATH, with the certificate that vouches for the "
                "server; or ?sslmode=disable, where nobody else can listen"
            )
        self.url = url.strip()
        """With the password, if it has one: for the driver only."""
        self.database = unquote(parts.path.strip("/"))
        hosts = parts.netloc.rpartition("@")[2]
        self.place = f"the database {self.database} at {hosts or 'this machine'}"
        """How errors name it."""

    def __repr__(self) -> str:
        """Return where it is, for people."""
        return f"<{self.place}>"

    def beside(self, database: str) -> "Address":
        """Return the address of another database on the same server."""
        parts = urlsplit(self.url)
        return Address(urlunsplit(parts._replace(path="/" + quote(database, safe=""))))


def _is_settled(parts: SplitResult) -> bool:
    """Return whether the way there is this machine's own, or what protects it is said."""
    asked = parse_qs(parts.query)
    hosts = [_host_of(each) for each in parts.netloc.rpartition("@")[2].split(",")]
    hosts += [host for each in asked.get("host", []) for host in each.split(",")]
    return all(map(_is_near, hosts)) or set(asked.get("sslmode", [""])) <= _SAID_MODES


def _host_of(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return unquote(text.partition(":")[0])


def _is_near(host: str) -> bool:
    """Return whether a host is this machine: a socket's folder, nothing, or its own address."""
    if host in ("", "localhost") or host.startswith(("/", "@")):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
