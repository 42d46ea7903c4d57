"""History beside a running server: files, and SQL on them for a purpose."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.e2e.command import ok, run_kept
from tests.e2e.served import SHOP_KEY, Served, new_id, serve


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with two customers, one of whom agreed to marketing; what they did is in files."""
    with serve(tmp_path_factory.mktemp("history"), "--history", "") as served:
        agreed, silent = served.introduce(), served.introduce()
        told = {"entity": "shop", "purpose": "marketing", "wording": "marketing_2026"}
        served.track("Consent Given", agreed, **told)
        for user in (agreed, silent):
            served.make_regular(user)
            served.ask("till", user)
        # What a browser claims of somebody is read with nobody.
        body = {
            "anonymousId": new_id("cookie"),
            "userId": agreed,
            "event": "Order Completed",
            "properties": {"total": 5},
            "messageId": new_id("m"),
        }
        served.ok(served.http.post("/v1/track", json=body, auth=(SHOP_KEY, "")))
        ok("export-history", "--data", served.data)
        yield served


def ask(served: Served, query: str, *more: Any) -> list[dict[str, Any]]:
    """Return the rows of a query."""
    told = ("--data", served.data, "--purpose", "marketing", "--format", "json")
    return [json.loads(line) for line in ok("sql", query, *told, *more).splitlines()]


def test_sql_reads_those_whose_basis_holds(shop: Served) -> None:
    """One of two; all of it is there once the basis is a contract."""
    assert ask(shop, "SELECT count(DISTINCT customer) AS n FROM events") == [{"n": 1}]
    assert ask(shop, "SELECT count(*) AS n FROM events WHERE event = 'Order Completed'") == [
        {"n": 4}
    ]
    everybody = ("--data", shop.data, "--purpose", "service", "--format", "json")
    rows = ok("sql", "SELECT count(DISTINCT customer) AS n FROM events", *everybody)
    assert json.loads(rows) == {"n": 2}


def test_every_view_answers(shop: Served) -> None:
    """Events, decisions, reasons and the rest, with a customer on every row."""
    for view in ("customers", "events", "decisions", "reasons", "outcomes", "feedback", "messages"):
        ask(shop, f"SELECT customer FROM {view} LIMIT 1")
    (row,) = ask(shop, "SELECT action, reason FROM reasons WHERE reason IS NOT NULL LIMIT 1")
    assert row["action"]
    assert row["reason"]
    shown = ask(shop, "SELECT traits FROM events WHERE event = 'Identified' LIMIT 1")
    assert shown == [{"traits": {"zone": "Europe/Lisbon"}}]


def test_each_query_is_audited_with_its_count(shop: Served) -> None:
    """Before anybody sees a row."""
    ask(shop, "SELECT * FROM events LIMIT 2")
    newest = shop.ok(shop.admin("GET", "/audit"))["entries"][0]
    assert newest["verb"] == "query_history"
    assert newest["detail"] == {"purpose": "marketing", "entity": "shop", "count": 2}


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT * FROM read_csv('/etc/passwd')", "reads what is no view"),
        ("SELECT * FROM '/etc/passwd'", "there is no"),
        ("COPY events TO 'x.csv'", "only queries"),
        ("DROP VIEW events", "only queries"),
        ("SET threads = 1", "only queries"),
        ("SELECT 1; SELECT 2", "one query at a time"),
        ("SELECT nothing FROM events", "the query fails"),
    ],
)
def test_nothing_else_is_read_or_written(shop: Served, query: str, why: str) -> None:
    """Each is refused with what is wrong."""
    done = run_kept("sql", query, "--data", shop.data, "--purpose", "marketing")
    assert done.code == 1
    assert why in done.err


def test_rows_come_in_every_form(shop: Served, tmp_path: Path) -> None:
    """A table for people, CSV, JSON and Parquet for programs."""
    told = ("--data", shop.data, "--purpose", "marketing")
    query = "SELECT event, count(*) AS n, min(occurred_at) AS first_at FROM events GROUP BY ALL ORDER BY 1"
    assert "Order Completed" in ok("sql", query, *told)
    lines = list(csv.reader(ok("sql", query, *told, "--format", "csv").splitlines()))
    assert lines[0] == ["event", "n", "first_at"]
    target = tmp_path / "rows.parquet"
    ok("sql", query, *told, "--format", "parquet", "--output", target)
    found = duckdb.execute("SELECT event, n, typeof(first_at) FROM read_parquet(?)", [str(target)])
    rows = found.fetchall()
    assert [row[0] for row in rows] == [line[0] for line in lines[1:]]
    assert {row[2] for row in rows} == {"TIMESTAMP WITH TIME ZONE"}
    assert run_kept("sql", query, *told, "--format", "parquet").code == 1
    again = run_kept("sql", query, *told, "--format", "parquet", "--output", target)
    assert "is there already" in again.err
    assert run_kept("sql", query, *told, "--format", "xml").code == 1


def test_queries_are_typed_one_after_the_other(shop: Served) -> None:
    """Over several lines, ended by a semicolon; a wrong one ends nothing."""
    typed = "SELECT 1 +\n 1 AS two;\nnot SQL;\nSELECT 3 AS three;\nexit\n"
    done = subprocess.run(
        [sys.executable, "-m", "kept", "sql", "--data", shop.data, "--purpose", "marketing"],
        input=typed,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "two" in done.stdout
    assert "three" in done.stdout
    assert "not understood" in done.stderr
    assert "leaked" not in done.stderr


def test_an_unknown_purpose_is_refused(shop: Served) -> None:
    """And says which there are; without a server nobody knows whose rows may be read."""
    done = run_kept("sql", "SELECT 1", "--data", shop.data, "--purpose", "curiosity")
    assert "there is no purpose 'curiosity'" in done.err


def test_without_a_server_nothing_may_be_read(shop: Served, tmp_path: Path) -> None:
    """Unknown means no."""
    done = run_kept("sql", "SELECT 1", "--data", tmp_path, "--purpose", "marketing")
    assert done.code == 1
    assert "no server was started" in done.err


def test_history_is_measured(shop: Served) -> None:
    """How far it is behind, and how much there is."""
    assert shop.metric("kept_history_behind_seconds") == 0
    assert shop.metric("kept_history_files") >= 2
    assert shop.metric('kept_history_rows_total{kind="events"}') > 0
