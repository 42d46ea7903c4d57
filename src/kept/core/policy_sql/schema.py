"""The columns of a base: what a decision may read of one customer, one row a customer.

| column | holds |
|---|---|
| `:customer` | the customer's id |
| `fact.NAME` | a feature or trait |
| `objects.KIND` | the objects of a kind, in the order of their keys |
| `:unknown` | the indexes of the facts and kinds that are unknown, ascending |
| `:zone`, `:region`, `:draw` | as in `Facts` |
| `said.SCOPE`, `said_at.SCOPE` | a word of consent, and when it was said |
| `:preferred` | the preferred channel |
| `address.CHANNEL` | `ok`, `closed` or NULL |
| `:contacts`, `:contacted` | contacts, and when each (action, about) last reached the customer |
| `:declines`, `:approvals`, `:open`, `:imported`, `:notices` | as in `Facts` and `Request` |
| `:known_after`, `:said_known` | from when on contacts are all there; whether what was said is known |

A second table of the same shape, but for what holds do not read, has those customers of whom something
is merely claimed: what holds are judged by as well.
"""

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

import msgspec

from kept.core.bundle import Bundle
from kept.core.consent import (
    ANY_ENTITY,
    GPC,
    RESTRICTION,
    channel_key,
    purpose_key,
    topic_key,
)
from kept.core.policy.types import parse_type
from kept.core.policy_sql.text import constant, name

FACT: Final = "fact."
OBJECTS: Final = "objects."
SAID: Final = "said."
SAID_AT: Final = "said_at."
ADDRESS: Final = "address."

Shape: TypeAlias = str | dict[str, "Shape"] | list["Shape"]
"""A column's type: a name, the fields of a struct, or a list of one shape."""

_TYPES: Final = {"bool": "BOOLEAN", "text": "VARCHAR"}
_PLAIN: Final[dict[str, Shape]] = {
    ":unknown": ["SMALLINT"],
    ":zone": "VARCHAR",
}
_REST: Final[dict[str, Shape]] = {
    ":region": "VARCHAR",
    ":draw": "SMALLINT",
    ":preferred": "VARCHAR",
    ":contacts": [
        {
            "attempt_at": "BIGINT", "settled_at": "BIGINT", "outcome": "VARCHAR",
            "action": "VARCHAR", "kind": "VARCHAR", "purpose": "VARCHAR", "topic": "VARCHAR",
            "channel": "VARCHAR", "about": "VARCHAR", "answered": "BOOLEAN", "named": "BOOLEAN",
        }
    ],
    ":contacted": [{"action": "VARCHAR", "about": "VARCHAR", "instant": "BIGINT"}],
    ":declines": [{"action": "VARCHAR", "about": "VARCHAR", "instant": "BIGINT"}],
    ":approvals": [
        {
            "name": "VARCHAR", "outcome": "VARCHAR", "until": "BIGINT", "fingerprint": "VARCHAR",
            "message_id": "VARCHAR", "instant": "BIGINT",
        }
    ],
    ":open": [{"message_id": "VARCHAR", "action": "VARCHAR", "about": "VARCHAR"}],
    ":imported": ["VARCHAR"],
    ":notices": ["BIGINT"],
    ":known_after": "BIGINT",
    ":said_known": "BOOLEAN",
}  # fmt: skip


def type_of(shape: Shape) -> str:
    """Return a shape as a type of SQL."""
    if isinstance(shape, str):
        return shape
    if isinstance(shape, list):
        return f"{type_of(shape[0])}[]"
    listed = ", ".join(f"{name(field)} {type_of(of)}" for field, of in shape.items())
    return f"STRUCT({listed})"


def create_table(table: str, columns: Mapping[str, Shape]) -> str:
    """Return the statement that makes a table, in the place of an older one."""
    listed = ", ".join(f"{name(column)} {type_of(of)}" for column, of in columns.items())
    return f"CREATE OR REPLACE TABLE {table} ({listed})"


def insert_rows(table: str, columns: Mapping[str, Shape]) -> str:
    """Return the statement that adds rows, given as one JSON text of a list of objects."""
    shape = constant(msgspec.json.encode([columns]).decode())
    listed = ", ".join(f"k_new.{name(column)}" for column in columns)
    # Read from a row: of a bare parameter DuckDB would make a constant first, value by value.
    told = "(VALUES ($1)) AS k_told(k_text)"
    rows = f"SELECT UNNEST(FROM_JSON(CAST(k_text AS JSON), {shape})) AS k_new FROM {told}"  # noqa: S608
    return f"INSERT INTO {table} SELECT {listed} FROM ({rows})"  # noqa: S608


class BaseSchema(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a base by name, each with its shape."""

    customers: dict[str, Shape]
    claimed: dict[str, Shape]

    def create(self, table: str) -> str:
        """Return the statement that makes a table of the base: `customers` or `claimed`."""
        return create_table(table, self._of(table))

    def insert(self, table: str) -> str:
        """Return the statement that adds rows, given as one JSON text of a list of objects."""
        return insert_rows(table, self._of(table))

    def _of(self, table: str) -> dict[str, Shape]:
        return self.customers if table == "customers" else self.claimed


def schema_of(bundle: Bundle) -> BaseSchema:
    """Return the columns of a base of a brand."""
    claimed: dict[str, Shape] = {":customer": "BIGINT"} | _facts(bundle) | _PLAIN
    words: dict[str, Shape] = {
        column: of
        for scope in scopes_of(bundle)
        for column, of in ((SAID + scope, "BOOLEAN"), (SAID_AT + scope, "BIGINT"))
    }
    addresses: dict[str, Shape] = {
        ADDRESS + channel: "VARCHAR" for channel in bundle.fact_plan.addresses
    }
    return BaseSchema(customers=claimed | _REST | words | addresses, claimed=claimed)


def _facts(bundle: Bundle) -> dict[str, Shape]:
    policy, plan = bundle.policy, bundle.fact_plan
    types = dict(zip(policy.fact_names, policy.fact_types, strict=False))
    columns: dict[str, Shape] = {FACT + fact: sql_type(types[fact]) for fact in plan.names}
    for kind, fields in zip(plan.object_kinds, plan.object_fields, strict=True):
        declared = {"key": "text"} | dict(bundle.brand.facts.objects[kind].fields)
        columns[OBJECTS + kind] = [{field: sql_type(declared[field]) for field in fields}]
    return columns


def sql_type(text: str) -> str:
    """Return the column type of a type of `facts.yaml`."""
    return _TYPES.get(parse_type(text).kind, "BIGINT")


def scopes_of(bundle: Bundle) -> list[str]:
    """Return every scope of consent that a decision by this brand may ask for."""
    return list(dict.fromkeys(_scopes(bundle)))


def _scopes(bundle: Bundle) -> Iterator[str]:
    policy = bundle.policy
    yield GPC
    yield RESTRICTION
    channels = {*policy.channels, *(one.channel for one in policy.placements.values())}
    for channel in sorted(channels):
        yield channel_key(channel)
    for topic in sorted({rule.topic for rule in policy.actions if rule.topic}):
        yield topic_key(topic)
    for entity, purpose in sorted({(rule.entity, rule.purpose) for rule in policy.actions}):
        for channel in ("", *sorted(channels - {""})):
            yield purpose_key(entity, purpose, channel)
            yield purpose_key(ANY_ENTITY, purpose, channel)
