"""One word or text of YAML to a value of the type that is wanted, or a `Refusal` that says why not.

Nothing is guessed: a plain `no` is not a text, a plain `7` is not a text, a quoted "7" is not a
number. So a file means the same to every YAML reader, whatever version it speaks.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec
from msgspec import inspect

from kept.core.brand.suggest import suggest_name
from kept.core.brand.units import parse_currency, parse_decimal, parse_duration, parse_money
from kept.core.brand.yaml_tree import MappingNode, Node, ScalarNode, SequenceNode
from kept.errors import InputError

INTEGER_MAX: Final = 2**63 - 1

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_SWITCHES: Final = {
    **dict.fromkeys(("no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"), "false"),
    **dict.fromkeys(("yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"), "true"),
}
"""Words that one YAML version or another takes for true or false: the Norway problem."""
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})", re.ASCII)
_FRACTION: Final = re.compile(r"[-+]?\d+\.\d+", re.ASCII)
_NUMBER: Final = re.compile(r"[-+]?(\d[\d_]*\.?\d*([eE][-+]?\d+)?|\.\d+|0x[0-9a-fA-F]+)", re.ASCII)
_QUOTED_MAX: Final = 60

_READERS: Final[dict[str, tuple[Callable[[str], Any], str]]] = {
    "duration": (parse_duration, "1 day"),
    "money": (parse_money, "0 EUR"),
    "decimal": (parse_decimal, "0"),
    "currency": (parse_currency, "EUR"),
}
"""What a text with a unit must pass, and what stands in for one that does not."""
_NUMERIC_TEXTS: Final = frozenset({"expression", "decimal"})
"""Texts that may be written as a plain number: `value: 0.8`."""


class Refusal(msgspec.Struct, frozen=True):
    """Why a value cannot be used, and what to write instead."""

    message: str
    suggestion: str = ""


def is_nothing(node: Node) -> bool:
    """Return whether a key was left without a value, or with `null`."""
    return isinstance(node, ScalarNode) and node.is_plain and node.text in _NULLS


def check_key(key: ScalarNode) -> Refusal | None:
    """Return why a word cannot be the name of something."""
    if not key.is_plain:
        return None
    if key.text in _NULLS:
        return Refusal(f"`{key.text}`, which means nothing to YAML", _in_quotes(key.text))
    return _refuse_switch(key.text)


def read_scalar(wanted: inspect.Type, node: ScalarNode) -> Any:
    """Return the value of a word as the type that is wanted, or a `Refusal`."""
    if isinstance(wanted, inspect.BoolType):
        return _read_bool(node)
    if isinstance(wanted, inspect.IntType):
        return _read_int(node)
    if isinstance(wanted, inspect.LiteralType):
        if node.text in wanted.values:
            return node.text
        known = [str(value) for value in wanted.values]
        return Refusal(
            f"`{node.text}` is not one of {len(known)} words", suggest_name(node.text, known)
        )
    if isinstance(wanted, inspect.Metadata):
        rule = rule_of(wanted)
        pattern = cast("inspect.StrType", wanted.type).pattern
        return _read_text(node, rule=rule, pattern=pattern, kind=describe_type(wanted))
    return _read_text(node)


def read_any(node: ScalarNode) -> Any:
    """Return what a word says by itself where any value is welcome, or a `Refusal`."""
    text = unicodedata.normalize("NFC", node.text)
    if not node.is_plain:
        return text
    if text in {"true", "false"}:
        return text == "true"
    if _INTEGER.fullmatch(text):
        return _read_int(node)
    if _FRACTION.fullmatch(text):
        return float(text)
    return None if text in _NULLS else _refuse_switch(text) or text


def choose_type(kinds: tuple[inspect.Type, ...], node: ScalarNode) -> inspect.Type:
    """Return which member of a union a word is meant as; null has been dealt with."""
    if node.is_plain:
        for kind in kinds:
            if isinstance(kind, inspect.BoolType) and node.text in {"true", "false"}:
                return kind
            if isinstance(kind, inspect.IntType) and _NUMBER.fullmatch(node.text):
                return kind
    tried = (
        inspect.NoneType
        | inspect.VarTupleType
        | inspect.StructType
        | inspect.BoolType
        | inspect.IntType
    )
    rest = [kind for kind in kinds if not isinstance(kind, tried)]
    return rest[0] if rest else kinds[0]


def describe_node(node: Node) -> str:
    """Return what stands in a place, in words."""
    if isinstance(node, SequenceNode):
        return "a list"
    if isinstance(node, MappingNode):
        return "keys with values"
    if is_nothing(node):
        return "nothing"
    return f"`{node.text}`" if len(node.text) <= _QUOTED_MAX else f"`{node.text[:_QUOTED_MAX]}…`"


def describe_type(wanted: inspect.Type) -> str:
    """Return what belongs in a place, in words."""
    if isinstance(wanted, inspect.Metadata):
        return str((wanted.extra_json_schema or {}).get("description", "a text"))
    if isinstance(wanted, inspect.BoolType):
        return "true or false"
    if isinstance(wanted, inspect.IntType):
        return "a whole number"
    if isinstance(wanted, inspect.LiteralType):
        return "one of " + ", ".join(f"`{value}`" for value in wanted.values)
    return "a text"


def rule_of(wanted: inspect.Metadata) -> str:
    """Return by which rule a text is read: `expression`, `duration` …; empty for any text."""
    return str((wanted.extra_json_schema or {}).get("x-reads", ""))


def placeholder_text(wanted: inspect.Metadata) -> str:
    """Return a text that satisfies the type's rule, in place of one that does not."""
    rule = rule_of(wanted)
    return _READERS[rule][1] if rule in _READERS else ""


def _read_bool(node: ScalarNode) -> Any:
    if node.is_plain and node.text in {"true", "false"}:
        return node.text == "true"
    meant = _SWITCHES.get(node.text)
    suggestion = f"write {meant}" if meant else "write true or false"
    return Refusal(f"{describe_node(node)} where true or false belongs", suggestion)


def _read_int(node: ScalarNode) -> Any:
    if node.is_plain and _INTEGER.fullmatch(node.text) and abs(int(node.text)) <= INTEGER_MAX:
        return int(node.text)
    return Refusal(f"{describe_node(node)} where a whole number belongs")


def _read_text(
    node: ScalarNode, *, rule: str = "", pattern: str | None = None, kind: str = "a text"
) -> Any:
    text = unicodedata.normalize("NFC", node.text)
    if node.is_plain:
        refusal = _refuse_plain(text, rule)
        if refusal is not None:
            return refusal
    if rule in _READERS:
        try:
            _READERS[rule][0](text)
        except InputError as error:
            return Refusal(str(error))
    elif pattern is not None and re.fullmatch(pattern, text, re.ASCII) is None:
        return Refusal(f"{describe_node(node)} is not {kind}")
    return text


def _refuse_plain(text: str, rule: str) -> Refusal | None:
    if text in _NULLS:
        return Refusal("nothing, where a text belongs", 'write "" if it is empty')
    if rule == "expression" and text in {"true", "false"}:
        return None
    if rule not in _NUMERIC_TEXTS and _NUMBER.fullmatch(text):
        return Refusal(f"the number {text}, where a text belongs", _in_quotes(text))
    return _refuse_switch(text)


def _refuse_switch(text: str) -> Refusal | None:
    if text not in _SWITCHES:
        return None
    message = f"`{text}` without quotes, which many YAML readers take for {_SWITCHES[text]}"
    return Refusal(message, _in_quotes(text))


def _in_quotes(text: str) -> str:
    return f'put quotes around it: "{text}"'
