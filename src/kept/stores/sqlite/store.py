"""The store on SQLite: the port's methods, each from the room that it belongs to."""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Final, LiteralString

from kept.ports import Vault
from kept.stores.access import Access
from kept.stores.alone import Alone
from kept.stores.codecs import pack_ids
from kept.stores.files import make_private_file, sync_folder
from kept.stores.queries import load_queries
from kept.stores.sqlite.backup import back_up
from kept.stores.sqlite.checkpoints import Checkpoints
from kept.stores.sqlite.claims import Claims
from kept.stores.sqlite.connections import Readers, open_reader, translate
from kept.stores.sqlite.consent_log import ConsentLog
from kept.stores.sqlite.derived import Derived
from kept.stores.sqlite.dossiers import DossierTable
from kept.stores.sqlite.erasure import Erasure
from kept.stores.sqlite.folder import (
    DATABASE_NAME,
    GUARD_NAME,
    KEYS_NAME,
    WITNESS_NAME,
    FolderLock,
)
from kept.stores.sqlite.guards import Guards
from kept.stores.sqlite.history import HistoryReader
from kept.stores.sqlite.identity import Identity
from kept.stores.sqlite.messages import Messages
from kept.stores.sqlite.migrations import migrate, read_version
from kept.stores.sqlite.notices import Notices
from kept.stores.sqlite.records import Records
from kept.stores.sqlite.session import Session
from kept.stores.sqlite.snapshot import SqliteSnapshot, take_snapshot
from kept.stores.sqlite.stream import Stream
from kept.stores.sqlite.vault import NewKeys, take_up_vault
from kept.stores.sqlite.witness import Witness

_FILES: Final = (
    "stream",
    "identity",
    "derived",
    "messages",
    "records",
    "notices",
    "erasure",
    "retention",
    "consent_log",
    "staff",
    "dossiers",
    "history",
)


