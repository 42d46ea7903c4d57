"""A YAML tree to structs, driven by their annotations; every problem is collected, none is raised.

A value that cannot be used is replaced by a harmless one of the right type and its place is
remembered as `doubtful`, so that later checks can go on with the rest and keep quiet about what
follows only from the doubtful part.
"""

import unicodedata
from typing import Any, Final, TypeVar, cast

from msgspec import inspect

from kept.core.brand.positions import KeyPath, Positions
from kept.core.brand.scalars import (
    Refusal,
    check_key,
    choose_type,
    describe_node,
    describe_type,
    is_nothing,
    placeholder_text,
    read_any,
    read_scalar,
)
from kept.core.brand.suggest import nearest_name, suggest_name
from kept.core.brand.yaml_tree import MappingNode, Node, ScalarNode, SequenceNode
from kept.errors import Problem

_Filled = TypeVar("_Filled")

_INVALID: Final = object()

_PLACEHOLDERS: Final[tuple[tuple[type[inspect.Type], Any], ...]] = (
    (inspect.StrType, ""),
    (inspect.IntType, 0),
    (inspect.BoolType, False),
    (inspect.DictType, {}),
    (inspect.VarTupleType, ()),
    (inspect.AnyType, None),
)

_KNOWN_TYPES: Final[dict[type, inspect.StructType]] = {}


