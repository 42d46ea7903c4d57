"""The functions of the language: one table for the checker, the documentation and its readers.

The list is short on purpose: a function is here only if it can be made to give the same answer in
Python, DuckDB, PostgreSQL and Spark, on every input.
"""

from typing import Final, Literal, TypeAlias

import msgspec

Parameter: TypeAlias = Literal[
    "int", "decimal", "money", "text", "date", "timestamp", "any", "number", "digits"
]
"""The type of an argument. `any` and `number` stand for one type, the same for all arguments that
say so; `money` for one currency; `digits` is a constant number of decimal digits."""

Group: TypeAlias = Literal["numbers", "text", "time", "local time", "calendar", "NULL"]


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One list of arguments that a function takes, and the type of its result."""

    parameters: tuple[Parameter, ...]
    result: Parameter | Literal["bool"]
    repeated: bool = False
    """Whether the last parameter may be given more than once."""


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """A function, what it means in one sentence, and an example of its use."""

    name: str
    group: Group
    signatures: tuple[Signature, ...]
    meaning: str
    example: str


class Aggregation(msgspec.Struct, frozen=True, kw_only=True):
    """An aggregate over the customer's objects of one kind."""

    name: str
    form: str
    meaning: str
    example: str


def _takes(
    *parameters: Parameter, result: Parameter | Literal["bool"], repeated: bool = False
) -> Signature:
    return Signature(parameters=parameters, result=result, repeated=repeated)


def forms_of(function: Function) -> list[str]:
    """Return how a function may be called, such as `round(decimal, digits)`."""
    return [
        f"{function.name}({', '.join(signature.parameters)}{', ...' if signature.repeated else ''})"
        for signature in function.signatures
    ]