class SqliteStore:
    """One brand's durable memory in one folder; implements `ports.Store`.

    The rooms hold the work; this class names which room each method of the port comes from.
    """

    is_shared = False

    def __init__(self, folder: Path, *, vault: Vault) -> None:
        """Open the store in a folder, making it if there is none."""
        self._path = path = folder / DATABASE_NAME
        self._vault = vault
        self._queries = queries = _load_queries()
        # Whatever is open already is closed again if the rest cannot be opened.
        with ExitStack() as opened:
            opened.callback(FolderLock(folder).release)
            _check_file(path)
            make_private_file(path)
            self._session = session = Session(path)
            opened.callback(session.close)
            migrate(session.connection, path=path)
            sync_folder(folder)
            take_up_vault(session, vault, guard=folder / GUARD_NAME)
            opened.callback(vault.close)
            self._readers = readers = Readers(path)
            opened.callback(readers.close)
            claims = Claims(session, queries)
            stream = Stream(session, readers, vault=vault, queries=queries)
            identity = Identity(session, vault, queries)
            records = Records(session, readers, vault=vault, queries=queries)
            erasure = Erasure(session, stream, records, vault=vault, queries=queries)
            guards = Guards(session, folder / GUARD_NAME, queries=queries)
            witness = Witness(folder / WITNESS_NAME)
            checkpoints = Checkpoints(session)
            opened.callback(checkpoints.stop)
            self._opened = opened.pop_all()
        session.participants += (
            claims,
            stream,
            identity,
            records,
            erasure,
            guards,
            checkpoints,
            witness,
            # Last: whatever the others sealed may have made a key.
            NewKeys(vault),
        )

        self.transaction = session.transaction
        self.claim = claims.claim
        self.forget_claims = claims.forget_claims
        self.append_guard = guards.append_guard
        self.load_guard = guards.load_guard
        self._take_stream(stream)
        self._take_identity(identity)
        self._take_derived(Derived(session, stream.last_sequence, vault=vault, queries=queries))
        self._take_messages(Messages(session, vault, queries))
        self._take_records(records)
        self._take_notices(Notices(session, queries))
        self._take_alone(Alone(self))
        self._take_erasure(erasure)
        self._take_log(ConsentLog(session, readers, witness, vault=vault, queries=queries))
        self.load_witness = witness.load_witness
        self._take_access(Access(session, vault=vault, queries=queries, pack=pack_ids))
        self._take_dossiers(DossierTable(session, vault, queries))
        self._take_history(HistoryReader(session, readers, vault=vault, queries=queries))

    def close(self) -> None:
        """Release the store; what was acknowledged is durable already."""
        self._opened.close()

    def backup(self, path: str) -> Iterator[float]:
        """Copy the store online into a new file, yielding progress to 1; the copy is verified."""
        self._readers.require_open()
        return back_up(
            self._path,
            Path(path),
            counts=self._queries["read_counts"],
            pause=self._session.pause,
            keys=self._path.with_name(KEYS_NAME),
        )

    def snapshot(self) -> AbstractContextManager[SqliteSnapshot]:
        """Return the store as it is now, for one thread, whatever is written meanwhile."""
        self._readers.require_open()
        return take_snapshot(self._path, vault=self._vault, queries=self._queries)

    def _take_stream(self, stream: Stream) -> None:
        self.append_event = stream.append_event
        self.last_sequence = stream.last_sequence
        self.load_events = stream.load_events
        self.load_part_events = stream.load_part_events
        self.replace_event = stream.replace_event
        self.read_events = stream.read_events

    def _take_identity(self, identity: Identity) -> None:
        self.find_parts = identity.find_parts
        self.lookup_key = identity.lookup_key
        self.find_part_by_key = identity.find_part_by_key
        self.add_part = identity.add_part
        self.load_customer = identity.load_customer
        self.load_parts = identity.load_parts
        self.load_links = identity.load_links
        self.save_link = identity.save_link
        self.move_parts = identity.move_parts

    def _take_derived(self, derived: Derived) -> None:
        self.load_states = derived.load_states
        self.save_states = derived.save_states
        self.load_mark = derived.load_mark
        self.iterate_states = derived.iterate_states
        self.save_wakes = derived.save_wakes
        self.load_due_wakes = derived.load_due_wakes

    def _take_messages(self, messages: Messages) -> None:
        self.save_messages = messages.save_messages
        self.load_message = messages.load_message
        self.load_open_messages = messages.load_open_messages
        self.load_due_messages = messages.load_due_messages
        self.load_messages_in = messages.load_messages_in
        self.erase_old_messages = messages.erase_old_messages
        self.read_old_messages = messages.read_old_messages
        self.load_part_messages = messages.load_part_messages
        self.load_message_by_provider_id = messages.load_message_by_provider_id

    def _take_records(self, records: Records) -> None:
        self.append_decision = records.append_decision
        self.next_decision_id = records.next_decision_id
        self.erase_old_decisions = records.erase_old_decisions
        self.read_old_decisions = records.read_old_decisions
        self.quarantine = records.quarantine
        self.set_quarantine_state = records.set_quarantine_state
        self.append_audit = records.append_audit
        self.save_brand = records.save_brand
        self.load_brand = records.load_brand
        self.save_setting = records.save_setting
        self.load_setting = records.load_setting
        self.read_decision = records.read_decision
        self.read_decisions = records.read_decisions
        self.read_quarantine = records.read_quarantine
        self.read_audit = records.read_audit
        self.append_access = records.append_access
        self.read_accesses = records.read_accesses
        self.read_counts = records.read_counts

    def _take_notices(self, notices: Notices) -> None:
        self.append_notice = notices.append_notice
        self.load_notices = notices.load_notices
        self.last_notice = notices.last_notice

    def _take_alone(self, alone: Alone) -> None:
        self.read_clock = alone.read_clock
        self.foresee_claims = alone.foresee_claims
        self.load_customers = alone.load_customers
        self.next_sequence = alone.next_sequence
        self.read_settled = alone.read_settled
        self.lock_customers = alone.lock_customers
        self.raise_versions = alone.raise_versions
        self.control_version = alone.control_version
        self.change_control = alone.change_control
        self.try_duty = alone.try_duty
        self.join = alone.join
        self.say_present = alone.say_present
        self.list_nodes = alone.list_nodes
        self.take_out = alone.take_out

    def _take_erasure(self, erasure: Erasure) -> None:
        self.erase_parts = erasure.erase_parts
        self.erase_events = erasure.erase_events
        self.list_customers = erasure.list_customers
        self.erase_quarantined = erasure.erase_quarantined
        self.save_tombstone = erasure.save_tombstone
        self.has_tombstones = erasure.has_tombstones
        self.find_tombstone = erasure.find_tombstone
        self.next_request_number = erasure.next_request_number
        self.save_request = erasure.save_request
        self.load_request = erasure.load_request
        self.load_requests = erasure.load_requests
        self.load_due_requests = erasure.load_due_requests
        self.hold_records = erasure.hold_records
        self.load_held_records = erasure.load_held_records
        self.drop_held_records = erasure.drop_held_records
        self.drop_emptied_events = erasure.drop_emptied_events

    def _take_log(self, log: ConsentLog) -> None:
        self.append_leaf = log.append_leaf
        self.log_size = log.log_size
        self.save_log_hash = log.save_log_hash
        self.save_checkpoint = log.save_checkpoint
        self.read_log_hashes = log.read_log_hashes
        self.read_leaves = log.read_leaves
        self.read_part_leaves = log.read_part_leaves
        self.read_checkpoints = log.read_checkpoints
        self.read_newest_checkpoint = log.read_newest_checkpoint

    def _take_access(self, access: Access) -> None:
        self.save_staff = access.save_staff
        self.load_staff = access.load_staff
        self.save_session = access.save_session
        self.drop_sessions = access.drop_sessions
        self.load_sessions = access.load_sessions
        self.save_token = access.save_token
        self.drop_tokens = access.drop_tokens
        self.load_tokens = access.load_tokens
        self.save_key = access.save_key
        self.drop_keys = access.drop_keys
        self.load_keys = access.load_keys
        self.save_failures = access.save_failures
        self.drop_failures = access.drop_failures
        self.load_failures = access.load_failures

    def _take_dossiers(self, dossiers: DossierTable) -> None:
        self.next_dossier_number = dossiers.next_dossier_number
        self.last_dossier_number = dossiers.last_dossier_number
        self.save_dossier = dossiers.save_dossier
        self.load_dossier = dossiers.load_dossier
        self.load_dossiers = dossiers.load_dossiers
        self.load_part_dossiers = dossiers.load_part_dossiers
        self.count_dossiers = dossiers.count_dossiers

    def _take_history(self, history: HistoryReader) -> None:
        self.read_sealed_events = history.read_sealed_events
        self.read_known_events = history.read_known_events
        self.read_sealed_decisions = history.read_sealed_decisions
        self.number_ended = history.number_ended
        self.read_ended_messages = history.read_ended_messages
        self.drop_ended_messages = history.drop_ended_messages
        self.read_grouping = history.read_grouping


def _load_queries() -> dict[str, LiteralString]:
    """Return the queries of all rooms; a name stands once."""
    return {
        name: sql for file in _FILES for name, sql in load_queries(f"sqlite/{file}.sql").items()
    }


def _check_file(path: Path) -> None:
    """Refuse a file that is not ours before anything in it is changed."""
    if not path.exists():
        return
    try:
        connection = open_reader(path)
        try:
            read_version(connection, path=path)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise translate(error, path=path) from error
