"""What a running server has stored, read from a verified backup, so that nothing of it is disturbed."""

import shutil
from contextlib import closing
from pathlib import Path

from kept.core.event import Event, Identifier
from kept.stores.sqlite import SqliteStore, restore_backup
from kept.stores.vault import MASTER_KEY_NAME, MasterKeyFile
from tests.e2e.served import Served, new_id
from tests.vaults import make_vault

EVENTS_MAX = 1_000_000


def open_copy(served: Served, folder: Path) -> SqliteStore:
    """Return a store that holds what the server's held just now."""
    made = served.ok(served.admin("POST", "/backups", {"name": new_id("copy")}))
    copy = folder / new_id("copy")
    copy.mkdir()
    # The master key is never in a backup.
    shutil.copy(served.data / MASTER_KEY_NAME, copy)
    service = MasterKeyFile(copy / MASTER_KEY_NAME)
    restore_backup(served.data / made["file"], copy, service=service)
    return SqliteStore(copy, vault=make_vault(copy))


def read_events(served: Served, folder: Path, *, user: str) -> list[Event]:
    """Return every event that names a user, in the order in which they were taken."""
    wanted = Identifier("user_id", user)
    with closing(open_copy(served, folder)) as store:
        return [
            stored.event
            for stored in store.load_events(after=0, limit=EVENTS_MAX)
            if wanted in stored.event.identifiers
        ]
