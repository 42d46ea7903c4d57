"""A base in DuckDB leaves nothing on any disk, and refuses what would."""

from pathlib import Path

import pytest

from kept.analytics.duckdb_base import DuckDbBase
from kept.core.policy_sql.rows import RowWriter
from kept.core.policy_sql.schema import schema_of
from kept.errors import StoreError
from tests.property.policies import Maker


def test_nothing_of_a_base_is_on_any_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G11: rows are added, compressed and asked, and no file comes to be where one could."""
    monkeypatch.chdir(tmp_path)
    maker = Maker(7)
    bundle = maker.brand()
    base = DuckDbBase(threads=1, memory_limit="200MiB")
    base.begin(schema_of(bundle))
    writer = RowWriter(bundle)
    for start in range(0, 3_000, 500):
        rows = [writer.write(start + n, maker.facts(bundle), ()) for n in range(500)]
        base.add("customers", rows)
    base.settle()
    assert base.ask("SELECT COUNT(*) AS n FROM customers") == [{"n": 3_000}]
    for refused in ("COPY customers TO 'leak.csv'", "ATTACH 'leak.db'"):
        with pytest.raises(StoreError):
            base.ask(refused)
    assert list(tmp_path.rglob("*")) == []
    base.close()


def test_a_question_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """Nothing spills; the error says what is wrong and quotes nothing of anybody."""
    base = DuckDbBase(threads=1, memory_limit="30MiB")
    with pytest.raises(StoreError, match="more memory than a base may take"):
        base.ask("SELECT LIST(a.range || b.range) FROM RANGE(9000) a, RANGE(900) b")
    base.close()
