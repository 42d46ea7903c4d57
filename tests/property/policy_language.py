"""Generates well-typed expressions of the condition language, and rows to evaluate them on."""

import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from kept.core.policy.evaluate import Row
from kept.core.policy.scope import Fact, as_fact
from kept.core.policy.tree import (
    Expression,
    FactRef,
    FieldRef,
    RowField,
    objects_read,
    walk,
)
from kept.core.policy.types import (
    BOOL,
    DATE,
    DATE_MAX,
    DATE_MIN,
    DECIMAL,
    DECIMAL_ONE,
    INT,
    INT_MAX,
    INT_MIN,
    TEXT,
    TIMESTAMP,
    TIMESTAMP_MAX,
    TIMESTAMP_MIN,
    Scalar,
    Type,
    money,
)
from kept.core.policy.zones import Zone, find_zone
from kept.core.values import DAY, HOUR, MINUTE
from tests.golden.policy_judge import SCOPE

EUR: Final = money("EUR")
TYPES: Final = (BOOL, INT, DECIMAL, EUR, TEXT, DATE, TIMESTAMP)
ORDERED: Final = (INT, DECIMAL, EUR, DATE, TIMESTAMP)
NUMBERS: Final = (INT, DECIMAL, EUR)
TODAY: Final = (date(2026, 7, 1) - date(1970, 1, 1)).days
ZONE_NAMES: Final = (
    "UTC",
    "Europe/Berlin",
    "Africa/Monrovia",  # 44 minutes and 30 seconds behind until 1972
    "America/Sao_Paulo",  # put its clocks back over midnight
    "America/St_Johns",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # half an hour of summer time
    "Africa/Casablanca",
    "Pacific/Apia",  # left out a whole day
    "Pacific/Kiritimati",
)
TEXTS: Final = (
    *("", "a", "resolved", "Jos\u00e9", "Jose\u0301", "stra\u00dfe", "STRASSE", "\u0130"),
    *("\u05e9\u05dc\u05d5\u05dd", "\u200b", "\U0001f469\u200d\U0001f4bb", "it's", "100%", "a\\b"),
    *("_", "\u1e9b\u0323", "\ufb03", "\u202eabc", "-- no", "k_row"),
)

# -- values -----------------------------------------------------------------------------------------


def zone_called(name: str) -> Zone:
    """Return a zone that is known to be there."""
    zone = find_zone(name)
    assert zone is not None, name
    return zone


_steps = st.sampled_from([0, 1, -1, MINUTE, -MINUTE, HOUR, -HOUR, DAY, -DAY, 1 - DAY, 7 * DAY])
_changes = st.sampled_from([start for name in ZONE_NAMES for start in zone_called(name).starts])
turning_points = st.builds(lambda change, step: change + step, _changes, _steps)
"""Instants at, just before and just after the clocks of some zone are put forward or back."""

