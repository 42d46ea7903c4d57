"""SQL on history reaches our views and nothing else, and shows nobody who may not be read."""

from collections.abc import Iterator

import pytest

from kept.analytics import SqlSession
from kept.analytics.sql_session import VIEWS
from kept.errors import InputError
from tests.history import World
from tests.history_lives import lived
from tests.scenario.larkmead import compile_larkmead


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world whose history is in files."""
    world = lived(World(compile_larkmead(), tmp_path_factory.mktemp("history")))
    world.look(is_all=True)
    return world


@pytest.fixture
def session(world: World) -> Iterator[SqlSession]:
    """A session for one of its two customers."""
    part = world.rows("outcomes")[0]["part"]
    session = SqlSession(world.folder, [(part, part)])
    yield session
    session.close()


def test_only_the_readable_are_there(world: World, session: SqlSession) -> None:
    """In every view that is about customers; nobody is in any for whom nobody was named."""
    nobody = SqlSession(world.folder, [])
    for view in VIEWS:
        customers = session.run(f"SELECT DISTINCT customer FROM {view}").rows
        assert len(customers) <= 1, view
        assert nobody.run(f"SELECT customer FROM {view}").rows == [], view
    nobody.close()
    assert session.run("SELECT count(*) FROM events").rows < [(len(world.rows("events")),)]


def test_every_view_says_something(session: SqlSession) -> None:
    """What is decided for somebody, why not, and what became of what was said to them."""
    assert session.run("SELECT count(*) FROM decisions WHERE NOT is_silence").rows > [(0,)]
    reasons = session.run("SELECT action, reason, is_chosen FROM reasons").rows
    assert any(reason for _, reason, _ in reasons)
    assert any(is_chosen and reason is None for _, reason, is_chosen in reasons)
    (state,) = session.run("SELECT DISTINCT state FROM messages").rows
    assert state == ("delivered",)
    left = session.run(
        "SELECT properties ->> 'decision_id' FROM events WHERE event = 'Message Leaving'"
    )
    assert {row[0] for row in left.rows} <= {
        str(row[0]) for row in session.run("SELECT decision_id FROM decisions").rows
    }


def test_nothing_sealed_has_a_column(session: SqlSession) -> None:
    """Not even closed."""
    for view in VIEWS:
        columns = [name for name, _ in session.run(f"SELECT * FROM {view} LIMIT 0").columns]
        assert "sealed" not in columns


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_parquet('{file}')",
        "SELECT * FROM '{file}'",
        'SELECT * FROM "{file}"',
        "WITH a AS (WITH \"{file}\" AS (SELECT 1) SELECT 1) SELECT * FROM '{file}'",
        "SELECT * FROM parquet_metadata('{file}')",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT (SELECT count(*) FROM read_text('/etc/passwd'))",
        "FROM query('SELECT * FROM ''{file}''')",
        "FROM query_table('events')",
        "SELECT * FROM main.events",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM events JOIN read_csv('/etc/passwd') ON true",
        "SELECT * FROM events WHERE part IN (SELECT column0 FROM '/etc/passwd')",
        "COPY events TO '{folder}/x.csv'",
        "COPY (SELECT 1) TO '{file}'",
        "EXPORT DATABASE '{folder}/all'",
        "ATTACH '{folder}/x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "CREATE TABLE x AS SELECT 1",
        "INSERT INTO customers VALUES (1, 2)",
        "DELETE FROM customers",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "PRAGMA version",
        "CALL pragma_version()",
        "DESCRIBE '{file}'",
        "SHOW DATABASES",
        "EXPLAIN SELECT 1",
        "SELECT 1; SELECT 2",
        "",
        "not SQL",
    ],
)
def test_nothing_else_can_be_asked(world: World, session: SqlSession, query: str) -> None:
    """Each is refused before it runs, and leaves nothing behind."""
    before = sorted(world.folder.rglob("*"))
    file = world.folder / world.history.list_names()[0][0]
    with pytest.raises(InputError):
        session.run(query.format(file=file, folder=world.folder))
    assert sorted(world.folder.rglob("*")) == before


def test_the_engine_itself_is_fenced(world: World, session: SqlSession) -> None:
    """A second fence, should the first one ever have a hole."""
    for query in (
        "SELECT * FROM read_text('/etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/kept-never.csv'",
        "SET threads = 1",
        "SET enable_external_access = true",
        "INSTALL httpfs",
    ):
        with pytest.raises(Exception, match=r"Error"):
            session._connection.execute(query)


def test_queries_name_parts_of_themselves_as_they_like(session: SqlSession) -> None:
    """What is plain SQL goes through."""
    for query in (
        "WITH mine AS (SELECT * FROM events) SELECT count(*) FROM mine",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n) FROM t",
        "FROM events SELECT event, count(*) GROUP BY ALL",
        "SELECT * FROM (VALUES (1), (2)) v",
        "SELECT * FROM customers, unnest([1, 2])",
        "DESCRIBE events",
        "SUMMARIZE events",
        "SHOW TABLES",
        "SELECT * FROM events e JOIN decisions d USING (customer) LIMIT 1",
        "SELECT key FROM events, json_each(properties)",
    ):
        session.run(query)
