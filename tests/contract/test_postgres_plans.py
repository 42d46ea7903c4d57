"""What PostgreSQL plans for each statement of a customer's transaction: one partition of a table."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from kept.core.event import Identifier
from kept.core.identity import Link
from kept.ports import StateRow
from kept.stores.postgres import PostgresStore
from kept.stores.postgres.batch import WIDTHS
from kept.stores.postgres.driver import Wire
from kept.stores.queries import load_queries
from tests.contract.conftest import PostgresStores
from tests.contract.values import NOW, make_event, make_message
from tests.tree import ROOT

pytestmark = pytest.mark.postgres
PAGE = ROOT / "docs" / "explanation" / "scale.md"
KEY = b"#" + b"1" * 16
PARTITIONS = 4
"""As many as the template of tests has."""

FILES = ("shared", "identity", "stream", "messages", "derived", "records")
ONE: dict[str, list[Any]] = {
    "find_identifiers": [[KEY]],
    "load_customers": [[7]],
    "load_parts": [[7]],
    "load_links": [[7]],
    "foresee_claims": [[1], [7]],
    "find_claims": [[1], [7]],
    "lock_customers": [[7]],
    "lock_customers_at_once": [[7]],
    "lock_free_customers": [[7]],
    "load_states": [[7]],
    "load_open_messages": [[7]],
    "load_part_messages": [[7]],
    "load_part_events": [[7], 0, 10],
    "load_newest_events": [[7], 10],
    "delete_events": [7, [1]],
    "replace_event": [7, 1, b""],
}
"""Statements about one customer, asked with one id, beside `write_hot`."""
ALL: dict[str, list[Any]] = {
    "move_parts": [5, [7]],
    "load_message": ["m"],
    "load_message_by_provider_id": ["email", "p"],
    "load_due_messages": [["email"], 1, 10],
    "load_messages_in": [["leaving"], 10],
    "load_due_wakes": [1, 10],
    "load_events": [0, 10],
    "iterate_states": [0, 10],
    "read_decision": [1],
}
"""Statements that have no part in their question: every partition is asked, by an index."""


@pytest.fixture
def wire(nodes: PostgresStores) -> Iterator[Wire]:
    """Give a connection to an empty store."""
    # A table of one page is read whole whatever its indexes; where one fits, it is used like this.
    opened = Wire(nodes.address, {"enable_seqscan": "off"})
    yield opened
    opened.close()


def queries() -> dict[str, Any]:
    """Return the statements of the store."""
    return {
        name: sql for file in FILES for name, sql in load_queries(f"postgres/{file}.sql").items()
    }


def plan(wire: Wire, sql: str, parameters: list[Any]) -> list[dict[str, Any]]:
    """Return every node of a statement's plan that is about a table."""
    text: Any = "EXPLAIN (FORMAT JSON) " + sql
    ((told,),) = wire.fetch(text, parameters)
    found: list[dict[str, Any]] = []

    def look(node: dict[str, Any]) -> None:
        if "Relation Name" in node:
            found.append(node)
        for below in node.get("Plans", ()):
            look(below)

    look(json.loads(told)[0]["Plan"])
    return found


def partitions_of(nodes: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Return which partitions of each table are read."""
    read: dict[str, set[str]] = {}
    for node in nodes:
        match = re.fullmatch(r"(\w+?)_(\d+)", node["Relation Name"])
        if match:
            read.setdefault(match[1], set()).add(match[2])
            assert node["Node Type"] != "Seq Scan", f"{node['Relation Name']} is read whole"
    return read


@pytest.mark.parametrize("name", ONE)
def test_what_is_about_one_customer_reads_one_partition(wire: Wire, name: str) -> None:
    """Of each table that it reads, the others are left out when it is planned."""
    read = partitions_of(plan(wire, queries()[name], ONE[name]))
    assert read, "it reads no partition at all: the test looks past it"
    assert all(len(partitions) == 1 for partitions in read.values()), read


@pytest.mark.parametrize("name", ALL)
def test_what_names_no_part_is_found_by_an_index(wire: Wire, name: str) -> None:
    """It asks each partition, and reads none of them whole."""
    read = partitions_of(plan(wire, queries()[name], ALL[name]))
    assert max(len(partitions) for partitions in read.values()) == PARTITIONS


def test_the_one_write_of_a_transaction_reads_one_partition(wire: Wire) -> None:
    """Rows go where their part belongs; the versions and wakes of one customer lie in one place."""
    sql = queries()["write_hot"]
    values: dict[str, Any] = {"bigint": 7, "text": "x", "bytea": KEY, "boolean": False}
    types = dict(re.findall(r"\$(\d+)::(\w+)\[\]", sql))
    columns = [[values[types[str(n)]]] for n in range(1, sum(WIDTHS.values()) + 1)]
    nodes = plan(wire, sql, columns)
    assert {name: len(found) for name, found in partitions_of(nodes).items()} == {
        "customers": 1,
        "wakes": 1,
    }
    written = {node["Relation Name"] for node in nodes if node["Node Type"] == "ModifyTable"}
    assert {"events", "states", "messages", "decisions", "parts", "links"} < written


def test_rows_of_a_part_lie_together(nodes: PostgresStores, one: PostgresStore) -> None:
    """Each table puts them into the partition of the same number: they can move as one."""
    with one.transaction():
        numbers = [
            one.add_part(Identifier("user_id", str(n)), claimed=False, customer_id=None).part_id
            for n in range(9)
        ]
        for part_id in numbers:
            one.save_link(Link(part_id, part_id + 100, "vouched", NOW))
            sequence = one.append_event(part_id, make_event(part_id))
            state = StateRow(part_id=part_id, applied_sequence=sequence, state=b"s")
            one.save_states([state], mark=sequence)
            one.save_messages([make_message(f"m{part_id}", part_id=part_id)])
            one.append_decision(
                part_id=part_id,
                decided_at=NOW,
                placement="web",
                trace=b"t",
                decision_id=one.next_decision_id(),
            )
    places: dict[int, set[str]] = {}
    for table in ("parts", "links", "events", "states", "messages", "decisions"):
        sql = f"SELECT part_id, tableoid::regclass::text FROM kept.{table}"
        for part_id, partition in nodes.server.fetch(sql, nodes.address.database):
            places.setdefault(part_id, set()).add(partition.rpartition("_")[2])
    for part_id in numbers:
        assert len(places[part_id]) == 1
    assert len(set.union(*places.values())) == PARTITIONS


def test_the_page_says_of_each_statement_what_is_true() -> None:
    """How each would be distributed is written down for all that are planned here."""
    rows = re.findall(r"^\| `(\w+)` \|.*\| (one|each|all) \|", PAGE.read_text(), re.MULTILINE)
    assert {name for name, where in rows if where == "one"} == ONE.keys()
    assert {name for name, where in rows if where == "each"} == {"write_hot"}
    assert {name for name, where in rows if where == "all"} == ALL.keys()
