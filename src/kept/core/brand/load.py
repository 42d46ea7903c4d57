"""A brand folder's texts to a `Brand`, or every reason why they are not one.

This is about form: files, YAML, keys and types of values. What the values say to each other is
the business of `check`. The core reads no files; a text comes with its path in the folder.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from kept.core.brand.fill import fill_struct
from kept.core.brand.model import (
    Action,
    Brand,
    BrandFile,
    CohortsFile,
    ConsentFile,
    ContactFile,
    FactsFile,
    Product,
    SourcesFile,
)
from kept.core.brand.positions import KeyPath, Positions
from kept.core.brand.suggest import suggest_name
from kept.core.brand.yaml_tree import check_characters, parse_tree
from kept.errors import InvalidBrandError, Problem

_Loaded = TypeVar("_Loaded")

FILES_MAX: Final = 5_000
"""No brand folder has more files."""
VERSION_DIGITS: Final = 16

FILE_KINDS: Final[dict[str, type[msgspec.Struct]]] = {
    "brand.yaml": BrandFile,
    "sources.yaml": SourcesFile,
    "facts.yaml": FactsFile,
    "cohorts.yaml": CohortsFile,
    "consent.yaml": ConsentFile,
    "contact.yaml": ContactFile,
}
"""The files that each brand has once."""

FOLDER_KINDS: Final[dict[str, type[msgspec.Struct]]] = {"actions": Action, "catalog": Product}
"""The folders in which each file holds one thing."""

BESIDE: Final = ("history/", "stories/")
"""Folders that test a brand and are no part of it."""
TEMPLATES: Final = "templates/"
TEMPLATE_ENDING: Final = ".liquid"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What could be read of a folder, and everything that is wrong with its form."""

    brand: Brand
    positions: Positions
    problems: tuple[Problem, ...]
    doubtful: frozenset[tuple[str, KeyPath]]
    """(file, path) of every value that had to be replaced by a harmless one."""
    is_whole: bool
    """Whether each file that a brand has once could be read, so that others can refer to it."""


def load_brand(texts: Mapping[str, str]) -> Brand:
    """Return the brand that a folder describes.

    Args:
        texts: path within the folder, with `/` between names -> content.

    Raises:
        InvalidBrandError: with everything that is wrong with the folder's form.
    """
    reading = read_brand(texts)
    if reading.problems:
        raise InvalidBrandError(reading.problems)
    return reading.brand


def read_brand(texts: Mapping[str, str]) -> Reading:
    """Return as much of a brand as its folder's texts hold, with all problems; never raises."""
    reader = _Reader(texts)
    brand = reader.read()
    return Reading(
        brand=brand,
        positions=reader.positions,
        problems=tuple(sorted(reader.problems, key=_place)),
        doubtful=frozenset(reader.doubtful),
        is_whole=reader.is_whole,
    )


def load_struct(text: str, file: str, kind: type[_Loaded]) -> _Loaded:
    """Return one YAML text as a struct, such as a story, by the same rules as a brand's files.

    Raises:
        InvalidBrandError: with everything that is wrong with the text's form.
    """
    problems: list[Problem] = []
    positions = Positions()
    text = text.removeprefix("\ufeff")
    root = parse_tree(text, file, problems)
    if not problems:
        positions.add_file(file, text, root)
        value = fill_struct(
            kind, root, file, positions=positions, problems=problems, doubtful=set()
        )
        if not problems:
            return value
    raise InvalidBrandError(problems)


def decode_texts(contents: Mapping[str, bytes]) -> dict[str, str]:
    """Return the files of a folder as texts.

    Raises:
        InvalidBrandError: with each file that is not UTF-8, and the place where it stops being so.
    """
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for file, content in contents.items():
        try:
            texts[file] = content.decode("utf-8")
        except UnicodeDecodeError as error:
            before = content[: error.start].decode("utf-8").replace("\r\n", "\n").split("\n")
            problems.append(
                Problem(
                    file=file,
                    line=len(before),
                    column=len(before[-1]) + 1,
                    message=f"the byte 0x{content[error.start]:02X} does not belong in UTF-8",
                    suggestion="save the file as UTF-8",
                )
            )
    if problems:
        raise InvalidBrandError(problems)
    return texts


def version_of(texts: Mapping[str, str]) -> str:
    """Return the version of a folder: a hash of everything that can change a decision or a text.

    Stories test a brand and a README explains it; neither changes what it does, so neither counts.
    """
    digest = hashlib.sha256()
    for file in sorted(texts):
        if is_brand_file(file):
            content = texts[file].encode("utf-8", "surrogatepass")
            digest.update(f"{len(file.encode('utf-8', 'surrogatepass'))} {len(content)} ".encode())
            digest.update(file.encode("utf-8", "surrogatepass"))
            digest.update(content)
    return digest.hexdigest()[:VERSION_DIGITS]


