"""DuckDB as the judge of the condition language: what it says of an expression on some rows."""

from collections.abc import Iterable, Sequence
from typing import Final

import duckdb
from sqlglot import exp

from kept.core.policy.evaluate import UNKNOWN, Outcome, Row
from kept.core.policy.scope import Fact, Scope
from kept.core.policy.to_sql import to_sql
from kept.core.policy.tree import Expression
from kept.core.policy.types import BOOL, DATE, DECIMAL, INT, TEXT, TIMESTAMP, Type, money
from kept.core.policy.zones import find_zone

SCOPE: Final = Scope(
    facts={
        "orders": Fact(type=INT, nullable=False),
        "visits": Fact(type=INT),
        "score": Fact(type=DECIMAL, nullable=False),
        "rating": Fact(type=DECIMAL),
        "spent": Fact(type=money("EUR"), nullable=False),
        "balance": Fact(type=money("EUR")),
        "yen": Fact(type=money("JPY")),
        "name": Fact(type=TEXT, nullable=False),
        "trait.nick": Fact(type=TEXT),
        "loyal": Fact(type=BOOL, nullable=False),
        "minor": Fact(type=BOOL),
        "seen_at": Fact(type=TIMESTAMP, nullable=False),
        "left_at": Fact(type=TIMESTAMP),
        "joined_on": Fact(type=DATE, nullable=False),
        "born_on": Fact(type=DATE),
    },
    objects={
        "case": {"status": TEXT, "opened_at": TIMESTAMP, "weight": INT, "urgent": BOOL},
        "bill": {
            "amount": money("EUR"),
            "due_at": TIMESTAMP,
            "due_on": DATE,
            "share": DECIMAL,
            "number": Fact(type=INT, nullable=False),
        },
    },
    about="bill",
    more={"offer": {"price": money("EUR"), "size": INT}},
)
"""The names of the corpus and of generated expressions: each type once NULL and once not."""

_SQL_TYPES: Final = {"bool": "BOOLEAN", "text": "VARCHAR"}


def sql_type(of: Type) -> str:
    """Return the column type of a type of the language."""
    return _SQL_TYPES.get(of.kind, "BIGINT")


def _struct(fields: Iterable[tuple[str, Type | Fact]]) -> str:
    types = ((name, field.type if isinstance(field, Fact) else field) for name, field in fields)
    return "STRUCT(" + ", ".join(f'"{name}" {sql_type(of)}' for name, of in types) + ")"


class DuckDbJudge:
    """Evaluates expressions of `SCOPE` on rows, in an empty database in memory."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(config={"threads": 1})
        columns = {name: sql_type(fact.type) for name, fact in SCOPE.facts.items()}
        columns |= {space: _struct(SCOPE.fields_of(space).items()) for space in ("about", "offer")}
        columns |= {
            f"objects.{kind}": _struct(fields.items()) + "[]"
            for kind, fields in SCOPE.objects.items()
        }
        columns |= {"now": "BIGINT", "zone_starts": "BIGINT[]", "zone_offsets": "BIGINT[]"}
        listed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        self._connection.execute(f"CREATE TABLE customers (place INTEGER, {listed})")
        marks = ", ".join("?" * (len(columns) + 1))
        self._insert = f"INSERT INTO customers VALUES ({marks})"

    def load(self, rows: Sequence[Row]) -> None:
        """Replace the rows that expressions are evaluated on."""
        self._connection.execute("DELETE FROM customers")
        for place, row in enumerate(rows):
            zone = None if row.zone is None else find_zone(row.zone)
            values = [
                place,
                *(row.facts[name] for name in SCOPE.facts),
                *(dict(row.fields[space]) for space in ("about", "offer")),
                *([dict(item) for item in row.objects[kind]] for kind in SCOPE.objects),
                row.now,
                None if zone is None else zone.starts,
                None if zone is None else zone.offsets,
            ]
            self._connection.execute(self._insert, values)

    def ask(self, *expressions: Expression) -> list[list[Outcome]]:
        """Return the values of expressions: for each row that was loaded, all of them."""
        columns = [
            tree
            for sql in (to_sql(expression, "duckdb") for expression in expressions)
            for tree in (sql.value, sql.unknown)
        ]
        query = exp.select(*columns).from_("customers").order_by("place")
        found = self._connection.execute(query.sql("duckdb")).fetchall()
        # Whether a value is unknown is itself always known.
        assert all(unknown is not None for row in found for unknown in row[1::2])
        return [
            [
                UNKNOWN if unknown else value
                for value, unknown in zip(row[::2], row[1::2], strict=True)
            ]
            for row in found
        ]