nows = st.one_of(
    st.integers((TODAY - 400) * DAY, (TODAY + 400) * DAY),
    st.integers(-100, 100).map(lambda hours: TODAY * DAY + hours * HOUR),
    turning_points,
)
instants = st.one_of(
    nows,
    st.sampled_from([TIMESTAMP_MIN, TIMESTAMP_MAX, 0, -1]),
    st.integers(TIMESTAMP_MIN, TIMESTAMP_MAX),
)
dates = st.one_of(
    st.integers(TODAY - 40, TODAY + 40),
    turning_points.map(lambda instant: instant // DAY),
    st.sampled_from([DATE_MIN, DATE_MAX, 0, (date(2000, 2, 29) - date(1970, 1, 1)).days]),
    st.integers(DATE_MIN, DATE_MAX),
)
ints = st.one_of(
    st.integers(-40, 40),
    st.sampled_from([0, 1, -1, INT_MIN, INT_MIN + 1, INT_MAX, INT_MAX - 1]),
    st.integers(INT_MIN, INT_MAX),
)
scaled = st.one_of(
    ints,
    st.integers(-8, 8).map(lambda halves: halves * DECIMAL_ONE // 2),
    st.integers(-(10**12), 10**12),
)
texts = st.one_of(
    st.sampled_from(TEXTS),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
).map(lambda text: unicodedata.normalize("NFC", text))
_values: Final[dict[str, SearchStrategy[Scalar]]] = {
    "bool": st.booleans(),
    "int": ints,
    "decimal": scaled,
    "money": scaled,
    "text": texts,
    "date": dates,
    "timestamp": instants,
}


def values(field: Fact | Type) -> SearchStrategy[Scalar]:
    """Return values of a field, NULL among them where it may be."""
    fact = field if isinstance(field, Fact) else Fact(type=field)
    strategy = _values[fact.type.kind]
    return st.none() | strategy if fact.nullable else strategy


def rows_for(expression: Expression) -> SearchStrategy[Row]:
    """Return rows whose values are drawn where the expression reads them, and plain elsewhere.

    What nobody reads is not drawn, so that Hypothesis spends its choices on what matters.
    """
    read = {
        node.name if isinstance(node, FactRef) else f"{_space(node)}.{node.name}"
        for node in walk(expression.root)
        if isinstance(node, FactRef | FieldRef | RowField)
    }
    kinds = objects_read(expression)

    def drawn(prefix: str, fields: Mapping[str, Fact | Type]) -> SearchStrategy[dict[str, Scalar]]:
        return st.fixed_dictionaries(
            {
                name: values(field) if prefix + name in read else st.just(_plain(field))
                for name, field in fields.items()
            }
        )

    spaces = ("about", *SCOPE.more)
    return st.builds(
        Row,
        facts=drawn("", SCOPE.facts),
        fields=st.fixed_dictionaries(
            {space: drawn(f"{space}.", SCOPE.fields_of(space)) for space in spaces}
        ),
        objects=st.fixed_dictionaries(
            {
                kind: st.lists(drawn(f"objects.{kind}.", fields), max_size=3)
                if kind in kinds
                else st.just([])
                for kind, fields in SCOPE.objects.items()
            }
        ),
        now=nows,
        zone=st.sampled_from([*ZONE_NAMES, None]),
    )


def _space(node: FieldRef | RowField) -> str:
    return node.space if isinstance(node, FieldRef) else f"objects.{node.object}"


def _plain(field: Fact | Type) -> Scalar:
    kind = _type_of(field).kind
    return False if kind == "bool" else "" if kind == "text" else 0


# -- constants as a brand writes them ----------------------------------------------------------------


def write(value: Scalar, of: Type) -> str:
    """Return a value in the form in which it stands in an expression."""
    match of.kind:
        case "bool":
            return "TRUE" if value else "FALSE"
        case "text":
            return "'" + str(value).replace("'", "''") + "'"
    assert isinstance(value, int)
    match of.kind:
        case "date":
            return f"date '{date.fromordinal(value - DATE_MIN + 1).isoformat()}'"
        case "timestamp":
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)
            return f"timestamp '{moment.isoformat()}'"
        case "money":
            sign = "-" if value < 0 else ""
            return f"money '{sign}{abs(value) // 100}.{abs(value) % 100:02} {of.currency}'"
        case "decimal":
            text = f"{abs(value) // DECIMAL_ONE}.{abs(value) % DECIMAL_ONE:06}"
            return f"(-{text})" if value < 0 else text
    return f"(-{-value})" if value < 0 else str(value)


def _constants(of: Type) -> SearchStrategy[str]:
    # The smallest of all integers cannot be written: its digits alone are too large.
    written = _values[of.kind].filter(lambda value: value != INT_MIN)
    return written.map(lambda value: write(value, of))


# -- expressions --------------------------------------------------------------------------------------

Make = Callable[[Type, int], str]
"""Draws an expression of a type that is at most so deep."""


@st.composite
def expressions(draw: DrawFn, of: Type | None = None, *, depth: int = 3) -> str:
    """Return the text of a well-typed expression of a type, or of any."""
    wanted = of if of is not None else draw(st.sampled_from(TYPES))
    return _Generator(draw, row=None).compose(wanted, depth)


class _Generator:
    """Draws the parts of one expression; within an aggregate it knows the kind of object."""

    def __init__(self, draw: DrawFn, row: str | None) -> None:
        self.draw = draw
        self.row = row

    def pick(self, *choices: str) -> str:
        """Return one of some texts."""
        return self.draw(st.sampled_from(choices))

    def make(self, of: Type, depth: int) -> str:
        """Return an expression of a type, at times a mere leaf."""
        if depth <= 0 or self.draw(st.integers(0, 7)) == 7:
            return self.leaf(of)
        return self.compose(of, depth)

    def compose(self, of: Type, depth: int) -> str:
        """Return an expression of a type that is made of others."""
        make: dict[str, Callable[[Type, int], str]] = {
            "bool": self.condition,
            "int": self.whole,
            "decimal": self.decimal,
            "money": self.amount,
            "date": self.day,
            "timestamp": self.instant,
            "text": self.either,
        }
        return make[of.kind](of, depth - 1)

    def leaf(self, of: Type) -> str:
        """Return a name or a constant."""
        names = [name for name, fact in SCOPE.facts.items() if fact.type == of]
        for space in ("about", "offer"):
            names += [
                f"{space}.{name}"
                for name, field in SCOPE.fields_of(space).items()
                if _type_of(field) == of
            ]
        if self.row is not None:
            fields = SCOPE.objects[self.row].items()
            own = [name for name, field in fields if _type_of(field) == of]
            # Twice, so that a predicate is mostly about its own object.
            names += own + own
        constant = not names or self.draw(st.integers(0, 3)) == 0
        return self.draw(_constants(of) if constant else st.sampled_from(names))

    def either(self, of: Type, depth: int) -> str:
        """Return CASE, coalesce, or a leaf, which all types have."""
        match self.pick("case", "coalesce", "case", "coalesce", "leaf"):
            case "case":
                when, then = self.make(BOOL, depth), self.make(of, depth)
                otherwise = self.pick("", f" ELSE {self.make(of, depth)}", " ELSE NULL")
                return f"CASE WHEN {when} THEN {then}{otherwise} END"
            case "coalesce":
                return f"coalesce({self.make(of, depth)}, {self.make(of, depth)})"
        return self.leaf(of)

    def condition(self, of: Type, depth: int) -> str:
        """Return a condition."""
        return self.draw(st.sampled_from(self._CONDITIONS))(self, of, depth)

    def _compared(self, _: Type, depth: int) -> str:
        of = self.draw(st.sampled_from(TYPES))
        choices = ("=", "<>", "<", "<=", ">", ">=") if of in ORDERED else ("=", "<>")
        return f"({self.make(of, depth)} {self.pick(*choices)} {self.make(of, depth)})"

    def _between(self, _: Type, depth: int) -> str:
        of = self.draw(st.sampled_from(ORDERED))
        parts = [self.make(of, depth) for _ in range(3)]
        return f"({parts[0]} {self.pick('', 'NOT ')}BETWEEN {parts[1]} AND {parts[2]})"

    def _listed(self, _: Type, depth: int) -> str:
        of = self.draw(st.sampled_from((*ORDERED, TEXT)))
        items = self.draw(st.lists(_constants(of), min_size=1, max_size=3))
        return f"({self.make(of, depth)} {self.pick('', 'NOT ')}IN ({', '.join(items)}))"

    def _null(self, _: Type, depth: int) -> str:
        of = self.draw(st.sampled_from(TYPES))
        return f"({self.make(of, depth)} IS {self.pick('', 'NOT ')}NULL)"

    def _is(self, _: Type, depth: int) -> str:
        return f"({self.make(BOOL, depth)} IS {self.pick('', 'NOT ')}{self.pick('TRUE', 'FALSE')})"

    def _joined(self, _: Type, depth: int) -> str:
        parts = [self.make(BOOL, depth) for _ in range(self.draw(st.integers(2, 3)))]
        return f"({self.pick(' AND ', ' OR ').join(parts)})"

    def _negated(self, _: Type, depth: int) -> str:
        return f"(NOT {self.make(BOOL, depth)})"

    def _within(self, _: Type, depth: int) -> str:
        name = self.pick("contains", "starts_with")
        return f"{name}({self.make(TEXT, depth)}, {self.make(TEXT, depth)})"

    def _exists(self, _: Type, depth: int) -> str:
        return self.aggregate("exists", None, depth) or self.leaf(BOOL)

    _CONDITIONS = (
        _compared, _compared, _between, _listed, _null, _is, _joined, _joined, _negated, _within,
        _exists, either,
    )  # fmt: skip

    def aggregate(self, name: str, of: Type | None, depth: int) -> str | None:
        """Return an aggregate, or `None` within another, where there may be none."""
        if self.row is not None:
            return None
        kind = self.pick(*SCOPE.objects)
        inner = _Generator(self.draw, row=kind)
        parts = [kind] if of is None else [kind, inner.make(of, depth)]
        if self.draw(st.booleans()):
            parts.append(inner.make(BOOL, depth))
        return f"{name}({', '.join(parts)})"

    def number(self, of: Type, depth: int) -> str:
        """Return what all numbers have: sums, signs, extremes, aggregates."""
        match self.pick("add", "add", "negate", "abs", "extreme", "aggregate", "either"):
            case "add":
                return f"({self.make(of, depth)} {self.pick('+', '-')} {self.make(of, depth)})"
            case "negate":
                return f"(- {self.make(of, depth)})"
            case "abs":
                return f"abs({self.make(of, depth)})"
            case "extreme":
                parts = [self.make(of, depth) for _ in range(self.draw(st.integers(2, 3)))]
                return f"{self.pick('least', 'greatest')}({', '.join(parts)})"
            case "aggregate":
                return self.aggregate(self.pick("sum", "min", "max"), of, depth) or self.leaf(of)
        return self.either(of, depth)

    def whole(self, of: Type, depth: int) -> str:
        """Return a whole number."""
        match self.pick("number", "multiply", "count", "lengths", "lengths", "calendar"):
            case "multiply":
                return f"({self.make(INT, depth)} * {self.make(INT, depth)})"
            case "count":
                return self.aggregate("count", None, depth) or self.leaf(INT)
            case "lengths":
                return self.length(depth)
            case "calendar":
                name = self.pick("year", "month", "day", "years_since")
                return f"{name}({self.make(DATE, depth)})"
        return self.number(of, depth)

    def length(self, depth: int) -> str:
        """Return a length of time, or an hour or weekday."""
        unit = self.pick("days", "hours", "minutes")
        ends = self.pick("since", "until", "between", "local")
        of = self.draw(st.sampled_from((TIMESTAMP, DATE))) if unit == "days" else TIMESTAMP
        if ends == "local":
            inside = self.pick("", self.make(TIMESTAMP, depth))
            return f"{self.pick('local_hour', 'local_weekday')}({inside})"
        if ends == "between":
            return f"days_between({self.make(of, depth)}, {self.make(of, depth)})"
        return f"{unit}_{ends}({self.make(of, depth)})"

    def decimal(self, of: Type, depth: int) -> str:
        """Return a decimal."""
        match self.pick("number", "multiply", "ratio", "round", "decimal"):
            case "multiply":
                other = self.draw(st.sampled_from((INT, DECIMAL)))
                return f"({self.make(DECIMAL, depth)} * {self.make(other, depth)})"
            case "ratio":
                both = self.draw(st.sampled_from(NUMBERS))
                return f"ratio({self.make(both, depth)}, {self.make(both, depth)})"
            case "round":
                digits = self.pick("", ", 0", ", 1", ", 2", ", 5", ", 6")
                return f"round({self.make(DECIMAL, depth)}{digits})"
            case "decimal":
                return f"decimal({self.make(INT, depth)})"
        return self.number(of, depth)

    def amount(self, of: Type, depth: int) -> str:
        """Return an amount of money."""
        match self.pick("number", "multiply", "multiply", "round"):
            case "multiply":
                factor = self.make(self.draw(st.sampled_from((INT, DECIMAL))), depth)
                pair = [self.make(of, depth), factor]
                return f"({' * '.join(self.draw(st.permutations(pair)))})"
            case "round":
                return f"round({self.make(of, depth)}{self.pick('', ', 0', ', 1', ', 2')})"
        return self.number(of, depth)

    def day(self, of: Type, depth: int) -> str:
        """Return a date."""
        match self.pick("today", "local", "add", "extreme", "either"):
            case "today":
                return "local_today()"
            case "local":
                return f"local_date({self.make(TIMESTAMP, depth)})"
            case "add":
                return f"add_days({self.make(DATE, depth)}, {self.make(INT, depth)})"
            case "extreme":
                return self.aggregate(self.pick("min", "max"), of, depth) or self.leaf(of)
        return self.either(of, depth)

    def instant(self, of: Type, depth: int) -> str:
        """Return an instant."""
        match self.pick("add", "extreme", "either"):
            case "add":
                unit = self.pick("days", "hours", "minutes")
                return f"add_{unit}({self.make(TIMESTAMP, depth)}, {self.make(INT, depth)})"
            case "extreme":
                return self.aggregate(self.pick("min", "max"), of, depth) or self.leaf(of)
        return self.either(of, depth)


def _type_of(field: Type | Fact) -> Type:
    fact = as_fact(field)
    assert fact is not None
    return fact.type