def is_brand_file(file: str) -> bool:
    """Return whether a file of the folder is read as part of the brand."""
    if file.startswith(BESIDE):
        return False
    return file.endswith((".yaml", ".yml", TEMPLATE_ENDING)) and not file.startswith(".")


def _place(problem: Problem) -> tuple[str, int, int, str]:
    return problem.file, problem.line, problem.column, problem.message


class _Reader:
    """Reads one folder, collecting problems as it goes."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = {file: texts[file] for file in sorted(texts) if is_brand_file(file)}
        self.version = version_of(texts)
        self.positions = Positions()
        self.problems: list[Problem] = []
        self.doubtful: set[tuple[str, KeyPath]] = set()
        self.is_whole = True

    def read(self) -> Brand:
        """Return the brand, with harmless values in place of what cannot be used."""
        if len(self.texts) > FILES_MAX:
            message = f"the folder has {len(self.texts):,} files; at most {FILES_MAX:,} are taken"
            self.problems.append(Problem(file="brand.yaml", message=message))
            self.is_whole = False
            self.texts = {}
        single: dict[str, Any] = {}
        for file, kind in FILE_KINDS.items():
            if file not in self.texts:
                self._report_missing(file)
            single[file.removesuffix(".yaml")] = self._read_file(file, kind)
        actions: dict[str, Action] = {}
        products: dict[str, Product] = {}
        templates: dict[str, str] = {}
        for file, text in self.texts.items():
            if file in FILE_KINDS:
                continue
            folder = file.partition("/")[0]
            if file.startswith(TEMPLATES) and file.endswith(TEMPLATE_ENDING):
                self._read_template(file, text, templates)
            elif folder in FOLDER_KINDS and "/" in file and file.endswith(".yaml"):
                thing = self._read_file(file, FOLDER_KINDS[folder])
                if isinstance(thing, Action):
                    self._keep(actions, "action", thing.action, file=file, thing=thing)
                elif isinstance(thing, Product):
                    self._keep(products, "product", thing.product, file=file, thing=thing)
            else:
                self._report_unknown(file)
        return Brand(
            **single,
            actions=actions,
            products=products,
            templates=templates,
            version=self.version,
        )

    def _read_file(self, file: str, kind: type[msgspec.Struct]) -> msgspec.Struct:
        text = self.texts.get(file, "").removeprefix("\ufeff")
        problems = self.problems
        count = len(problems)
        root = parse_tree(text, file, problems)
        self.positions.add_file(file, text, root)
        if root is None and (len(problems) > count or file not in self.texts):
            self.is_whole = self.is_whole and file not in FILE_KINDS
            self.doubtful.add((file, ()))
            # What is missing follows from the file being unreadable, so it is not worth a word.
            problems = []
        return fill_struct(
            kind,
            root,
            file,
            positions=self.positions,
            problems=problems,
            doubtful=self.doubtful,
        )

    def _keep(
        self, known: dict[str, Any], kind: str, name: str, *, file: str, thing: msgspec.Struct
    ) -> None:
        if (file, (kind,)) in self.doubtful or not name:
            # The file's name is the best guess at a name that is missing.
            name = file.rpartition("/")[2].removesuffix(".yaml")
        if name in known:
            message = f"the {kind} `{name}` is already in {self.positions.file_of(kind, name)}"
            suggestion = f"give each {kind} a name of its own"
            self.problems.append(
                self.positions.problem(file, (kind,), message, suggestion=suggestion)
            )
            return
        known[name] = thing
        self.positions.add_name(kind, name, file)

    def _read_template(self, file: str, text: str, templates: dict[str, str]) -> None:
        found = check_characters(text, file, tabs=True)
        if found:
            self.problems.extend(found)
            self.doubtful.add((file, ()))
        name = file.removeprefix(TEMPLATES).removesuffix(TEMPLATE_ENDING)
        templates[name] = text.removeprefix("\ufeff").replace("\r\n", "\n")
        self.positions.add_file(file, text, None)
        self.positions.add_name("template", name, file)

    def _report_missing(self, file: str) -> None:
        self.is_whole = False
        self.problems.append(
            Problem(
                file=file,
                message="this file is missing",
                suggestion="each brand has one; `kept init` shows how it looks",
            )
        )

    def _report_unknown(self, file: str) -> None:
        known = [*FILE_KINDS, *(f"{folder}/NAME.yaml" for folder in FOLDER_KINDS)]
        if file.endswith(".yml"):
            suggestion = f"rename it to {file.removesuffix('.yml')}.yaml"
        else:
            suggestion = suggest_name(file, [*known, f"{TEMPLATES}NAME{TEMPLATE_ENDING}"])
        self.problems.append(
            Problem(file=file, message="no file of this name belongs here", suggestion=suggestion)
        )
