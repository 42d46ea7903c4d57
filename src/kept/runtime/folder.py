"""Read a brand folder from the disk, and notice when it changes."""

from pathlib import Path
from typing import Final

from kept.core.brand.load import decode_texts, load_brand
from kept.core.brand.model import Brand
from kept.core.check import check_folder, errors_of
from kept.errors import InvalidBrandError, SettingsError

_ENDINGS: Final = (".yaml", ".liquid")
_LEFT_OUT: Final = ("history", "stories")


def read_folder(folder: Path) -> dict[str, str]:
    """Return a brand folder's files that decide: path within it -> text.

    Raises:
        SettingsError: there is no such folder.
        InvalidBrandError: a file is not UTF-8 text.
    """
    if not folder.is_dir():
        message = f"there is no brand folder {folder}; `kept init {folder}` writes one"
        raise SettingsError(message)
    return decode_texts(
        {
            name: path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.suffix in _ENDINGS
            and path.is_file()
            and (name := path.relative_to(folder).as_posix()).split("/")[0] not in _LEFT_OUT
        }
    )


def load_checked(texts: dict[str, str]) -> Brand:
    """Return the brand in a folder that nothing is wrong with.

    Raises:
        InvalidBrandError: with everything that is wrong with it.
    """
    errors = errors_of(check_folder(texts))
    if errors:
        raise InvalidBrandError(errors)
    return load_brand(texts)


def stamp_of(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what changes whenever a file of the folder does: names, sizes and times."""
    return tuple(
        (path.as_posix(), stat.st_size, stat.st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.suffix in _ENDINGS and (stat := path.stat())
    )
