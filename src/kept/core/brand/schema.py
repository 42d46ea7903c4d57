"""JSON Schemas of the brand folder's files, for editors that complete and underline.

They are made from the same structs that the loader fills, so they cannot promise anything else.
What a key means stands as a docstring beneath its field, where programs cannot see it; so the
source texts of the structs' modules are asked for, and read like any other text.
"""

import ast
from collections.abc import Mapping
from textwrap import dedent
from typing import Any, Final

import msgspec

from kept.core.brand.load import FILE_KINDS, FOLDER_KINDS

SOURCE_FILES: Final = ("model.py", "model_facts.py", "model_actions.py", "model_privacy.py")
"""The modules of this package that declare the structs."""
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_WRITTEN_AS: Final[dict[str, list[str]]] = {
    "expression": ["string", "number", "boolean"],
    "decimal": ["string", "number"],
}
"""Rule -> types, for texts that a person may write without quotes."""


def make_schemas(source: str) -> dict[str, dict[str, Any]]:
    """Return the schema of each kind of file, by the name of the file to publish it in.

    Args:
        source: the texts of the modules that declare the structs, one after the other.
    """
    kinds = {file.removesuffix(".yaml"): kind for file, kind in FILE_KINDS.items()}
    kinds |= {kind.__name__.lower(): kind for kind in FOLDER_KINDS.values()}
    return {
        f"{name}.schema.json": schema_of(kind, name=name, source=source)
        for name, kind in kinds.items()
    }


def schema_of(kind: type[msgspec.Struct], *, name: str, source: str) -> dict[str, Any]:
    """Return the schema of one kind of file.

    Args:
        kind: the struct that the file is read into.
        name: what the kind of file is called.
        source: the texts of the modules that declare the struct and its parts.
    """
    schema = msgspec.json.schema(kind)
    definitions = schema.pop("$defs")
    meanings = read_meanings(source)
    root = definitions.pop(kind.__name__)
    for struct_name, definition in {**definitions, kind.__name__: root}.items():
        _describe(definition, meanings.get(struct_name, {}))
    return {
        "$schema": DIALECT,
        "$id": f"urn:kept:brand:{name}",
        **_amended(root),
        "$defs": {struct: _amended(definition) for struct, definition in definitions.items()},
    }


def read_meanings(source: str) -> Mapping[str, Mapping[str, str]]:
    """Return class -> key -> what the docstring beneath the key says, from a module's source."""
    meanings: dict[str, dict[str, str]] = {}
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        of_class = meanings.setdefault(node.name, {})
        for field, following in zip(node.body, node.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(following, ast.Expr)
                and isinstance(following.value, ast.Constant)
                and isinstance(following.value.value, str)
            ):
                key = field.target.id.removesuffix("_")
                of_class[key] = _unwrapped(following.value.value)
    return meanings


def _unwrapped(docstring: str) -> str:
    first, _, rest = docstring.partition("\n")
    return " ".join(f"{first}\n{dedent(rest)}".split())


def _describe(definition: dict[str, Any], meanings: Mapping[str, str]) -> None:
    """Put what each key means before what its type says."""
    for key, meaning in meanings.items():
        if key in definition["properties"]:
            rest = definition["properties"][key]
            # A reference may not have neighbours in older readers, so it moves into `allOf`.
            if "$ref" in rest:
                rest = {"allOf": [rest]}
            definition["properties"][key] = {**rest, "description": meaning}


def _amended(schema: Any) -> Any:
    """Return the schema with what YAML lets a person write beyond what JSON would."""
    if isinstance(schema, list):
        return [_amended(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    amended = {key: _amended(value) for key, value in schema.items() if key != "x-reads"}
    types = _WRITTEN_AS.get(str(schema.get("x-reads", "")))
    return amended if types is None else {**amended, "type": types}