_FUNCTIONS: Final = (
    Function(
        name="coalesce",
        group="NULL",
        signatures=(_takes("any", "any", result="any", repeated=True),),
        meaning="The first argument that is not NULL; later arguments are not looked at.",
        example="coalesce(days_since(last_order_at), 999) > 90",
    ),
    Function(
        name="abs",
        group="numbers",
        signatures=(_takes("number", result="number"),),
        meaning="The number without its sign.",
        example="abs(balance) > money '5.00 EUR'",
    ),
    Function(
        name="decimal",
        group="numbers",
        signatures=(_takes("int", result="decimal"),),
        meaning="A whole number as a decimal.",
        example="decimal(orders_90d) > average_orders",
    ),
    Function(
        name="greatest",
        group="numbers",
        signatures=(
            _takes("number", "number", result="number", repeated=True),
            _takes("date", "date", result="date", repeated=True),
            _takes("timestamp", "timestamp", result="timestamp", repeated=True),
        ),
        meaning="The greatest argument; NULLs are passed over, and only NULLs give NULL.",
        example="greatest(about.price, money '1.00 EUR')",
    ),
    Function(
        name="least",
        group="numbers",
        signatures=(
            _takes("number", "number", result="number", repeated=True),
            _takes("date", "date", result="date", repeated=True),
            _takes("timestamp", "timestamp", result="timestamp", repeated=True),
        ),
        meaning="The least argument; NULLs are passed over, and only NULLs give NULL.",
        example="least(visits_30d, 10)",
    ),
    Function(
        name="ratio",
        group="numbers",
        signatures=(
            _takes("int", "int", result="decimal"),
            _takes("decimal", "decimal", result="decimal"),
            _takes("money", "money", result="decimal"),
        ),
        meaning="The first number divided by the second, to six digits; NULL where that is 0.",
        example="ratio(returns_90d, orders_90d) > 0.5",
    ),
    Function(
        name="round",
        group="numbers",
        signatures=(
            _takes("decimal", result="decimal"),
            _takes("decimal", "digits", result="decimal"),
            _takes("money", result="money"),
            _takes("money", "digits", result="money"),
        ),
        meaning="The number rounded to whole numbers, or to so many digits; halves go away from 0.",
        example="round(0.8 * about.yearly_price, 0)",
    ),
    Function(
        name="contains",
        group="text",
        signatures=(_takes("text", "text", result="bool"),),
        meaning="Whether the first text has the second within it, letter for letter.",
        example="contains(trait.company, 'GmbH')",
    ),
    Function(
        name="starts_with",
        group="text",
        signatures=(_takes("text", "text", result="bool"),),
        meaning="Whether the first text begins with the second, letter for letter.",
        example="starts_with(trait.postal_code, '10')",
    ),
    Function(
        name="days_since",
        group="time",
        signatures=(_takes("timestamp", result="int"), _takes("date", result="int")),
        meaning="Whole days of 24 hours since an instant; since a date, days in the customer's "
        "own calendar. Negative before it.",
        example="days_since(last_case_resolved_at) < 7",
    ),
    Function(
        name="hours_since",
        group="time",
        signatures=(_takes("timestamp", result="int"),),
        meaning="Whole hours since an instant; negative before it.",
        example="hours_since(last_visit_at) < 2",
    ),
    Function(
        name="minutes_since",
        group="time",
        signatures=(_takes("timestamp", result="int"),),
        meaning="Whole minutes since an instant; negative before it.",
        example="minutes_since(last_view_at) <= 30",
    ),
    Function(
        name="days_until",
        group="time",
        signatures=(_takes("timestamp", result="int"), _takes("date", result="int")),
        meaning="Whole days of 24 hours until an instant; until a date, days in the customer's "
        "own calendar. Negative after it.",
        example="days_until(about.ends_at) BETWEEN 0 AND 30",
    ),
    Function(
        name="hours_until",
        group="time",
        signatures=(_takes("timestamp", result="int"),),
        meaning="Whole hours until an instant; negative after it.",
        example="hours_until(about.starts_at) >= 24",
    ),
    Function(
        name="minutes_until",
        group="time",
        signatures=(_takes("timestamp", result="int"),),
        meaning="Whole minutes until an instant; negative after it.",
        example="minutes_until(about.starts_at) BETWEEN 10 AND 20",
    ),
    Function(
        name="days_between",
        group="time",
        signatures=(
            _takes("timestamp", "timestamp", result="int"),
            _takes("date", "date", result="int"),
        ),
        meaning="Whole days from the first to the second; of 24 hours between instants. "
        "Rounded down, so it is negative where the second comes first.",
        example="days_between(about.ordered_at, about.delivered_at) > 5",
    ),
    Function(
        name="add_days",
        group="time",
        signatures=(
            _takes("timestamp", "int", result="timestamp"),
            _takes("date", "int", result="date"),
        ),
        meaning="So many days later; of 24 hours for an instant.",
        example="add_days(about.due_at, 10)",
    ),
    Function(
        name="add_hours",
        group="time",
        signatures=(_takes("timestamp", "int", result="timestamp"),),
        meaning="So many hours later.",
        example="add_hours(about.starts_at, -2)",
    ),
    Function(
        name="add_minutes",
        group="time",
        signatures=(_takes("timestamp", "int", result="timestamp"),),
        meaning="So many minutes later.",
        example="add_minutes(about.starts_at, -15)",
    ),
    Function(
        name="local_today",
        group="local time",
        signatures=(_takes(result="date"),),
        meaning="The date in the customer's time zone now.",
        example="local_today() >= date '2026-12-24'",
    ),
    Function(
        name="local_date",
        group="local time",
        signatures=(_takes("timestamp", result="date"),),
        meaning="The date of an instant in the customer's time zone.",
        example="local_date(about.starts_at) = local_today()",
    ),
    Function(
        name="local_hour",
        group="local time",
        signatures=(_takes(result="int"), _takes("timestamp", result="int")),
        meaning="The hour of the day, 0 to 23, in the customer's time zone: now, or at an instant.",
        example="local_hour() BETWEEN 9 AND 17",
    ),
    Function(
        name="local_weekday",
        group="local time",
        signatures=(_takes(result="int"), _takes("timestamp", result="int")),
        meaning="The day of the week in the customer's time zone, 1 (Monday) to 7 (Sunday): "
        "now, or at an instant.",
        example="local_weekday() IN (6, 7)",
    ),
    Function(
        name="years_since",
        group="local time",
        signatures=(_takes("date", result="int"),),
        meaning="Whole years since a date, such as an age, on today's date in the customer's time "
        "zone; who was born on 29 February is a year older on 1 March.",
        example="years_since(trait.born_on) >= 18",
    ),
    Function(
        name="year",
        group="calendar",
        signatures=(_takes("date", result="int"),),
        meaning="The year of a date.",
        example="year(trait.born_on) < 1990",
    ),
    Function(
        name="month",
        group="calendar",
        signatures=(_takes("date", result="int"),),
        meaning="The month of a date, 1 to 12.",
        example="month(trait.born_on) = month(local_today())",
    ),
    Function(
        name="day",
        group="calendar",
        signatures=(_takes("date", result="int"),),
        meaning="The day of the month of a date, 1 to 31.",
        example="day(trait.born_on) = day(local_today())",
    ),
)

