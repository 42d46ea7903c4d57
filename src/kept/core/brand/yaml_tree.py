"""YAML text to a tree of nodes that know where they stand, refusing what can surprise or hurt.

Refused, each with its place: aliases and anchors (a few lines of them can mean billions of nodes),
tags, tabs, control and invisible line-breaking characters, duplicate keys, keys that are not
texts, a second document, and anything beyond the limits below. What a plain word means is not
decided here: `fill` knows which type is wanted and does not guess.
"""

from collections.abc import Iterator
from typing import Final, TypeAlias

import msgspec
import yaml

from kept.errors import Problem

BYTES_MAX: Final = 262_144
"""No file of a brand folder is larger, in characters."""
DEPTH_MAX: Final = 20
NODES_MAX: Final = 50_000
SCALAR_MAX: Final = 20_000
CHARACTER_PROBLEMS_MAX: Final = 20
"""A binary file by mistake should not report each of its bytes."""

# libyaml's parser is twenty times faster; the pure one reads the same files where it is absent.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_LINE_BREAKERS: Final = frozenset("\x85\u2028\u2029")


class ScalarNode(msgspec.Struct, frozen=True):
    """A word, number or text; lines and columns count from 1."""

    text: str
    line: int
    column: int
    style: str = ""
    """"" for plain, a quotation mark for quoted, `|` and `>` for block texts."""

    @property
    def is_plain(self) -> bool:
        """Return whether it stands without quotes, so that a reader might take it for a number."""
        return self.style == ""


class SequenceNode(msgspec.Struct, frozen=True):
    """A list."""

    items: list["Node"]
    line: int
    column: int


class MappingNode(msgspec.Struct, frozen=True):
    """Keys with values, in the order in which they are written."""

    entries: list[tuple[ScalarNode, "Node"]]
    line: int
    column: int


Node: TypeAlias = ScalarNode | SequenceNode | MappingNode


class _RefusedError(Exception):
    """Carries the problem that ends the reading of a file; it never leaves this module."""

    def __init__(self, message: str, event: yaml.Event, suggestion: str = "") -> None:
        self.message = message
        self.line, self.column = _place_of(event)
        self.suggestion = suggestion
        super().__init__(message)


def parse_tree(text: str, file: str, problems: list[Problem]) -> Node | None:
    """Return the tree of a YAML text, or None after adding to `problems` why there is none.

    Duplicate keys are added to `problems` too, but the tree is returned with the first of them.
    """
    found = check_characters(text, file)
    if found:
        problems.extend(found)
        return None
    builder = _Builder(file, problems)
    try:
        return builder.build(yaml.parse(text.replace("\r\n", "\n"), Loader=_LOADER))
    except _RefusedError as refused:
        problem = Problem(
            file=file,
            line=refused.line,
            column=refused.column,
            message=refused.message,
            suggestion=refused.suggestion,
        )
    except yaml.MarkedYAMLError as error:
        problem = _syntax_problem(error, file, text)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # The pure parser leaks ValueError and OverflowError for escapes such as "\UFFFFFFFF".
        problem = Problem(file=file, line=1, column=1, message=f"this is not YAML: {error}")
    problems.append(problem)
    return None


def check_characters(text: str, file: str, *, tabs: bool = False) -> list[Problem]:
    """Return a problem for each character that no file of a brand may hold, and for its size."""
    if len(text) > BYTES_MAX:
        message = f"this file has {len(text):,} characters; at most {BYTES_MAX:,} are taken"
        return [Problem(file=file, line=1, column=1, message=message)]
    problems: list[Problem] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if line.isascii() and line.isprintable():
            continue
        for column, character in enumerate(line, start=1):
            refusal = _refusal(character, tabs=tabs, first=number == column == 1)
            if refusal is None:
                continue
            message, suggestion = refusal
            problems.append(
                Problem(
                    file=file, line=number, column=column, message=message, suggestion=suggestion
                )
            )
            break
        if len(problems) >= CHARACTER_PROBLEMS_MAX:
            break
    return problems


def _refusal(character: str, *, tabs: bool, first: bool) -> tuple[str, str] | None:
    code = ord(character)
    if character == "\t":
        return None if tabs else ("a tab, which YAML does not indent by", "use spaces")
    if code < 0x20 or code == 0x7F or 0x80 <= code < 0xA0 or character in _LINE_BREAKERS:
        return f"the control character U+{code:04X}", "remove it"
    if 0xD800 <= code < 0xE000 or code in {0xFFFE, 0xFFFF}:
        return f"U+{code:04X}, which is not a character", "save the file as UTF-8"
    if code == 0xFEFF and not first:
        return "the invisible character U+FEFF", "remove it"
    return None


