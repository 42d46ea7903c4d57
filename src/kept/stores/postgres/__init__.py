"""The shared store: one PostgreSQL database, written by many nodes."""

from kept.stores.postgres.address import Address
from kept.stores.postgres.keys import KeyDatabase
from kept.stores.postgres.recorded import PostgresRecorded
from kept.stores.postgres.store import PostgresStore
from kept.stores.postgres.vault_database import VAULT_SUFFIX, VaultDatabase

__all__ = [
    "VAULT_SUFFIX",
    "Address",
    "KeyDatabase",
    "PostgresRecorded",
    "PostgresStore",
    "VaultDatabase",
]
