"""A shared store as a record: read beside its nodes in one snapshot, and never written."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from kept.core.dossier import Dossier
from kept.core.identity import Link, Part
from kept.core.message import Message
from kept.errors import SettingsError, StoreError
from kept.ports import VAULT_SETTING, BrandRow, DecisionRow, StoredEvent, Vault
from kept.ports_access import AuditEntry
from kept.recorded_port import Setting, Trace, find_settings
from kept.stores.postgres.address import Address
from kept.stores.postgres.driver import Wire
from kept.stores.postgres.migrations import check_version
from kept.stores.postgres.snapshot import BEGIN, READS_ALONE
from kept.stores.postgres.texts import from_text
from kept.stores.queries import load_queries
from kept.stores.snapshot_rows import SnapshotRows

CHUNK: Final = 5_000


class PostgresRecorded:
    """Reads a shared store as it stood when it was opened; implements `recorded_port.Recorded`.

    What was forgotten since is left out: its keys are gone. The transaction is open until the
    record is let go of, and keeps the database from removing old versions of rows meanwhile.
    """

    is_shared = True

    def __init__(self, address: Address, *, vault: Vault, snapshot: str = "") -> None:
        """Open a database of Kept's.

        Args:
            address: where it is.
            vault: stands on the keys of this store; closed with the record.
            snapshot: what another reader of this record sees (`export_snapshot`), empty for what
                is committed now.

        Raises:
            SettingsError: it is none of Kept's, or the vault holds other keys.
            StoreError: it cannot be read.
        """
        self._place = address.place
        self._queries = load_queries("postgres/recorded.sql")
        self._vault = vault
        self._rows = SnapshotRows(vault)
        self._wire = Wire(address, READS_ALONE)
        try:
            check_version(self._wire, "migrations")
            self._wire.execute(BEGIN)
            if snapshot:
                self._wire.read_as_of(snapshot)
            self._start_vault()
        except BaseException:
            self._wire.close()
            raise

    def _start_vault(self) -> None:
        if self._fetch("find_unfinished_move"):
            raise SettingsError(
                f"a move into {self._place} has not ended; run the same `kept move` again, or name "
                "another database"
            )
        noted = self._fetch("load_noted_identity", VAULT_SETTING)
        if not noted:
            raise SettingsError(f"{self._place} holds no store yet: no server ever ran on it")
        self._vault.start(bytes(noted[0][0]))

    def export_snapshot(self) -> str:
        """Return the name by which other readers see the same, as long as this one is open."""
        ((name,),) = self._fetch("export_snapshot")
        return str(name)

    def close(self) -> None:
        """Let go of the database and of the keys."""
        self._wire.close()
        self._vault.close()

    # -- the house

    def read_span(self) -> tuple[int, int]:
        """Return the first and the last instant of which the record knows."""
        decided = [at for (at,) in self._fetch("find_decided_ends")]
        return self._rows.find_span(decided, self._fetch("load_end_events"))

    def read_brands(self) -> list[BrandRow]:
        """Return every folder that was in force."""
        rows = self._fetch("load_all_brands")
        return self._rows.open_brands((from_text(version), *rest) for version, *rest in rows)

    def read_acts(self) -> list[AuditEntry]:
        """Return what operators did, oldest first."""
        return self._rows.open_acts(
            (entry_id, at, from_text(actor), from_text(verb), detail)
            for entry_id, at, actor, verb, detail in self._fetch("load_all_acts")
        )

    def read_breaches(self) -> list[Dossier]:
        """Return the breaches that were declared."""
        return self._rows.open_dossiers(self._fetch("load_all_breaches"))

    def read_settings(self) -> Iterator[Setting]:
        """Yield the first decision, and each by another brand or other controls."""
        return find_settings(self._traces())

    def _traces(self) -> Iterator[Trace]:
        after = 0
        while rows := self._fetch("load_all_decisions", after, CHUNK):
            self._prepare(rows, 1)
            yield from self._rows.open_traces(rows)
            after = rows[-1][0]

    # -- people

    def read_parts(self) -> Iterator[Part]:
        """Yield all parts in order of their ids."""
        after = 0
        while rows := self._fetch("load_all_parts", after, CHUNK):
            self._prepare(rows, 0)
            yield from self._rows.open_parts(rows)
            after = rows[-1][0]

    def read_links(self) -> Iterator[Link]:
        """Yield all evidence."""
        for row in self._fetch("load_all_links"):
            yield Link(*row)

    def read_events(self, part_ids: Collection[int]) -> list[StoredEvent]:
        """Return the events of these parts in stream order."""
        return self._rows.open_events(self._fetch_of("load_recorded_events", part_ids))

    def read_decisions(self, part_ids: Collection[int]) -> list[DecisionRow]:
        """Return the decisions about these parts in order of their ids."""
        return self._rows.open_decisions(
            (decision_id, part_id, decided_at, from_text(placement), trace)
            for decision_id, part_id, decided_at, placement, trace in self._fetch_of(
                "load_recorded_decisions", part_ids
            )
        )

    def read_messages(self, part_ids: Collection[int]) -> list[Message]:
        """Return the messages of these parts, oldest first."""
        return self._rows.open_messages(
            (from_text(message_id), part_id, body)
            for message_id, part_id, body in self._fetch_of("load_recorded_messages", part_ids)
        )

    def read_dossiers(self, part_ids: Collection[int]) -> list[Dossier]:
        """Return what was put before a person about these parts, and what breaches found of them."""
        return self._rows.open_dossiers(self._fetch_of("load_recorded_dossiers", part_ids))

    # -- the database

    def _fetch_of(self, name: str, part_ids: Collection[int]) -> list[Any]:
        rows = self._fetch(name, sorted(part_ids))
        self._vault.prepare(part_ids)
        return rows

    def _prepare(self, rows: Sequence[Any], column: int) -> None:
        """Have the keys of the parts ready that rows are of."""
        self._vault.prepare({row[column] for row in rows})

    def _fetch(self, name: str, *parameters: Any) -> list[Any]:
        if not self._wire.is_open:
            raise StoreError(f"the record in {self._place} is closed")
        return self._wire.fetch(self._queries[name], parameters)
