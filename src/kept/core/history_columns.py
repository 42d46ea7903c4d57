"""What stands in the files of history: kinds of rows, and the columns that every reader sees.

Columns are only ever added, each with the version of the schema that brought it; a file says its
version in its own metadata, and readers fill what an older file lacks with NULL.
"""

from typing import Final, Literal, TypeAlias

import msgspec

HistoryKind: TypeAlias = Literal["events", "decisions", "outcomes"]
KINDS: Final[tuple[HistoryKind, ...]] = ("events", "decisions", "outcomes")
SCHEMA_VERSION: Final = 1
"""Raised with every column that is added."""
ColumnType: TypeAlias = Literal[
    "BIGINT", "INTEGER", "BOOLEAN", "VARCHAR", "TIMESTAMPTZ", "BLOB", "JSON"
]
"""JSON is written as text, which every reader knows."""


class Column(msgspec.Struct, frozen=True):
    """One column: its name, its type, what it says, and since which version of the schema."""

    name: str
    type: ColumnType
    told: str
    since: int = 1


ID_COLUMNS: Final[dict[HistoryKind, str]] = {
    "events": "sequence",
    "decisions": "decision_id",
    "outcomes": "outcome_id",
}
"""The column that numbers the rows of a kind, in the order in which they came about."""

COLUMNS: Final[dict[HistoryKind, tuple[Column, ...]]] = {
    "events": (
        Column("sequence", "BIGINT", "The event's place in the stream."),
        Column("part", "BIGINT", "The part that it fell to."),
        Column("event", "VARCHAR", "Its name."),
        Column("type", "VARCHAR", "Its type: `track`, `identify` …"),
        Column("source", "VARCHAR", "Who sent it; `kept` for what Kept itself did."),
        Column("occurred_at", "TIMESTAMPTZ", "When it happened."),
        Column("received_at", "TIMESTAMPTZ", "When it arrived."),
        Column("properties", "JSON", "Properties that are declared as not personal."),
        Column("traits", "JSON", "Traits that are declared as not personal."),
        Column("context", "JSON", "What of its context is declared as not personal."),
        Column("is_proof", "BOOLEAN", "Whether it is kept as long as anything of its customer is."),
        Column("sealed", "BLOB", "The whole event, sealed under the key of its part."),
    ),
    "decisions": (
        Column("decision_id", "BIGINT", "The decision's number."),
        Column("part", "BIGINT", "The part under which it is kept."),
        Column("decided_at", "TIMESTAMPTZ", "When it was made."),
        Column("placement", "VARCHAR", "Where it was asked; `outbound` for messages."),
        Column("brand_version", "VARCHAR", "The brand folder that was in force."),
        Column("semantics", "INTEGER", "Within one number it replays to the same result."),
        Column("is_silence", "BOOLEAN", "Whether nothing was chosen."),
        Column("chosen", "JSON", "What was chosen: a list of `action` and `channel`."),
        Column(
            "considered",
            "JSON",
            "What was looked at: a list of `action` and `reason`, the code of the reason against it or null.",
        ),
        Column("sealed", "BLOB", "The whole trace, sealed under the key of its part."),
    ),
    "outcomes": (
        Column("outcome_id", "BIGINT", "Its number; grows with each message that ends."),
        Column("part", "BIGINT", "The part that the message was for."),
        Column("decision_id", "BIGINT", "The decision that chose it."),
        Column("action", "VARCHAR", "The action."),
        Column("kind", "VARCHAR", "The action's kind."),
        Column("purpose", "VARCHAR", "For what it was."),
        Column("topic", "VARCHAR", "What it was about, as the brand names topics."),
        Column("entity", "VARCHAR", "For which legal entity."),
        Column("channel", "VARCHAR", "The channel that was chosen."),
        Column("is_promotional", "BOOLEAN", "Whether it was promotional."),
        Column(
            "state",
            "VARCHAR",
            "How it ended: `delivered`, `failed`, `unknown`, `withdrawn` or `expired`.",
        ),
        Column("reason", "VARCHAR", "The code of the reason; NULL where there is none."),
        Column("queued_at", "TIMESTAMPTZ", "When it was decided."),
        Column("attempted_at", "TIMESTAMPTZ", "When it last began to leave; NULL if it never did."),
        Column("settled_at", "TIMESTAMPTZ", "When it ended."),
        Column("attempt_count", "INTEGER", "How often it began to leave."),
    ),
}

PART_COLUMNS: Final[tuple[Column, ...]] = (
    Column("part", "BIGINT", "A part."),
    Column("customer", "BIGINT", "The customer whom it belonged to when the file was written."),
    Column(
        "is_claimed", "BOOLEAN", "Whether somebody merely claimed it: nobody vouched that it is so."
    ),
)
