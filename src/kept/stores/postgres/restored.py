"""What a database must know that was restored by PostgreSQL's own means: the world is ahead of it."""

from kept.errors import SettingsError
from kept.ports import RESTORED_SETTING, Store
from kept.stores.moving import NUMBERS
from kept.stores.postgres.address import Address
from kept.stores.postgres.driver import Wire
from kept.stores.postgres.migrations import check_present
from kept.stores.postgres.vault_database import VaultDatabase
from kept.stores.queries import load_queries


def refuse_empty(address: Address) -> None:
    """Refuse a database that holds no store, before one is made there.

    Raises:
        SettingsError: it is another one, or nothing was restored into it yet.
    """
    wire = Wire(address, {})
    try:
        check_present(wire, "migrations")
    finally:
        wire.close()


def note_restored(
    store: Store, address: Address, database: VaultDatabase, *, left_out: int
) -> None:
    """Let whoever opens the store know that it was restored, and give no number out a second time.

    Links in messages name parts, and providers know messages by their decisions: what was given
    out after the backup must not come to mean somebody else. Keys of parts were made then too.

    Raises:
        SettingsError: nodes are at work.
    """
    if any(not node.is_gone for node in store.list_nodes()):
        raise SettingsError(f"nodes are at work on {address.place}; stop them first")
    queries = load_queries("postgres/shared.sql")
    ((newest_key,),) = database.fetch("find_newest_part")
    wire = Wire(address, {})
    try:
        for name in NUMBERS["store"]:
            ((last,),) = wire.fetch(queries["find_last_number"], (name,))
            least = newest_key if name == "part_ids" else 0
            wire.fetch(queries["advance_number"], (name, max(last + left_out, least)))
    finally:
        wire.close()
    with store.transaction(alone=True):
        store.change_control()
        store.save_setting(RESTORED_SETTING, b"1")
        # Whoever was signed in when it was made may have been shut out since.
        store.drop_sessions(each.digest for each in store.load_sessions())
