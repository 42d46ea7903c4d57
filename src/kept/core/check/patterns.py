"""Regular expressions of a brand: bounded before any text of a stranger meets them.

Python's engine tries every way in which a text can be divided among repetitions. Two things make
that explode: a repetition of something that varies itself (exponential), and repetitions that can
take the same characters one after another (a power of the text's length).
"""

import math
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

from kept.core.brand.positions import KeyPath
from kept.core.check.report import Report

FILE: Final = "sources.yaml"
PATTERN_LENGTH_MAX: Final = 300
POWER_MAX: Final = 2
"""The highest power of a text's length that matching may take, the search for its start included."""
CHOICES_MAX: Final = 10
"""How much may be left open besides, as a power of two."""
LONG_REPEAT: Final = 20
"""A repetition that is bounded by more than this counts as one without bound."""
CHAINS_MAX: Final = 200
"""A pattern in which more repetitions than this could meet is not worth the look."""

_ALPHABET: Final = frozenset(map(chr, range(0x180))) | frozenset("Ωж中 \u200b€")
"""Characters by which it is told whether two parts can take the same ones."""
_REPEATS: Final = (ops.MAX_REPEAT, ops.MIN_REPEAT)
_FIXED: Final = (ops.LITERAL, ops.NOT_LITERAL, ops.ANY, ops.IN)
_KEEPING: Final = (ops.POSSESSIVE_REPEAT, ops.ATOMIC_GROUP)
"""What never gives back what it took."""
_LOOKING: Final = (ops.ASSERT, ops.ASSERT_NOT, ops.GROUPREF, ops.GROUPREF_EXISTS)

_Item = tuple[Any, Any]


def check_pattern(report: Report, path: KeyPath, pattern: str, *, searched: bool = True) -> None:
    """Check a regular expression: that it is one, and that no text makes it run for long."""
    if len(pattern) > PATTERN_LENGTH_MAX:
        message = f"a regular expression of {len(pattern)} characters"
        report.error(FILE, path, message, f"at most {PATTERN_LENGTH_MAX} are taken")
        return
    try:
        with warnings.catch_warnings():
            # What a later Python will read otherwise (`[[a]`) is none that can be relied on.
            warnings.simplefilter("error")
            re.compile(pattern)
        items = list(parser.parse(pattern))
    except (re.error, Warning, OverflowError, RecursionError) as error:
        message = f"`{pattern}` is not a regular expression: {error}"
        report.error(FILE, path, message, "put a backslash before what is meant as text")
        return
    found = _find_runaway(items, searched=searched)
    if found is not None:
        report.error(FILE, path, f"`{pattern}` {found[0]}", found[1])


def _find_runaway(items: Sequence[_Item], *, searched: bool) -> tuple[str, str] | None:
    """Return what could run for long, and what to do instead; None for a harmless pattern."""
    everything = list(_walk(items))
    if any(op in _LOOKING for op, _ in everything):
        return "looks around or back", "say only what the text holds"
    for op, told in everything:
        if op in _REPEATS and told[1] > 1 and _varies(told[2]):
            return (
                "repeats a repetition, which some texts make run for hours",
                "repeat only what never varies: `(a+)+` is `a+`",
            )
    is_held = not searched or (bool(items) and items[0] == (ops.AT, ops.AT_BEGINNING))
    power_max = POWER_MAX if searched else POWER_MAX + 1  # a value is shorter than a text
    if _power(items) + (searched and not is_held) > power_max:
        return (
            "has repetitions that can take the same characters, which long texts make run for hours",
            "put something between them that neither takes, or begin with `^`",
        )
    if sum(_choices(item) for item in everything) > CHOICES_MAX:
        return "leaves too much open: what is optional, or one of many", "write several patterns"
    return None


def _choices(item: _Item) -> float:
    """Return in how many ways an item alone can match, as a power of two."""
    op, told = item
    if op in _REPEATS and told[1] <= LONG_REPEAT:
        return math.log2(told[1] - told[0] + 1)
    if op is ops.BRANCH:
        # Alternatives that begin with different characters leave no choice.
        begun = Counter(char for part in told[1] for char in _taken_by(part[:1]))
        empty = sum(not part for part in told[1])
        return math.log2(max(1, empty + max(begun.values(), default=0)))
    return 0.0


