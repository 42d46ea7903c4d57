"""The store on PostgreSQL, shared by many nodes: the port's methods, each from its room."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import Final, LiteralString

from kept.errors import SettingsError
from kept.ports import Vault
from kept.stores.access import Access
from kept.stores.postgres.address import Address
from kept.stores.postgres.batch import Batch
from kept.stores.postgres.consent_log import ConsentLog
from kept.stores.postgres.decisions import Decisions
from kept.stores.postgres.derived import Derived
from kept.stores.postgres.dossiers import DossierTable
from kept.stores.postgres.erasure import Erasure
from kept.stores.postgres.guards import Guards
from kept.stores.postgres.history import HistoryReader
from kept.stores.postgres.identity import Identity
from kept.stores.postgres.lookups import Lookups
from kept.stores.postgres.messages import Messages
from kept.stores.postgres.nodes import Nodes
from kept.stores.postgres.notices import Notices
from kept.stores.postgres.readers import Readers
from kept.stores.postgres.records import Records
from kept.stores.postgres.requests import Requests
from kept.stores.postgres.session import Session
from kept.stores.postgres.shared import Control, Locks
from kept.stores.postgres.snapshot import take_snapshot
from kept.stores.postgres.stream import Claims, Stream
from kept.stores.postgres.vault import NewKeys, take_up_vault
from kept.stores.postgres.vault_database import VaultDatabase
from kept.stores.postgres.witness import Witness
from kept.stores.queries import load_queries

_FILES: Final = (
    "shared",
    "identity",
    "stream",
    "derived",
    "messages",
    "records",
    "notices",
    "erasure",
    "consent_log",
    "staff",
    "dossiers",
    "history",
)


class PostgresStore:
    """One brand's durable memory in one database; implements `ports.Store`.

    The rooms hold the work; this class names which room each method of the port comes from.
    """

    is_shared = True

    def __init__(self, address: Address, *, vault: Vault, database: VaultDatabase) -> None:
        """Open the store, making its tables if there are none; `database` is that of the keys.

        Raises:
            SettingsError: the database is not there, not Kept's, or of a newer Kept.
            StoreError: it does not answer.
        """
        queries = _load_queries()
        # Whatever is open already is closed again if the rest cannot be opened.
        with ExitStack() as opened:
            opened.callback(database.close)
            readers = opened.enter_context(closing(Readers(address)))
            self._session = session = opened.enter_context(closing(Session(address, readers)))
            session.migrate()
            take_up_vault(session, vault, queries)
            opened.callback(vault.close)
            new_keys = NewKeys(session, vault)
            session.on_begin = new_keys.began
            held: dict[int, int] = {}
            batch = Batch(session, queries, settle_keys=new_keys.flush)
            lookups = Lookups(session, queries, held=held)
            stream = Stream(session, readers, batch, vault=vault, queries=queries)
            identity = Identity(session, batch, lookups, held=held, vault=vault, queries=queries)
            derived = Derived(session, batch, stream, vault=vault, queries=queries)
            erasure = Erasure(session, batch, lookups, vault=vault, queries=queries)
            erasure.forget_parts = (identity.forget_parts, derived.forget_saved)
            guards = Guards(session, database, queries)
            nodes = Nodes(address, session, queries)
            nodes.on_taken_out = erasure.take_up_left
            opened.callback(nodes.leave)
            claims = Claims(session, batch, stream, queries)
            control = Control(session, readers, queries)
            locks = Locks(session, batch, held=held, lookups=lookups, queries=queries)
            witness = Witness(database)
            log = ConsentLog(session, witness, vault=vault, queries=queries)
            records = Records(session, batch, vault=vault, queries=queries)
            history = HistoryReader(session, readers, batch, vault=vault, queries=queries)
            self._opened = opened.pop_all()
        # An identifier is locked before it is written.
        session.participants += (identity, batch, lookups, derived, claims, locks, control, log)
        # New keys come last: whatever the others sealed may have made one.
        session.participants += (erasure, guards, witness, new_keys)
        snapshot = partial(take_snapshot, address, vault=vault, queries=queries)
        self.transaction, self.snapshot = session.transaction, snapshot
        self._take_stream(stream, claims)
        self._take_identity(identity)
        self._take_derived(derived)
        self._take_messages(Messages(session, batch, vault=vault, queries=queries))
        self._take_decisions(Decisions(session, batch, vault=vault, queries=queries))
        self._take_records(records)
        self._take_notices(Notices(session, queries))
        self._take_shared(locks, control, nodes)
        self._take_erasure(erasure)
        self._take_requests(Requests(session, erasure, vault=vault, queries=queries))
        self._take_log(log, witness)
        self._take_access(Access(session, vault=vault, queries=queries, pack=list))
        self._take_dossiers(DossierTable(session, vault, queries))
        self._take_guards(guards)
        self._take_history(history)

    def close(self) -> None:
        """Release the store; what was acknowledged is durable already."""
        self._opened.close()

    def backup(self, path: str) -> Iterator[float]:
        """Refuse: PostgreSQL has its own ways, and they carry on while nodes work."""
        raise SettingsError(
            f"a store in PostgreSQL is not copied into {path}: back up {self._session.place} by a "
            "base backup and its log (pg_basebackup, archive_command) or by pg_dump, and the "
            "database of keys apart from it"
        )

    def _take_stream(self, stream: Stream, claims: Claims) -> None:
        self.append_event = stream.append_event
        self.next_sequence = stream.next_sequence
        self.last_sequence = stream.last_sequence
        self.load_events = stream.load_events
        self.load_part_events = stream.load_part_events
        self.erase_events = stream.erase_events
        self.replace_event = stream.replace_event
        self.drop_emptied_events = stream.drop_emptied_events
        self.read_events = stream.read_events
        self.claim = claims.claim
        self.foresee_claims = claims.foresee_claims
        self.forget_claims = claims.forget_claims

    def _take_identity(self, identity: Identity) -> None:
        self.find_parts = identity.find_parts
        self.lookup_key = identity.lookup_key
        self.find_part_by_key = identity.find_part_by_key
        self.find_tombstone = identity.find_tombstone
        self.add_part = identity.add_part
        self.load_customer = identity.load_customer
        self.load_customers = identity.load_customers
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

    def _take_decisions(self, decisions: Decisions) -> None:
        self.append_decision = decisions.append_decision
        self.next_decision_id = decisions.next_decision_id
        self.erase_old_decisions = decisions.erase_old_decisions
        self.read_old_decisions = decisions.read_old_decisions
        self.read_decision = decisions.read_decision
        self.read_decisions = decisions.read_decisions

    def _take_records(self, records: Records) -> None:
        self.quarantine = records.quarantine
        self.set_quarantine_state = records.set_quarantine_state
        self.erase_quarantined = records.erase_quarantined
        self.append_audit = records.append_audit
        self.save_brand = records.save_brand
        self.load_brand = records.load_brand
        self.save_setting = records.save_setting
        self.load_setting = records.load_setting
        self.read_quarantine = records.read_quarantine
        self.read_audit = records.read_audit
        self.append_access = records.append_access
        self.read_accesses = records.read_accesses
        self.read_counts = records.read_counts

    def _take_history(self, history: HistoryReader) -> None:
        self.read_sealed_events = history.read_sealed_events
        self.read_known_events = history.read_known_events
        self.read_sealed_decisions = history.read_sealed_decisions
        self.number_ended = history.number_ended
        self.read_ended_messages = history.read_ended_messages
        self.drop_ended_messages = history.drop_ended_messages
        self.read_grouping = history.read_grouping

    def _take_notices(self, notices: Notices) -> None:
        self.append_notice = notices.append_notice
        self.load_notices = notices.load_notices
        self.last_notice = notices.last_notice

    def _take_shared(self, locks: Locks, control: Control, nodes: Nodes) -> None:
        self.lock_customers = locks.lock_customers
        self.raise_versions = locks.raise_versions
        self.read_clock = control.read_clock
        self.read_settled = control.read_settled
        self.control_version = control.control_version
        self.change_control = control.change_control
        self.try_duty = control.try_duty
        self.join = nodes.join
        self.say_present = nodes.say_present
        self.list_nodes = nodes.list_nodes
        self.take_out = nodes.take_out

    def _take_erasure(self, erasure: Erasure) -> None:
        self.erase_parts = erasure.erase_parts
        self.list_customers = erasure.list_customers
        self.save_tombstone = erasure.save_tombstone
        self.has_tombstones = erasure.has_tombstones

    def _take_requests(self, requests: Requests) -> None:
        self.next_request_number = requests.next_request_number
        self.save_request = requests.save_request
        self.load_request = requests.load_request
        self.load_requests = requests.load_requests
        self.load_due_requests = requests.load_due_requests
        self.hold_records = requests.hold_records
        self.load_held_records = requests.load_held_records
        self.drop_held_records = requests.drop_held_records

    def _take_guards(self, guards: Guards) -> None:
        self.append_guard = guards.append_guard
        self.load_guard = guards.load_guard

    def _take_log(self, log: ConsentLog, witness: Witness) -> None:
        self.load_witness = witness.load_witness
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


def _load_queries() -> dict[str, LiteralString]:
    """Return the queries of all rooms; a name stands once."""
    return {
        name: sql for file in _FILES for name, sql in load_queries(f"postgres/{file}.sql").items()
    }
