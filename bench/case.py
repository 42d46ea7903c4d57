"""What every engine is given to decide: twenty conditions that hush, fifty actions, the best wins.

Conditions are small trees over a customer's facts, drawn with a fixed seed, and written out in the
language of each engine. An action may be chosen if its own condition holds and the condition that
hushes its topic does not; of these the one with the highest value wins, ties by name.

Facts have no NULLs here, and times are compared as plain numbers, so that each engine does what it
does best and all must give the same answer.
"""

import random
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec

DAY: Final = 86_400_000_000
NOW: Final = 1_780_000_000_000_000

COUNTS: Final = (
    "page_views_7d",
    "page_views_30d",
    "product_views_7d",
    "product_views_30d",
    "adds_30d",
    "orders_90d",
    "orders_ever",
    "sign_ins_7d",
    "sign_ins_30d",
    "bills_365d",
    "cases_30d",
    "cases_365d",
)
AMOUNTS: Final = ("spent_90d", "spent_365d", "billed_365d")
INSTANTS: Final = ("last_seen_at", "last_order_at", "last_case_at", "last_added_at", "last_bill_at")
TEXTS: Final = {
    "plan": ("basic", "plus", "family"),
    "locale": ("en", "de", "es"),
    "region": ("north", "south", "east", "west"),
    "top_category": ("books", "garden", "audio", "kitchen", "travel"),
}
STATUSES: Final = {
    "bill": ("open", "paid"),
    "case": ("open", "resolved"),
    "order": ("placed", "shipped"),
}
OBJECT_COUNT_MAX: Final = 4
"""How many objects of a kind a drawn customer has at most."""

Fact: TypeAlias = int | str | list[dict[str, int | str]]


class AtLeast(msgspec.Struct, frozen=True):
    """A count, or an amount in minor units, is as large as this or larger."""

    fact: str
    limit: int


class Since(msgspec.Struct, frozen=True):
    """An instant is fewer than so many days ago."""

    fact: str
    days: int


class Is(msgspec.Struct, frozen=True):
    """A text is one of these."""

    fact: str
    values: tuple[str, ...]


class Exists(msgspec.Struct, frozen=True):
    """There is an object of this kind with this status, begun fewer than so many days ago."""

    kind: str
    status: str
    days: int


class Not(msgspec.Struct, frozen=True):
    """The opposite of a comparison of counts."""

    operand: AtLeast


class Joined(msgspec.Struct, frozen=True):
    """Several tests of which all, or any, must hold."""

    word: Literal["and", "or"]
    operands: tuple["Test", ...]


Test: TypeAlias = AtLeast | Since | Is | Exists | Not | Joined


