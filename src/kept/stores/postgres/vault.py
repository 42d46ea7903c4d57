"""The store and its keys: which belong together, and when new keys are durable."""

from collections.abc import Mapping
from typing import LiteralString

from kept.errors import ContendedError, SettingsError
from kept.ports import VAULT_SETTING, Vault
from kept.stores.postgres.session import Session


class NewKeys:
    """Makes new keys durable before the records that were sealed with them."""

    def __init__(self, session: Session, vault: Vault) -> None:
        """Take the vault."""
        self._session = session
        self._vault = vault
        self._control_version = 0

    def flush(self) -> None:
        """Make the keys durable that this transaction made.

        Raises:
            ContendedError: another node made one of them first; what was sealed with ours is void.
        """
        try:
            self._vault.settle()
        except ContendedError as error:
            self._vault.let_go()
            raise self._session.refuse(error) from error.__cause__

    def began(self, control_version: int) -> None:
        """Let go of keys in memory if what all nodes must know has changed: some may be destroyed."""
        if control_version != self._control_version:
            self._vault.let_go()
            self._control_version = control_version

    def committed(self) -> None:
        """Do nothing: keys were made durable before."""

    def rolled_back(self) -> None:
        """Do nothing: a key that seals nothing harms nobody."""


def take_up_vault(session: Session, vault: Vault, queries: Mapping[str, LiteralString]) -> None:
    """Start a vault on the keys of this store; a new store notes which they are.

    Raises:
        SettingsError: the store was sealed with other keys, or with keys that nobody gave; or a
            move into it has not ended.
    """
    if session.fetch_one(queries["find_unfinished_move"]) is not None:
        raise SettingsError(
            f"a move into {session.place} has not ended; run the same `kept move` again, or name "
            "another database"
        )
    noted = _load_identity(session, queries)
    vault.start(noted)
    if noted and vault.identity != noted:
        vault.close()
        raise SettingsError(
            f"{session.place} is sealed, and was opened without its keys; give the master key"
        )
    if vault.identity and not noted:
        with session.transaction():
            session.write(queries["save_setting"], (VAULT_SETTING, vault.identity))


def _load_identity(session: Session, queries: Mapping[str, LiteralString]) -> bytes:
    row = session.fetch_one(queries["load_setting"], (VAULT_SETTING,))
    return bytes(row[0]) if row else b""