def fill_struct(
    kind: type[_Filled],
    root: Node | None,
    file: str,
    *,
    positions: Positions,
    problems: list[Problem],
    doubtful: set[tuple[str, KeyPath]],
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
    if kind not in _KNOWN_TYPES:
        _KNOWN_TYPES[kind] = cast("inspect.StructType", inspect.type_info(kind))
    wanted = _KNOWN_TYPES[kind]
    filler = _Filler(file, positions, problems, doubtful)
    value = filler.fill(wanted, root if root is not None else MappingNode([], 1, 1), ())
    if value is _INVALID:
        doubtful.add((file, ()))
        value = _placeholder(wanted)
    return cast("_Filled", value)


class _Filler:
    """Fills the values of one file."""

    def __init__(
        self,
        file: str,
        positions: Positions,
        problems: list[Problem],
        doubtful: set[tuple[str, KeyPath]],
    ) -> None:
        self.file = file
        self.positions = positions
        self.problems = problems
        self.doubtful = doubtful

    def fill(self, wanted: inspect.Type, node: Node, path: KeyPath) -> Any:
        """Return the value, or `_INVALID` after reporting why there is none."""
        for kind, fill in _FILLERS:
            if isinstance(wanted, kind):
                return fill(self, wanted, node, path)
        if not isinstance(node, ScalarNode):
            return self.refuse(node, f"{describe_node(node)} where {describe_type(wanted)} belongs")
        return self.accept(node, read_scalar(wanted, node))

    def fill_struct(self, wanted: inspect.StructType, node: Node, path: KeyPath) -> Any:
        """Return a struct; unknown and missing keys are problems."""
        entries = self.entries(node, path)
        if entries is None:
            return _INVALID
        where = f" in `{path[-1]}`" if path else ""
        fields = {field.encode_name: field for field in wanted.fields}
        values: dict[str, Any] = {}
        meant: set[str] = set()
        for key, child in entries:
            field = fields.get(key.text)
            if field is None:
                suggestion = suggest_name(key.text, fields)
                self.refuse(key, f"unknown key `{key.text}`{where}", suggestion)
                near = nearest_name(key.text, fields)
                meant.add(near)
                # Without a likely key it may be any, so that nothing here can be relied on.
                self.doubtful.add((self.file, (*path, near) if near else path))
            else:
                values[field.name] = self.fill_or_replace(field.type, child, (*path, key.text))
        for name, field in fields.items():
            if field.required and field.name not in values:
                if name not in meant:
                    message = f"the key `{name}` is missing{where}"
                    self.problems.append(self.positions.problem(self.file, path, message))
                self.doubtful.add((self.file, (*path, name)))
                values[field.name] = _placeholder(field.type)
        return wanted.cls(**values)

    def fill_dict(self, wanted: inspect.DictType, node: Node, path: KeyPath) -> Any:
        """Return a dict; its keys are names that the brand chooses."""
        entries = self.entries(node, path)
        if entries is None:
            return _INVALID
        values: dict[str, Any] = {}
        for key, child in entries:
            refusal = check_key(key)
            if refusal is not None:
                self.accept(key, refusal)
                self.doubtful.add((self.file, path))
                continue
            name = unicodedata.normalize("NFC", key.text)
            values[name] = self.fill_or_replace(wanted.value_type, child, (*path, key.text))
        return values

    def fill_list(self, wanted: inspect.VarTupleType, node: Node, path: KeyPath) -> Any:
        """Return a tuple of any length."""
        if is_nothing(node):
            return ()
        if not isinstance(node, SequenceNode):
            suggestion = f"write `[{node.text}]`" if isinstance(node, ScalarNode) else ""
            return self.refuse(node, f"{describe_node(node)} where a list belongs", suggestion)
        values = [
            self.fill(wanted.item_type, item, (*path, index))
            for index, item in enumerate(node.items)
        ]
        if any(value is _INVALID for value in values):
            self.doubtful.add((self.file, path))
        return tuple(value for value in values if value is not _INVALID)

    def fill_row(self, wanted: inspect.TupleType, node: Node, path: KeyPath) -> Any:
        """Return a tuple of fixed length."""
        kinds = wanted.item_types
        if not isinstance(node, SequenceNode) or len(node.items) != len(kinds):
            belongs = f"a list of {len(kinds)}"
            return self.refuse(node, f"{describe_node(node)} where {belongs} belongs")
        return tuple(
            self.fill_or_replace(kind, item, (*path, index))
            for index, (kind, item) in enumerate(zip(kinds, node.items, strict=True))
        )

    def fill_union(self, wanted: inspect.UnionType, node: Node, path: KeyPath) -> Any:
        """Return a value of the member that the node looks like."""
        if is_nothing(node) and any(isinstance(kind, inspect.NoneType) for kind in wanted.types):
            return None
        for looks_like, member in (
            (SequenceNode, inspect.VarTupleType),
            (MappingNode, inspect.StructType),
        ):
            for kind in wanted.types:
                if isinstance(node, looks_like) and isinstance(kind, member):
                    return self.fill(kind, node, path)
        seen = node if isinstance(node, ScalarNode) else ScalarNode("", node.line, node.column, "'")
        return self.fill(choose_type(wanted.types, seen), node, path)

    def fill_any(self, wanted: inspect.AnyType, node: Node, path: KeyPath) -> Any:
        """Return what the node says by itself."""
        if isinstance(node, MappingNode):
            return self.fill_dict(inspect.DictType(inspect.StrType(), wanted), node, path)
        if isinstance(node, SequenceNode):
            return [
                self.fill_or_replace(wanted, item, (*path, index))
                for index, item in enumerate(node.items)
            ]
        return self.accept(node, read_any(node))

    def fill_or_replace(self, wanted: inspect.Type, node: Node, path: KeyPath) -> Any:
        """Return the value, or a harmless one in its place after reporting why."""
        value = self.fill(wanted, node, path)
        if value is not _INVALID:
            return value
        self.doubtful.add((self.file, path))
        return _placeholder(wanted)

    def entries(self, node: Node, path: KeyPath) -> list[tuple[ScalarNode, Node]] | None:
        """Return the keys and values of a node; a key without a value has none of its own."""
        if isinstance(node, MappingNode):
            return node.entries
        if is_nothing(node):
            return []
        where = f"under `{path[-1]}`" if path else "in this file"
        self.refuse(node, f"{describe_node(node)} where keys with values belong {where}")
        return None

    def accept(self, node: ScalarNode, value: Any) -> Any:
        """Return a value that was read, or `_INVALID` after reporting a refusal."""
        if isinstance(value, Refusal):
            return self.refuse(node, value.message, value.suggestion)
        return value

    def refuse(self, node: Node, message: str, suggestion: str = "") -> object:
        """Report what is wrong with a node and return `_INVALID`."""
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


_FILLERS: Final[tuple[tuple[type[inspect.Type], Any], ...]] = (
    (inspect.StructType, _Filler.fill_struct),
    (inspect.DictType, _Filler.fill_dict),
    (inspect.VarTupleType, _Filler.fill_list),
    (inspect.TupleType, _Filler.fill_row),
    (inspect.UnionType, _Filler.fill_union),
    (inspect.AnyType, _Filler.fill_any),
)


def _placeholder(wanted: inspect.Type) -> Any:
    """Return a harmless value of the type, in place of one that could not be used."""
    if isinstance(wanted, inspect.StructType):
        return wanted.cls(
            **{field.name: _placeholder(field.type) for field in wanted.fields if field.required}
        )
    if isinstance(wanted, inspect.TupleType):
        return tuple(_placeholder(kind) for kind in wanted.item_types)
    if isinstance(wanted, inspect.UnionType):
        is_optional = any(isinstance(kind, inspect.NoneType) for kind in wanted.types)
        return None if is_optional else _placeholder(wanted.types[0])
    if isinstance(wanted, inspect.LiteralType):
        return wanted.values[0]
    if isinstance(wanted, inspect.Metadata):
        return placeholder_text(wanted)
    return next(value for kind, value in _PLACEHOLDERS if isinstance(wanted, kind))
