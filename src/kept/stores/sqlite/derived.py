"""States, their mark, and wakes in SQLite: derived from the stream and written behind."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, LiteralString

from kept.ports import StateRow, Vault
from kept.stores.sqlite.session import Session

STATES_MARK: Final = "states"


class Derived:
    """What can be made again from the stream."""

    def __init__(
        self,
        session: Session,
        last_sequence: Callable[[], int],
        *,
        vault: Vault,
        queries: Mapping[str, LiteralString],
    ) -> None:
        """Take the queries; `last_sequence` tells how far the stream reaches."""
        self._session = session
        self._last_sequence = last_sequence
        self._vault = vault
        self._load_state = queries["load_state"]
        self._load_states = queries["load_states"]
        self._iterate_states = queries["iterate_states"]
        self._save_state = queries["save_state"]
        self._load_mark = queries["load_mark"]
        self._save_mark = queries["save_mark"]
        self._save_wake = queries["save_wake"]
        self._delete_wake = queries["delete_wake"]
        self._load_due_wakes = queries["load_due_wakes"]

    def load_states(self, part_ids: Sequence[int]) -> list[StateRow]:
        """Return the stored states of these parts in order; parts without one are left out."""
        rows = self._session.fetch_by_ids(part_ids, one=self._load_state, many=self._load_states)
        return self._decode(rows)

    def iterate_states(self, *, after: int, limit: int) -> list[StateRow]:
        """Return stored states in order of part ids, from `after` (exclusive)."""
        return self._decode(self._session.fetch(self._iterate_states, (after, limit)))

    def save_states(self, rows: Sequence[StateRow], *, mark: int) -> None:
        """Write states, and the mark: every event up to it is contained in stored states."""
        if mark > self._last_sequence():
            raise AssertionError(f"a mark of {mark} is beyond the stream")
        seal = self._vault.seal
        # In the order of the table, so that neighbours share a page.
        sealed = sorted(
            (
                row.part_id,
                row.applied_sequence,
                seal(row.part_id, "state", row.state, row.applied_sequence),
            )
            for row in rows
        )
        self._session.write_all(self._save_state, sealed)
        self._session.write(self._save_mark, (STATES_MARK, mark))

    def load_mark(self) -> int:
        """Return the mark of the last `save_states`, 0 at first."""
        row = self._session.fetch_one(self._load_mark, (STATES_MARK,))
        return row[0] if row else 0

    def save_wakes(self, wakes: Iterable[tuple[int, int]]) -> None:
        """Set (customer_id, wake_at) pairs; a wake_at of 0 removes the customer's entry."""
        # Of two for one customer the later stands.
        ordered = sorted(dict(wakes).items())
        self._session.write_all(self._save_wake, [pair for pair in ordered if pair[1]])
        self._session.write_all(self._delete_wake, [(pair[0],) for pair in ordered if not pair[1]])

    def load_due_wakes(self, *, now: int, limit: int) -> list[tuple[int, int]]:
        """Return the earliest (customer_id, wake_at) pairs with wake_at <= now."""
        return self._session.fetch(self._load_due_wakes, (now, limit))

    def _decode(self, rows: list[tuple[int, int, bytes]]) -> list[StateRow]:
        """Return rows as states."""
        unseal = self._vault.open
        return [
            StateRow(
                part_id=part_id,
                applied_sequence=applied,
                state=unseal(part_id, "state", sealed, applied),
            )
            for part_id, applied, sealed in rows
        ]
