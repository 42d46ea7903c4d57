"""SQL on history: views in our words over the files, read-only, and of those alone who may be read.

Two fences hold it. A query is parsed before it runs, and may name our views and nothing else: no
file, no other table, no function that reads one. And the engine itself reaches neither files outside
of the folder nor the network, and takes no setting any more.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec

from kept.analytics.engine import quoted
from kept.core.history_columns import COLUMNS, Column, HistoryKind
from kept.core.history_export import FEEDBACK_EVENTS
from kept.core.history_files import kind_and_version
from kept.errors import InputError

_SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "temp_directory": "",
}
_FUNCTIONS: Final = frozenset({"generate_series", "json_each", "json_tree", "range", "unnest"})
"""Functions that make tables of what they are given, and read nothing else."""
VIEWS: Final = {
    "customers": "Whom an analysis may read: each part that makes up a customer.",
    "events": "What happened, one row an event.",
    "decisions": "What was decided, one row a decision.",
    "reasons": "Why not: one row for each action that a decision looked at.",
    "outcomes": "What became of messages: one row for each that ended.",
    "feedback": "What was reported of messages that had left.",
    "messages": "One row a message that ended, with what was reported of it.",
}
"""View -> what it holds."""
_WORD: Final = re.compile(r"[a-z_][a-z0-9_]*")
"""What a query may call a part of itself: nothing that could be a path."""

_REASONS: Final = """
SELECT customer, part, decision_id, decided_at, placement, brand_version,
    considered ->> 'action' AS action, considered ->> 'reason' AS reason,
    list_contains(chosen_actions, considered ->> 'action') AS is_chosen
FROM (
    SELECT * EXCLUDE (considered),
        unnest(from_json(considered, '["JSON"]')) AS considered,
        list_transform(from_json(chosen, '["JSON"]'), lambda one: one ->> 'action') AS chosen_actions
    FROM decisions
)
"""
_FEEDBACK: Final = """
SELECT customer, part, sequence, (properties ->> 'decision_id')::BIGINT AS decision_id,
    properties ->> 'action' AS action, properties ->> 'channel' AS channel,
    CASE event {cases} END AS outcome, received_at AS reported_at,
    coalesce((properties ->> 'machine')::BOOLEAN, false) AS is_machine
