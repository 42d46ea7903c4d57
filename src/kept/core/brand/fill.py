"""A YAML tree to structs, driven by their annotations; every problem is collected, none is raised.

A value that cannot be used is replaced by a harmless one of the right type and its place is
remembered as `doubtful`, so that later checks can go on with the rest and keep quiet about what
follows only from the doubtful part.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import msgspec
from msgspec import inspect

from kept.core.brand.positions import Path, Positions
from kept.core.brand.suggest import suggest_name
from kept.core.brand.units import parse_decimal, parse_duration, parse_money
from kept.core.brand.yaml_tree import MappingNode, Node, ScalarNode, SequenceNode
from kept.errors import InputError, Problem

_Filled = TypeVar("_Filled")

INTEGER_MAX: Final = 2**63 - 1

_INVALID: Final = object()
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_NORWAY: Final = {
    **dict.fromkeys(("no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"), "false"),
    **dict.fromkeys(("yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"), "true"),
}
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})", re.ASCII)
_NUMBER: Final = re.compile(r"[-+]?(\d[\d_]*\.?\d*([eE][-+]?\d+)?|\.\d+|0x[0-9a-fA-F]+)", re.ASCII)

_READERS: Final[dict[str, tuple[Callable[[str], Any], str]]] = {
    "duration": (parse_duration, "1 day"),
    "money": (parse_money, "0 EUR"),
    "decimal": (parse_decimal, "0"),
}
"""What a text with a unit must pass, and what stands in for one that does not."""

_PLACEHOLDERS: Final[tuple[tuple[type[inspect.Type], Any], ...]] = (
    (inspect.StrType, ""),
    (inspect.IntType, 0),
    (inspect.BoolType, False),
    (inspect.DictType, {}),
    (inspect.VarTupleType, ()),
)

_QUOTED_MAX: Final = 60

_FIELDS: Final[dict[type, inspect.StructType]] = {}


def fill_struct(
    kind: type[_Filled],
    root: Node | None,
    file: str,
    *,
    positions: Positions,
    problems: list[Problem],
    doubtful: set[tuple[str, Path]],
) -> _Filled:
    """Return a struct filled from the tree of a file, adding what is wrong to `problems`.

    Args:
        kind: the struct's class.
        root: the tree; None for an empty file.
        file: the file's path within the folder.
        positions: the places of the file's keys.
        problems: receives one entry for everything that is wrong.
        doubtful: receives (file, path) of every value that was replaced.
    """
    filler = _Filler(file, positions, problems, doubtful)
    node = root if root is not None else MappingNode([], 1, 1)
    value = filler.fill(_type_of(kind), node, ())
    if value is _INVALID:
        doubtful.add((file, ()))
        value = _placeholder(_type_of(kind))
    return cast("_Filled", value)


def _type_of(kind: type) -> inspect.StructType:
    if kind not in _FIELDS:
        _FIELDS[kind] = cast("inspect.StructType", inspect.type_info(kind))
    return _FIELDS[kind]


class _Filler:
    """Fills the values of one file."""

    def __init__(
        self,
        file: str,
        positions: Positions,
        problems: list[Problem],
        doubtful: set[tuple[str, Path]],
    ) -> None:
        self.file = file
        self.positions = positions
        self.problems = problems
        self.doubtful = doubtful

    def fill(self, wanted: inspect.Type, node: Node, path: Path) -> Any:
        """Return the value, or `_INVALID` after reporting why there is none."""
        if isinstance(wanted, inspect.UnionType):
            return self._fill_union(wanted, node, path)
        if isinstance(wanted, inspect.AnyType):
            return self._fill_any(node, path)
        if isinstance(wanted, inspect.StructType | inspect.DictType):
            mapping = self._mapping(node, path)
            if mapping is None:
                return _INVALID
            if isinstance(wanted, inspect.StructType):
                return self._fill_struct(wanted, mapping, path)
            return self._fill_dict(wanted, mapping, path)
        if isinstance(wanted, inspect.VarTupleType | inspect.TupleType):
            return self._fill_tuple(wanted, node, path)
        if isinstance(wanted, inspect.Metadata) and not isinstance(wanted.type, inspect.StrType):
            return self.fill(wanted.type, node, path)
        if not isinstance(node, ScalarNode):
            return self._refuse(node, f"{_name(node)} where {_describe(wanted)} belongs")
        return self._fill_scalar(wanted, node)

    def _mapping(self, node: Node, path: Path) -> MappingNode | None:
        if isinstance(node, MappingNode):
            return node
        if isinstance(node, ScalarNode) and node.is_plain and node.text in _NULLS:
            return MappingNode([], node.line, node.column)
        what = f"under `{path[-1]}`" if path else "in this file"
        self._refuse(node, f"{_name(node)} where keys with values belong {what}")
        return None

    def _fill_struct(self, wanted: inspect.StructType, node: MappingNode, path: Path) -> Any:
        fields = {field.encode_name: field for field in wanted.fields}
        values: dict[str, Any] = {}
        for key, child in node.entries:
            field = fields.get(key.text)
            if field is None:
                where = f" in `{path[-1]}`" if path else ""
                suggestion = suggest_name(key.text, [name for name in fields if name not in values])
                self._refuse(key, f"unknown key `{key.text}`{where}", suggestion)
                # It may be the misspelt name of any key, so nothing here can be relied on.
                self.doubtful.add((self.file, path))
                continue
            value = self.fill(field.type, child, (*path, key.text))
            if value is _INVALID:
                self.doubtful.add((self.file, (*path, key.text)))
                value = _placeholder(field.type)
            values[field.name] = value
        for name, field in fields.items():
            if field.required and field.name not in values:
                where = f" in `{path[-1]}`" if path else ""
                line, column = self.positions.at(self.file, path)
                message = f"the key `{name}` is missing{where}"
                self.problems.append(
                    Problem(file=self.file, line=line, column=column, message=message)
                )
                self.doubtful.add((self.file, (*path, name)))
                values[field.name] = _placeholder(field.type)
        return wanted.cls(**values)

    def _fill_dict(self, wanted: inspect.DictType, node: MappingNode, path: Path) -> Any:
        values: dict[str, Any] = {}
        for key, child in node.entries:
            if key.is_plain and (key.text in _NORWAY or key.text in _NULLS):
                self._refuse(key, *_norway(key.text))
                continue
            name = unicodedata.normalize("NFC", key.text)
            value = self.fill(wanted.value_type, child, (*path, key.text))
            if value is _INVALID:
                self.doubtful.add((self.file, (*path, key.text)))
                value = _placeholder(wanted.value_type)
            values[name] = value
        return values

    def _fill_tuple(
        self, wanted: inspect.VarTupleType | inspect.TupleType, node: Node, path: Path
    ) -> Any:
        if isinstance(node, ScalarNode):
            if node.is_plain and node.text in _NULLS:
                return () if isinstance(wanted, inspect.VarTupleType) else _INVALID
            suggestion = f"write `[{node.text}]`"
            return self._refuse(node, f"{_name(node)} where a list belongs", suggestion)
        if isinstance(node, MappingNode):
            return self._refuse(node, "keys with values where a list belongs")
        if isinstance(wanted, inspect.TupleType):
            if len(node.items) != len(wanted.item_types):
                return self._refuse(
                    node, f"a list of {len(node.items)} where {len(wanted.item_types)} belong"
                )
            types: tuple[inspect.Type, ...] = wanted.item_types
        else:
            types = (wanted.item_type,) * len(node.items)
        values = []
        for index, (kind, item) in enumerate(zip(types, node.items, strict=True)):
            value = self.fill(kind, item, (*path, index))
            if value is _INVALID:
                self.doubtful.add((self.file, path))
                if isinstance(wanted, inspect.TupleType):
                    value = _placeholder(kind)
                else:
                    continue
            values.append(value)
        return tuple(values)

    def _fill_union(self, wanted: inspect.UnionType, node: Node, path: Path) -> Any:
        kinds = wanted.types
        if isinstance(node, ScalarNode) and node.is_plain:
            if node.text in _NULLS and any(isinstance(kind, inspect.NoneType) for kind in kinds):
                return None
            if node.text in {"true", "false"} and _has(kinds, inspect.BoolType):
                return node.text == "true"
            if _NUMBER.fullmatch(node.text) and _has(kinds, inspect.IntType):
                return self._fill_scalar(inspect.IntType(), node)
        for kind in kinds:
            if isinstance(kind, inspect.VarTupleType) and isinstance(node, SequenceNode):
                return self.fill(kind, node, path)
        # What remains in our unions is a text or a struct, beside the kinds that were tried.
        tried = inspect.NoneType | inspect.VarTupleType | inspect.BoolType | inspect.IntType
        rest = [kind for kind in kinds if not isinstance(kind, tried)]
        return self.fill(rest[0] if rest else kinds[0], node, path)

    def _fill_any(self, node: Node, path: Path) -> Any:
        if isinstance(node, MappingNode):
            return self._fill_dict(
                inspect.DictType(inspect.StrType(), inspect.AnyType()), node, path
            )
        if isinstance(node, SequenceNode):
            return [self._fill_any(item, (*path, index)) for index, item in enumerate(node.items)]
        if node.is_plain:
            if node.text in _NULLS:
                return None
            if node.text in {"true", "false"}:
                return node.text == "true"
            if node.text in _NORWAY:
                return self._refuse(node, *_norway(node.text))
            if _INTEGER.fullmatch(node.text):
                return self._fill_scalar(inspect.IntType(), node)
            if _NUMBER.fullmatch(node.text) and "_" not in node.text and "x" not in node.text:
                return float(node.text)
        return unicodedata.normalize("NFC", node.text)

    def _fill_scalar(self, wanted: inspect.Type, node: ScalarNode) -> Any:
        if isinstance(wanted, inspect.BoolType):
            if node.is_plain and node.text in {"true", "false"}:
                return node.text == "true"
            plain = _NORWAY.get(node.text)
            suggestion = f"write {plain}" if plain else "write true or false"
            return self._refuse(node, f"{_name(node)} where true or false belongs", suggestion)
        if isinstance(wanted, inspect.IntType):
            if node.is_plain and _INTEGER.fullmatch(node.text) and _fits(int(node.text)):
                return int(node.text)
            return self._refuse(node, f"{_name(node)} where a whole number belongs")
        if isinstance(wanted, inspect.LiteralType):
            if node.text in wanted.values:
                return node.text
            known = [str(value) for value in wanted.values]
            suggestion = suggest_name(node.text, known)
            return self._refuse(node, f"`{node.text}` is not one of {len(known)} words", suggestion)
        return self._fill_text(wanted, node)

    def _fill_text(self, wanted: inspect.Type, node: ScalarNode) -> Any:
        rule = ""
        pattern = None
        if isinstance(wanted, inspect.Metadata):
            rule = str((wanted.extra or {}).get("reads", ""))
            pattern = cast("inspect.StrType", wanted.type).pattern
        text = unicodedata.normalize("NFC", node.text)
        if node.is_plain:
            if text in _NULLS:
                return self._refuse(
                    node, "nothing, where a text belongs", 'write "" if it is empty'
                )
            if rule == "expression" and text in {"true", "false"}:
                return text
            if text in _NORWAY:
                return self._refuse(node, *_norway(text))
            if rule not in {"expression", "decimal"} and _NUMBER.fullmatch(text):
                return self._refuse(
                    node,
                    f"the number {text}, where a text belongs",
                    f'put quotes around it: "{text}"',
                )
        if rule in _READERS:
            try:
                _READERS[rule][0](text)
            except InputError as error:
                return self._refuse(node, str(error))
        elif pattern is not None and re.fullmatch(pattern, text, re.ASCII) is None:
            return self._refuse(node, f"`{text}` is not {_describe(wanted)}")
        return text

    def _refuse(self, node: Node, message: str, suggestion: str = "") -> object:
        self.problems.append(
            Problem(
                file=self.file,
                line=node.line,
                column=node.column,
                message=message,
                suggestion=suggestion,
            )
        )
        return _INVALID


def _name(node: Node) -> str:
    if isinstance(node, SequenceNode):
        return "a list"
    if isinstance(node, MappingNode):
        return "keys with values"
    if node.is_plain and node.text in _NULLS:
        return "nothing"
    return f"`{node.text}`" if len(node.text) <= _QUOTED_MAX else f"`{node.text[:_QUOTED_MAX]}…`"


def _describe(wanted: inspect.Type) -> str:
    if isinstance(wanted, inspect.BoolType):
        return "true or false"
    if isinstance(wanted, inspect.IntType):
        return "a whole number"
    if isinstance(wanted, inspect.LiteralType):
        return "one of " + ", ".join(f"`{value}`" for value in wanted.values)
    if isinstance(wanted, inspect.Metadata):
        return str((wanted.extra_json_schema or {}).get("description", "a text"))
    return "a text"


def _norway(text: str) -> tuple[str, str]:
    if text in _NULLS:
        return f"`{text}`, which means nothing to YAML", f'put quotes around it: "{text}"'
    message = f"`{text}` without quotes, which many YAML readers take for {_NORWAY[text]}"
    return message, f'put quotes around it: "{text}"'


def _has(kinds: tuple[inspect.Type, ...], kind: type[inspect.Type]) -> bool:
    return any(isinstance(candidate, kind) for candidate in kinds)


def _fits(number: int) -> bool:
    return -INTEGER_MAX <= number <= INTEGER_MAX


def _placeholder(wanted: inspect.Type) -> Any:
    """Return a harmless value of the type, in place of one that could not be used."""
    if isinstance(wanted, inspect.Metadata):
        rule = str((wanted.extra or {}).get("reads", ""))
        return _READERS[rule][1] if rule in _READERS else _placeholder(wanted.type)
    if isinstance(wanted, inspect.UnionType):
        return None if _has(wanted.types, inspect.NoneType) else _placeholder(wanted.types[0])
    if isinstance(wanted, inspect.StructType):
        values = {field.name: _placeholder(field.type) for field in wanted.fields if field.required}
        return wanted.cls(**values)
    if isinstance(wanted, inspect.TupleType):
        return tuple(_placeholder(kind) for kind in wanted.item_types)
    if isinstance(wanted, inspect.LiteralType):
        return wanted.values[0]
    for kind, value in _PLACEHOLDERS:
        if isinstance(wanted, kind):
            return value
    return None
