"""Generate the functions that evaluate a whole brand: every condition and value in one go.

A call costs more than a comparison, so all conditions become one function of local variables. What
is generated has three functions of (facts, objects, mask of unknown facts, now, zone): `derive` (the
cohort and the segments), `evaluate_holds` and `evaluate_actions`. A fourth, `next_change`, takes the
mask of the facts that changed, for only what rests on these can turn at another instant than before.
Each action has a function of its own too, so that one alone can be evaluated again.

Unknown comes first: a condition whose facts are unknown is not evaluated at all. A hold then counts
as on and an action as no (G12); an overflow counts as unknown too. Usually all facts are known, so
that there is a shorter twin of the functions for that case.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from kept.core.policy.next_change import Plain, Turn, find_turns
from kept.core.policy.runtime import RUNTIME, Overflow
from kept.core.policy.to_python import Names, emit, emit_test
from kept.core.policy.tree import Expression, facts_read, fields_read, objects_read
from kept.core.rules import Candidate, Evaluation, HoldState, Pieces, RestsOn
from kept.core.scopes import COHORT, Order
from kept.core.values import NEVER, Value

_ARGUMENTS: Final = "F, O, U, now, zone"
_FAILED: Final = "except Overflow:"
_TOUCHED_KEPT: Final = 1_000
"""For how many sets of changed facts it is remembered which actions rest on them."""
_NO_OFFER: Final[Mapping[str, Value]] = {}


class ActionCode(msgspec.Struct, frozen=True, kw_only=True):
    """The checked expressions of one action; `offer` are its own terms as constants."""

    about: str
    when: Expression
    value: Expression
    p_accept: Expression
    benefit: Expression | None
    expires: Expression | None
    sets: tuple[Expression, ...]
    offer: Mapping[str, Value]


class HoldCode(msgspec.Struct, frozen=True, kw_only=True):
    """The checked expressions of one hold."""

    about: str
    while_: Expression
    until: Expression | None


class PolicyCode(msgspec.Struct, frozen=True, kw_only=True):
    """All checked expressions of a brand, in the order of its rules."""

    order: Order
    cohorts: tuple[tuple[str, Expression], ...]
    otherwise: str
    segments: tuple[Expression, ...]
    holds: tuple[HoldCode, ...]
    actions: tuple[ActionCode, ...]
    pressure: Expression


class Generated(msgspec.Struct, frozen=True, kw_only=True):
    """The compiled functions and their source, for those who want to read it."""

    derive: Callable[..., Any]
    evaluate_holds: Callable[..., Any]
    evaluate_actions: Callable[..., Any]
    next_change: Callable[..., Any]
    pieces: Pieces
    source: str


def generate(code: PolicyCode) -> Generated:
    """Return the functions of a brand."""
    writer = _Writer(code)
    functions = [
        writer.derive(),
        writer.holds(known=True),
        writer.holds(known=False),
        writer.actions(known=True),
        writer.actions(known=False),
        writer.next_change(),
        writer.pressure(),
        *(writer.action(index) for index in range(len(code.actions))),
    ]
    source = "\n\n".join(functions)
    names: dict[str, Any] = {
        **RUNTIME, "Candidate": Candidate, "HoldState": HoldState, "Evaluation": Evaluation,
        "Overflow": Overflow,
    }  # fmt: skip
    # The source is made of checked trees only: no text of the brand reaches it but as a literal.
    exec(compile(source, "<policy>", "exec"), names)  # noqa: S102
    return Generated(
        derive=names["derive"],
        evaluate_holds=names["evaluate_holds"],
        evaluate_actions=names["evaluate_actions"],
        next_change=names["next_change"],
        pieces=_pieces(writer, code, names),
        source=source,
    )


def _pieces(writer: "_Writer", code: PolicyCode, names: Mapping[str, Any]) -> Pieces:
    cohorts = [expression for _, expression in code.cohorts]
    actions = [
        writer.rests_on([(e, action.about) for e in _expressions_of(action)], action.offer)
        for action in code.actions
    ]
    holds = [
        (expression, hold.about)
        for hold in code.holds
        for expression in (hold.while_, hold.until)
        if expression is not None
    ]

    @lru_cache(maxsize=_TOUCHED_KEPT)
    def find_actions(changed: int, by_facts: bool, by_clock: bool) -> tuple[int, ...]:  # noqa: FBT001 - called often
        return tuple(
            index
            for index, one in enumerate(actions)
            if changed & one.facts
            or (by_facts and one.turns_with_facts)
            or (by_clock and one.turns_with_clock)
        )

    return Pieces(
        told_count=code.order.told_count,
        everything=(1 << (len(code.order.names) + len(code.order.kinds))) - 1,
        derived=writer.rests_on([(e, "") for e in (*cohorts, *code.segments)]),
        holds=writer.rests_on(holds),
        pressure=writer.rests_on([(code.pressure, "")]),
        evaluate_pressure=names["evaluate_pressure"],
        find_actions=find_actions,
        evaluate_action=tuple(names[f"action_{index}"] for index in range(len(code.actions))),
    )


class _Writer:
    """Writes the functions' source."""

    def __init__(self, code: PolicyCode) -> None:
        self._code = code
        order = code.order
        self._index = {name: position for position, name in enumerate(order.names)}
        self._bit = self._index | {
            f"{kind}()": len(order.names) + position for position, kind in enumerate(order.kinds)
        }
        self._kind = {kind: position for position, kind in enumerate(order.kinds)}
        self._subscripts = {
            kind: {field: str(position) for position, field in enumerate(fields)}
            for kind, fields in zip(order.kinds, order.fields, strict=True)
        }

    # -- what an expression reads

    def mask_of(self, expressions: Iterable[Expression], about: str) -> int:
        """Return the bits of everything that some expressions read."""
        mask = 0
        for expression in expressions:
            for name in facts_read(expression):
                mask |= 1 << self._bit[name]
            for kind in objects_read(expression):
                mask |= 1 << self._bit[f"{kind}()"]
            if about and any(name.startswith("about.") for name in fields_read(expression)):
                mask |= 1 << self._bit[f"{about}()"]
        return mask

    def _names(self, about: str = "", offer: Mapping[str, Value] | None = None) -> Names:
        values = {name: f"f{position}" for name, position in self._index.items()}
        if about:
            for field, position in self._subscripts[about].items():
                values[f"about.{field}"] = f"a[{position}]"
        for field, constant in (offer or {}).items():
            values[f"offer.{field}"] = f"({constant!r})"
        rows = {kind: f"o{position}" for kind, position in self._kind.items()}
        return Names(values=values, rows=rows, fields=self._subscripts)

    def _locals(self, expressions: Sequence[Expression], abouts: Iterable[str] = ()) -> list[str]:
        facts = sorted({self._index[n] for e in expressions for n in facts_read(e)})
        kinds = {kind for e in expressions for kind in objects_read(e)} | {a for a in abouts if a}
        return [
            *(f"    f{position} = F[{position}]" for position in facts),
            *(f"    o{p} = O[{p}]" for p in sorted(self._kind[kind] for kind in kinds)),
        ]

    # -- the functions

    def derive(self) -> str:
        """Return the source of `derive`: the cohort and the segments, and the bits still unknown."""
        code = self._code
        cohorts = [expression for _, expression in code.cohorts]
        everything = [*cohorts, *code.segments]
        cohort = self._index[COHORT]
        lines = [f"def derive({_ARGUMENTS}):", *self._locals(everything)]
        # The cohort is a fact of its own for segments, so that its local must exist.
        lines += [f"    f{cohort} = None", "    try:"]
        for name, expression in code.cohorts:
            mask = self.mask_of([expression], "")
            test = emit_test(expression, self._names())
            # An earlier cohort that is unknown may be the one: then none can be told.
            lines += [
                f"        if f{cohort} is None:",
                f"            if U & {mask}: raise Overflow",
                f"            if {test}: f{cohort} = {name!r}",
            ]
        lines += [
            f"        if f{cohort} is None: f{cohort} = {code.otherwise!r}",
            f"    {_FAILED}",
            f"        f{cohort} = None",
            f"        U |= {1 << cohort}",
        ]
        names = [f"f{cohort}"]
        for position, expression in enumerate(code.segments, start=cohort + 1):
            mask = self.mask_of([expression], "")
            lines += [
                "    try:",
                f"        if U & {mask}: raise Overflow",
                f"        f{position} = bool({emit_test(expression, self._names())})",
                f"    {_FAILED}",
                f"        f{position} = None",
                f"        U |= {1 << position}",
            ]
            names.append(f"f{position}")
        lines.append(f"    return [{', '.join(names)}], U")
        return "\n".join(lines)

    def holds(self, *, known: bool) -> str:
        """Return the source of `evaluate_holds`, or of its twin for facts that are all known."""
        codes = self._code.holds
        expressions = [e for hold in codes for e in (hold.while_, hold.until) if e is not None]
        lines = [
            *_heading("evaluate_holds", known=known),
            *self._locals(expressions, (hold.about for hold in codes)),
            "    H = []",
        ]
        for index, hold in enumerate(codes):
            write = self._about_hold if hold.about else self._plain_hold
            lines += write(index, hold, known=known)
        lines.append("    return H")
        return "\n".join(lines)

    def _plain_hold(self, index: int, hold: HoldCode, *, known: bool) -> list[str]:
        names = self._names()
        until = f"{emit(hold.until, names)} or 0" if hold.until else "0"
        test = emit_test(hold.while_, names)
        on = f"H.append(HoldState({index}, False, None, {until}))"
        unknown = f"H.append(HoldState({index}, True, None, 0))"
        mask = 0 if known else self.mask_of([hold.while_], "")
        lines = (
            [f"if U & {mask}: {unknown}", f"elif {test}: {on}"] if mask else [f"if {test}: {on}"]
        )
        if not hold.while_.unknowable and not (hold.until and hold.until.unknowable):
            return [f"    {line}" for line in lines]
        return ["    try:", *(f"        {line}" for line in lines), f"    {_FAILED} {unknown}"]

    def _about_hold(self, index: int, hold: HoldCode, *, known: bool) -> list[str]:
        names = self._names(hold.about)
        until = f"{emit(hold.until, names)} or 0" if hold.until else "0"
        kind = self._kind[hold.about]
        one = f"frozenset(({hold.about + '/'!r} + a[0],))"
        mask = 0 if known else self.mask_of([hold.while_], hold.about)
        lines = [
            f"for a in o{kind}:",
            "    try:",
            f"        if {emit_test(hold.while_, names)}:",
            f"            H.append(HoldState({index}, False, {one}, {until}))",
            f"    {_FAILED} H.append(HoldState({index}, True, {one}, 0))",
        ]
        if mask:
            unknown = f"if U & {mask}: H.append(HoldState({index}, True, None, 0))"
            lines = [unknown, "else:", *(f"    {line}" for line in lines)]
        return [f"    {line}" for line in lines]

    def actions(self, *, known: bool) -> str:
        """Return the source of `evaluate_actions`, or of its twin for facts that are all known."""
        codes = self._code.actions
        pressure = self._code.pressure
        expressions = [e for action in codes for e in _expressions_of(action)]
        mask = 0 if known else self.mask_of([pressure], "")
        value = emit(pressure, self._names())
        lines = [
            *_heading("evaluate_actions", known=known),
            *self._locals([*expressions, pressure], (action.about for action in codes)),
            "    C = []",
            "    K = []",
            "    try:",
            f"        P = None if U & {mask} else {value}" if mask else f"        P = {value}",
            f"    {_FAILED} P = None",
        ]
        for index, action in enumerate(codes):
            lines += self._action(index, action, known=known)
        lines.append("    return Evaluation(C, K, P)")
        return "\n".join(lines)

    def action(self, index: int) -> str:
        """Return the source of a function of one action alone, for facts that are all known."""
        action = self._code.actions[index]
        lines = [
            f"def action_{index}(F, O, C, K, now, zone):",
            *self._locals(_expressions_of(action), [action.about]),
        ]
        return "\n".join([*lines, *self._action(index, action, known=True)])

    def pressure(self) -> str:
        """Return the source of what one more contact costs, for facts that are all known."""
        value = self._code.pressure
        lines = [
            "def evaluate_pressure(F, O, now, zone):",
            *self._locals([value]),
            "    try:",
            f"        return {emit(value, self._names())}",
            f"    {_FAILED} return None",
        ]
        return "\n".join(lines)

    def rests_on(
        self,
        expressions: Sequence[tuple[Expression, str]],
        offer: Mapping[str, Value] = _NO_OFFER,
    ) -> RestsOn:
        """Return what expressions rest on, each given with the kind of the object in play."""
        mask = 0
        with_facts = with_clock = False
        for expression, about in expressions:
            mask |= self.mask_of([expression], about) | (self._bit_of(about) if about else 0)
            if not expression.root.timed:
                continue
            for turn in find_turns(expression, self._names(about, offer)):
                is_of_facts = self._mask_of_turn(turn, about) != 0
                with_facts |= is_of_facts
                with_clock |= not is_of_facts
        return RestsOn(mask, with_facts, with_clock)

    def _action(self, index: int, action: ActionCode, *, known: bool) -> list[str]:
        names = self._names(action.about, action.offer)
        test = emit_test(action.when, names)
        about = f"{action.about + '/'!r} + a[0]" if action.about else "''"
        amounts = self._amounts(action, names, known=known)
        lines = [f"if {test}: C.append(Candidate({index}, {about}, {amounts}))"]
        if action.when.unknowable or _is_unknowable(action):
            lines = ["try:", f"    {lines[0]}", f"{_FAILED} K.append({index})"]
        if action.about:
            lines = [f"for a in o{self._kind[action.about]}:", *(f"    {line}" for line in lines)]
        mask = 0 if known else self.mask_of(needed_by(action), action.about)
        if mask:
            lines = [
                f"if U & {mask}: K.append({index})",
                "else:",
                *(f"    {line}" for line in lines),
            ]
        return [f"    {line}" for line in lines]

    def _amounts(self, action: ActionCode, names: Names, *, known: bool) -> str:
        parts = [
            self._known(expression, action.about, names, known=known)
            for expression in (action.value, action.p_accept, action.benefit)
        ]
        expires = "0" if action.expires is None else f"{emit(action.expires, names)} or 0"
        sets = ", ".join(emit(expression, names) for expression in action.sets)
        return f"{', '.join(parts)}, {expires}" + (f", ({sets},)" if sets else "")

    def _known(
        self, expression: Expression | None, about: str, names: Names, *, known: bool
    ) -> str:
        """Return the source of a value that is None where something it reads is unknown."""
        if expression is None:
            return "None"
        mask = 0 if known else self.mask_of([expression], about)
        source = emit(expression, names)
        return f"None if U & {mask} else {source}" if mask else source

    # -- when something next turns

    def next_change(self) -> str:
        """Return the source of `next_change`."""
        plain: dict[tuple[str, int, str, bool], set[int]] = {}
        others: dict[tuple[str, str], int] = {}
        reads: list[Expression] = []
        for about, expression, offer in self._timed():
            for turn in find_turns(expression, self._names(about, offer)):
                mask = self._mask_of_turn(turn, about)
                for each in turn.plain:
                    kind = each.kind or (about if each.start.startswith("a[") else "")
                    key = (
                        kind,
                        mask if not kind else self._bit_of(kind),
                        each.start,
                        each.is_since,
                    )
                    plain.setdefault(key, set()).update(each.lengths)
                if not turn.plain:
                    others[about, turn.source] = others.get((about, turn.source), 0) | mask
                    reads.append(msgspec.structs.replace(expression, root=turn.reads))
        lines = ["def next_change(F, O, M, now, zone):", f"    N = {NEVER}"]
        for (kind, mask, start, is_since), lengths in plain.items():
            lines += self._plain_turn(
                Plain(start, tuple(sorted(lengths, reverse=not is_since)), is_since, kind), mask
            )
        lines += self._locals(reads, (about for about, _ in others))
        for (about, source), mask in others.items():
            loop = f"for a in o{self._kind[about]}:" if about else "if True:"
            lines += [
                # What rests on time alone is asked for only when all is.
                f"    if M & {mask}:" if mask else "    if M < 0:",
                "        try:",
                f"            {loop}",
                f"                n = {source}",
                "                if n < N: N = n",
                f"        {_FAILED} pass",
            ]
        lines.append("    return N")
        return "\n".join(lines)

    def _timed(self) -> Iterator[tuple[str, Expression, Mapping[str, Value]]]:
        code = self._code
        for expression, about in _general_expressions(code):
            if expression.root.timed:
                yield about, expression, _NO_OFFER
        for action in code.actions:
            for expression in _expressions_of(action):
                if expression.root.timed:
                    yield action.about, expression, action.offer

    def _bit_of(self, kind: str) -> int:
        return 1 << self._bit[f"{kind}()"]

    def _mask_of_turn(self, turn: Turn, about: str) -> int:
        """Return the bits of what an instant rests on; every one where it rests on what is derived."""
        part = Expression(text="", root=turn.reads)
        if any(self._index[name] >= self._code.order.told_count for name in facts_read(part)):
            return -1
        mask = self.mask_of([part], about)
        # What is not plain is looked for at each object in play: also where it reads none of their
        # fields, there is nothing to find before there is an object.
        return mask | self._bit_of(about) if about and not turn.plain else mask

    def _plain_turn(self, plain: Plain, mask: int) -> list[str]:
        """Return the lines that find the first turn after (or before) an instant that is known."""
        kind = plain.kind
        row = "k_row" if plain.start.startswith("k_row") else "a"
        start = plain.start if kind else f"F[{plain.start.removeprefix('f')}]"
        age = "now - t" if plain.is_since else "t - now"
        turns = [
            f"t + {x} if d < {x}" if plain.is_since else f"t - {x} + 1 if d >= {x}"
            for x in plain.lengths
        ]
        lines = [
            f"t = {start}",
            "if t is not None:",
            f"    d = {age}",
            f"    n = {' else '.join(turns)} else {NEVER}",
            "    if n < N: N = n",
        ]
        if kind:
            lines = [f"for {row} in O[{self._kind[kind]}]:", *(f"    {line}" for line in lines)]
        return [f"    if M & {mask}:", *(f"        {line}" for line in lines)]


