"""How each SQL engine writes what engines do differently: each operation by hand, for each engine.

Every operation has its operands once in its text, however it is computed; otherwise the text of
nested operations would double at every level.
"""

from abc import ABC, abstractmethod
from typing import Final, Literal, TypeAlias

from sqlglot import exp

from kept.core.policy.sql_trees import binary, cast, function, number, plus, try_cast, within
from kept.core.policy.types import INT_MAX, INT_MIN

Dialect: TypeAlias = Literal["duckdb", "postgres", "spark"]

ROW: Final = "k_row"
"""The name of the object that an aggregate is looking at."""


class Target(ABC):
    """One engine. *Wide* numbers are of a type that holds any product of two 64-bit integers."""

    wide_type: str

    def wide(self, value: exp.Expr) -> exp.Expr:
        """Return a 64-bit integer as a wide number."""
        if isinstance(value, exp.Cast) and isinstance(value.this, exp.Literal):
            value = value.this
        return cast(value, self.wide_type)

    def narrow(self, value: exp.Expr, low: int, high: int) -> exp.Expr:
        """Return a wide number as a 64-bit integer, or NULL where it is not within bounds."""
        return cast(within(value, low, high), "BIGINT")

    @abstractmethod
    def rounded(self, value: exp.Expr, unit: int) -> exp.Expr:
        """Return how many units (a power of ten) a wide number is, halves away from zero."""

    @abstractmethod
    def ratio(self, value: exp.Expr, divisor: exp.Expr) -> exp.Expr:
        """Return a wide quotient of two integers in millionths; NULL where the divisor is zero."""

    @abstractmethod
    def quotient(self, value: exp.Expr, divisor: int) -> exp.Expr:
        """Return how often a positive constant goes into an integer that is not negative."""

    @abstractmethod
    def starts_with(self, value: exp.Expr, part: exp.Expr) -> exp.Expr:
        """Return whether a text begins with another."""

    @abstractmethod
    def contains(self, value: exp.Expr, part: exp.Expr) -> exp.Expr:
        """Return whether a text has another within it."""

    @abstractmethod
    def date_number(self, days: exp.Expr) -> exp.Expr:
        """Return the number that the digits of a date make: 20261224."""

    @abstractmethod
    def local(self, instant: exp.Expr, starts: exp.Expr, offsets: exp.Expr) -> exp.Expr:
        """Return an instant moved by the offset that a zone has then."""

    @abstractmethod
    def count(self, rows: exp.Expr, predicate: exp.Expr | None) -> exp.Expr:
        """Return how many rows fulfil a predicate."""

    @abstractmethod
    def total(self, rows: exp.Expr, value: exp.Expr, predicate: exp.Expr | None) -> exp.Expr:
        """Return a wide sum of a value over the rows that fulfil a predicate, 0 of none."""

    @abstractmethod
    def extreme(
        self, name: str, rows: exp.Expr, value: exp.Expr, predicate: exp.Expr | None
    ) -> exp.Expr:
        """Return the least (`min`) or greatest (`max`) value over rows, NULL of none."""


def _lambda(name: str, body: exp.Expr) -> exp.Expr:
    return exp.Lambda(this=body, expressions=[exp.to_identifier(name)])


