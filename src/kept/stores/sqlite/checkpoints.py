"""Checkpoints: moving what commits wrote from the write-ahead log into the database file.

They run on a thread of their own, so that no commit waits for them. Only when the log has grown
long does the thread take the time between two transactions to move the short rest, after which
SQLite begins the log anew from its start.
"""

import logging
import sqlite3
from threading import Event, Thread
from typing import Final

from kept.stores.sqlite.connections import open_checkpointer
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
        self._seen_changes = session.changes
        self._is_stopping = False
        self._wanted = Event()
        self._thread = Thread(target=self._run, name="kept-checkpoints", daemon=True)
        self._thread.start()

    def flush(self) -> None:
        """Do nothing: what is moved has been committed."""

    def committed(self) -> None:
        """Ask for a checkpoint when enough has changed since the last one."""
        if self._session.changes - self._seen_changes >= CHANGES_BETWEEN:
            self._seen_changes = self._session.changes
            self._wanted.set()

    def rolled_back(self) -> None:
        """Do nothing: nothing was added to the log."""

    def stop(self) -> None:
        """End the thread, after the checkpoint that it may be at."""
        self._is_stopping = True
        self._wanted.set()
        self._thread.join()

    def _run(self) -> None:
        connection = open_checkpointer(self._session.path)
        changes_at_rest = -1
        while not self._is_stopping:
            is_wanted = self._wanted.wait(IDLE_SECONDS)
            self._wanted.clear()
            try:
                if is_wanted:
                    self._move(connection)
                elif self._session.changes != changes_at_rest:
                    changes_at_rest = self._session.changes
                    self._finish(connection)
            except sqlite3.Error as error:
                # Commits go on, and the log grows, until there is room or the disk is full.
                _LOG.warning("a checkpoint of %s failed: %s", self._session.path, error)
        connection.close()

    def _move(self, connection: sqlite3.Connection) -> None:
        """Move what is committed; begin the log anew if it has grown long."""
        _, log_pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if log_pages > LOG_PAGES_MAX:
            # Once more, for what was committed meanwhile: the rest is then short.
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            with self._session.pause():
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def _finish(self, connection: sqlite3.Connection) -> None:
        """Nobody writes: move everything and give the log's room back."""
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        with self._session.pause():
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
