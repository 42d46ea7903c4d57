"""Where each key of a brand folder stands, so that a check made later can point at it."""

from typing import Final, TypeAlias

import msgspec

from kept.core.brand.yaml_tree import MappingNode, Node, ScalarNode, SequenceNode
from kept.errors import Problem, Severity

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and list indexes from the top of a file down, such as `("holds", "unhappy", "while")`."""

START: Final = (1, 1)


class _Place(msgspec.Struct, frozen=True):
    """Where a key (or a list's item) begins, and its value."""

    line: int
    column: int
    value: Node


class Positions:
    """The places of all keys of all files, by file and path within the file."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._places: dict[str, dict[KeyPath, _Place]] = {}
        self._lines: dict[str, list[str]] = {}
        self._names: dict[tuple[str, str], str] = {}

    def add_file(self, file: str, text: str, root: Node | None) -> None:
        """Learn the places of one file."""
        self._lines[file] = text.replace("\r\n", "\n").split("\n")
        places = self._places.setdefault(file, {})
        if root is None:
            return
        waiting: list[tuple[KeyPath, _Place]] = [((), _Place(root.line, root.column, root))]
        while waiting:
            path, place = waiting.pop()
            places[path] = place
            if isinstance(place.value, MappingNode):
                waiting.extend(
                    ((*path, key.text), _Place(key.line, key.column, value))
                    for key, value in place.value.entries
                )
            elif isinstance(place.value, SequenceNode):
                waiting.extend(
                    ((*path, index), _Place(item.line, item.column, item))
                    for index, item in enumerate(place.value.items)
                )

    def add_name(self, kind: str, name: str, file: str) -> None:
        """Learn which file holds an action, a product or a template."""
        self._names[kind, name] = file

    def file_of(self, kind: str, name: str) -> str:
        """Return the file of an `action`, `product` or `template`; empty if there is none."""
        return self._names.get((kind, name), "")

    def has(self, file: str, path: KeyPath) -> bool:
        """Return whether the file writes this key."""
        return path in self._places.get(file, {})

    def at(self, file: str, path: KeyPath) -> tuple[int, int]:
        """Return (line, column) of a key, or of the nearest one above it that is written."""
        places = self._places.get(file, {})
        for length in range(len(path), 0, -1):
            place = places.get(path[:length])
            if place is not None:
                return place.line, place.column
        return START

    def at_value(self, file: str, path: KeyPath) -> tuple[int, int]:
        """Return (line, column) of the value of a key, or of the nearest key above it."""
        place = self._places.get(file, {}).get(path)
        return (place.value.line, place.value.column) if place else self.at(file, path)

    def inside(self, file: str, path: KeyPath, line: int, column: int) -> tuple[int, int]:
        """Return where a place within a text stands in the file that holds the text.

        YAML folds lines and strips indentation, so offsets do not carry over. What it keeps is the
        order of the visible characters; so the n-th one of the text is the n-th one of the source.

        Args:
            file: the file that holds the text.
            path: the key whose value the text is.
            line: within the text, from 1.
            column: within that line of the text, from 1.
        """
        place = self._places.get(file, {}).get(path)
        if place is None or not isinstance(place.value, ScalarNode):
            return self.at(file, path)
        node = place.value
        lines = node.text.split("\n")
        before = [*lines[: line - 1], lines[min(line, len(lines)) - 1][: max(column - 1, 0)]]
        skipped = sum(1 for text in before for character in text if not character.isspace())
        found = _visible(self._lines[file], node, skipped)
        return found if found is not None else (node.line, node.column)

    def problem(
        self,
        file: str,
        path: KeyPath,
        message: str,
        *,
        suggestion: str = "",
        severity: Severity = "error",
    ) -> Problem:
        """Return a problem that points at a key."""
        line, column = self.at(file, path)
        return Problem(
            file=file,
            line=line,
            column=column,
            message=message,
            suggestion=suggestion,
            severity=severity,
        )


def _visible(lines: list[str], node: ScalarNode, skipped: int) -> tuple[int, int] | None:
    """Return the place of the visible character of a scalar after `skipped` others."""
    number, start = node.line, node.column - 1
    if node.style in {"|", ">"}:
        number, start = node.line + 1, 0
    elif node.style in {"'", '"'}:
        start += 1
    while number <= len(lines):
        line = lines[number - 1]
        index = start
        while index < len(line):
            character = line[index]
            if not character.isspace():
                if skipped == 0:
                    return number, index + 1
                skipped -= 1
                # Within quotes a doubled quote, or a backslash and what follows, is one character.
                doubled = node.style == "'" and line[index : index + 2] == "''"
                escaped = node.style == '"' and character == "\\"
                index += 1 if doubled or escaped else 0
            index += 1
        number, start = number + 1, 0
    return None
