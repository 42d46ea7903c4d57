"""States, marks and wakes in PostgreSQL: written with the transaction that changes them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, LiteralString

from kept.ports import StateRow, Vault
from kept.stores.postgres.batch import Batch
from kept.stores.postgres.session import Session
from kept.stores.postgres.stream import Stream

_STATES_MARK: Final = "states"


class Derived:
    """What can be made again from the stream."""

    def __init__(
        self,
        session: Session,
        batch: Batch,
        stream: Stream,
        *,
        vault: Vault,
        queries: Mapping[str, LiteralString],
    ) -> None:
        """Take where rows are kept meanwhile; the stream tells how far it reaches."""
        self._session = session
        self._batch = batch
        self._stream = stream
        self._vault = vault
        self._queries = queries
        self._saved: dict[int, StateRow] = {}
        self._mark = 0

    def load_states(self, part_ids: Sequence[int]) -> list[StateRow]:
        """Return the stored states of these parts in order; parts without one are left out."""
        saved = self._saved if self._session.is_ours else {}
        found = {part_id: saved[part_id] for part_id in part_ids if part_id in saved}
        wanted = sorted(set(part_ids) - found.keys())
        if wanted:
            rows = self._session.fetch(self._queries["load_states"], (wanted,))
            found |= {row.part_id: row for row in self._decode(rows)}
        return [row for _, row in sorted(found.items())]

    def iterate_states(self, *, after: int, limit: int) -> list[StateRow]:
        """Return stored states in order of part ids, from `after` (exclusive)."""
        self._batch.settle("states")
        return self._decode(self._session.fetch(self._queries["iterate_states"], (after, limit)))

    def save_states(self, rows: Sequence[StateRow], *, mark: int) -> None:
        """Write states; the mark says little here, for no state waits for anything."""
        self._session.require_transaction()
        if mark > self._mark:
            if mark > self._stream.last_sequence():
                raise AssertionError(f"a mark of {mark} is beyond the stream")
            self._session.write(self._queries["save_mark"], (_STATES_MARK, mark))
            self._mark = mark
        for row in rows:
            sealed = self._vault.seal(row.part_id, "state", row.state, row.applied_sequence)
            self._batch.put("states", row.part_id, (row.part_id, row.applied_sequence, sealed))
            self._saved[row.part_id] = row

    def load_mark(self) -> int:
        """Return the highest mark of `save_states`, 0 at first."""
        row = self._session.fetch_one(self._queries["load_mark"], (_STATES_MARK,))
        return int(row[0]) if row else 0

    def save_wakes(self, wakes: Iterable[tuple[int, int]]) -> None:
        """Set (customer_id, wake_at) pairs; a wake_at of 0 removes the customer's entry."""
        self._session.require_transaction()
        for customer_id, wake_at in wakes:
            self._batch.put(
                "wakes" if wake_at else "gone_wakes",
                customer_id,
                (customer_id, wake_at) if wake_at else (customer_id,),
            )
            # Of two for one customer the later stands.
            self._batch.rows["gone_wakes" if wake_at else "wakes"].pop(customer_id, None)

    def load_due_wakes(self, *, now: int, limit: int) -> list[tuple[int, int]]:
        """Return the earliest (customer_id, wake_at) pairs with wake_at <= now."""
        self._batch.settle("wakes", "gone_wakes")
        rows = self._session.fetch(self._queries["load_due_wakes"], (now, limit))
        return [(customer_id, wake_at) for customer_id, wake_at in rows]

    def forget_saved(self) -> None:
        """Ask the database again from now on: states were removed."""
        self._saved.clear()

    def flush(self) -> None:
        """Do nothing: rows wait in the batch."""

    def committed(self) -> None:
        """Others may save states now."""
        self._saved.clear()

    def rolled_back(self) -> None:
        """Nothing was saved."""
        self._saved.clear()
        self._mark = 0

    def _decode(self, rows: Sequence[Any]) -> list[StateRow]:
        """Return rows as states."""
        self._vault.prepare([row[0] for row in rows])
        unseal = self._vault.open
        return [
            StateRow(
                part_id=part_id,
                applied_sequence=applied,
                state=unseal(part_id, "state", sealed, applied),
            )
            for part_id, applied, sealed in rows
        ]
