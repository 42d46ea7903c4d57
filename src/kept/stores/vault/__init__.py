"""Vaults: what personal values pass through on their way to and from the disk, and their keys."""

from kept.stores.vault.master_keys import MASTER_KEY_NAME, MasterKeyFile, MasterKeyText
from kept.stores.vault.plain import PlainVault
from kept.stores.vault.sealing import SealingVault

__all__ = [
    "MASTER_KEY_NAME",
    "MasterKeyFile",
    "MasterKeyText",
    "PlainVault",
    "SealingVault",
]
