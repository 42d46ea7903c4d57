"""Keeps the epochs of the master key turning, so that old backups close by themselves.

An epoch is in use for a third of `backup_days`, and is destroyed two thirds after the last key was
wrapped anew. So nothing that was copied longer ago than `backup_days` can be read by anybody, and
whatever was copied within the last two thirds of them can.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

from kept.core.values import DAY
from kept.errors import ContendedError, KeptError
from kept.flows.engine import Engine
from kept.runtime.rounds import Rounds, Submit
from kept.stores.vault.epochs import EpochStatus, UpkeptKeys

_log = logging.getLogger("kept.runtime")
_LOOK_SECONDS: Final = 60.0
_KEYS_A_PIECE: Final = 500
_SHARES: Final = 3


class KeyUpkeep(Rounds):
    """Rotates, wraps anew and destroys, a piece at a time between other work of the writer."""

    def __init__(self, submit: Submit, find_keys: Callable[[], UpkeptKeys], *, days: int) -> None:
        """Take how the writer is asked, and where the keys are at that moment."""
        self._submit = submit
        self._find_keys = find_keys
        self._share = days * DAY // _SHARES
        super().__init__("keys", self.look, every=_LOOK_SECONDS)

    def list_epochs(self) -> list[EpochStatus]:
        """Return the epochs in use."""
        return self._find_keys().list_epochs()

    def count_keys(self) -> dict[int, int]:
        """Return how many keys each epoch wraps."""
        return self._find_keys().count_keys()

    def rotate(self) -> int:
        """Begin a new epoch now and wrap every key under it; return it.

        Raises:
            SettingsError: only people can change the master key.
        """
        epoch: int = self._do(lambda now: self._find_keys().rotate())
        self._rewrap()
        return epoch

    def look(self) -> bool:
        """Do what is due; nothing more is right away."""
        self._rewrap()
        newest = self.list_epochs()[-1]
        age: int = self._do(lambda now: now - newest.begun_at)
        if age >= self._share:
            if self._find_keys().service.may_change:
                _log.info("epoch %d of the master key begins", self.rotate())
            else:
                self._alert("master_key_due", epoch=newest.epoch + 1)
        left: list[int] = self._do(self._destroy)
        for epoch in left:
            self._alert("master_key_to_destroy", epoch=epoch)
        return False

    def _do(self, work: Callable[[int], Any]) -> Any:
        """Do work on the writer, and raise here what goes wrong: no customer's event has a part in it.

        There, an error would have the store opened again, for which the key service is asked.
        """

        def job(engine: Engine, now: int) -> tuple[Any, KeptError | None]:
            if not engine.store.try_duty("keys"):
                raise ContendedError("another node looks after the keys")
            try:
                return work(now), None
            except KeptError as error:
                return None, error

        done, error = self._submit(job).result()
        if error is not None:
            raise error
        return done

    def _destroy(self, now: int) -> list[int]:
        return self._find_keys().destroy_epochs(retired_before=now - (_SHARES - 1) * self._share)

    def _rewrap(self) -> None:
        while not self.is_stopping and self._do(self._rewrap_piece):
            continue

    def _rewrap_piece(self, now: int) -> int:
        return self._find_keys().rewrap(_KEYS_A_PIECE, now=now)

    def _alert(self, code: str, *, epoch: int) -> None:
        self._submit(lambda engine, now: engine.alert(code, at=now, epoch=epoch)).result()
