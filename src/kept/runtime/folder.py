"""Read a brand folder from the disk, and notice when it changes."""

from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

from kept.core.brand.load import decode_texts, load_brand
from kept.core.brand.model import Brand
from kept.core.check import check_folder, errors_of
from kept.errors import InvalidBrandError, Problem, SettingsError
from kept.runtime.own_secrets import find_own
from kept.settings import Settings

_ENDINGS: Final = (".yaml", ".yml", ".liquid")
"""`.yml` is none that a brand's files have; it is read so that whoever wrote it is told."""
_LEFT_OUT: Final = ("history", "stories")
_READS_MAX: Final = 5
"""How often a folder that changes is read, until it was the same before and after."""

Stamp: TypeAlias = tuple[tuple[str, int, int], ...]
"""What changes whenever a file of a folder does."""


def read_folder(folder: Path) -> dict[str, str]:
    """Return a brand folder's files that decide: path within it -> text.

    Raises:
        SettingsError: there is no such folder.
        InvalidBrandError: a file is not UTF-8 text, or stands somewhere else.
    """
    if not folder.is_dir():
        message = f"there is no brand folder {folder}; `kept init {folder}` writes one"
        raise SettingsError(message)
    paths = {
        name: path
        for path in sorted(folder.rglob("*"))
        if path.suffix in _ENDINGS
        and path.is_file()
        and (name := path.relative_to(folder).as_posix()).split("/")[0] not in _LEFT_OUT
    }
    home = folder.resolve()
    # What a link leads to could be any file of this machine, and would be sent as a text.
    outside = [name for name, path in paths.items() if not path.resolve().is_relative_to(home)]
    if outside:
        message = "this is a link that leads out of the folder"
        raise InvalidBrandError([Problem(file=name, message=message) for name in outside])
    return decode_texts({name: path.read_bytes() for name, path in paths.items()})


def read_settled(folder: Path) -> tuple[dict[str, str], Stamp]:
    """Return a folder's files as they were at one instant, and its stamp then.

    Raises:
        SettingsError: there is no such folder.
        InvalidBrandError: a file is not UTF-8 text, or stands somewhere else; or files change on.
    """
    for _ in range(_READS_MAX):
        # What goes while it is read is a change too.
        with suppress(FileNotFoundError):
            stamp = stamp_of(folder)
            texts = read_folder(folder)
            if stamp_of(folder) == stamp:
                return texts, stamp
    message = "the folder changed whenever it was read"
    suggestion = "try again when whatever writes into it is done"
    raise InvalidBrandError([Problem(file=folder.name, message=message, suggestion=suggestion)])


def load_checked(texts: dict[str, str], *, settings: Settings | None = None) -> Brand:
    """Return the brand in a folder that nothing is wrong with, nor for a server of these settings.

    Raises:
        InvalidBrandError: with everything that is wrong with it.
    """
    errors = errors_of(check_folder(texts))
    if errors:
        raise InvalidBrandError(errors)
    brand = load_brand(texts)
    own = [] if settings is None else find_own(brand, texts, settings)
    if own:
        raise InvalidBrandError(own)
    return brand


def stamp_of(folder: Path) -> Stamp:
    """Return what changes whenever a file of the folder does: names, sizes and times."""
    return tuple(
        (path.as_posix(), stat.st_size, stat.st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        # A link that leads nowhere is what some editors lock a file with.
        if path.suffix in _ENDINGS and path.is_file() and (stat := path.stat())
    )
