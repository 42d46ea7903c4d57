"""The project's own files as values, for the tests by which the house checks itself."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"
PACKAGE = SOURCE / "kept"

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | Function


@cache
def python_files(*folders: str) -> tuple[Path, ...]:
    """Return every Python file under these folders of the project, in order."""
    files = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return tuple(sorted(path for path in files if "node_modules" not in path.parts))


@cache
def parse(path: Path) -> ast.Module:
    """Return the syntax tree of one Python file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def show(path: Path) -> str:
    """Return a path as seen from the project's root."""
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    """Return the dotted name under which a file of the package is imported."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def functions_in(path: Path) -> Iterator[Function]:
    """Yield every function and method of a file, nested ones included."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def public_things_in(path: Path) -> Iterator[tuple[str, Documented]]:
    """Yield the module, its public classes, their public methods, and its public functions."""
    module = parse(path)
    yield show(path), module
    for node in module.body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield f"{show(path)}::{node.name}", node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield f"{show(path)}::{node.name}", node
            for member in node.body:
                if isinstance(member, Function) and not member.name.startswith("_"):
                    yield f"{show(path)}::{node.name}.{member.name}", member


def imports_of(path: Path) -> set[str]:
    """Return the dotted names that a file imports, wherever in the file it does so.

    `from a import b` counts as both `a` and `a.b`, since `b` may be a module.
    """
    names: set[str] = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def called_names(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the last name of everything that a file calls, with its line."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                yield node.func.attr, node.lineno
            elif isinstance(node.func, ast.Name):
                yield node.func.id, node.lineno


def names_of_tests_in(path: Path) -> set[str]:
    """Return the names of the tests that a file holds."""
    return {function.name for function in functions_in(path) if function.name.startswith("test_")}


def headings_in(path: Path) -> set[str]:
    """Return the headings of a Markdown file, without marks; none where the file is missing."""
    if not path.exists():
        return set()
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line.lstrip("#").strip().strip("`") for line in lines if line.startswith("#")}
