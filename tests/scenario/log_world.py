"""An engine on a real file, whose consent log tests fill, rewrite behind its back, and audit."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from kept.core.event import Event, Identifier
from kept.core.record import read_leaf
from kept.core.values import HOUR, SECOND
from kept.errors import ForgottenError
from kept.flows.audit_log import Audited, Kept, audit_log, begin_audit
from kept.flows.engine import Engine
from kept.flows.ingest import ingest
from kept.flows.recover import recover
from kept.flows.sign_log import open_log, sign_log
from kept.flows.write_receipts import ConsentReceipts, write_receipts
from kept.ports import Record, Vault
from kept.stores.sqlite import SqliteStore
from kept.stores.vault import PlainVault
from tests.scenario.larkmead import compile_larkmead

NOW = 1_772_452_800_000_000
HEADER = 4
"""Bytes of the plain vault's envelope."""


class ForgettingVault(PlainVault):
    """A vault in which the keys of some parts were destroyed."""

    def __init__(self) -> None:
        """Remember everything at first."""
        self.forgotten: set[int] = set()

    def open(self, part_id: int, record: Record, sealed: bytes, record_id: int | str) -> bytes:
        """Return a record's content unless its part is forgotten."""
        if part_id in self.forgotten:
            raise ForgottenError("the key was destroyed")
        return super().open(part_id, record, sealed, record_id)


class LogWorld:
    """An engine on a store in a folder, and a way behind its back."""

    def __init__(self, folder: Path, vault: Vault | None = None) -> None:
        """Open the store, which is readable unless a vault is given, and begin the log."""
        self.folder = folder
        self.vault = vault or ForgettingVault()
        self.now = NOW
        self.count = 0
        self.open()

    def open(self) -> None:
        """Open the store as a start of the server does."""
        self.store = SqliteStore(self.folder, vault=self.vault)
        self.engine = Engine(
            self.store, compile_larkmead(), secret=b"s", public_url="https://kept.example"
        )
        with self.store.transaction():
            open_log(self.engine, self.now)
            recover(self.engine, self.now)

    def forget(self, part_id: int) -> None:
        """Take a part's records away without a word about it."""
        assert isinstance(self.vault, ForgettingVault)
        self.vault.forgotten.add(part_id)

    def say(self, name: str, user: str = "ana", *, gpc: bool = False, **properties: Any) -> None:
        """Let somebody say one thing."""
        self.count += 1
        self.now += SECOND
        event = Event(
            event_key=self.count,
            message_id=f"m{self.count}",
            source="shop",
            name=name,
            type="track",
            occurred_at=self.now,
            received_at=self.now,
            identifiers=(Identifier("user_id", user),),
            vouched_count=1,
            claim_hour=self.now // HOUR,
            properties=properties,
            context={"gpc": True} if gpc else {},
        )
        with self.store.transaction():
            ingest(self.engine, [event], [], source="shop", now=self.now)

    def do(self, job: Callable[[Engine, int], Any]) -> Any:
        """Run a job in a transaction of its own, later than anything before."""
        self.now += SECOND
        with self.store.transaction():
            return job(self.engine, self.now)

    def sign(self) -> str:
        """Sign the log as it is; return the note."""
        return str(self.do(sign_log).note)

    def receipts(self, user: str = "ana") -> ConsentReceipts:
        """Return somebody's receipts."""
        found = self.do(
            lambda engine, now: write_receipts(engine, f"user_id:{user}", actor="test", now=now)
        )
        assert isinstance(found, ConsentReceipts)
        return found

    def audit(self, *against: str) -> Audited:
        """Audit the store, against texts that were kept elsewhere."""
        kept = [Kept(name=f"file {n}", text=text) for n, text in enumerate(against)]
        return audit_log(self.store, begin_audit(self.store), against=kept)

    def places(self, *against: str) -> list[str]:
        """Return where an audit finds something."""
        return [finding.place for finding in self.audit(*against).findings]

    def tamper(self, plan: Callable[[sqlite3.Connection], object]) -> None:
        """Change the file while no server runs on it."""
        self.store.close()
        with closing(sqlite3.connect(self.folder / "kept.db", isolation_level=None)) as connection:
            plan(connection)
        self.store = SqliteStore(self.folder, vault=self.vault)

    def records(self) -> list[Any]:
        """Return every record that can be read."""
        leaves = self.store.read_leaves(start=0, limit=10_000)
        return [read_leaf(leaf.data)[1] for leaf in leaves if leaf.data is not None]


def sql(text: str) -> Callable[[sqlite3.Connection], object]:
    """Return a plan that runs a statement."""
    return lambda connection: connection.execute(text)


def truncate(connection: sqlite3.Connection, size: int) -> None:
    """Cut off the end of the log, and what was signed of it."""
    connection.execute("DELETE FROM consent_log WHERE leaf_index >= ?", (size,))
    connection.execute("DELETE FROM consent_log_checkpoints WHERE size > ?", (size,))