FROM events WHERE source = 'kept' AND event IN ({names})
"""
# By decision and action: what would tell two objects apart could name somebody.
_MESSAGES: Final = """
SELECT outcomes.*, {flags}
FROM outcomes LEFT JOIN (
    SELECT customer, decision_id, action, {sums}
    FROM feedback GROUP BY ALL
) AS told USING (customer, decision_id, action)
"""


class Answer(msgspec.Struct, frozen=True):
    """What a query returns: its columns with their types, and its rows as they are asked for."""

    columns: tuple[tuple[str, str], ...]
    rows: list[tuple[Any, ...]]


class SqlSession:
    """One reading of history; whoever is not named as readable is absent from every view."""

    def __init__(self, folder: Path, readable: Iterable[tuple[int, int]]) -> None:
        """Open views over a folder of history, for these pairs of (part, customer).

        Raises:
            InputError: the folder's path holds what stands for other paths.
        """
        if set("*?[") & set(str(folder.resolve())):
            raise InputError(f"{folder} cannot be read in SQL: give it a path without *, ? and [")
        self._connection = connection = duckdb.connect(config=_SETTINGS)
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE TABLE customers (customer BIGINT, part BIGINT)")
        pairs = list(readable)
        connection.execute(
            "INSERT INTO customers SELECT unnest(?::BIGINT[]), unnest(?::BIGINT[])",
            [[customer for _, customer in pairs], [part for part, _ in pairs]],
        )
        for kind in COLUMNS:
            connection.execute(f"CREATE VIEW {kind} AS {_select(folder, kind)}")
        connection.execute(f"CREATE VIEW reasons AS {_REASONS}")
        names = ", ".join(quoted(event) for event in FEEDBACK_EVENTS)
        cases = " ".join(
            f"WHEN {quoted(event)} THEN {quoted(word)}" for event, word in FEEDBACK_EVENTS.items()
        )
        feedback = _FEEDBACK.format(cases=cases, names=names)
        connection.execute(f"CREATE VIEW feedback AS {feedback}")
        words = list(FEEDBACK_EVENTS.values())
        flags = ", ".join(f"coalesce(told.is_{word}, false) AS is_{word}" for word in words)
        sums = ", ".join(f"bool_or(outcome = {quoted(word)}) AS is_{word}" for word in words)
        connection.execute(f"CREATE VIEW messages AS {_MESSAGES.format(flags=flags, sums=sums)}")
        connection.execute(f"SET allowed_directories = [{quoted(str(folder.resolve()) + '/')}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")

    def run(self, query: str) -> Answer:
        """Return what one query returns.

        Raises:
            InputError: it is no query over our views, or goes wrong; and why.
        """
        self._check(query)
        try:
            cursor = self._connection.execute(query)
            described = cursor.description or ()
            columns = tuple((str(column[0]), str(column[1])) for column in described)
            return Answer(columns, cursor.fetchall())
        except duckdb.Error as error:
            raise InputError(f"the query fails: {error}") from None

    def close(self) -> None:
        """Let go of the files."""
        self._connection.close()

    def _check(self, query: str) -> None:
        row = self._connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchone()
        told = msgspec.json.decode(row[0] if row else "{}")
        if told.get("error"):
            what = told.get("error_message", "it is not understood")
            if told.get("error_type") == "not implemented":
                what = "only queries are answered: SELECT, WITH, FROM, DESCRIBE"
            raise InputError(f"the query is not understood: {what}")
        statements = told.get("statements", [])
        if len(statements) != 1:
            raise InputError(f"one query at a time; here are {len(statements)}")
        named = set(_common_tables(statements[0])) | set(VIEWS)
        for node in _nodes(statements[0]):
            _check_node(node, named)


def _check_node(node: dict[str, Any], named: set[str]) -> None:
    kind = node.get("type")
    if kind == "BASE_TABLE":
        table = str(node.get("table_name", ""))
        is_plain = not node.get("schema_name") and not node.get("catalog_name")
        if not is_plain or table.lower() not in named:
            raise InputError(f"there is no {table[:100]!r}; history has {', '.join(VIEWS)}")
    elif kind == "TABLE_FUNCTION":
        function = str(node.get("function", {}).get("function_name", ""))
        if function.lower() not in _FUNCTIONS:
            raise InputError(
                f"{function[:100]} reads what is no view; of functions that make tables "
                f"there are {', '.join(sorted(_FUNCTIONS))}"
            )
    elif kind == "SHOW_REF" and not node.get("query") and node.get("table_name") != '"tables"':
        raise InputError(f"describe a view: {', '.join(VIEWS)}")


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every node of a parsed query, however deep."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _common_tables(statement: Any) -> Iterator[str]:
    """Yield the names that a query itself gives to parts of it (WITH)."""
    for node in _nodes(statement):
        defined = node.get("cte_map")
        if isinstance(defined, dict):
            for entry in defined.get("map", []):
                name = str(entry["key"]).lower()
                if not _WORD.fullmatch(name):
                    raise InputError(f"WITH {name[:100]!r}: give it a name of letters and digits")
                yield name


def _select(folder: Path, kind: HistoryKind) -> str:
    """Return the query behind the view of a kind: rows of the readable, without what is sealed.

    Files of one version of the schema have the same columns, so that they are read together: of
    those that a query leaves out by date or hour, nothing is opened.
    """
    columns = [one for one in COLUMNS[kind] if one.name not in ("part", "sealed", "is_proof")]
    versions = {
        told[1]
        for path in folder.glob(f"{kind}/date=*/hour=*/part-*.parquet")
        if (told := kind_and_version(path.relative_to(folder).as_posix()))
    }
    nothing = ", ".join(f"NULL::{one.type} AS {one.name}" for one in columns)
    partition = "NULL::DATE AS date, NULL::BIGINT AS hour"
    selects = [f"SELECT customer, part, {nothing}, {partition} FROM customers WHERE false"]
    for version in sorted(versions):
        shown = ", ".join(_shown(one, version) for one in columns)
        files = f"{folder.resolve()}/{kind}/date=*/hour=*/part-v{version}-*.parquet"
        options = "hive_partitioning = true, hive_types = {date: DATE, hour: BIGINT}"
        selects.append(
            f"SELECT customer, part, {shown}, rows.date, rows.hour "
            f"FROM read_parquet({quoted(files)}, {options}) AS rows JOIN customers USING (part)"
        )
    return " UNION ALL ".join(selects)


def _shown(column: Column, version: int) -> str:
    if column.since > version:
        return f"NULL::{column.type} AS {column.name}"
    if column.type == "JSON":
        return f"rows.{column.name}::JSON AS {column.name}"
    return f"rows.{column.name}"
