"""Read a brand folder from the disk, and notice when it changes."""

from pathlib import Path
from typing import Final

from kept.core.brand.check import check_brand
from kept.core.brand.load import read_brand
from kept.core.brand.model import Brand
from kept.errors import InvalidBrandError, Problem, SettingsError

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
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix not in _ENDINGS or name.split("/")[0] in _LEFT_OUT or not path.is_file():
            continue
        try:
            texts[name] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            message = f"the file is not UTF-8 text (byte {error.start})"
            problems.append(Problem(file=name, message=message, suggestion="save it as UTF-8"))
    if problems:
        raise InvalidBrandError(problems)
    return texts


def check_folder(texts: dict[str, str]) -> tuple[Brand, list[Problem]]:
    """Return a brand and every problem of it, notes included; errors come first."""
    reading = read_brand(texts)
    problems = [*reading.problems, *check_brand(reading)]
    problems.sort(key=lambda p: (p.severity != "error", p.file, p.line, p.column))
    return reading.brand, problems


def load_checked(texts: dict[str, str]) -> Brand:
    """Return the brand in a folder that nothing is wrong with.

    Raises:
        InvalidBrandError: with everything that is wrong with it.
    """
    brand, problems = check_folder(texts)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise InvalidBrandError(errors)
    return brand


def stamp_of(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what changes whenever a file of the folder does: names, sizes and times."""
    return tuple(
        (path.as_posix(), stat.st_size, stat.st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.suffix in _ENDINGS and (stat := path.stat())
    )
