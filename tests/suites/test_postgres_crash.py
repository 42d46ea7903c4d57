"""Kills of nodes and of the server itself: nothing that was acknowledged is lost, nothing is torn."""

import os
import random  # noqa: TID251  a failure is repeated by its seed
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from kept.clock import new_id
from kept.errors import SettingsError
from kept.stores.postgres import Address
from kept.stores.postgres.driver import Wire
from kept.stores.postgres.migrations import Migration, _apply, list_migrations
from tests.conftest import require_tool
from tests.crash.postgres_life import check
from tests.postgres import (
    DURABLE,
    REPLICATED,
    TEMPLATE,
    Server,
    find_binaries,
    open_postgres,
    running_server,
    running_standby,
)
from tests.tree import ROOT

pytestmark = [pytest.mark.crash, pytest.mark.postgres]

NODE_KILLS = 25
SERVER_KILLS = 6
LINES_MAX = 25


@pytest.fixture
def server() -> Iterator[Server]:
    """Run a server that keeps what it confirmed."""
    require_tool(str(find_binaries() or ""), name="PostgreSQL")
    with running_server(DURABLE) as running:
        running.make_template(TEMPLATE)
        yield running


@pytest.fixture
def seed() -> int:
    """Draw a seed, and say it."""
    drawn = int(new_id()[:8], 16)
    print(f"repeat with seed {drawn}")
    return drawn


class Child:
    """A node in a process of its own, and what it acknowledged."""

    def __init__(self, address: Address, folder: Path, seed: int) -> None:
        """Start it."""
        command = [sys.executable, "-m", "tests.crash.postgres_child"]
        self._complaints = folder / f"complaints-{new_id()}"
        with self._complaints.open("wb") as complaints:
            self.process = subprocess.Popen(
                [*command, address.url, str(folder), str(seed)],
                stdout=subprocess.PIPE,
                stderr=complaints,
                cwd=ROOT,
            )
        self.last = -1

    def listen(self, lines: int) -> int:
        """Wait for so many more acknowledgements; return the last."""
        assert self.process.stdout is not None
        for _ in range(lines):
            line = self.process.stdout.readline()
            assert line, f"the node ended by itself: {self._complaints.read_text()}"
            self.last = int(line)
        return self.last

    def kill(self) -> int:
        """End it at once, if it lives; return the last that it acknowledged."""
        if self.process.returncode is not None:
            return self.last
        self.process.send_signal(signal.SIGKILL)
        assert self.process.stdout is not None
        # What it said before the end was acknowledged too; a torn line was not.
        said = [int(line) for line in self.process.stdout if line.endswith(b"\n")]
        self.last = said[-1] if said else self.last
        self.process.stdout.close()
        self.process.wait()
        return self.last


@contextmanager
def living(address: Address, folder: Path, seed: int) -> Iterator[Child]:
    """Let a node live for the length of the block."""
    child = Child(address, folder, seed)
    try:
        yield child
    finally:
        child.kill()


def look(address: Address, folder: Path, seed: int) -> int:
    """Check what is there as a node sees it that starts now; return how many transactions it is."""
    with closing(open_postgres(address, folder)) as store:
        return check(store, seed=seed)


def test_a_node_that_is_killed_loses_nothing(server: Server, tmp_path: Path, seed: int) -> None:
    """At any instant: between two transactions, in one, in its commit, at its start."""
    address, draw, acknowledged = server.make(TEMPLATE), random.Random(seed), 0
    for _ in range(NODE_KILLS):
        with living(address, tmp_path, seed) as child:
            child.listen(1 + draw.randrange(LINES_MAX))
            time.sleep(draw.random() * 0.02)
            said = child.kill()
        assert said >= acknowledged
        acknowledged = look(address, tmp_path, seed)
        assert said <= acknowledged <= said + 1


def test_a_server_that_is_killed_loses_nothing(server: Server, tmp_path: Path, seed: int) -> None:
    """The node goes on by itself once the server is back, and knows what had happened."""
    address, draw = server.make(TEMPLATE), random.Random(seed)
    with living(address, tmp_path, seed) as child:
        for _ in range(SERVER_KILLS):
            child.listen(1 + draw.randrange(LINES_MAX))
            time.sleep(draw.random() * 0.05)
            server.kill()
            server.start()
            before = child.last
            assert child.listen(2) >= before
        said = child.kill()
    assert said <= look(address, tmp_path, seed) <= said + 1


def test_a_stalled_node_has_not_what_it_did_not_commit(
    server: Server, tmp_path: Path, seed: int
) -> None:
    """Stopped in a transaction, it loses its locks by itself; woken, it goes on from what is true."""
    address, draw = server.make(TEMPLATE), random.Random(seed)
    with living(address, tmp_path, seed) as stalled, living(address, tmp_path, seed) as other:
        stalled.listen(3)
        other.listen(1)
        for _ in range(4):
            time.sleep(draw.random() * 0.02)
            os.kill(stalled.process.pid, signal.SIGSTOP)
            # Two seconds at most until its locks are free, and as much again for a lock that waits.
            other.listen(3)
            os.kill(stalled.process.pid, signal.SIGCONT)
        other.kill()
        stalled.kill()
    look(address, tmp_path, seed)


def test_a_migration_runs_under_nodes_of_the_release_before(
    server: Server, tmp_path: Path, seed: int
) -> None:
    """They go on, and others start; once they could not work beside it, they refuse to start."""
    address = server.make(TEMPLATE)
    newest = list_migrations("migrations")[-1].version
    added = """
        ALTER TABLE kept.messages ADD COLUMN later text NOT NULL DEFAULT '';
        CREATE INDEX messages_later ON kept.messages (later);
        CREATE TABLE kept.newer (newer_id bigint PRIMARY KEY)
    """
    with living(address, tmp_path, seed) as child:
        child.listen(5)
        wire = Wire(address, {"lock_timeout": "5s"})
        _apply(wire, Migration(newest + 1, 1, added), partitions=4)
        child.listen(20)
        with living(address, tmp_path, seed) as late:
            late.listen(2)
            _apply(wire, Migration(newest + 2, newest + 2, "DROP TABLE kept.newer"), partitions=4)
            child.listen(5)
            with pytest.raises(
                SettingsError, match=f"needs a Kept that knows version {newest + 2}"
            ):
                open_postgres(address, tmp_path)
        wire.execute(f"DELETE FROM kept.schema_versions WHERE version = {newest + 2}")
        wire.close()
        child.kill()
    assert look(address, tmp_path, seed) >= 30


def test_a_fail_over_loses_nothing(tmp_path: Path, seed: int) -> None:
    """The standby confirms each commit; promoted, it has every one, and nodes find it by themselves."""
    require_tool(str(find_binaries() or ""), name="PostgreSQL")
    with running_server(REPLICATED) as first:
        first.make_template(TEMPLATE)
        address = first.make(TEMPLATE)
        with running_standby(first) as standby:
            nodes = standby.address(address.database)
            with living(nodes, tmp_path, seed) as child:
                child.listen(30)
                standby.fail_over()
                before = child.last
                assert child.listen(10) > before
                said = child.kill()
            assert said <= look(nodes, tmp_path, seed) <= said + 1
