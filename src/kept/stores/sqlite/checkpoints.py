"""Checkpoints: moving what commits wrote from the write-ahead log into the database file.

They run on a thread of their own, so that no commit waits for them. Only when the log has grown
long does the thread take the time between two transactions to move the short rest, after which
SQLite begins the log anew from its start.
"""

import logging
import sqlite3
from threading import Event, Thread
from typing import Final

from kept.stores.sqlite.connections import open_checkpointer, translate
from kept.stores.sqlite.session import Session

CHANGES_BETWEEN: Final = 8_192
"""How many rows are changed before the next checkpoint: about as many pages at most."""

LOG_PAGES_MAX: Final = 32_768
"""How long the log grows (128 MiB) before it is begun anew, even if a commit must wait for that."""

IDLE_SECONDS: Final = 1.0

_LOG: Final = logging.getLogger(__name__)


class Checkpoints:
    """The thread, and when it has to work."""

    def __init__(self, session: Session) -> None:
        """Start the thread."""
        self._session = session
        try:
            self._connection = open_checkpointer(session.path)
        except sqlite3.Error as error:
            raise translate(error, path=session.path) from error
        self._changes = self._seen_changes = session.changes
        self._is_stopping = False
        self._wanted = Event()
        self._thread = Thread(target=self._run, name="kept-checkpoints", daemon=True)
        self._thread.start()

    def flush(self) -> None:
        """Do nothing: what is moved has been committed."""

    def committed(self) -> None:
        """Ask for a checkpoint when enough has changed since the last one."""
        self._changes = self._session.changes
        if self._changes - self._seen_changes >= CHANGES_BETWEEN:
            self._seen_changes = self._changes
            self._wanted.set()

    def rolled_back(self) -> None:
        """Do nothing: nothing was added to the log."""

    def stop(self) -> None:
        """End the thread, after the checkpoint that it may be at."""
        self._is_stopping = True
        self._wanted.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        # Rows changed when the thread last looked in vain, and when it last gave the room back.
        seen = finished = -1
        while not self._is_stopping:
            is_wanted = self._wanted.wait(IDLE_SECONDS)
            self._wanted.clear()
            changes = self._changes
            try:
                if is_wanted:
                    self._move()
                elif changes == seen != finished:
                    self._finish()
                    finished = changes
            except sqlite3.Error as error:
                # Commits go on, and the log grows, until there is room or the disk is full.
                _LOG.warning("a checkpoint of %s failed: %s", self._session.path, error)
            seen = changes

    def _move(self) -> None:
        """Move what is committed; begin the log anew if it has grown long."""
        if self._checkpoint() > LOG_PAGES_MAX:
            # Once more, for what was committed meanwhile: the rest is then short.
            self._checkpoint()
            with self._session.pause():
                self._checkpoint()

    def _finish(self) -> None:
        """Nothing is written: move everything and give the log's room back."""
        self._checkpoint()
        with self._session.pause():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _checkpoint(self) -> int:
        """Move what can be moved without waiting for anybody; return the pages in the log."""
        row = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return int(row[1])
