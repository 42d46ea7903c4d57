"""The node that is killed: lives on a PostgreSQL and tells what is acknowledged.

    python -m tests.crash.postgres_child ADDRESS FOLDER SEED

It first says how many transactions the store holds, then acknowledges each further one by a line
when its commit has returned. A transaction that came in the way of another is done again; one that
was cut off is begun again on a store that is opened anew, after it was seen whether it had happened.
"""

import os
import sys
from pathlib import Path

from kept.errors import ContendedError, StoreError
from kept.stores.postgres import Address
from tests.crash.postgres_life import do, load_done, plan
from tests.postgres import open_postgres


def say(number: int) -> None:
    """Acknowledge a transaction."""
    os.write(1, b"%d\n" % number)


def live(address: Address, folder: Path, *, seed: int) -> None:
    """Do one transaction after the other until the connection is lost, or somebody ends this."""
    store = open_postgres(address, folder)
    try:
        say(load_done(store))
        while True:
            try:
                with store.transaction():
                    # Others that live the same life wait here: each transaction is done once.
                    store.log_size()
                    following = load_done(store) + 1
                    do(store, plan(seed, following))
            except ContendedError:
                continue
            say(following)
    finally:
        store.close()


if __name__ == "__main__":
    while True:
        try:
            live(Address(sys.argv[1]), Path(sys.argv[2]), seed=int(sys.argv[3]))
        except StoreError as error:
            print(error, file=sys.stderr)
