"""The embedded store: SQLite in one folder, shaped like a log."""

from kept.stores.sqlite.backup import restore_backup
from kept.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "restore_backup"]
