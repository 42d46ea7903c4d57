"""Which store the settings name, and the keys of its vault."""

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
from kept.stores.vault import SealingVault
from kept.stores.vault.epochs import UpkeptKeys


class Opened(NamedTuple):
    """A store that is open, its keys, and the vault that stands on them."""

    store: Store
    keys: UpkeptKeys
    vault: Vault


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
    address = Address(_resolve(settings.database))
    if settings.vault_database:
        beside = Address(_resolve(settings.vault_database))
    else:
        beside = address.beside(address.database + VAULT_SUFFIX)
    database = VaultDatabase(beside, main=address)
    try:
        service = open_master_key(
            settings.data,
            settings.master_key,
            token=settings.master_key_token,
            # The first node makes the master key; it is given to the others.
            sealed=address.place if database.has_keys() else "",
        )
        keys = KeyDatabase(database, service)
        vault = SealingVault(keys)
        store = PostgresStore(address, vault=vault, database=database)
    except BaseException:
        database.close()
        raise
    return Opened(store, keys, vault)


def _resolve(text: str) -> str:
    return read_secret(text) if is_reference(text) else text
