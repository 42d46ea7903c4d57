"""Where a PostgreSQL database is, and what may be told of it: never the password."""

from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from kept.errors import SettingsError

_SCHEMES: Final = frozenset({"postgresql", "postgres"})


class Address:
    """The address of one database; it is shown without user and password."""

    def __init__(self, url: str) -> None:
        """Take an address.

        Raises:
            SettingsError: it is none. The message never repeats it.
        """
        parts = urlsplit(url.strip())
        if parts.scheme not in _SCHEMES or not parts.path.strip("/"):
            raise SettingsError(
                "the database is given as postgresql://USER@HOST/DATABASE, or as env:NAME or "
                "file:PATH where that stands; several hosts stand with commas between"
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
