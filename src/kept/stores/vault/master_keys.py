"""The brand's master key in a file or in the environment; implements `ports.KeyService`.

It is written as one line an epoch: `NUMBER:BASE64`, 32 random bytes each. The highest number is the
epoch under which new keys are wrapped. What is wrapped under an epoch whose line is gone can be
read by nobody, in no backup.
"""

import os
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kept.clock import random_bytes
from kept.errors import SettingsError
from kept.stores.files import sync_file, sync_folder

MASTER_KEY_NAME: Final = "master-key"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_EPOCH: Final = re.compile(r"[1-9][0-9]{0,9}")


class MasterKeyText:
    """A master key that the operator gave as text; only the operator begins and destroys epochs."""

    def __init__(self, text: str, *, place: str) -> None:
        """Read the epochs; `place` says in errors where they stand.

        Raises:
            SettingsError: the text is no master key. The message never repeats it.
        """
        self.place = place
        self.may_change = False
        self._keys = _parse(text, place=place)

    def list_epochs(self) -> list[int]:
        """Return the numbers of the epochs that are there, ascending."""
        return sorted(self._keys)

    def wrap(self, epoch: int, secret: bytes) -> bytes:
        """Encrypt a small secret under an epoch."""
        nonce = random_bytes(NONCE_BYTES)
        return nonce + AESGCM(self._keys[epoch]).encrypt(nonce, secret, b"epoch:%d" % epoch)

    def unwrap(self, epoch: int, wrapped: bytes) -> bytes:
        """Return a secret that was wrapped under an epoch.

        Raises:
            SettingsError: the epoch's key is another one than it was.
        """
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return AESGCM(self._keys[epoch]).decrypt(nonce, sealed, b"epoch:%d" % epoch)
        except InvalidTag as error:
            raise SettingsError(
                f"epoch {epoch} of the master key in {self.place} is not the one that this store "
                "was sealed with; give the right one: without it nothing can be read"
            ) from error

    def begin_epoch(self) -> int:
        """Refuse: what the operator gave is not ours to change."""
        newest = max(self._keys)
        raise SettingsError(
            f"the master key in {self.place} is changed by hand: add a line "
            f"`{newest + 1}:` with 32 random bytes in base64, and start again"
        )

    def destroy_epoch(self, epoch: int) -> None:
        """Refuse: what the operator gave is not ours to change."""
        raise SettingsError(
            f"the master key in {self.place} is changed by hand: remove the line `{epoch}:`, "
            "wherever a copy of it is kept"
        )


class MasterKeyFile(MasterKeyText):
    """A master key in a file of ours: epochs are begun and destroyed in it."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            SettingsError: it cannot be read, or holds no master key.
        """
        self._path = path
        super().__init__(_read(path), place=str(path))
        self.may_change = True

    def list_epochs(self) -> list[int]:
        """Return the numbers of the epochs that are in the file now: another node may have added one."""
        self._keys = _parse(_read(self._path), place=self.place)
        return super().list_epochs()

    @classmethod
    def make(cls, path: Path) -> "MasterKeyFile":
        """Make a new master key, for a store that has none yet; one that is there already is taken."""
        _write(path, {1: random_bytes(KEY_BYTES)}, replaces=False)
        return cls(path)

    def leave_to_people(self) -> None:
        """Change the file no more: others have copies of it, and could not read what we seal then."""
        self.may_change = False

    def begin_epoch(self) -> int:
        """Add an epoch, and return its number once it is on the disk."""
        if not self.may_change:
            return super().begin_epoch()
        newest = max(self._keys) + 1
        self._replace(self._keys | {newest: random_bytes(KEY_BYTES)})
        return newest

    def destroy_epoch(self, epoch: int) -> None:
        """Take an epoch out of the file; what is wrapped under it can be read by nobody any more."""
        if not self.may_change:
            super().destroy_epoch(epoch)
        self._replace({number: key for number, key in self._keys.items() if number != epoch})

    def _replace(self, keys: dict[int, bytes]) -> None:
        _write(self._path, keys)
        self._keys = keys


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not plain text"
        raise SettingsError(f"the master key in {path} cannot be read: {reason}") from error


def _parse(text: str, *, place: str) -> dict[int, bytes]:
    """Return the epochs of a master key; everything wrong with it at once."""
    keys: dict[int, bytes] = {}
    wrong: list[str] = []
    for number, line in enumerate(text.replace(",", "\n").splitlines(), start=1):
        written = line.strip()
        if not written or written.startswith("#"):
            continue
        epoch, _, packed = written.partition(":")
        try:
            key = b64decode(packed, validate=True)
        except (Base64Error, ValueError):
            key = b""
        if not (_EPOCH.fullmatch(epoch) and int(epoch) < 1 << 31):
            wrong.append(f"line {number} does not begin with the number of an epoch")
        elif len(key) != KEY_BYTES:
            wrong.append(f"line {number} does not hold {KEY_BYTES} bytes in base64")
        elif int(epoch) in keys:
            wrong.append(f"line {number} gives epoch {epoch} again")
        else:
            keys[int(epoch)] = key
    if not keys and not wrong:
        wrong.append("it is empty")
    if wrong:
        raise SettingsError(
            f"the master key in {place} cannot be used: {'; '.join(wrong)}. "
            "It is written as one line an epoch, `1:BASE64`; restore it from where it is kept"
        )
    return keys


def _write(path: Path, keys: dict[int, bytes], *, replaces: bool = True) -> None:
    """Put a master key in a file's place, whole or not at all; or only where there is no file yet."""
    lines = [f"{epoch}:{b64encode(key).decode()}\n" for epoch, key in sorted(keys.items())]
    # Where a link leads to: that is the file which loses its old content.
    path = path.resolve()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Only its owner may read it, and two that write at once have one each.
        handle, partial = mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=".partial")
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.writelines(lines)
            sync_file(Path(partial))
            (_put_instead if replaces else _put_first)(Path(partial), path)
        finally:
            Path(partial).unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"the master key {path} cannot be written: {error.strerror}") from error


def _put_first(partial: Path, path: Path) -> None:
    # One that another made meanwhile stays: something may be sealed under it already.
    with suppress(FileExistsError):
        path.hardlink_to(partial)
    sync_folder(path.parent)


def _put_instead(partial: Path, path: Path) -> None:
    old = os.open(path, os.O_WRONLY) if path.exists() else -1
    partial.replace(path)
    sync_folder(path.parent)
    if old >= 0:
        _overwrite(old)


def _overwrite(handle: int) -> None:
    """Write zeros over a file that has lost its name, as far as the disk still has it in that place."""
    try:
        os.pwrite(handle, bytes(os.fstat(handle).st_size), 0)
        os.fsync(handle)
    finally:
        os.close(handle)
