"""The database of keys, apart from the store's: its backups never hold what these keys open."""

from collections.abc import Sequence
from typing import Any, Final, LiteralString

from kept.errors import SettingsError
from kept.stores.postgres.address import Address
from kept.stores.postgres.driver import Wire, is_missing, load_driver
from kept.stores.postgres.migrations import check_version, migrate
from kept.stores.postgres.readers import Readers
from kept.stores.queries import load_queries

VAULT_SUFFIX: Final = "_vault"


class VaultDatabase:
    """Connections to it: one that writes, and some that read; any thread may use either."""

    def __init__(self, address: Address, *, main: Address, reads_only: bool = False) -> None:
        """Connect, and make the database on the server of the store if it is not there.

        With `reads_only` nothing is made or changed.

        Raises:
            SettingsError: it is not there and may not be made, or is not one of Kept's.
        """
        self.place = address.place
        self._queries = load_queries("postgres/vault.sql")
        settings = {
            "synchronous_commit": "on",
            "lock_timeout": "5s",
            "statement_timeout": "30s",
        }
        if reads_only:
            settings["default_transaction_read_only"] = "on"
        try:
            self._wire = Wire(address, settings)
        except SettingsError as error:
            if reads_only or not is_missing(error):
                raise
            _make_database(address, main)
            self._wire = Wire(address, settings)
        self._readers = Readers(address)
        try:
            if reads_only:
                check_version(self._wire, "vault_migrations")
            else:
                migrate(self._wire, "vault_migrations")
        except BaseException:
            self.close()
            raise

    def write(self, name: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run one statement, durable when this returns."""
        return self._wire.fetch(self._queries[name], parameters)

    def fetch(self, name: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of a query."""
        sql: LiteralString = self._queries[name]
        return self._readers.fetch(sql, parameters)

    def has_keys(self) -> bool:
        """Return whether keys of a store are kept here already."""
        return bool(self.fetch("load_identity"))

    def close(self) -> None:
        """Let go of the connections."""
        self._readers.close()
        self._wire.close()


def _make_database(address: Address, main: Address) -> None:
    """Make the database, or say who must."""
    driver = load_driver()
    wire = Wire(main, {"statement_timeout": "60s"})
    try:
        name = address.database.replace('"', '""')
        wire.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8'")
    except Exception as error:
        cause = error.__cause__
        if isinstance(cause, driver.DuplicateDatabaseError | driver.UniqueViolationError):
            # Another node was first.
            return
        if isinstance(cause, driver.InsufficientPrivilegeError):
            raise SettingsError(
                f"{address.place}, where the keys are to be kept, is not there, and this user may "
                "not make it; let somebody make it who may, owned by this user"
            ) from error
        raise
    finally:
        wire.close()
