"""What a store in memory undoes when a transaction fails."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Undo:
    """Notes how to take each change back, while a transaction is open."""

    def __init__(self) -> None:
        """Begin outside of a transaction."""
        self._undo: list[Callable[[], object]] | None = None

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[None]:
        """Keep what happens inside, or undo it all on an exception."""
        if self._undo is not None:
            raise AssertionError("a transaction within a transaction")
        self._undo = []
        try:
            yield
        except BaseException:
            for undo in reversed(self._undo):
                undo()
            raise
        finally:
            self._undo = None

    def _require_transaction(self) -> list[Callable[[], object]]:
        if self._undo is None:
            raise AssertionError("a write outside of `transaction()`")
        return self._undo

    def _noted(self, undo: Callable[[], object]) -> None:
        self._require_transaction().append(undo)

    def _put(self, into: dict[K, V], key: K, value: V) -> None:
        if key in into:
            was = into[key]
            self._noted(lambda: into.__setitem__(key, was))
        else:
            self._noted(lambda: into.pop(key, None))
        into[key] = value

    def _drop(self, out_of: dict[K, V], key: K) -> None:
        if key in out_of:
            was = out_of.pop(key)
            self._noted(lambda: out_of.__setitem__(key, was))

    def _add(self, to: list[V], value: V) -> None:
        self._noted(to.pop)
        to.append(value)
