"""A store in memory that several engines of one process share, to see what many nodes do to each other.

Each `SharedMemoryStore` is one node's connection to one `Shared`. It has real locks, versions and
contention, and reads as PostgreSQL's READ COMMITTED does: each call sees what was committed before
it, and its own writes. Whoever drives it says what happens between two calls (`Shared.between`).
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from threading import RLock
from typing import Any, Final, Literal

import msgspec

from kept.core.event import Event, Identifier
from kept.core.identity import Part
from kept.errors import ContendedError, StoreError
from kept.ports import ErasedCounts, Quarantined
from kept.ports_access import AuditEntry
from kept.shared_port import Node, Settled
from kept.stores.alone import Alone
from kept.stores.memory import MemoryStore
from kept.stores.memory_log import MemoryLog
from tests.memory_flat import Flat, Tables

WAITS: Final = 200
"""How many calls of others a lock is waited for."""
_LOG_READS: Final = (
    "save_log_hash", "save_checkpoint", "read_log_hashes", "read_leaves", "read_part_leaves",
    "read_checkpoints", "read_newest_checkpoint", "load_witness",
)  # fmt: skip


class Shared:
    """What was committed, who holds which lock, and which nodes there are."""

    def __init__(self) -> None:
        """Begin empty."""
        self.tables: dict[str, Flat] = {}
        """What was committed last, as a whole: never changed, only replaced."""
        self.mutex = RLock()
        """Held for the length of one call, where nodes work on threads of their own."""
        self.between: Callable[[], None] = lambda: None
        """Called before each call of a node: there, another one may go on."""
        self.clock: Callable[[], int] = lambda: 0
        self.taken: Counter[str] = Counter()
        """The last number taken of each kind, by whomever, committed or not."""
        self.open: list[SharedMemoryStore] = []
        """Who is within a transaction."""
        self.alone: SharedMemoryStore | None = None
        self.locks: dict[tuple[str, Any], SharedMemoryStore] = {}
        self.nodes: dict[int, Node] = {}

    def connect(self) -> "SharedMemoryStore":
        """Return another connection."""
        return SharedMemoryStore(self)

    def take_number(self, kind: str, at_least: int = 0) -> int:
        """Return the next number of a kind; none is given twice."""
        self.taken[kind] = max(self.taken[kind], at_least) + 1
        return self.taken[kind]

    def wait_until(self, take: Callable[[], bool], error: ContendedError) -> None:
        """Let others go on until something could be taken; give up after a while."""
        for _ in range(WAITS):
            with self.mutex:
                if take():
                    return
            self.between()
        raise error


def _statement(name: str) -> Any:
    """Return a method of the port as one statement: others may act before it, and it sees what they did."""
    inner = getattr(MemoryStore, name)

    @wraps(inner)
    def call(self: "SharedMemoryStore", *args: Any, **named: Any) -> Any:
        with self.statement():
            return inner(self, *args, **named)

    return call


class SharedMemoryStore(MemoryStore):
    """One node's connection to a shared store in memory; implements `ports.Store`."""

    is_shared = True

    def __init__(self, shared: Shared) -> None:
        """Connect."""
        super().__init__()
        self._shared = shared
        self._versions: dict[int, int] = {}
        self._control = 0
        self._own: dict[str, int] = {}
        """Numbers that were taken and are not used yet."""
        self.first_taken: dict[str, tuple[int, int]] = {}
        """The first number of each kind that this transaction took, and when."""
        self._depth = 0
        self._is_closed = False
        self._wanted: set[int] = set()
        self._node_id = 0
        self._tables = Tables(self, self._log, without=("_own", "first_taken"))

    def _take_alone(self, alone: Alone) -> None:
        """Take nothing: here are others."""

    def _take_log(self, log: MemoryLog) -> None:
        super()._take_log(log)
        self._log = log
        for name in _LOG_READS:
            setattr(self, name, self._in_statement(getattr(self, name)))
        for name in ("append_leaf", "log_size"):
            setattr(self, name, self._in_statement(getattr(self, name), lock=("the log", "")))

    # -- what was committed, and what this transaction made of it

    @contextmanager
    def statement(self) -> Iterator[None]:
        """Let others act, and see what they committed."""
        if self._is_closed:
            raise StoreError("the store is closed")
        if not self._depth:
            self._shared.between()
        with self._shared.mutex:
            if not self._depth:
                self._tables.catch_up(self._shared.tables, keeps=self._undo is not None)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[None]:
        """Keep what happens inside, or nothing of it."""
        shared = self._shared
        if self._undo is not None:
            raise AssertionError("a transaction within a transaction")
        if self._is_closed:
            raise StoreError("the store is closed")
        busy = ContendedError("others are at work", alone=alone)

        def begin() -> bool:
            if shared.alone is not None or (alone and shared.open):
                return False
            shared.open.append(self)
            shared.alone = self if alone else None
            return True

        shared.wait_until(begin, busy)
        self._undo = []
        try:
            self._tables.catch_up(shared.tables, keeps=False)
            yield
            with shared.mutex:
                shared.tables = self._tables.merge_into(shared.tables)
        finally:
            self._undo = None
            with shared.mutex:
                self._release()

    def _release(self) -> None:
        shared = self._shared
        shared.open.remove(self)
        if shared.alone is self:
            shared.alone = None
        shared.locks = {key: holder for key, holder in shared.locks.items() if holder is not self}
        self._own.clear()
        self.first_taken.clear()
        self._wanted.clear()
        self._tables.forget()

    def close(self) -> None:
        """Leave: this node is gone."""
        self._is_closed = True
        node = self._shared.nodes.get(self._node_id)
        if node is not None:
            self._shared.nodes[node.node_id] = msgspec.structs.replace(node, is_gone=True)

    def is_taken(self, lock: tuple[str, Any]) -> bool:
        """Return whether another node holds a lock."""
        return self._shared.locks.get(lock, self) is not self

    def _lock(self, lock: tuple[str, Any]) -> None:
        if self.is_taken(lock):
            raise ContendedError(f"another node holds {lock[0]}")
        self._shared.locks[lock] = self

    def _in_statement(
        self, inner: Callable[..., Any], *, lock: tuple[str, Any] | None = None
    ) -> Callable[..., Any]:
        """Return a method of the consent log as a statement, under a lock until the commit."""

        def call(*args: Any, **named: Any) -> Any:
            with self.statement():
                if lock is not None and self._undo is not None:
                    # Whoever was before us may have added to it.
                    self._lock(lock)
                return inner(*args, **named)

        return call

    # -- numbers, which are taken outside of transactions

    def _take(self, kind: str, last: str) -> int:
        number = self._own.get(kind, 0)
        if self._undo is None:
            # Nothing will be written by it.
            return int(getattr(self, last)) + 1
        if not number:
            number = self._own[kind] = self._shared.take_number(kind, getattr(self, last))
            self.first_taken.setdefault(kind, (number, self._shared.clock()))
        return number

    def next_sequence(self) -> int:
        """Return the sequence that the next event appended will have."""
        with self.statement():
            return self._take("sequence", "_last_sequence")

    def append_event(self, part_id: int, event: Event) -> int:
        """Add an event to the stream and return its sequence."""
        with self.statement():
            self._require_transaction()
            newest = self._last_sequence
            self._last_sequence = self.next_sequence() - 1
            sequence = super().append_event(part_id, event)
            self._last_sequence = max(newest, sequence)
            del self._own["sequence"]
        return sequence

    def next_decision_id(self) -> int:
        """Return the id that the next decision shall have."""
        with self.statement():
            return self._take("decision", "_last_decision_id")

    def append_decision(
        self, *, part_id: int, decided_at: int, placement: str, trace: bytes, decision_id: int
    ) -> None:
        """Keep a decision."""
        with self.statement():
            if decision_id in self._decisions:
                raise AssertionError(f"there is a decision {decision_id} already")
            newest = self._last_decision_id
            self._last_decision_id = decision_id - 1
            super().append_decision(
                part_id=part_id,
                decided_at=decided_at,
                placement=placement,
                trace=trace,
                decision_id=decision_id,
            )
            self._last_decision_id = max(newest, decision_id)
            self._own.pop("decision", None)

    def append_notice(self, part_id: int, *, noted_at: int, scopes: Sequence[str]) -> int:
        """Keep that permissions changed; return its id, which grows."""
        with self.statement():
            self._require_transaction()
            newest = self._last_notice
            self._last_notice = self._take("notice", "_last_notice") - 1
            notice_id = super().append_notice(part_id, noted_at=noted_at, scopes=scopes)
            self._last_notice = max(newest, notice_id)
            del self._own["notice"]
        return notice_id

    def append_audit(self, *, at: int, actor: str, verb: str, detail: dict[str, Any]) -> int:
        """Keep what an operator did; return its id."""
        with self.statement():
            self._require_transaction()
            newest = self._audit[-1].entry_id if self._audit else 0
            entry_id = self._shared.take_number("audit", newest)
            entry = AuditEntry(entry_id=entry_id, at=at, actor=actor, verb=verb, detail=detail)
            self._add(self._audit, entry)
        return entry_id

    def quarantine(
        self, *, source: str, received_at: int, code: str, detail: str, payload: bytes
    ) -> int:
        """Keep an event that could not be taken; return its id."""
        with self.statement():
            self._require_transaction()
            newest = max(self._quarantine, default=0)
            quarantine_id = self._shared.take_number("quarantine", newest)
            row = Quarantined(
                quarantine_id=quarantine_id,
                source=source,
                received_at=received_at,
                code=code,
                detail=detail,
                payload=payload,
            )
            self._put(self._quarantine, quarantine_id, row)
        return quarantine_id

    def read_settled(self) -> Settled:
        """Return the numbers below which no transaction that is open took one."""

        def upto(kind: str, newest: int) -> int:
            began = [taken[kind][0] for taken in others if kind in taken]
            return min(began, default=newest + 1) - 1

        with self.statement():
            others = [each.first_taken for each in self._shared.open if each is not self]
            began_at = [at for taken in others for _, at in taken.values()]
            return Settled(
                sequence=upto("sequence", self._last_sequence),
                decision_id=upto("decision", self._last_decision_id),
                notice_id=upto("notice", self._last_notice),
                at=min(began_at, default=self._shared.clock()),
            )

    def foresee_claims(self, keys: Sequence[tuple[int, int]]) -> None:
        """Do nothing: a question costs nothing here."""

    # -- who is who

    def add_part(self, identifier: Identifier, *, claimed: bool, customer_id: int | None) -> Part:
        """Begin a part, under a lock of its identifier."""
        with self.statement():
            self._require_transaction()
            self._lock(("identifier", identifier))
            if (identifier, claimed) in self._by_identifier:
                raise ContendedError("another node began the same part")
            newest = self._last_part
            self._last_part = self._shared.take_number("part", newest) - 1
            part = super().add_part(identifier, claimed=claimed, customer_id=customer_id)
            self._last_part = max(newest, part.part_id)
            self._versions.setdefault(part.customer_id, 0)
            self._shared.locks["customer", part.part_id] = self
        return part

    def move_parts(self, part_ids: Sequence[int], *, customer_id: int) -> None:
        """Regroup: these parts now belong to this customer."""
        with self.statement():
            super().move_parts(part_ids, customer_id=customer_id)
            self._versions.setdefault(customer_id, 0)

    def erase_parts(self, part_ids: Sequence[int]) -> ErasedCounts:
        """Remove everything of these parts."""
        with self.statement():
            counts = super().erase_parts(part_ids)
            for part_id in part_ids:
                if not self._members.get(part_id):
                    self._versions.pop(part_id, None)
        return counts

    # -- locks, versions, what all must know

    def lock_customers(
        self, customer_ids: Collection[int], *, if_taken: Literal["wait", "skip"] = "wait"
    ) -> dict[int, int]:
        """Take the locks of customers until the transaction ends; return each one's version."""
        self._require_transaction()
        self._wanted |= set(customer_ids)
        found = {}
        for customer_id in sorted(customer_ids):
            if not self._take_customer(customer_id, may_wait=if_taken == "wait"):
                continue
            with self.statement():
                version = self._versions.get(customer_id)
                if version is None:
                    del self._shared.locks["customer", customer_id]
                else:
                    found[customer_id] = version
        return found

    def _take_customer(self, customer_id: int, *, may_wait: bool) -> bool:
        """Take the lock of one customer; return False if it is another's and not waited for."""
        shared, lock = self._shared, ("customer", customer_id)

        def take() -> bool:
            if self.is_taken(lock):
                return False
            shared.locks[lock] = self
            return True

        with shared.mutex:
            if take():
                return True
            held = [
                key for (kind, key), by in shared.locks.items() if kind == lock[0] and by is self
            ]
        if not may_wait:
            return False
        error = ContendedError("another node works on them", customers=self._wanted)
        if customer_id < max(held, default=0):
            raise error
        shared.wait_until(take, error)
        return True

    def raise_versions(self, customer_ids: Collection[int]) -> None:
        """Raise the versions of customers that are locked by this transaction."""
        self._require_transaction()
        for customer_id in customer_ids:
            if self._shared.locks.get(("customer", customer_id)) is not self:
                raise AssertionError(f"customer {customer_id} is not locked")
            if customer_id in self._versions:
                self._versions[customer_id] += 1

    def load_customers(self, customer_ids: Sequence[int]) -> dict[int, list[Part]]:
        """Return the parts of many customers, each in order of their ids."""
        with self.statement():
            return {customer_id: self.load_customer(customer_id) for customer_id in customer_ids}

    def control_version(self) -> int:
        """Return the version of what all nodes must know."""
        with self.statement():
            return self._control

    def change_control(self) -> None:
        """Raise the version of what all nodes must know."""
        self._require_alone()
        self._control += 1

    def _require_alone(self) -> None:
        self._require_transaction()
        if self._shared.alone is not self:
            raise ContendedError("only whoever is alone may change this", alone=True)

    def read_clock(self) -> int:
        """Return the shared clock's instant."""
        return self._shared.clock()

    # -- nodes and duties

    def try_duty(self, name: str) -> bool:
        """Return whether this transaction may do what only one node does at a time."""
        self._require_transaction()
        lock = ("duty", name)
        with self._shared.mutex:
            if self.is_taken(lock):
                return False
            self._shared.locks[lock] = self
            return True

    def join(self, name: str) -> int:
        """Take part."""
        node_id = self._node_id = self._shared.take_number("node")
        at = self._shared.clock()
        self._shared.nodes[node_id] = Node(
            node_id=node_id, name=name, joined_at=at, seen_at=at, control_version=0, is_gone=False
        )
        return node_id

    def say_present(self, *, control_version: int) -> None:
        """Say that this node is there, and what it works by."""
        node = self._shared.nodes[self._node_id]
        self._shared.nodes[self._node_id] = msgspec.structs.replace(
            node, seen_at=self._shared.clock(), control_version=control_version
        )

    def list_nodes(self) -> list[Node]:
        """Return the nodes that were not taken out."""
        return [node for _, node in sorted(self._shared.nodes.items())]

    def take_out(self, node_id: int) -> None:
        """Forget a node that is gone."""
        self._shared.nodes.pop(node_id, None)


_OWN: Final = frozenset(
    {"close", "transaction", "backup", "statement", "is_taken"} | set(vars(SharedMemoryStore))
)
for _name in dir(MemoryStore):
    if not _name.startswith("_") and callable(getattr(MemoryStore, _name)) and _name not in _OWN:
        setattr(SharedMemoryStore, _name, _statement(_name))
