"""Decisions in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from kept.ports import DecisionRow, Vault
from kept.stores.postgres.batch import Batch
from kept.stores.postgres.numbers import Numbers
from kept.stores.postgres.session import Session
from kept.stores.postgres.texts import from_text, to_text


class Decisions:
    """Kept to be looked up later, by their part or by their id."""

    def __init__(
        self, session: Session, batch: Batch, *, vault: Vault, queries: Mapping[str, LiteralString]
    ) -> None:
        """Take where rows are kept meanwhile."""
        self._session = session
        self._batch = batch
        self._vault = vault
        self._queries = queries
        self.numbers = Numbers(session, "decision_ids", queries)
        session.participants.append(self.numbers)

    def next_decision_id(self) -> int:
        """Return the id that the next decision shall have."""
        return self.numbers.peek()

    def append_decision(
        self, *, part_id: int, decided_at: int, placement: str, trace: bytes, decision_id: int
    ) -> None:
        """Keep a decision; its id comes from `next_decision_id`."""
        self._session.require_transaction()
        if decision_id != self.numbers.peek():
            raise AssertionError(f"decision {decision_id} comes where {self.numbers.peek()} does")
        self.numbers.take()
        sealed = self._vault.seal(part_id, "decision", trace, decision_id)
        row = (part_id, decision_id, decided_at, to_text(placement), sealed)
        self._batch.put("decisions", decision_id, row)

    def erase_old_decisions(self, *, before: int, limit: int, spared: Sequence[int] = ()) -> int:
        """Remove decisions made before an instant, the oldest first, but for parts; return how many."""
        self._session.require_transaction()
        self._batch.settle("decisions")
        parameters = (before, limit, list(spared))
        ((count,),) = self._session.write(self._queries["delete_old_decisions"], parameters)
        return int(count)

    def read_old_decisions(self, *, before: int) -> tuple[int, int]:
        """Return how many decisions were made before an instant, and when the oldest was."""
        self._batch.settle("decisions")
        ((count, oldest),) = self._session.fetch(self._queries["read_old_decisions"], (before,))
        return int(count), oldest or 0

    def read_decision(self, decision_id: int) -> DecisionRow | None:
        """Return a stored decision."""
        found = self._fetch("read_decision", (decision_id,))
        return found[0] if found else None

    def read_decisions(
        self, part_ids: Sequence[int], *, newest: int, before: int = 0
    ) -> list[DecisionRow]:
        """Return the newest decisions of these parts (with ids below `before`), newest first."""
        if newest <= 0:
            return []
        return self._fetch("read_decisions", (sorted(set(part_ids)), before, newest))

    def _fetch(self, name: str, parameters: tuple[Any, ...]) -> list[DecisionRow]:
        self._batch.settle("decisions")
        rows = self._session.fetch(self._queries[name], parameters)
        self._vault.prepare({row[1] for row in rows})
        return [
            DecisionRow(
                decision_id=decision_id,
                part_id=part_id,
                decided_at=decided_at,
                placement=from_text(placement),
                trace=self._vault.open(part_id, "decision", sealed, decision_id),
            )
            for decision_id, part_id, decided_at, placement, sealed in rows
        ]
