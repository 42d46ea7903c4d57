"""The house checks itself: rules of style that neither ruff, mypy nor import-linter can hold."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tree import (
    PACKAGE,
    ROOT,
    called_names,
    functions_in,
    imports_of,
    module_name,
    public_things_in,
    python_files,
    show,
)

MODULE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
MAKE_TARGETS_MAX = 10
OURS = ("src", "tests", "bench")
# Written with brackets, so that this line does not find itself.
OPEN_ENDS = re.compile(r"\b(T[O]DO|F[I]XME|X[X]X|H[A]CK)\b")
ADDRESSES = re.compile(r"https?:|file:|git\+|index-url|find-links|(^|\s)[~.]?/\w")
QUERY_NAME = re.compile(r"-- (\w+) --")


def text_files() -> Iterator[Path]:
    """Yield every file that we write by hand and that a reader may read."""
    for folder in ("src", "tests", "bench", "docs", "examples"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {
                ".py",
                ".sql",
                ".md",
                ".yaml",
                ".liquid",
                ".html",
                ".js",
                ".css",
            } and ("node_modules" not in path.parts):
                yield path
    yield from sorted(ROOT.glob("*.md"))
    yield ROOT / "Makefile"
    yield ROOT / "pyproject.toml"


def test_no_module_is_longer_than_500_lines() -> None:
    """Past 400 lines is the time to split."""
    long = [
        f"{show(path)}: {count} lines"
        for path in python_files(*OURS)
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > MODULE_LINES_MAX
    ]
    assert not long


def test_no_function_is_longer_than_60_lines() -> None:
    """A function fits a screen."""
    long = [
        f"{show(path)}:{function.lineno}: {function.name} has {count} lines"
        for path in python_files(*OURS)
        for function in functions_in(path)
        if (count := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not long


def test_every_public_thing_says_what_it_is() -> None:
    """Modules, public classes and functions, and every test, begin with a plain sentence."""
    silent = [
        name
        for path in python_files(*OURS)
        for name, node in public_things_in(path)
        if not (ast.get_docstring(node) or "").strip()
    ]
    assert not silent


@pytest.mark.parametrize("folder", ["unit", "property", "scenario"])
def test_no_fast_test_sleeps(folder: str) -> None:
    """Time is given to a test, never waited for."""
    sleeps = [
        f"{show(path)}:{line}"
        for path in python_files(f"tests/{folder}")
        for name, line in called_names(path)
        if name == "sleep"
    ]
    assert not sleeps


def test_nothing_is_left_open_in_a_comment() -> None:
    """What is not done is either done or said in the open, not noted beside the code."""
    found = [
        f"{show(path)}:{number}: {line.strip()}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if OPEN_ENDS.search(line)
    ]
    assert not found


def test_no_module_is_dead() -> None:
    """Whatever is in the package is imported by something else in the package."""
    imported: set[str] = set()
    for path in python_files("src"):
        imported |= imports_of(path) - {module_name(path)}
    dead = [
        show(path)
        for path in python_files("src")
        if path.stem not in {"__init__", "__main__"} and module_name(path) not in imported
    ]
    assert not dead, "nothing imports these: use them or remove them"


def test_only_the_clock_module_reads_the_clock_or_draws_at_random() -> None:
    """Ruff's fence names the calls; this keeps anyone from climbing over it."""
    climbed = [
        show(path)
        for path in python_files("src")
        if path != PACKAGE / "clock.py"
        and (
            imports_of(path) & {"random", "secrets", "time.time", "uuid.uuid4"}
            or re.search(r"noqa:.*TID251", path.read_text(encoding="utf-8"))
        )
    ]
    assert not climbed


def test_whoever_writes_the_audit_writes_the_consent_log() -> None:
    """What operators do is kept by one call, `note_operator`, which makes a leaf of it too."""
    only = PACKAGE / "flows" / "note_in_log.py"
    around = [
        f"{show(path)}:{line}"
        for path in python_files("src")
        for name, line in called_names(path)
        if name == "append_audit" and path != only
    ]
    assert not around


def test_every_named_query_says_what_it_does() -> None:
    """`-- name --` is followed by one line of description, and some Python code uses the name."""
    adapters = "\n".join(
        path.read_text(encoding="utf-8") for path in sorted((PACKAGE / "stores").rglob("*.py"))
    )
    wrong: list[str] = []
    for path in sorted((PACKAGE / "stores").rglob("*.sql")):
        lines = path.read_text(encoding="utf-8").splitlines()
        names = [(i, match[1]) for i, line in enumerate(lines) if (match := QUERY_NAME.match(line))]
        if not lines or not lines[0].startswith("-- "):
            wrong.append(f"{show(path)}: does not begin by saying what it is")
        for i, name in names:
            where = f"{show(path)}:{i + 1}: {name}"
            description = lines[i + 1] if i + 1 < len(lines) else ""
            if not re.match(r"-- \w", description) or QUERY_NAME.match(description):
                wrong.append(f"{where} has no description on the next line")
            if not re.search(rf"\b{name}\b", adapters):
                wrong.append(f"{where} is used by nothing in stores/")
        if len({name for _, name in names}) < len(names):
            wrong.append(f"{show(path)}: a name stands twice")
    assert not wrong


def test_locks_hold_names_versions_and_hashes_only() -> None:
    """No address, path or option: whoever installs chooses where packages come from."""
    found = [
        f"{show(path)}:{number}: {line}"
        for path in sorted((ROOT / "requirements").glob("*.txt"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if ADDRESSES.search(line)
        or not re.match(r"[a-z0-9][a-z0-9._-]*(\[[a-z,]+\])?==\S+ |    --hash=sha256:", line)
    ]
    assert not found


def test_every_dependency_is_locked_and_justified() -> None:
    """Each runtime dependency is in the lock and in the record of dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[^A-Za-z0-9-]", text)[0].lower() for text in project["dependencies"]]
    lock = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    record = (ROOT / "docs" / "decisions" / "0001-dependencies.md").read_text(encoding="utf-8")
    assert [name for name in names if f"\n{name}==" not in f"\n{lock}"] == []
    assert [name for name in names if f"`{name}`" not in record.lower()] == []


def test_make_has_few_targets_and_each_explains_itself() -> None:
    """At most ten, so that `make` alone fits a glance."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    assert phony
    explained = re.findall(r"^(\w+):.*## \w", makefile, flags=re.MULTILINE)
    assert set(explained) == set(phony[1].split())
    assert len(explained) <= MAKE_TARGETS_MAX