class Value(msgspec.Struct, frozen=True):
    """A worth in minor units: something fixed, and something for each of a count."""

    fixed: int
    each: int
    fact: str


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """Something that may be done."""

    name: str
    when: Test
    hushed_by: int
    """Which of the case's conditions hushes it."""
    value: Value


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A whole policy."""

    conditions: tuple[Test, ...]
    actions: tuple[Action, ...]


class Answer(msgspec.Struct, frozen=True):
    """What an engine decided: which conditions hold, and the best action (None: silence)."""

    holding: tuple[int, ...]
    best: str | None


def make_case(*, condition_count: int = 20, action_count: int = 50, seed: int = 7) -> Case:
    """Draw a policy."""
    chance = random.Random(seed)
    # What hushes is narrower than what makes an action worth considering.
    conditions = tuple(Joined("and", _draw_tests(chance, 3)) for _ in range(condition_count))
    actions = tuple(
        Action(
            name=f"action_{index:04d}",
            when=_draw_condition(chance),
            hushed_by=index % condition_count,
            value=Value(chance.randint(10, 90) * 10, chance.randint(1, 9), chance.choice(COUNTS)),
        )
        for index in range(action_count)
    )
    return Case(conditions=conditions, actions=actions)


def make_facts(count: int, *, seed: int = 11) -> list[dict[str, Fact]]:
    """Draw customers."""
    chance = random.Random(seed)
    return [
        {
            **{name: min(int(chance.expovariate(0.3)), 60) for name in COUNTS},
            **{name: chance.randint(0, 90_000) for name in AMOUNTS},
            **{name: _draw_instant(chance) for name in INSTANTS},
            **{name: chance.choice(values) for name, values in TEXTS.items()},
            **{kind: _draw_objects(chance, kind) for kind in STATUSES},
        }
        for _ in range(count)
    ]


def _draw_instant(chance: random.Random) -> int:
    return NOW - chance.randint(1, 60 * DAY)


def _draw_objects(chance: random.Random, kind: str) -> list[dict[str, int | str]]:
    return [
        {
            "key": f"{kind}-{position}",
            "status": chance.choice(STATUSES[kind]),
            "begun_at": _draw_instant(chance),
        }
        for position in range(chance.randint(0, OBJECT_COUNT_MAX))
    ]


def choose_best(case: Case, allowed: Sequence[int]) -> str | None:
    """Return the best of the allowed values; `allowed` has -1 for what may not be done."""
    best, best_value = None, 0
    for action, value in zip(case.actions, allowed, strict=True):
        if value > best_value:
            best, best_value = action.name, value
    return best


def _draw_condition(chance: random.Random) -> Test:
    shape = chance.choice(("all", "all", "mixed"))
    if shape == "mixed":
        first, second, *either = _draw_tests(chance, 4)
        return Joined("and", (first, second, Joined("or", tuple(either))))
    return Joined("and", _draw_tests(chance, 3))


def _draw_tests(chance: random.Random, count: int) -> tuple[Test, ...]:
    """Draw tests of different facts, so that all can hold at once."""
    tests: dict[str, Test] = {}
    while len(tests) < count:
        test = _draw_test(chance)
        tests.setdefault(_subject(test), test)
    return tuple(tests.values())


def _subject(test: Test) -> str:
    match test:
        case AtLeast(fact) | Since(fact) | Is(fact):
            return fact
        case Exists(kind):
            return kind
        case Not(operand):
            return operand.fact
        case Joined(_, operands):
            return _subject(operands[0])


def _draw_test(chance: random.Random) -> Test:
    kind = chance.choice(("count", "count", "not", "money", "since", "text", "text", "exists"))
    if kind == "count":
        return AtLeast(chance.choice(COUNTS), chance.randint(1, 6))
    if kind == "not":
        return Not(AtLeast(chance.choice(COUNTS), chance.randint(2, 8)))
    if kind == "money":
        return AtLeast(chance.choice(AMOUNTS), chance.randint(10, 500) * 100)
    if kind == "exists":
        objects = chance.choice(tuple(STATUSES))
        return Exists(objects, chance.choice(STATUSES[objects]), chance.randint(5, 50))
    if kind == "since":
        return Since(chance.choice(INSTANTS), chance.randint(2, 45))
    fact = chance.choice(tuple(TEXTS))
    return Is(fact, tuple(chance.sample(TEXTS[fact], chance.randint(1, 2))))


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """How a language writes what all of them can say."""

    and_: str
    or_: str
    not_: str
    equals: str = "=="
    exists: str
    """With `{kind}` and `{test}`, in which an object's fields are written with `row`."""
    row: str
    one_of: str = "[{}]"


def write_condition(test: Test, words: Words) -> str:
    """Return a condition in a language that compares numbers and texts."""
    match test:
        case AtLeast(fact, limit):
            return f"{fact} >= {limit}"
        case Since(fact, days):
            return f"now - {fact} < {days * DAY}"
        case Is(fact, (value,)):
            return f"{fact} {words.equals} '{value}'"
        case Is(fact, values):
            return f"{fact} in {words.one_of.format(', '.join(map(repr, values)))}"
        case Exists(kind, status, days):
            status_test = f"{words.row}status {words.equals} '{status}'"
            day_test = f"now - {words.row}begun_at < {days * DAY}"
            return words.exists.format(kind=kind, test=f"{status_test} {words.and_} {day_test}")
        case Not(operand):
            return f"{words.not_}({write_condition(operand, words)})"
        case Joined(word, operands):
            joiner = f" {words.and_ if word == 'and' else words.or_} "
            return f"({joiner.join(write_condition(operand, words) for operand in operands)})"


def write_value(value: Value) -> str:
    """Return a worth, which all languages write alike."""
    return f"{value.fixed} + {value.each} * {value.fact}"