FUNCTIONS: Final = {function.name: function for function in _FUNCTIONS}

_AGGREGATIONS: Final = (
    Aggregation(
        name="exists",
        form="exists(kind, condition)",
        meaning="Whether the condition is true of one of the customer's objects of this kind.",
        example="exists(case, status <> 'resolved')",
    ),
    Aggregation(
        name="count",
        form="count(kind, condition)",
        meaning="How many of the customer's objects of this kind the condition is true of.",
        example="count(bill, paid_at IS NULL) >= 2",
    ),
    Aggregation(
        name="sum",
        form="sum(kind, value, condition)",
        meaning="The sum of a value over those objects; NULLs are passed over; of none it is 0.",
        example="sum(bill, amount, paid_at IS NULL) > money '100.00 EUR'",
    ),
    Aggregation(
        name="min",
        form="min(kind, value, condition)",
        meaning="The least value over those objects; NULLs are passed over; of none it is NULL.",
        example="days_until(min(bill, due_at, paid_at IS NULL)) < 3",
    ),
    Aggregation(
        name="max",
        form="max(kind, value, condition)",
        meaning="The greatest value over those objects; NULLs are passed over; of none it is NULL.",
        example="days_since(max(parcel, sent_at)) < 2",
    ),
)

AGGREGATIONS: Final = {aggregation.name: aggregation for aggregation in _AGGREGATIONS}

_NO_CASE: Final = (
    "the language does not change letters, because engines disagree on them ('ß', 'İ'); "
    "map the value where it comes in, in sources.yaml"
)
_NO_NOW: Final = (
    "time is met only through functions whose next change is known: days_since, hours_until, "
    "local_today() and their like"
)

INSTEAD: Final = {
    "cast": "there are no casts; a fact has its type in facts.yaml, and decimal(n) widens an int",
    "try_cast": "there are no casts; a fact has its type in facts.yaml",
    "convert": "there are no casts; a fact has its type in facts.yaml",
    "now": _NO_NOW,
    "today": "use local_today()",
    "current_date": "use local_today()",
    "current_timestamp": _NO_NOW,
    "date_diff": "use days_between, days_since or days_until",
    "datediff": "use days_between, days_since or days_until",
    "age": "use years_since",
    "date_trunc": "use local_date, local_hour, year or month",
    "extract": "use year, month, day, local_hour or local_weekday",
    "date_add": "use add_days, add_hours or add_minutes",
    "upper": _NO_CASE,
    "lower": _NO_CASE,
    "trim": _NO_CASE,
    "initcap": _NO_CASE,
    "length": "compare with = or IN, or use starts_with or contains",
    "concat": "texts are put together in templates, not in conditions",
    "substr": "use starts_with or contains",
    "substring": "use starts_with or contains",
    "regexp_matches": "use starts_with, contains or IN",
    "if": "use CASE WHEN ... THEN ... ELSE ... END",
    "iff": "use CASE WHEN ... THEN ... ELSE ... END",
    "ifnull": "use coalesce",
    "nvl": "use coalesce",
    "isnull": "use IS NULL",
    "nullif": "use CASE WHEN a = b THEN NULL ELSE a END",
    "div": "use ratio(a, b)",
    "divide": "use ratio(a, b)",
    "mod": "there is no remainder of a division",
    "floor": "use round",
    "ceil": "use round",
    "avg": "use ratio(sum(kind, value), count(kind)), or declare a feature in facts.yaml",
    "any": "use exists(kind, condition)",
    "all": "use NOT exists(kind, NOT condition)",
    "weekday": "use local_weekday",
    "hour": "use local_hour",
}
"""What to do instead of functions that other SQL has and this language has not."""
