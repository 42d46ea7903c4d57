"""Rows as those have them who read a store in one snapshot, opened through the vault: the same for each.

Whoever was forgotten while it is read is left out: their key is gone.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from kept.core.dossier import Dossier
from kept.core.identity import Part
from kept.core.message import Message
from kept.errors import ForgottenError
from kept.ports import HOUSE, BrandRow, DecisionRow, StateRow, StoredEvent, Vault
from kept.ports_access import AuditEntry
from kept.recorded_port import Trace
from kept.stores.codecs import (
    decode_detail,
    decode_event,
    decode_identifier,
    decode_message,
    decode_texts,
)

_decode_trace: Final = msgspec.msgpack.Decoder(Trace).decode


class SnapshotRows:
    """Opens rows; each method names the columns that it is given."""

    def __init__(self, vault: Vault) -> None:
        """Take the vault, which is started already."""
        self._vault = vault

    def find_span(self, decided: Iterable[int | None], ends: Iterable[Any]) -> tuple[int, int]:
        """Return the first and the last instant of some, and of events (sequence, part, body)."""
        instants = [at for at in decided if at is not None]
        instants += [one.event.received_at for one in self.open_events(ends)]
        return (min(instants), max(instants)) if instants else (0, 0)

    def open_brands(self, rows: Iterable[Any]) -> list[BrandRow]:
        """Return folders of (version, in force at, texts)."""
        return [
            BrandRow(version=version, in_force_at=in_force_at, texts=decode_texts(texts))
            for version, in_force_at, texts in rows
        ]

    def open_acts(self, rows: Iterable[Any]) -> list[AuditEntry]:
        """Return entries of (id, at, actor, verb, detail)."""
        unseal = self._vault.open
        return [
            AuditEntry(
                entry_id=entry_id,
                at=at,
                actor=actor,
                verb=verb,
                detail=decode_detail(unseal(HOUSE, "audit", sealed, entry_id)),
            )
            for entry_id, at, actor, verb, sealed in rows
        ]

    def open_traces(self, rows: Iterable[Any]) -> Iterator[Trace]:
        """Yield what a replay must know of decisions, of (id, part, trace)."""
        for decision_id, part_id, sealed in rows:
            content = self._open(part_id, "decision", sealed, decision_id)
            if content is not None:
                yield _decode_trace(content)

    def open_parts(self, rows: Iterable[Any]) -> Iterator[Part]:
        """Yield parts of (id, customer, claimed, identifier)."""
        for part_id, customer_id, claimed, sealed in rows:
            content = self._open(part_id, "identifier", sealed, int(claimed))
            if content is not None:
                yield Part(
                    part_id=part_id,
                    customer_id=customer_id,
                    identifier=decode_identifier(content),
                    claimed=bool(claimed),
                )

    def open_events(self, rows: Iterable[Any]) -> list[StoredEvent]:
        """Return events of (sequence, part, body)."""
        found = []
        for sequence, part_id, sealed in rows:
            content = self._open(part_id, "event", sealed, sequence)
            if content is not None:
                event = decode_event(content)
                found.append(StoredEvent(sequence=sequence, part_id=part_id, event=event))
        return found

    def open_states(self, rows: Iterable[Any]) -> list[StateRow]:
        """Return states of (part, applied sequence, state)."""
        found = []
        for part_id, applied, sealed in rows:
            content = self._open(part_id, "state", sealed, applied)
            if content is not None:
                found.append(StateRow(part_id=part_id, applied_sequence=applied, state=content))
        return found

    def open_decisions(self, rows: Iterable[Any]) -> list[DecisionRow]:
        """Return decisions of (id, part, decided at, placement, trace)."""
        found = []
        for decision_id, part_id, decided_at, placement, sealed in rows:
            content = self._open(part_id, "decision", sealed, decision_id)
            if content is not None:
                found.append(
                    DecisionRow(
                        decision_id=decision_id,
                        part_id=part_id,
                        decided_at=decided_at,
                        placement=placement,
                        trace=content,
                    )
                )
        return found

    def open_messages(self, rows: Iterable[Any]) -> list[Message]:
        """Return messages of (id, part, body)."""
        opened = (
            self._open(part_id, "message", sealed, message_id)
            for message_id, part_id, sealed in rows
        )
        return [decode_message(content) for content in opened if content is not None]

    def open_dossiers(self, rows: Iterable[Any]) -> list[Dossier]:
        """Return dossiers of (kind, number, part, state, at, body)."""
        found = []
        for kind, number, part_id, state, at, sealed in rows:
            body = self._open(part_id, "dossier", sealed, f"{kind}.{number}")
            if body is not None:
                found.append(
                    Dossier(
                        kind=kind, number=number, part_id=part_id, state=state, at=at, body=body
                    )
                )
        return found

    def _open(self, part_id: int, record: Any, sealed: bytes, record_id: int | str) -> bytes | None:
        try:
            return self._vault.open(part_id, record, sealed, record_id)
        except ForgottenError:
            return None
