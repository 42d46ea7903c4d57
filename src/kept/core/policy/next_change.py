"""Compiles a checked expression to the source of the instant at which it may next change.

A decision that holds now may end by itself: a cool-off passes, a bill falls overdue. The source
made here gives the first instant after now at which any comparison with time in the expression can
turn, so that a wake can be set for that very second and nobody has to be scanned. It is never later
than the truth, and for plain comparisons such as `days_since(t) < 7` it is exact.
"""

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

import msgspec

from kept.core.policy.build import UNIT_OF
from kept.core.policy.to_python import ROW, Names, NullTest, PythonWriter
from kept.core.policy.tree import (
    Aggregate,
    And,
    Between,
    Call,
    Coalesce,
    Compare,
    Comparison,
    Expression,
    FactRef,
    FieldRef,
    Literal,
    Node,
    OneOf,
    RowField,
    meets_now,
    mirrored,
    needs_zone,
)
from kept.core.values import NEVER

_Step: TypeAlias = tuple[Node, int]
"""A whole number that time does not change, and 1 more or 0: the comparison turns where a function
of time reaches their sum, or leaves it."""

_TURNS_AT: Final[dict[Comparison, tuple[int, ...]]] = {
    ">=": (0,),
    "<": (0,),
    ">": (1,),
    "<=": (1,),
    "=": (0, 1),
    "<>": (0, 1),
}
_COMPARED: Final[dict[Comparison, Callable[[int, int], bool]]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FAR: Final = 2**62
"""Added to any instant, this is still before `NEVER`."""
_CYCLES: Final = {"local_hour": range(24), "local_weekday": range(1, 8)}


class Plain(msgspec.Struct, frozen=True):
    """Something turns so many µs after (or before) an instant that is known: the usual case."""

    start: str
    """The source of the instant, which may be NULL."""
    lengths: tuple[int, ...]
    """The first to come first."""
    is_since: bool
    kind: str = ""
    """The kind of object whose rows the instant is a field of, empty where it is none."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One reason for which an expression may change: the source of the instant, and what it reads."""

    source: str
    reads: Node
    """The part of the expression that the instant rests on."""
    plain: tuple[Plain, ...] = ()
    """What the source comes to; empty where its shape is another. Those of many expressions can be
    looked at together."""


def emit_next_change(
    expression: Expression, names: Names, *, now: str = "now", zone: str = "zone"
) -> str | None:
    """Return the source of the next instant at which an expression may change, or of `NEVER`.

    `None` is returned for an expression that does not depend on time at all.
    """
    if not expression.root.timed:
        return None
    writer = _Writer(names, now=now, zone=zone)
    return _least([turn.source for turn in writer.changes(expression.root)])


def find_turns(expression: Expression, names: Names) -> list[Turn]:
    """Return every reason for which an expression may change by the mere passing of time."""
    return _Writer(names, now="now", zone="zone").changes(expression.root)


class _Writer:
    """Collects the sources of the instants at which parts of an expression change."""

    def __init__(self, names: Names, *, now: str, zone: str) -> None:
        self.python = PythonWriter(names, now=now, zone=zone)
        self.names = names
        self.now = now
        self.zone = zone

    def changes(self, node: Node) -> list[Turn]:
        """Return instants; between now and the first of them a node keeps its value."""
        if not node.timed:
            return []
        if isinstance(node, Compare | Between | OneOf):
            exact = self._turns(node)
            if exact is not None:
                return exact
        if isinstance(node, Aggregate):
            return self._over_rows(node)
        inner, children = self._in_week(node) if isinstance(node, And) else ([], node.children)
        inner += [change for child in children for change in self.changes(child)]
        if isinstance(node, Call) and meets_now(node.function, node.arguments):
            inner.append(Turn(source=self._next_value(node), reads=node))
        return list({turn.source: turn for turn in inner}.values())

    def _over_rows(self, node: Aggregate) -> list[Turn]:
        rows = self.names.rows[node.object]
        changes = [change for child in node.children for change in self.changes(child)]
        source = _least([change.source for change in changes])
        source = f"min([{source} for {ROW} in {rows}], default={NEVER})"
        plain = [each for change in changes for each in change.plain]
        if not all(change.plain for change in changes) or not all(map(_is_of_row, plain)):
            # Of a fact, or of the object in play, nothing is found by looking at these rows.
            plain = []
        own = tuple(msgspec.structs.replace(each, kind=node.object) for each in plain)
        return [Turn(source=source, reads=node, plain=own)]

    # -- comparisons of one function of time with what time does not change --------------------

    def _turns(self, node: Compare | Between | OneOf) -> list[Turn] | None:
        """Return when a comparison of a plain shape turns, or `None` for any other shape."""
        clock, steps = _read_shape(node)
        if clock is None:
            return None
        if clock.function in _CYCLES:
            cycles = self._turns_of_cycle(clock, node)
            return None if cycles is None else [Turn(source=s, reads=node) for s in cycles]
        if isinstance(node, Between) and (node.low.nullable or node.high.nullable):
            # One limit may be NULL, and the other still tells false from NULL.
            return [self._turn(node, clock, [step]) for step in steps]
        return [self._turn(node, clock, steps)]

    def _turn(self, node: Node, clock: Call, steps: Sequence[_Step]) -> Turn:
        """Return the next instant at which a function of time reaches or leaves one of the steps.

        It never comes where any part is NULL, for then so is the comparison.
        """
        tests: list[NullTest] = []
        start = [self.python.given(argument, tests) for argument in clock.arguments]
        reached = [self._sum(step, plus, tests) for step, plus in steps]
        parts = [*clock.arguments, *(step for step, _ in steps)]
        if needs_zone(clock.function, clock.arguments):
            source = self._at_dates(clock, start, reached)
            return Turn(source=self._steady(source, tests, parts), reads=node)
        source = self._at_instants(clock, start[0], reached)
        turn = Turn(source=self._steady(source, tests, parts), reads=node)
        lengths = _constant_lengths(clock, reached)
        if lengths is None or not _is_read(clock.arguments[0]):
            return turn
        plain = Plain(start[0], lengths, clock.function.endswith("_since"))
        return msgspec.structs.replace(turn, plain=(plain,))

    def _sum(self, step: Node, plus: int, tests: list[NullTest]) -> str:
        if isinstance(step, Literal) and isinstance(step.value, int):
            return str(step.value + plus)
        source = self.python.given(step, tests)
        return f"({source} + 1)" if plus else source

    def _at_instants(self, clock: Call, start: str, reached: list[str]) -> str:
        unit = UNIT_OF[clock.function]
        is_since = clock.function.endswith("_since")
        lengths = _constant_lengths(clock, reached)
        if lengths is not None:
            # The order of constant steps is known, so that the first one to come is found at once.
            found = [f"{start} + {x}" if is_since else f"{start} - {x} + 1" for x in lengths]
            names = [self.python.temporary() for _ in found]
            tried = zip(names, found, strict=True)
            sources = [f"{name} if {self.now} < ({name} := {source})" for name, source in tried]
            return f"({' else '.join(sources)} else {NEVER})"
        if is_since:
            found = [f"{start} + {step} * {unit}" for step in reached]
        else:
            # What remains is still the step at this instant, and less a microsecond later.
            found = [f"{start} - {step} * {unit} + 1" for step in reached]
        return f"k_next_of({self.now}, {', '.join(found)})"

    def _at_dates(self, clock: Call, start: list[str], reached: list[str]) -> str:
        match clock.function:
            case "days_since":
                days = [f"{start[0]} + {step}" for step in reached]
            case "days_until":
                days = [f"{start[0]} - {step} + 1" for step in reached]
            case "years_since":
                days = [f"k_anniversary({start[0]}, {step})" for step in reached]
            case _:
                days = reached
        return f"k_next_at_dates({self.zone}, {self.now}, {', '.join(days)})"

    def _turns_of_cycle(self, clock: Call, node: Compare | Between | OneOf) -> list[str] | None:
        """Return when the hour or the weekday enters or leaves those that fulfil a comparison."""
        every = _CYCLES[clock.function]
        fulfil = _fulfilling(node, every)
        if fulfil is None:
            return None
        if len(fulfil) in {0, len(every)}:
            return []
        values = "".join(f"{value}, " for value in fulfil)
        return [f"k_next_at_{clock.function[6:]}s({self.zone}, {self.now}, ({values}))"]

    def _in_week(self, node: And) -> tuple[list[Turn], tuple[Node, ...]]:
        """Return when some hours of some weekdays begin or end, and the operands that are left.

        Asked for apart, the hours would turn on the other days, too.
        """
        cycles: dict[str, tuple[Node, list[int]]] = {}
        for operand in node.operands:
            if not isinstance(operand, Compare | Between | OneOf):
                continue
            clock, _ = _read_shape(operand)
            if clock is None or clock.function not in _CYCLES or clock.function in cycles:
                continue
            fulfil = _fulfilling(operand, _CYCLES[clock.function])
            if fulfil is not None:
                cycles[clock.function] = (operand, fulfil)
        if len(cycles) < len(_CYCLES):
            return [], node.operands
        (weekday, days), (hour, hours) = cycles["local_weekday"], cycles["local_hour"]
        places = sorted((node.operands.index(weekday), node.operands.index(hour)))
        if any(one.unknowable for one in node.operands[places[0] + 1 : places[1]]):
            # Whether it is looked at is a matter of the first of the two alone.
            return [], node.operands
        rest = tuple(one for one in node.operands if one is not weekday and one is not hour)
        if not days or not hours or len(days) * len(hours) == 7 * 24:
            return [], rest
        listed = [f"({''.join(f'{value}, ' for value in values)})" for values in (days, hours)]
        source = f"k_next_in_week({self.zone}, {self.now}, {', '.join(listed)})"
        both = msgspec.structs.replace(node, operands=(weekday, hour))
        return [Turn(source=source, reads=both)], rest

    # -- everything else: when the function of time itself has another value -----------------------

    def _next_value(self, clock: Call) -> str:
        if clock.function == "local_hour":
            return f"k_next_hour({self.zone}, {self.now})"
        if needs_zone(clock.function, clock.arguments):
            return f"k_next_date({self.zone}, {self.now})"
        tests: list[NullTest] = []
        start, unit = self.python.given(clock.arguments[0], tests), UNIT_OF[clock.function]
        if clock.function.endswith("_since"):
            source = f"({self.now} + {unit} - ({self.now} - {start}) % {unit})"
        else:
            source = f"({self.now} + ({start} - {self.now}) % {unit} + 1)"
        return self._steady(source, tests, clock.arguments)

    def _steady(self, source: str, tests: list[NullTest], parts: Sequence[Node]) -> str:
        """Return an instant that never comes where a part is NULL or unknown, for it stays so."""
        if tests:
            source = f"({NEVER} if {' or '.join(test.null for test in tests)} else {source})"
        if any(part.unknowable for part in parts):
            source = f"k_steady(lambda: {source})"
        return source


def _is_of_row(plain: Plain) -> bool:
    """Return whether an instant is a field of the row that an aggregate looks at."""
    return plain.start.startswith(f"{ROW}[")


def _is_read(node: Node) -> bool:
    """Return whether a node is read from the customer's facts or objects as it is."""
    return isinstance(node, FactRef | RowField) or (
        isinstance(node, FieldRef) and node.space == "about"
    )


def _constant_lengths(clock: Call, reached: Sequence[str]) -> tuple[int, ...] | None:
    """Return the lengths of time of constant steps, the first to come first; None where some vary."""
    unit = UNIT_OF[clock.function]
    steps = [int(step) for step in reached if step.lstrip("-").isdigit()]
    if len(steps) < len(reached) or any(abs(step) * unit >= _FAR for step in steps):
        return None
    is_since = clock.function.endswith("_since")
    return tuple(step * unit for step in sorted(steps, reverse=not is_since))


def _least(sources: list[str]) -> str:
    if not sources:
        return str(NEVER)
    return sources[0] if len(sources) == 1 else f"min({', '.join(sources)})"


def _read_shape(node: Compare | Between | OneOf) -> tuple[Call | None, list[_Step]]:
    """Return the function of time that a node compares, and where the comparison turns.

    The function is `None` where the shape is not plain: both sides change with time, or the
    function stands within a calculation.
    """
    steps: list[_Step]
    if isinstance(node, Between):
        operand, steps = node.operand, [(node.low, 0), (node.high, 1)]
    elif isinstance(node, OneOf):
        operand = node.operand
        # Where the next number is in the list as well, nothing turns between the two.
        listed = {value for value in node.values if isinstance(value, int)}
        turns = listed ^ {value + 1 for value in listed}
        steps = [(Literal(type=operand.type, value=turn), 0) for turn in sorted(turns)]
    else:
        operand, other, op = node.left, node.right, node.op
        if other.timed:
            operand, other, op = other, operand, mirrored(op)
        steps = [(other, plus) for plus in _TURNS_AT[op]]
    clock = _plain_clock(operand)
    if clock is None or any(step.timed for step, _ in steps):
        return None, []
    return clock, steps


def _plain_clock(node: Node) -> Call | None:
    """Return a node as a function of now with arguments that time does not change, or `None`.

    `coalesce(days_since(t), 999)` is as good as its first operand: where that is NULL, the value
    does not change with time.
    """
    if isinstance(node, Coalesce) and not any(part.timed for part in node.operands[1:]):
        node = node.operands[0]
    if not isinstance(node, Call) or not meets_now(node.function, node.arguments):
        return None
    return None if any(argument.timed for argument in node.arguments) else node


def _fulfilling(node: Compare | Between | OneOf, every: Iterable[int]) -> list[int] | None:
    """Return the values that fulfil a comparison with constants, or `None` if it has others."""
    match node:
        case OneOf(values=values):
            return [value for value in every if value in values]
        case Between(low=Literal(value=int(low)), high=Literal(value=int(high))):
            return [value for value in every if low <= value <= high]
        case Compare(op=op, right=Literal(value=int(constant))):
            return [value for value in every if _COMPARED[op](value, constant)]
        case Compare(op=op, left=Literal(value=int(constant))):
            return [value for value in every if _COMPARED[op](constant, value)]
    return None