class DuckDb(Target):
    """DuckDB: 128-bit integers, lists of structs, lambdas."""

    wide_type = "INT128"

    def narrow(self, value: exp.Expr, low: int, high: int) -> exp.Expr:
        """Return a wide number as a 64-bit integer, or NULL where it is not within bounds."""
        if (low, high) == (INT_MIN, INT_MAX):
            return try_cast(value, "BIGINT")
        return super().narrow(value, low, high)

    def rounded(self, value: exp.Expr, unit: int) -> exp.Expr:
        """Return how many units a wide number is: half of its half units, rounded."""
        return self._halved(binary(exp.IntDiv, value, number(unit // 2)))

    def ratio(self, value: exp.Expr, divisor: exp.Expr) -> exp.Expr:
        """Return a quotient in millionths: half of its half millionths, rounded."""
        halves = binary(exp.Mul, self.wide(value), number(2_000_000))
        return self._halved(
            binary(exp.IntDiv, halves, self.wide(function("NULLIF", divisor, number(0))))
        )

    def _halved(self, value: exp.Expr) -> exp.Expr:
        # ROUND of a DECIMAL goes away from zero; of a DOUBLE it would not be exact.
        half = binary(exp.Mul, cast(value, "DECIMAL(36, 0)"), number("0.5"))
        return self.wide(function("ROUND", half))

    def quotient(self, value: exp.Expr, divisor: int) -> exp.Expr:
        """Return an integer division."""
        return binary(exp.IntDiv, value, number(divisor))

    def starts_with(self, value: exp.Expr, part: exp.Expr) -> exp.Expr:
        """Return whether a text begins with another."""
        return function("STARTS_WITH", value, part)

    def contains(self, value: exp.Expr, part: exp.Expr) -> exp.Expr:
        """Return whether a text has another within it."""
        return function("CONTAINS", value, part)

    def date_number(self, days: exp.Expr) -> exp.Expr:
        """Return the number that the digits of a date make."""
        date = binary(exp.Add, cast(exp.Literal.string("1970-01-01"), "DATE"), cast(days, "INT"))
        return cast(function("STRFTIME", date, exp.Literal.string("%Y%m%d")), "BIGINT")

    def local(self, instant: exp.Expr, starts: exp.Expr, offsets: exp.Expr) -> exp.Expr:
        """Return an instant moved by the offset that a zone has then."""
        passed = _lambda("k_start", binary(exp.LTE, exp.column("k_start"), exp.column("k_at")))
        index = plus(function("LEN", function("LIST_FILTER", starts, passed)), 1)
        offset = function("LIST_EXTRACT", offsets, index)
        moved = _lambda("k_at", binary(exp.Add, exp.column("k_at"), offset))
        one = function("LIST_VALUE", instant)
        return function("LIST_EXTRACT", function("LIST_TRANSFORM", one, moved), number(1))

    def count(self, rows: exp.Expr, predicate: exp.Expr | None) -> exp.Expr:
        """Return how many rows fulfil a predicate; a missing list has none."""
        return function("COALESCE", function("LEN", self._kept(rows, predicate)), number(0))

    def total(self, rows: exp.Expr, value: exp.Expr, predicate: exp.Expr | None) -> exp.Expr:
        """Return a sum over rows; LIST_SUM adds up in 128 bits and passes over NULL."""
        values = function("LIST_TRANSFORM", self._kept(rows, predicate), _lambda(ROW, value))
        return function("COALESCE", function("LIST_SUM", values), number(0))

    def extreme(
        self, name: str, rows: exp.Expr, value: exp.Expr, predicate: exp.Expr | None
    ) -> exp.Expr:
        """Return the least or greatest value over rows; both pass over NULL."""
        values = function("LIST_TRANSFORM", self._kept(rows, predicate), _lambda(ROW, value))
        return function(f"LIST_{name.upper()}", values)

    def _kept(self, rows: exp.Expr, predicate: exp.Expr | None) -> exp.Expr:
        return rows if predicate is None else function("LIST_FILTER", rows, _lambda(ROW, predicate))


class Postgres(Target):
    """PostgreSQL: numeric of any size, arrays of a composite type, subqueries."""

    wide_type = "DECIMAL"

    def rounded(self, value: exp.Expr, unit: int) -> exp.Expr:
        """Return how many units a wide number is; multiplying is exact where dividing is not."""
        part = "0." + str(unit).removeprefix("1")[1:] + "1"
        return function("ROUND", binary(exp.Mul, value, number(part)))

    def ratio(self, value: exp.Expr, divisor: exp.Expr) -> exp.Expr:
        """Return a quotient in millionths: half of its half millionths, rounded."""
        halves = binary(exp.Mul, self.wide(value), number(2_000_000))
        whole = function("DIV", halves, self.wide(function("NULLIF", divisor, number(0))))
        return function("ROUND", binary(exp.Mul, whole, number("0.5")))

    def quotient(self, value: exp.Expr, divisor: int) -> exp.Expr:
        """Return an integer division."""
        return cast(function("DIV", self.wide(value), number(divisor)), "BIGINT")

    def starts_with(self, value: exp.Expr, part: exp.Expr) -> exp.Expr:
        """Return whether a text begins with another."""
        return function("STARTS_WITH", value, part)

    def contains(self, value: exp.Expr, part: exp.Expr) -> exp.Expr:
        """Return whether a text has another within it."""
        return binary(exp.GT, function("STRPOS", value, part), number(0))

    def date_number(self, days: exp.Expr) -> exp.Expr:
        """Return the number that the digits of a date make."""
        date = binary(exp.Add, cast(exp.Literal.string("1970-01-01"), "DATE"), cast(days, "INT"))
        return cast(function("TO_CHAR", date, exp.Literal.string("YYYYMMDD")), "BIGINT")

    def local(self, instant: exp.Expr, starts: exp.Expr, offsets: exp.Expr) -> exp.Expr:
        """Return an instant moved by the offset that a zone has then."""
        index = plus(function("WIDTH_BUCKET", exp.column("k_at"), starts), 1)
        offset = exp.Bracket(this=exp.Paren(this=offsets), expressions=[index], offset=1)
        moved = binary(exp.Add, exp.column("k_at"), offset)
        once = exp.select(exp.alias_(instant, "k_at")).subquery("k_once")
        return exp.Paren(this=exp.select(moved).from_(once))

    def count(self, rows: exp.Expr, predicate: exp.Expr | None) -> exp.Expr:
        """Return how many rows fulfil a predicate."""
        counted = exp.select(function("COUNT", number(1)))
        return exp.Paren(this=counted.from_(self._kept(rows, number(1), predicate)))

    def total(self, rows: exp.Expr, value: exp.Expr, predicate: exp.Expr | None) -> exp.Expr:
        """Return a sum over rows; SUM of numeric is exact."""
        summed = function("SUM", exp.column("k_value"))
        query = exp.select(function("COALESCE", summed, number(0)))
        return exp.Paren(this=query.from_(self._kept(rows, self.wide(value), predicate)))

    def extreme(
        self, name: str, rows: exp.Expr, value: exp.Expr, predicate: exp.Expr | None
    ) -> exp.Expr:
        """Return the least or greatest value over rows."""
        query = exp.select(function(name.upper(), exp.column("k_value")))
        return exp.Paren(this=query.from_(self._kept(rows, value, predicate)))

    def _kept(self, rows: exp.Expr, value: exp.Expr, predicate: exp.Expr | None) -> exp.Expr:
        """Return the values of the rows that fulfil a predicate, as a table.

        An aggregate must not stand beside them: of a value that reads no column of the rows,
        PostgreSQL would take it for an aggregate of the query around.
        """
        alias = exp.TableAlias(this=exp.to_identifier(ROW))
        unnested = exp.Unnest(expressions=[rows], alias=alias)
        query = exp.select(exp.alias_(value, "k_value")).from_(unnested)
        return (query if predicate is None else query.where(predicate)).subquery("k_rows")


class Spark(Target):
    """Spark: decimals of 38 digits, arrays of structs, lambdas."""

    wide_type = "DECIMAL(38, 0)"

    def rounded(self, value: exp.Expr, unit: int) -> exp.Expr:
        """Return how many units a wide number is; Spark's ROUND goes away from zero."""
        part = "0." + str(unit).removeprefix("1")[1:] + "1"
        exact = binary(exp.Mul, value, cast(number(part), f"DECIMAL({len(part)}, {len(part) - 2})"))
        return self.wide(function("ROUND", exact, number(0)))

    def ratio(self, value: exp.Expr, divisor: exp.Expr) -> exp.Expr:
        """Return a quotient in millionths: a division that leaves no rest is exact, then halved."""
        halves = binary(exp.Mul, self.wide(value), number(2_000_000))
        once = function(
            "NAMED_STRUCT",
            exp.Literal.string("n"),
            self.wide(halves),
            exp.Literal.string("d"),
            self.wide(function("NULLIF", divisor, number(0))),
        )
        top, bottom = exp.column("n", table="k_at"), exp.column("d", table="k_at")
        rest = function("MOD", top, bottom)
        whole = binary(exp.Div, binary(exp.Sub, top.copy(), rest), bottom.copy())
        body = function("ROUND", binary(exp.Mul, self.wide(whole), number("0.5")), number(0))
        return self.wide(self._let(once, body))

    def quotient(self, value: exp.Expr, divisor: int) -> exp.Expr:
        """Return an integer division."""
        return binary(exp.IntDiv, value, cast(number(divisor), "BIGINT"))

    def starts_with(self, value: exp.Expr, part: exp.Expr) -> exp.Expr:
        """Return whether a text begins with another."""
        return function("STARTSWITH", value, part)

    def contains(self, value: exp.Expr, part: exp.Expr) -> exp.Expr:
        """Return whether a text has another within it."""
        return function("CONTAINS", value, part)

    def date_number(self, days: exp.Expr) -> exp.Expr:
        """Return the number that the digits of a date make."""
        date = function("DATE_FROM_UNIX_DATE", cast(days, "INT"))
        return cast(function("DATE_FORMAT", date, exp.Literal.string("yyyyMMdd")), "BIGINT")

    def local(self, instant: exp.Expr, starts: exp.Expr, offsets: exp.Expr) -> exp.Expr:
        """Return an instant moved by the offset that a zone has then."""
        passed = _lambda("k_start", binary(exp.LTE, exp.column("k_start"), exp.column("k_at")))
        index = plus(function("SIZE", function("FILTER", starts, passed)), 1)
        offset = function("ELEMENT_AT", offsets, index)
        return self._let(instant, binary(exp.Add, exp.column("k_at"), offset))

    def count(self, rows: exp.Expr, predicate: exp.Expr | None) -> exp.Expr:
        """Return how many rows fulfil a predicate; a missing list has none."""
        kept = self._kept(rows, predicate)
        return cast(function("SIZE", function("COALESCE", kept, function("ARRAY"))), "BIGINT")

    def total(self, rows: exp.Expr, value: exp.Expr, predicate: exp.Expr | None) -> exp.Expr:
        """Return a sum over rows."""
        either = function("COALESCE", self.wide(value), self.wide(number(0)))
        values = function("TRANSFORM", self._kept(rows, predicate), _lambda(ROW, either))
        pair = [exp.to_identifier("k_sum"), exp.to_identifier("k_next")]
        sum_ = self.wide(binary(exp.Add, exp.column("k_sum"), exp.column("k_next")))
        added = exp.Lambda(this=sum_, expressions=pair)
        summed = function("AGGREGATE", values, self.wide(number(0)), added)
        return function("COALESCE", summed, self.wide(number(0)))

    def extreme(
        self, name: str, rows: exp.Expr, value: exp.Expr, predicate: exp.Expr | None
    ) -> exp.Expr:
        """Return the least or greatest value over rows; both pass over NULL."""
        values = function("TRANSFORM", self._kept(rows, predicate), _lambda(ROW, value))
        return function(f"ARRAY_{name.upper()}", values)

    def _kept(self, rows: exp.Expr, predicate: exp.Expr | None) -> exp.Expr:
        return rows if predicate is None else function("FILTER", rows, _lambda(ROW, predicate))

    def _let(self, value: exp.Expr, body: exp.Expr) -> exp.Expr:
        """Return a body in which a value that is used several times is named `k_at`."""
        bound = function("TRANSFORM", function("ARRAY", value), _lambda("k_at", body))
        return function("ELEMENT_AT", bound, number(1))


TARGETS: Final[dict[Dialect, Target]] = {
    "duckdb": DuckDb(),
    "postgres": Postgres(),
    "spark": Spark(),
}
