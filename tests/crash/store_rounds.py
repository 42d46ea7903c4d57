"""Kills a store's process again and again, and compares what is left with the model."""

import random  # noqa: TID251  a failure is repeated by its seed
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from kept.stores.sqlite import SqliteStore
from tests.crash.workload import Workload, check_store, load_done
from tests.tree import ROOT
from tests.vaults import make_vault

ROUNDS_A_FOLDER = 10
LINES_MAX = 60
LINGER_SECONDS_MAX = 0.004
START_SECONDS_MAX = 0.4
CHECKED_SHARE = 0.6
BY_SIZE_SHARE = 0.4
FILE_BYTES_MAX = (150_000, 1_500_000)


def live_and_die(parent: Path, *, seed: int, rounds: int) -> None:
    """Kill a store so many times; after each, all that it acknowledged must be there, untorn."""
    draw = random.Random(seed)
    for first in range(0, rounds, ROUNDS_A_FOLDER):
        folder, life, acknowledged = parent / f"store-{first}", draw.randrange(10**6), 0
        for number in range(first, min(first + ROUNDS_A_FOLDER, rounds)):
            said = run_and_kill(folder, seed=life, draw=draw)
            if said:
                # The commit may have been through when the kill came before its acknowledgement.
                assert acknowledged <= said[0] <= acknowledged + 1
                assert said == list(range(said[0], said[0] + len(said)))
                acknowledged = said[-1]
            # A store that is not looked at is next opened as the kill left it.
            if draw.random() < CHECKED_SHARE or number == rounds - 1:
                acknowledged = check_folder(folder, seed=life, acknowledged=acknowledged)


def run_and_kill(folder: Path, *, seed: int, draw: random.Random) -> list[int]:
    """Let a child live for a random while; return what it said before it was killed.

    It dies at a random instant, or at the write that lets a file grow beyond a random size.
    """
    is_by_size = draw.random() < BY_SIZE_SHARE
    wanted = draw.randrange(LINES_MAX * 4 if is_by_size else LINES_MAX)
    file_bytes_max = draw.randint(*FILE_BYTES_MAX) if is_by_size else 0
    said: list[int] = []
    arguments = [str(folder), str(seed), str(file_bytes_max)]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash.store_child", *arguments],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as child:
        assert child.stdout is not None
        while len(said) < wanted and (line := child.stdout.readline()):
            said.append(int(line))
        # Anywhere within what comes next: the start, a transaction, its commit, a checkpoint.
        time.sleep(draw.random() * (LINGER_SECONDS_MAX if said else START_SECONDS_MAX))
        child.send_signal(signal.SIGKILL)
        # What it said before the end was acknowledged too; a torn line was not.
        said += [int(line) for line in child.stdout if line.endswith(b"\n")]
    assert -child.returncode in {signal.SIGKILL, signal.SIGXFSZ}, "the child failed by itself"
    return said


def check_folder(folder: Path, *, seed: int, acknowledged: int) -> int:
    """Check the store that a kill left; return how many transactions it holds."""
    store = SqliteStore(folder, vault=make_vault(folder))
    with closing(store):
        done = load_done(store)
        assert acknowledged <= done <= acknowledged + 1
        expected = Workload(seed)
        while expected.count < done:
            expected.advance(None)
        check_store(store, expected)
        # A stop of the transaction that was cut short may wait; none that was committed does.
        following = Workload(seed)
        while following.count <= done:
            following.advance(None)
        assert set(store.load_guard()) <= following.guards.keys() - expected.guards.keys()
    return done