def _children(item: _Item) -> Iterator[Sequence[_Item]]:
    """Yield the parts of an item."""
    op, told = item
    if op in _REPEATS or op is ops.POSSESSIVE_REPEAT:
        yield told[2]
    elif op is ops.SUBPATTERN:
        yield told[-1]
    elif op is ops.ATOMIC_GROUP:
        yield told
    elif op is ops.BRANCH:
        yield from told[1]
    elif op in (ops.ASSERT, ops.ASSERT_NOT):
        yield told[1]


def _walk(items: Iterable[_Item]) -> Iterator[_Item]:
    """Yield every item, however deep."""
    for item in items:
        yield item
        for part in _children(item):
            yield from _walk(part)


def _varies(items: Iterable[_Item]) -> bool:
    """Return whether these can match the same text in more than one way."""
    for item in items:
        op, told = item
        if op is ops.BRANCH or (op in _REPEATS and told[0] != told[1]):
            return True
        if op not in _KEEPING and any(_varies(part) for part in _children(item)):
            return True
    return False


def _power(items: Iterable[_Item]) -> int:
    """Return the highest power of the text's length that matching these one after another takes."""
    highest = 0
    chains: list[tuple[frozenset[str], int]] = []
    for op, told, is_optional in _flatten(items):
        taken = _taken_by([(op, told)])
        is_long = op in _REPEATS and told[1] > LONG_REPEAT
        # What stands between two repetitions holds them apart only if the first cannot take it too.
        longer = [
            (taken if is_long else held, power + is_long) for held, power in chains if held & taken
        ]
        kept = chains if is_optional or (op in _REPEATS and told[0] == 0) else []
        chains = [*kept, *longer, *([(taken, 1)] if is_long else [])]
        # What can take the same characters at the same power is one and the same.
        chains = list(dict.fromkeys(chains))
        if len(chains) > CHAINS_MAX:
            return POWER_MAX + 1
        highest = max([highest, *(power for _, power in chains)])
    return highest


def _flatten(items: Iterable[_Item]) -> Iterator[tuple[Any, Any, bool]]:
    """Yield what stands one after another, groups opened; branches as if each could be skipped."""
    for item in items:
        op, told = item
        if op is ops.SUBPATTERN:
            yield from _flatten(told[-1])
        elif op is ops.BRANCH:
            for part in told[1]:
                yield from ((each, rest, True) for each, rest, _ in _flatten(part))
        elif op is not ops.AT:
            yield op, told, False


def _taken_by(items: Iterable[_Item]) -> frozenset[str]:
    """Return the characters that these may take."""
    taken: frozenset[str] = frozenset()
    for op, told in _walk(items):
        if op is ops.IN:
            taken |= _in_set(told)
        elif op is ops.LITERAL:
            taken |= {chr(told).lower(), chr(told).upper()}
        elif op in (ops.ANY, ops.NOT_LITERAL):
            taken |= _ALPHABET
    return taken


def _in_set(told: Sequence[_Item]) -> frozenset[str]:
    """Return the characters of a set in brackets; a class that is not known takes them all."""
    found: frozenset[str] = frozenset()
    is_negated = bool(told) and told[0][0] is ops.NEGATE
    for op, what in told:
        if op is ops.LITERAL:
            found |= {chr(what).lower(), chr(what).upper()}
        elif op is ops.RANGE:
            within = frozenset(each for each in _ALPHABET if what[0] <= ord(each) <= what[1])
            found |= within | frozenset(map(str.lower, within)) | frozenset(map(str.upper, within))
        elif op is ops.CATEGORY:
            found |= _CATEGORIES.get(what, _ALPHABET)
    return _ALPHABET - found if is_negated else found


def _category(text: str) -> frozenset[str]:
    return frozenset(each for each in _ALPHABET if re.match(text, each))


_CATEGORIES: Final = {
    ops.CATEGORY_DIGIT: _category(r"\d"),
    ops.CATEGORY_NOT_DIGIT: _category(r"\D"),
    ops.CATEGORY_SPACE: _category(r"\s"),
    ops.CATEGORY_NOT_SPACE: _category(r"\S"),
    ops.CATEGORY_WORD: _category(r"\w"),
    ops.CATEGORY_NOT_WORD: _category(r"\W"),
}
