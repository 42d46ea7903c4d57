"""A database as `kept move` fills it: empty at first, opened by nobody before the end."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from kept.errors import SettingsError
from kept.stores.moving import NUMBERS, Key, Place, Row, Table
from kept.stores.postgres.address import Address
from kept.stores.postgres.driver import Wire
from kept.stores.postgres.migrations import migrate
from kept.stores.postgres.texts import from_text, to_text
from kept.stores.queries import load_queries

BEGUN: Final = "begun"
FINISHED: Final = "finished"
"""Steps that stand for the move itself, with its id."""

_FOLDERS: Final[dict[Place, str]] = {"store": "migrations", "keys": "vault_migrations"}
_ANYTHING: Final[dict[Place, str]] = {"store": "find_anything", "keys": "find_any_keys"}
_SETTINGS: Final = {"synchronous_commit": "on", "statement_timeout": "0", "lock_timeout": "10s"}
_KEPT: Final = "kept_guards"


class MovingDatabase:
    """The store's database or that of its keys; a piece and the note of it are written together."""

    def __init__(self, address: Address, place: Place) -> None:
        """Connect, and make the tables if there are none.

        Raises:
            SettingsError: the database is not there, or not one of Kept's; or another move is at it.
        """
        self.place = address.place
        self._part = place
        self._queries = load_queries("postgres/moving.sql")
        self._wire = Wire(address, _SETTINGS)
        try:
            migrate(self._wire, _FOLDERS[place])
            self._take_lock()
            self._steps = self._read_steps()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection."""
        self._wire.close()

    def begin(self, move_id: bytes) -> None:
        """Begin a move into an empty database, or go on with the same.

        Raises:
            SettingsError: something is here that is not of this move.
        """
        begun = self._steps.get(BEGUN) or self._steps.get(FINISHED)
        if begun == move_id:
            return
        if begun is not None:
            raise SettingsError(
                f"{self.place} holds what another `kept move` carried there; name an empty database"
            )
        ((is_full,),) = self._wire.fetch(self._queries[_ANYTHING[self._part]])
        if is_full:
            raise SettingsError(f"{self.place} is not empty; name an empty database")
        self._wire.fetch(self._queries["note_step"], (BEGUN, move_id))
        self._steps[BEGUN] = move_id

    @property
    def is_finished(self) -> bool:
        """Return whether the move was carried out to its end."""
        return FINISHED in self._steps

    def carried_to(self, step: str, table: Table) -> Key:
        """Return the key up to which a step was carried over."""
        packed = self._steps.get(step)
        if packed is None:
            return table.start
        after: Key = msgspec.msgpack.decode(packed, type=tuple[Any, ...])
        return after

    def write(self, step: str, table: Table, rows: Sequence[Row]) -> None:
        """Write some rows, and note the key of the last, in one transaction."""
        after = msgspec.msgpack.encode(table.key_of(rows[-1]))
        self._wire.execute("BEGIN")
        try:
            self._wire.copy(
                table.name, table.columns, [_with_texts(row, table, to_text) for row in rows]
            )
            if table.name == "messages":
                # A trigger notes them as if they ended now, in the order of their ids.
                self._wire.fetch(self._queries["forget_unnumbered"])
            self._wire.fetch(self._queries["note_step"], (step, after))
            self._wire.execute("COMMIT")
        except BaseException:
            if self._wire.is_open:
                self._wire.execute("ROLLBACK")
            raise
        self._steps[step] = after

    def iterate(self, table: Table, *, limit: int) -> Iterator[list[Row]]:
        """Yield the rows of a table as they were given, some at a time, in order of their keys."""
        name = table.name if (table.place, table.name) != ("keys", "guards") else _KEPT
        sql = self._queries[name]
        after = table.start
        while rows := self._wire.fetch(sql, (*after, limit)):
            yield [_with_texts(row, table, from_text) for row in rows]
            after = table.key_of(rows[-1])

    def set_numbers(self, numbers: Sequence[int]) -> None:
        """Let sequences go on behind these, in the order of `moving.NUMBERS`."""
        for name, number in zip(NUMBERS[self._part], numbers, strict=True):
            if number:
                self._wire.fetch(self._queries["set_number"], (name, number))

    def finish(self, move_id: bytes) -> None:
        """Let whoever wants open the database from now on."""
        # What the server knows of its tables, so that the first questions are not answered badly.
        self._wire.execute("ANALYZE")
        self._wire.execute("BEGIN")
        self._wire.fetch(self._queries["end_steps"])
        self._wire.fetch(self._queries["note_step"], (FINISHED, move_id))
        self._wire.execute("COMMIT")
        self._steps = {FINISHED: move_id}

    def _take_lock(self) -> None:
        ((is_ours,),) = self._wire.fetch(self._queries["lock_move"])
        if not is_ours:
            raise SettingsError(f"another `kept move` is at {self.place} just now")

    def _read_steps(self) -> dict[str, bytes]:
        return {step: bytes(after) for step, after in self._wire.fetch(self._queries["find_move"])}


def _with_texts(row: Row, table: Table, turn: Callable[[str], str]) -> Row:
    """Return a row whose texts from outside are turned: PostgreSQL takes no NUL in them."""
    return [turn(value) if place in table.texts else value for place, value in enumerate(row)]
