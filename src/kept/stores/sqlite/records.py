"""Decisions, quarantine, audit, brands and settings in SQLite."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, LiteralString

from kept.ports import (
    HOUSE,
    OPEN_SETTINGS,
    BrandRow,
    DecisionRow,
    Quarantined,
    Vault,
)
from kept.ports_access import AuditEntry
from kept.stores.codecs import (
    decode_detail,
    decode_texts,
    encode_detail,
    encode_texts,
    pack_ids,
)
from kept.stores.sqlite.connections import Readers
from kept.stores.sqlite.part_index import KIND_DECISION, PartIndex
from kept.stores.sqlite.session import Session


class Records:
    """What is kept to be looked up later; decision ids are counted in memory."""

    def __init__(
        self,
        session: Session,
        readers: Readers,
        *,
        vault: Vault,
        queries: Mapping[str, LiteralString],
    ) -> None:
        """Find the highest decision id."""
        self._session = session
        self._readers = readers
        self._vault = vault
        self._queries = queries
        self._insert_decision = queries["insert_decision"]
        self._index = PartIndex(
            session, queries, kind=KIND_DECISION, load_tail=queries["load_parts_of_decisions"]
        )
        self._rows: list[tuple[int, int, int, str, bytes]] = []
        self._committed_last: int
        (self._committed_last,) = session.fetch_one(queries["find_last_decision"])
        self._last = self._committed_last

    def append_decision(
        self, *, part_id: int, decided_at: int, placement: str, trace: bytes, decision_id: int
    ) -> None:
        """Keep a decision; ids come from `next_decision_id` and grow."""
        self._session.require_transaction()
        if decision_id <= self._last:
            raise AssertionError(f"decision {decision_id} comes after decision {self._last}")
        self._last = decision_id
        sealed = self._vault.seal(part_id, "decision", trace, decision_id)
        self._rows.append((decision_id, part_id, decided_at, placement, sealed))

    def next_decision_id(self) -> int:
        """Return the id that the next decision shall have."""
        return self._last + 1

    def forget(self, part_ids: Sequence[int]) -> int:
        """Remove the decisions of these parts, and return how many there were."""
        found = self._index.find(part_ids, newest=0, fetch=self._session.fetch)
        self._session.write(self._queries["delete_decisions"], (pack_ids(found),))
        self._index.forget(part_ids)
        return len(found)

    def erase_old_decisions(self, *, before: int, limit: int, spared: Sequence[int] = ()) -> int:
        """Remove decisions made before an instant, the oldest first, but for parts; return how many."""
        self._session.flush()
        rows = self._session.fetch(
            self._queries["load_oldest_decisions"], (pack_ids(spared), limit)
        )
        old: dict[int, list[int]] = {}
        for decision_id, part_id, decided_at in rows:
            # Ids grow with time, so that nothing older comes after.
            if decided_at >= before:
                break
            old.setdefault(part_id, []).append(decision_id)
        going = [decision_id for ids in old.values() for decision_id in ids]
        if going:
            self._session.write(self._queries["save_mark"], ("last decision", self._last))
            self._session.write(self._queries["delete_decisions"], (pack_ids(going),))
        for part_id, ids in old.items():
            self._index.forget_items(part_id, ids)
        return len(going)

    def read_old_decisions(self, *, before: int) -> tuple[int, int]:
        """Return how many decisions were made before an instant, and when the oldest was."""
        ((count, oldest),) = self._fetch(self._queries["read_old_decisions"], (before,))
        return count, oldest or 0

    def quarantine(
        self, *, source: str, received_at: int, code: str, detail: str, payload: bytes
    ) -> int:
        """Keep an event that could not be taken; return its id."""
        (last,) = self._session.fetch_one(self._queries["find_last_quarantined"])
        sealed = self._vault.seal(HOUSE, "quarantine", payload, last + 1)
        row = (last + 1, source, received_at, code, detail, sealed)
        self._session.write(self._queries["insert_quarantined"], row)
        return int(last) + 1

    def set_quarantine_state(
        self, quarantine_id: int, state: Literal["held", "replayed", "dropped"]
    ) -> None:
        """Note what became of a quarantined event."""
        self._session.write(self._queries["set_quarantine_state"], (state, quarantine_id))

    def append_audit(self, *, at: int, actor: str, verb: str, detail: dict[str, Any]) -> int:
        """Keep what an operator did; return its id."""
        (last,) = self._session.fetch_one(self._queries["find_last_audit_entry"])
        sealed = self._vault.seal(HOUSE, "audit", encode_detail(detail), last + 1)
        self._session.write(
            self._queries["insert_audit_entry"], (last + 1, at, actor, verb, sealed)
        )
        return int(last) + 1

    def save_brand(self, row: BrandRow) -> None:
        """Keep the texts of a brand folder that comes into force."""
        values = (row.version, row.in_force_at, encode_texts(row.texts))
        self._session.write(self._queries["save_brand"], values)

    def load_brand(self, version: str | None = None) -> BrandRow | None:
        """Return a brand by version, or the one last in force."""
        if version is None:
            row = self._session.fetch_one(self._queries["load_brand_in_force"])
        else:
            row = self._session.fetch_one(self._queries["load_brand"], (version,))
        if row is None:
            return None
        return BrandRow(version=row[0], in_force_at=row[1], texts=decode_texts(row[2]))

    def save_setting(self, name: str, value: bytes) -> None:
        """Keep a small named value: hashed keys, brakes, the control of imports."""
        sealed = value
        if name not in OPEN_SETTINGS:
            sealed = self._vault.seal(HOUSE, "setting", value, name)
        self._session.write(self._queries["save_setting"], (name, sealed))

    def load_setting(self, name: str) -> bytes | None:
        """Return a small named value."""
        row = self._session.fetch_one(self._queries["load_setting"], (name,))
        if row is None or name in OPEN_SETTINGS:
            return row[0] if row else None
        return self._vault.open(HOUSE, "setting", row[0], name)

    def read_decision(self, decision_id: int) -> DecisionRow | None:
        """Return a stored decision."""
        rows = self._fetch(self._queries["read_decision"], (decision_id,))
        return self._decode_decision(rows[0]) if rows else None

    def read_decisions(
        self, part_ids: Sequence[int], *, newest: int, before: int = 0
    ) -> list[DecisionRow]:
        """Return the newest decisions of these parts (with ids below `before`), newest first."""
        if newest <= 0:
            return []
        wanted_count = 0 if before else newest
        found = self._index.find(part_ids, newest=wanted_count, fetch=self._fetch)
        if before:
            found = [decision_id for decision_id in found if decision_id < before][-newest:]
        rows = self._fetch(self._queries["read_decisions"], (pack_ids(found),))
        # Memory may name an id whose transaction was rolled back and given to another part since.
        wanted = frozenset(part_ids)
        return [self._decode_decision(row) for row in rows if row[1] in wanted]

    def read_quarantine(self, *, after: int, limit: int) -> list[Quarantined]:
        """Return quarantined events in order of their ids."""
        rows = self._fetch(self._queries["read_quarantine"], (after, limit))
        return [
            Quarantined(
                quarantine_id=quarantine_id,
                source=source,
                received_at=received_at,
                code=code,
                detail=detail,
                payload=self._vault.open(HOUSE, "quarantine", sealed, quarantine_id),
                state=state,
            )
            for quarantine_id, source, received_at, code, detail, sealed, state in rows
        ]

    def read_audit(self, *, newest: int) -> list[AuditEntry]:
        """Return the newest audit entries, newest first."""
        return self._decode_audit(self._fetch(self._queries["read_audit"], (max(newest, 0),)))

    def append_access(self, entry_id: int, part_id: int) -> None:
        """Note that an audit entry tells of somebody who saw values of a part; twice is once."""
        self._session.write(self._queries["insert_access"], (part_id, entry_id))

    def read_accesses(self, part_ids: Sequence[int], *, newest: int) -> list[AuditEntry]:
        """Return the newest audit entries of who saw values of these parts, newest first."""
        parameters = (pack_ids(part_ids), max(newest, 0))
        return self._decode_audit(self._fetch(self._queries["read_accesses"], parameters))

    def _decode_audit(self, rows: Sequence[Any]) -> list[AuditEntry]:
        """Return rows as audit entries."""
        return [
            AuditEntry(
                entry_id=entry_id,
                at=at,
                actor=actor,
                verb=verb,
                detail=decode_detail(self._vault.open(HOUSE, "audit", sealed, entry_id)),
            )
            for entry_id, at, actor, verb, sealed in rows
        ]

    def read_counts(self) -> dict[str, int]:
        """Return how many events, parts, customers, messages by state and quarantined there are."""
        return dict(self._fetch(self._queries["read_counts"], ()))

    def flush(self) -> None:
        """Write the decisions of this transaction so far, and a piece of their index."""
        rows = self._rows
        if not rows:
            return
        self._session.write_all(self._insert_decision, rows)
        self._index.add(rows)
        self._index.write_behind(len(rows))
        rows.clear()

    def committed(self) -> None:
        """Keep the highest decision id."""
        self._committed_last = self._last
        self._index.committed()

    def rolled_back(self) -> None:
        """Go back to the highest decision id before this transaction."""
        self._rows.clear()
        self._last = self._committed_last
        self._index.rolled_back()

    def _fetch(self, sql: LiteralString, parameters: tuple[Any, ...]) -> list[Any]:
        """Read on a connection of its own, or inside the transaction if that is the caller's."""
        if self._session.is_ours:
            self._session.flush()
            return self._session.fetch(sql, parameters)
        return self._readers.fetch(sql, parameters)

    def _decode_decision(self, row: tuple[int, int, int, str, bytes]) -> DecisionRow:
        """Return a row as a decision."""
        decision_id, part_id, decided_at, placement, sealed = row
        return DecisionRow(
            decision_id=decision_id,
            part_id=part_id,
            decided_at=decided_at,
            placement=placement,
            trace=self._vault.open(part_id, "decision", sealed, decision_id),
        )
