"""A process that exports history is killed again and again; files hold each row of the store once."""

import random  # noqa: TID251  a failure is repeated by its seed
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from tests.crash.history_child import Exporting
from tests.tree import ROOT

ROUNDS = 60
TURNS_MAX = 4
LINGER_SECONDS_MAX = 0.15


@pytest.mark.crash
def test_files_hold_each_row_once_after_every_kill(tmp_path: Path) -> None:
    """Whatever moment the kill comes at: reading, writing, listing, renaming, forgetting."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    draw = random.Random(seed)
    (tmp_path / "data").mkdir()
    for _ in range(ROUNDS):
        run_and_kill(tmp_path, draw)
        names = sorted((tmp_path / "history").glob("events/*/*/*.parquet"))
        ids = read_ids(names)
        assert len(ids) == len(set(ids)), "doubled, as any reader sees it"
    with closing(Exporting(tmp_path)) as exporting:
        exporting.catch_up()
        stored = [one.sequence for one in exporting.store.load_events(after=0, limit=10**6)]
        found, temporary = exporting.history.list_names()
        assert read_ids([tmp_path / "history" / name for name in found]) == stored
        assert temporary == []
        assert len(stored) > ROUNDS


def run_and_kill(folder: Path, draw: random.Random) -> None:
    """Let a child live for some turns and a little of the next."""
    turns = draw.randrange(TURNS_MAX)
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.crash.history_child",
            str(folder),
            str(draw.randrange(10**6)),
        ],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as child:
        assert child.stdout is not None
        for _ in range(turns):
            assert child.stdout.readline() == b"turn\n", "the child failed by itself"
        if turns:
            time.sleep(draw.random() * LINGER_SECONDS_MAX)
        else:
            # Anywhere within the start, which catches up.
            time.sleep(draw.random() * 2)
        child.send_signal(signal.SIGKILL)
    assert -child.returncode == signal.SIGKILL


def read_ids(paths: list[Path]) -> list[int]:
    """Return the ids of all rows in some files, in order."""
    if not paths:
        return []
    query = "SELECT sequence FROM read_parquet(?, hive_partitioning = false) ORDER BY 1"
    return [row[0] for row in duckdb.execute(query, [[str(path) for path in paths]]).fetchall()]
