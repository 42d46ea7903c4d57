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

from collections.abc import Iterator
from typing import Final

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
from kept.core.policy_sql.text import name

FACT: Final = "fact."
OBJECTS: Final = "objects."
SAID: Final = "said."
SAID_AT: Final = "said_at."
ADDRESS: Final = "address."

_TYPES: Final = {"bool": "BOOLEAN", "text": "VARCHAR"}
_CONTACTS: Final = (
    "STRUCT(attempt_at BIGINT, settled_at BIGINT, outcome VARCHAR, action VARCHAR, kind VARCHAR, "
    "purpose VARCHAR, topic VARCHAR, channel VARCHAR, about VARCHAR, answered BOOLEAN, "
    "named BOOLEAN)[]"
)
_PLAIN: Final = {
    ":unknown": "SMALLINT[]",
    ":zone": "VARCHAR",
}
_REST: Final = {
    ":region": "VARCHAR",
    ":draw": "SMALLINT",
    ":preferred": "VARCHAR",
    ":contacts": _CONTACTS,
    ":contacted": "STRUCT(action VARCHAR, about VARCHAR, instant BIGINT)[]",
    ":declines": "STRUCT(name VARCHAR, instant BIGINT)[]",
    ":approvals": (
        "STRUCT(name VARCHAR, outcome VARCHAR, until BIGINT, fingerprint VARCHAR, "
        "message_id VARCHAR, instant BIGINT)[]"
    ),
    ":open": "STRUCT(message_id VARCHAR, action VARCHAR, about VARCHAR)[]",
    ":imported": "VARCHAR[]",
    ":notices": "BIGINT[]",
    ":known_after": "BIGINT",
    ":said_known": "BOOLEAN",
}


class BaseSchema(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a base by name, each with its type."""

    customers: dict[str, str]
    claimed: dict[str, str]

    def create(self, table: str) -> str:
        """Return the statement that makes a table of the base: `customers` or `claimed`."""
        columns = self.customers if table == "customers" else self.claimed
        listed = ", ".join(f"{name(column)} {of}" for column, of in columns.items())
        return f"CREATE TABLE {table} ({listed})"


def schema_of(bundle: Bundle) -> BaseSchema:
    """Return the columns of a base of a brand."""
    claimed = {":customer": "BIGINT"} | _facts(bundle) | _PLAIN
    words = {
        column: of
        for scope in scopes_of(bundle)
        for column, of in ((SAID + scope, "BOOLEAN"), (SAID_AT + scope, "BIGINT"))
    }
    addresses = {ADDRESS + channel: "VARCHAR" for channel, _ in bundle.fact_plan.addresses}
    return BaseSchema(customers=claimed | _REST | words | addresses, claimed=claimed)


def _facts(bundle: Bundle) -> dict[str, str]:
    policy, plan = bundle.policy, bundle.fact_plan
    types = dict(zip(policy.fact_names, policy.fact_types, strict=False))
    columns = {FACT + fact: sql_type(types[fact]) for fact in plan.names}
    for kind, fields in zip(plan.object_kinds, plan.object_fields, strict=True):
        declared = {"key": "text"} | dict(bundle.brand.facts.objects[kind].fields)
        listed = ", ".join(f"{name(field)} {sql_type(declared[field])}" for field in fields)
        columns[OBJECTS + kind] = f"STRUCT({listed})[]"
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
