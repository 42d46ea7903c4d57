"""What the how-to shows is run on real files: every tool gives the same answer."""

import re
from importlib.util import find_spec
from typing import Any

import duckdb
import pytest

from kept.analytics import SqlSession
from tests.conftest import require_tool
from tests.history import World
from tests.history_lives import lived
from tests.scenario.larkmead import compile_larkmead
from tests.tree import ROOT

PAGE = (ROOT / "docs" / "how-to" / "ask-history-in-sql.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world whose history lies in a folder called `history`."""
    folder = tmp_path_factory.mktemp("how-to") / "history"
    world = lived(World(compile_larkmead(), folder))
    world.look(is_all=True)
    return world


def block(heading: str, language: str) -> str:
    """Return what a section of the page shows."""
    section = PAGE.split(f"### {heading}\n")[1]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found
    return found[1]


def expected(world: World) -> list[tuple[str, str, int]]:
    """Return the answer as `kept sql` gives it, for everybody."""
    found = re.search(r'entity shop \\\n  "(.*?)"', PAGE, re.DOTALL)
    assert found
    parts = {row["part"] for row in world.rows("decisions")}
    session = SqlSession(world.folder, [(part, part) for part in parts])
    rows = session.run(found[1]).rows
    session.close()
    assert rows
    return sorted(rows)


def run_python(code: str, **names: Any) -> Any:
    """Return what a block leaves as its answer."""
    exec(code, names)  # noqa: S102 - it is our own page
    return names["answer"]


def need(package: str) -> None:
    """Skip a test whose package is missing; fail where all are required."""
    require_tool(package if find_spec(package) else None, name=f"the package {package}")


def test_duckdb_gives_the_same_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Kept, on the folder alone."""
    monkeypatch.chdir(world.folder.parent)
    assert sorted(duckdb.execute(block("DuckDB", "sql")).fetchall()) == expected(world)


def test_polars_gives_the_same_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lazily, over all files at once."""
    need("polars")
    monkeypatch.chdir(world.folder.parent)
    assert sorted(run_python(block("Polars", "python")).rows()) == expected(world)


def test_pandas_gives_the_same_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an engine for Parquet, which it does not bring."""
    need("pandas")
    need("pyarrow")
    monkeypatch.chdir(world.folder.parent)
    answer = run_python(block("pandas", "python"))
    assert sorted(answer.itertuples(index=False, name=None)) == expected(world)
