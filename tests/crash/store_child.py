"""The process that is killed: lives a workload on a store and tells what is acknowledged.

    python -m tests.crash.store_child FOLDER SEED

It first says how many transactions the store holds, then acknowledges each further one by a line
when its commit has returned.
"""

import os
import sys
from pathlib import Path

from kept.stores.sqlite import SqliteStore
from kept.stores.vault import PlainVault
from tests.contract.small_steps import SMALL_STEPS
from tests.crash.workload import Workload, load_done


def live(folder: Path, *, seed: int) -> None:
    """Do one transaction after the other until somebody ends this."""
    store = SqliteStore(folder, vault=PlainVault())
    workload = Workload(seed)
    while workload.count < load_done(store):
        workload.advance(None)
    os.write(1, b"%d\n" % workload.count)
    while True:
        with store.transaction():
            workload.advance(store)
        os.write(1, b"%d\n" % workload.count)


if __name__ == "__main__":
    for module, name, value in SMALL_STEPS:
        setattr(module, name, value)
    live(Path(sys.argv[1]), seed=int(sys.argv[2]))
