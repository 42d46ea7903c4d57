"""Quarantine, audit, brands and settings in PostgreSQL, and counts of everything."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, LiteralString, get_args

from kept.clock import read_monotonic
from kept.core.message import MessageState
from kept.ports import HOUSE, OPEN_SETTINGS, BrandRow, Quarantined, Vault
from kept.ports_access import AuditEntry
from kept.stores.codecs import decode_detail, decode_texts, encode_detail, encode_texts
from kept.stores.postgres.batch import Batch
from kept.stores.postgres.numbers import Numbers
from kept.stores.postgres.session import Session
from kept.stores.postgres.texts import from_text, to_text

COUNTS_REST: Final = 50
"""Counts that took long to find are told for so many times as long, before they are found again."""
_LONG: Final = 1_000_000
"""From so many microseconds on finding them takes long."""


class Records:
    """What is kept to be looked up later."""

    def __init__(
        self, session: Session, batch: Batch, *, vault: Vault, queries: Mapping[str, LiteralString]
    ) -> None:
        """Take where rows are written and read."""
        self._session = session
        self._batch = batch
        self._vault = vault
        self._queries = queries
        self._quarantine_ids = Numbers(session, "quarantine_ids", queries, ahead=1)
        self._audit_ids = Numbers(session, "audit_ids", queries, ahead=1)
        session.participants += (self._quarantine_ids, self._audit_ids)
        self._counts: dict[str, int] = {}
        self._counted_until = 0

    def quarantine(
        self, *, source: str, received_at: int, code: str, detail: str, payload: bytes
    ) -> int:
        """Keep an event that could not be taken; return its id."""
        number = self._quarantine_ids.take()
        sealed = self._vault.seal(HOUSE, "quarantine", payload, number)
        row = (number, to_text(source), received_at, to_text(code), to_text(detail), sealed)
        self._session.write(self._queries["insert_quarantined"], row)
        return number

    def set_quarantine_state(
        self, quarantine_id: int, state: Literal["held", "replayed", "dropped"]
    ) -> None:
        """Note what became of a quarantined event."""
        self._session.write(self._queries["set_quarantine_state"], (state, quarantine_id))

    def erase_quarantined(self, quarantine_ids: Sequence[int]) -> None:
        """Remove quarantined events."""
        self._session.write(self._queries["delete_quarantined"], (list(quarantine_ids),))

    def append_audit(self, *, at: int, actor: str, verb: str, detail: dict[str, Any]) -> int:
        """Keep what an operator did; return its id."""
        number = self._audit_ids.take()
        sealed = self._vault.seal(HOUSE, "audit", encode_detail(detail), number)
        row = (number, at, to_text(actor), to_text(verb), sealed)
        self._session.write(self._queries["insert_audit_entry"], row)
        return number

    def save_brand(self, row: BrandRow) -> None:
        """Keep the texts of a brand folder that comes into force."""
        values = (to_text(row.version), row.in_force_at, encode_texts(row.texts))
        self._session.write(self._queries["save_brand"], values)

    def load_brand(self, version: str | None = None) -> BrandRow | None:
        """Return a brand by version, or the one last in force."""
        if version is None:
            row = self._session.fetch_one(self._queries["load_brand_in_force"])
        else:
            row = self._session.fetch_one(self._queries["load_brand"], (to_text(version),))
        if row is None:
            return None
        return BrandRow(version=from_text(row[0]), in_force_at=row[1], texts=decode_texts(row[2]))

    def save_setting(self, name: str, value: bytes) -> None:
        """Keep a small named value: hashed keys, brakes, the control of imports."""
        sealed = value
        if name not in OPEN_SETTINGS:
            sealed = self._vault.seal(HOUSE, "setting", value, name)
        self._session.write(self._queries["save_setting"], (to_text(name), sealed))

    def load_setting(self, name: str) -> bytes | None:
        """Return a small named value."""
        row = self._session.fetch_one(self._queries["load_setting"], (to_text(name),))
        if row is None:
            return None
        value: bytes = row[0]
        return value if name in OPEN_SETTINGS else self._vault.open(HOUSE, "setting", value, name)

    def read_quarantine(self, *, after: int, limit: int) -> list[Quarantined]:
        """Return quarantined events in order of their ids."""
        rows = self._session.fetch(self._queries["read_quarantine"], (after, limit))
        return [
            Quarantined(
                quarantine_id=quarantine_id,
                source=from_text(source),
                received_at=received_at,
                code=from_text(code),
                detail=from_text(detail),
                payload=self._vault.open(HOUSE, "quarantine", sealed, quarantine_id),
                state=state,
            )
            for quarantine_id, source, received_at, code, detail, sealed, state in rows
        ]

    def read_audit(self, *, newest: int) -> list[AuditEntry]:
        """Return the newest audit entries, newest first."""
        return self._decode_audit(
            self._session.fetch(self._queries["read_audit"], (max(newest, 0),))
        )

    def append_access(self, entry_id: int, part_id: int) -> None:
        """Note that an audit entry tells of somebody who saw values of a part; twice is once."""
        self._session.write(self._queries["insert_access"], (part_id, entry_id))

    def read_accesses(self, part_ids: Sequence[int], *, newest: int) -> list[AuditEntry]:
        """Return the newest audit entries of who saw values of these parts, newest first."""
        parameters = (sorted(set(part_ids)), max(newest, 0))
        return self._decode_audit(self._session.fetch(self._queries["read_accesses"], parameters))

    def _decode_audit(self, rows: Sequence[Any]) -> list[AuditEntry]:
        """Return rows as audit entries."""
        return [
            AuditEntry(
                entry_id=entry_id,
                at=at,
                actor=from_text(actor),
                verb=from_text(verb),
                detail=decode_detail(self._vault.open(HOUSE, "audit", sealed, entry_id)),
            )
            for entry_id, at, actor, verb, sealed in rows
        ]

    def read_counts(self) -> dict[str, int]:
        """Return how many events, parts, customers, messages by state and quarantined there are.

        In a large store they are some minutes old: nobody waits for every row to be looked at.
        """
        began = read_monotonic()
        if began >= self._counted_until or self._session.is_ours:
            self._batch.settle("events", "parts", "customers", "messages", "decisions")
            counts = {f"messages.{state}": 0 for state in get_args(MessageState)}
            counts |= {
                name: int(n) for name, n in self._session.fetch(self._queries["read_counts"])
            }
            took = read_monotonic() - began
            self._counts = counts
            self._counted_until = began + took * COUNTS_REST if took > _LONG else 0
        return dict(self._counts)