def _heading(name: str, *, known: bool) -> list[str]:
    """Return the first lines of a function; where all facts are known, its twin takes over."""
    if known:
        return [f"def {name}_known(F, O, now, zone):"]
    return [f"def {name}({_ARGUMENTS}):", f"    if not U: return {name}_known(F, O, now, zone)"]


def _general_expressions(code: PolicyCode) -> Iterator[tuple[Expression, str]]:
    yield from ((expression, "") for _, expression in code.cohorts)
    yield from ((expression, "") for expression in (*code.segments, code.pressure))
    for hold in code.holds:
        yield hold.while_, hold.about
        if hold.until is not None:
            yield hold.until, hold.about


def expressions_of(code: PolicyCode) -> Iterator[tuple[Expression, str]]:
    """Yield everything that a brand evaluates, each with the kind of the object in play."""
    yield from _general_expressions(code)
    yield from ((e, action.about) for action in code.actions for e in _expressions_of(action))


def _expressions_of(action: ActionCode) -> list[Expression]:
    found = (action.when, action.value, action.p_accept, action.benefit, action.expires)
    return [*(expression for expression in found if expression is not None), *action.sets]


def needed_by(action: ActionCode) -> list[Expression]:
    """Return the expressions of an action without which it is not done: of a worth it may do without."""
    return [action.when, *([action.expires] if action.expires is not None else []), *action.sets]


def _is_unknowable(action: ActionCode) -> bool:
    return any(expression.unknowable for expression in _expressions_of(action))
