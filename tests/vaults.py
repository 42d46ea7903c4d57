"""Vaults for tests: the real one, on a master key in the store's own folder."""

from pathlib import Path

from kept.runtime.master_key import open_keys
from kept.stores.vault import SealingVault


def make_vault(data: Path) -> SealingVault:
    """Return the vault of a data folder, as a server with default settings opens it."""
    return SealingVault(open_keys(data))
