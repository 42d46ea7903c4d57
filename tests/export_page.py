"""The tables of docs/reference/customer-export.md, made from the structs of an export.

Run `.venv/bin/python -m tests.export_page` to write the page anew.
"""

import ast
import inspect
from itertools import pairwise
from typing import Any, Final

import msgspec

from kept.core import customer_export
from tests.tree import ROOT

PAGE: Final = ROOT / "docs" / "reference" / "customer-export.md"
MARK: Final = "<!-- below: written by `python -m tests.export_page` -->\n"
_STRUCTS: Final = (
    customer_export.ExportHead,
    customer_export.ExportedValue,
    customer_export.ExportedConsent,
    customer_export.ExportedMessage,
    customer_export.ExportedUse,
    customer_export.ExportedRecipient,
    customer_export.ExportedHeld,
    customer_export.ExportedEvent,
    customer_export.ExportedDecision,
)


def tables() -> str:
    """Return a section for each struct."""
    return "\n".join(_section(struct) for struct in _STRUCTS)


def _section(struct: type[msgspec.Struct]) -> str:
    tree = ast.parse(inspect.getsource(struct)).body[0]
    assert isinstance(tree, ast.ClassDef)
    told = dict(_meanings(tree))
    lines = [f"## {struct.__name__}", "", str(ast.get_docstring(tree)), ""]
    lines += ["| member | type | what it says |", "|---|---|---|"]
    for field in msgspec.structs.fields(struct):
        lines.append(f"| `{field.name}` | {_type(field.type)} | {told.get(field.name, '')} |")
    return "\n".join(lines) + "\n"


def _meanings(tree: ast.ClassDef) -> Any:
    for member, after in pairwise(tree.body):
        if (
            isinstance(member, ast.AnnAssign)
            and isinstance(member.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            yield member.target.id, " ".join(str(after.value.value).split())


def _type(kind: Any) -> str:
    names = {str: "text", bool: "true or false", int: "number"}
    if kind in names:
        return names[kind]
    args: tuple[Any, ...] = getattr(kind, "__args__", ())
    if getattr(kind, "__origin__", None) is tuple:
        inner = args[0]
        return f"list of {names.get(inner, getattr(inner, '__name__', 'texts'))}"
    return "object" if getattr(kind, "__origin__", None) is dict else "any"


def with_tables(text: str) -> str:
    """Return the page with its tables as they should be."""
    head, mark, _ = text.partition(MARK)
    return f"{head}{mark}\n{tables()}"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
