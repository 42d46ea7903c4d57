"""Which store the settings name, and the keys of its vault."""

from pathlib import Path
from typing import NamedTuple

from kept.ports import Store, Vault
from kept.runtime.master_key import open_keys, open_master_key
from kept.settings import Settings, is_reference, read_secret
from kept.stores.postgres import (
    VAULT_SUFFIX,
    Address,
    KeyDatabase,
    PostgresStore,
    VaultDatabase,
)
from kept.stores.sqlite import SqliteStore
from kept.stores.vault import MasterKeyFile, SealingVault
from kept.stores.vault.epochs import UpkeptKeys


class Opened(NamedTuple):
    """A store that is open, its keys, and the vault that stands on them."""

    store: Store
    keys: UpkeptKeys
    vault: Vault


class Where(NamedTuple):
    """Which store a command is about that serves no brand: the settings of these names."""

    data: Path
    database: str = ""
    vault_database: str = ""
    master_key: str = ""
    master_key_token: str = ""

    def open(self) -> Store:
        """Open the store; raises as `open_store` does."""
        # No brand is opened with it, so that none need be named.
        return open_store(Settings(brand=self.data, **self._asdict())).store


def open_store(settings: Settings) -> Opened:
    """Open the store: SQLite in the data folder, or the PostgreSQL database that several nodes share.

    Raises:
        SettingsError: a folder, a database or the master key is not as it must be.
        StoreError: the store cannot be opened.
    """
    if settings.database:
        return _open_database(settings)
    keys = open_keys(settings.data, settings.master_key, token=settings.master_key_token)
    vault = SealingVault(keys)
    return Opened(SqliteStore(settings.data, vault=vault), keys, vault)


def _open_database(settings: Settings) -> Opened:
    address, beside = find_addresses(settings.database, settings.vault_database)
    database = VaultDatabase(beside, main=address)
    try:
        service = open_master_key(
            settings.data,
            settings.master_key,
            token=settings.master_key_token,
            # The first node makes the master key; it is given to the others.
            sealed=address.place if database.has_keys() else "",
        )
        if isinstance(service, MasterKeyFile):
            # Each node has a copy of the file: an epoch that one of them begins is lost on the others.
            service.leave_to_people()
        keys = KeyDatabase(database, service)
        vault = SealingVault(keys)
        store = PostgresStore(address, vault=vault, database=database)
    except BaseException:
        database.close()
        raise
    return Opened(store, keys, vault)


def find_addresses(database: str, vault_database: str = "") -> tuple[Address, Address]:
    """Return where the store is and where its keys are, by the settings of these names.

    Raises:
        SettingsError: one is no address, or is not where it is said to stand.
    """
    address = Address(_resolve(database))
    if vault_database:
        return address, Address(_resolve(vault_database))
    return address, address.beside(address.database + VAULT_SUFFIX)


def _resolve(text: str) -> str:
    return read_secret(text) if is_reference(text) else text
