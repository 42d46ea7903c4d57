"""Where the master key is, by the settings; and the vault that stands on it."""

from pathlib import Path
from typing import Final

from kept.errors import SettingsError
from kept.ports import KeyService
from kept.settings import read_secret
from kept.stores.sqlite.folder import KEYS_NAME
from kept.stores.sqlite.key_file import KeyFile
from kept.stores.vault import MASTER_KEY_NAME, MasterKeyFile, MasterKeyText
from kept.stores.vault.transit import TransitKeys

_KINDS: Final = ("env:", "file:", "transit:")


def find_master_key(data: Path, reference: str = "", *, token: str = "") -> KeyService | None:
    """Return the key service that a setting names, None where a file could be made and is not there.

    Raises:
        SettingsError: the reference is none, or what it names is no master key.
    """
    kind, _, name = reference.partition(":")
    if not reference:
        path = data / MASTER_KEY_NAME
        return MasterKeyFile(path) if path.exists() else None
    if kind == "file":
        return MasterKeyFile(Path(name)) if Path(name).exists() else None
    if kind == "env":
        return MasterKeyText(read_secret(reference), place=f"the environment variable {name}")
    if kind == "transit":
        return TransitKeys(name, token=read_secret(token) if token else "")
    raise SettingsError(
        f"the master key is given as {', '.join(f'{kind}...' for kind in _KINDS)}, never as itself"
    )


def open_master_key(
    data: Path, reference: str = "", *, token: str = "", sealed: str = ""
) -> KeyService:
    """Return the key service; a file that is not there is made, unless something was sealed already.

    `sealed` names what was, where it is not the data folder's own store.

    Raises:
        SettingsError: the master key is missing or is none.
    """
    service = find_master_key(data, reference, token=token)
    if service is not None:
        return service
    path = Path(reference.removeprefix("file:")) if reference else data / MASTER_KEY_NAME
    if sealed or (data / KEYS_NAME).exists():
        raise SettingsError(
            f"the master key {path} is missing, and everything in {sealed or data} is sealed under "
            "it; put it back from where it is kept: without it nothing can be read"
        )
    return MasterKeyFile.make(path)


def open_keys_to_read(data: Path, reference: str = "", *, token: str = "") -> KeyFile:
    """Return the keys of a data folder for one who only reads, beside a server perhaps.

    Raises:
        SettingsError: the master key is missing or is none.
    """
    service = find_master_key(data, reference, token=token)
    if service is None or not (data / KEYS_NAME).exists():
        raise SettingsError(
            f"{data} holds no keys that can be used; name the data folder of a server or a whole copy "
            "of one, and say with --master-key where its master key is"
        )
    return KeyFile(data / KEYS_NAME, service, reads_only=True)


def open_keys(data: Path, reference: str = "", *, token: str = "") -> KeyFile:
    """Return the keys of a data folder, to be given to a vault."""
    return KeyFile(data / KEYS_NAME, open_master_key(data, reference, token=token))