def _syntax_problem(error: yaml.MarkedYAMLError, file: str, text: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    lines = text.replace("\r\n", "\n").split("\n")
    # At the end of a text libyaml points one line past it; the last line is what a person can see.
    line = min(mark.line + 1, len(lines)) if mark else 1
    past_the_end = mark is not None and mark.line + 1 > len(lines)
    column = mark.column + 1 if mark and not past_the_end else len(lines[line - 1]) + 1
    what = error.problem or "it cannot be read"
    where = f" ({error.context})" if error.context else ""
    suggestion = ""
    if "mapping values are not allowed" in what:
        suggestion = "put quotes around a text that contains `: `, or mend the indentation"
    elif "cannot start any token" in what:
        suggestion = "put quotes around the text"
    return Problem(
        file=file,
        line=line,
        column=min(column, len(lines[line - 1]) + 1),
        message=f"this is not YAML: {what}{where}",
        suggestion=suggestion,
    )


def _place_of(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


class _Builder:
    """Builds the tree from parser events without recursion, and stops at the first excess."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        self.root: Node | None = None
        self.open: list[SequenceNode | MappingNode] = []
        self.keys: list[ScalarNode | None] = []
        """For each open node the key that waits for its value, if any."""
        self.seen: list[dict[str, int]] = []
        """For each open node the keys so far, with their lines."""
        self.node_count = 0

    def build(self, events: Iterator[yaml.Event]) -> Node | None:
        """Return the root, None if the text is empty."""
        for event in events:
            self._refuse_surprises(event)
            if isinstance(event, yaml.ScalarEvent):
                node = ScalarNode(event.value, *_place_of(event), style=event.style or "")
                self._refuse_text(node, event)
                self._add(node, event)
            elif isinstance(event, yaml.SequenceStartEvent):
                self._begin(SequenceNode([], *_place_of(event)), event)
            elif isinstance(event, yaml.MappingStartEvent):
                self._begin(MappingNode([], *_place_of(event)), event)
            elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
                self.open.pop()
                self.keys.pop()
                self.seen.pop()
        return self.root

    @staticmethod
    def _refuse_text(node: ScalarNode, event: yaml.Event) -> None:
        if len(node.text) > SCALAR_MAX:
            message = f"a text of {len(node.text):,} characters; at most {SCALAR_MAX:,} are taken"
            raise _RefusedError(message, event)
        # An escape such as "\0" in double quotes brings in what the file itself may not hold.
        if node.text.isprintable():
            return
        for character in node.text:
            if character != "\n" and _refusal(character, tabs=True, first=False) is not None:
                message = f"the escape for U+{ord(character):04X}, which no text may hold"
                raise _RefusedError(message, event, "remove it")

    def _refuse_surprises(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.AliasEvent):
            message = f"the alias `*{event.anchor}`; aliases are not taken"
            raise _RefusedError(message, event, "write the value out")
        if isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise _RefusedError("a second document", event, "put it into a file of its own")
        if not isinstance(event, yaml.NodeEvent):
            return
        if event.anchor is not None:
            message = f"the anchor `&{event.anchor}`; anchors are not taken"
            raise _RefusedError(message, event, "remove it")
        tag = getattr(event, "tag", None)
        if tag not in {None, "!"}:
            raise _RefusedError(f"the tag `{tag}`; tags are not taken", event, "remove it")

    def _begin(self, node: SequenceNode | MappingNode, event: yaml.Event) -> None:
        if len(self.open) >= DEPTH_MAX:
            message = f"more than {DEPTH_MAX} levels, one inside the other"
            raise _RefusedError(message, event)
        self._add(node, event)
        self.open.append(node)
        self.keys.append(None)
        self.seen.append({})

    def _add(self, node: Node, event: yaml.Event) -> None:
        self.node_count += 1
        if self.node_count > NODES_MAX:
            message = f"more than {NODES_MAX:,} keys and values"
            raise _RefusedError(message, event, "split the file")
        if not self.open:
            self.root = node
            return
        parent = self.open[-1]
        if isinstance(parent, SequenceNode):
            parent.items.append(node)
            return
        key = self.keys[-1]
        if key is not None:
            self.keys[-1] = None
            self._add_entry(parent, key, node)
        elif isinstance(node, ScalarNode):
            self.keys[-1] = node
        else:
            message = "a list or mapping as a key"
            raise _RefusedError(message, event, "a key is a single word or text")

    def _add_entry(self, parent: MappingNode, key: ScalarNode, node: Node) -> None:
        seen = self.seen[-1]
        if key.text not in seen:
            seen[key.text] = key.line
            parent.entries.append((key, node))
            return
        self.problems.append(
            Problem(
                file=self.file,
                line=key.line,
                column=key.column,
                message=f"the key `{key.text}` is here twice, first in line {seen[key.text]}",
                suggestion="keep one of the two",
            )
        )
