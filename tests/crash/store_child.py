"""The process that is killed: lives a workload on a store and tells what is acknowledged.

    python -m tests.crash.store_child FOLDER SEED FILE_BYTES_MAX

It first says how many transactions the store holds, then acknowledges each further one by a line
when its commit has returned. If a file may not grow beyond a size (0: it may), the system kills the
process at the very write that would do it: in the middle of a commit or of a checkpoint.
"""

import os
import resource
import signal
import sys
from pathlib import Path

from kept.stores.sqlite import SqliteStore
from tests.contract.small_steps import SMALL_STEPS
from tests.crash.workload import Workload, load_done
from tests.vaults import make_vault


def die_at(file_bytes: int) -> None:
    """Let the system end this process when it writes beyond a size, without leaving a dump."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))


def live(folder: Path, *, seed: int) -> None:
    """Do one transaction after the other until somebody ends this."""
    store = SqliteStore(folder, vault=make_vault(folder))
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
    if file_bytes_max := int(sys.argv[3]):
        die_at(file_bytes_max)
    live(Path(sys.argv[1]), seed=int(sys.argv[2]))
