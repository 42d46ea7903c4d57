"""What several nodes on one PostgreSQL agree by: the customer's lock, versions, control, duties."""

from collections.abc import Collection, Mapping
from typing import Final, Literal, LiteralString

from kept.errors import ContendedError
from kept.shared_port import Settled
from kept.stores.postgres.batch import Batch
from kept.stores.postgres.lookups import Lookups
from kept.stores.postgres.readers import Readers
from kept.stores.postgres.session import Session

NOTHING_SETTLED: Final = Settled(sequence=0, decision_id=0, notice_id=0, at=0)


class Locks:
    """The customers whose locks this transaction has, and their versions."""

    def __init__(
        self,
        session: Session,
        batch: Batch,
        *,
        held: dict[int, int],
        lookups: Lookups,
        queries: Mapping[str, LiteralString],
    ) -> None:
        """Take the dictionary of held locks, which `lookups` look at too."""
        self._session = session
        self._batch = batch
        self._held = held
        self._lookups = lookups
        self._queries = queries
        self._wanted: set[int] = set()
        self._highest = 0

    def lock_customers(
        self, customer_ids: Collection[int], *, if_taken: Literal["wait", "skip"] = "wait"
    ) -> dict[int, int]:
        """Take locks until the transaction ends; return each customer's version."""
        self._session.require_transaction()
        wanted = set(customer_ids)
        born = self._batch.rows["customers"]
        versions = {key: self._held[key] for key in wanted if key in self._held}
        versions |= {key: born[key][1] for key in wanted if key in born}
        missing = sorted(wanted - versions.keys())
        if not missing:
            return versions
        if if_taken == "skip":
            found = self._take("lock_free_customers", missing)
        else:
            self._wanted |= wanted
            found = self._wait(missing)
        self._held |= found
        if found:
            self._highest = max(self._highest, *found)
        self._lookups.doubt()
        return versions | found

    def raise_versions(self, customer_ids: Collection[int]) -> None:
        """Raise the versions of customers that are locked by one: they were changed."""
        self._session.require_transaction()
        born = self._batch.rows["customers"]
        for customer_id in customer_ids:
            if customer_id in born:
                self._batch.put("customers", customer_id, (customer_id, born[customer_id][1] + 1))
            else:
                self._batch.put("raised", customer_id, (customer_id,))

    def flush(self) -> None:
        """Do nothing: versions are raised with the batch."""

    def committed(self) -> None:
        """The locks are given back."""
        self._held.clear()
        self._wanted.clear()
        self._highest = 0

    def rolled_back(self) -> None:
        """The locks are given back."""
        self.committed()

    def _wait(self, missing: list[int]) -> dict[int, int]:
        """Wait for locks in ascending order; those that would be out of order must be free."""
        late = self._session.holds_late_lock
        low = missing if late else [key for key in missing if key < self._highest]
        high = [] if late else [key for key in missing if key > self._highest]
        found = self._take("lock_customers_at_once", low) if low else {}
        return found | (self._take("lock_customers", high) if high else {})

    def _take(self, name: str, ids: list[int]) -> dict[int, int]:
        try:
            rows = self._session.write(self._queries[name], (ids,))
        except ContendedError as error:
            again = ContendedError(str(error), customers=self._wanted)
            raise self._session.refuse(again) from error
        return dict(rows)


class Control:
    """What all nodes must know, by its version; and duties, which one node does at a time."""

    def __init__(
        self, session: Session, readers: Readers, queries: Mapping[str, LiteralString]
    ) -> None:
        """Take the session, which learns the version when a transaction begins."""
        self._session = session
        self._readers = readers
        self._queries = queries
        self._is_changed = False
        self._settled = NOTHING_SETTLED
        # What was given out, and the transaction before which all must have ended for it to stand.
        self._candidate: tuple[Settled, int] | None = None

    def read_clock(self) -> int:
        """Return the instant at which the transaction began, by the database's clock (µs)."""
        return self._session.began_at if self._session.is_ours else 0

    def control_version(self) -> int:
        """Return the version of what all nodes must know; it stands until the transaction ends."""
        if self._session.is_ours:
            return self._session.control_version
        return int(self._session.fetch_one(self._queries["read_control"])[0])

    def change_control(self) -> None:
        """Raise the version with this transaction, which must have begun `alone`."""
        self._session.require_transaction()
        if not self._session.is_alone:
            message = "what all nodes must know changes, and others rest on it: begin again, alone"
            raise self._session.refuse(ContendedError(message, alone=True))
        if not self._is_changed:
            ((version,),) = self._session.write(self._queries["change_control"])
            self._session.control_version = int(version)
            self._is_changed = True

    def try_duty(self, name: str) -> bool:
        """Return whether this transaction may do what only one node does at a time."""
        ((is_ours,),) = self._session.write(self._queries["try_duty"], (name,))
        return bool(is_ours)

    def read_settled(self) -> Settled:
        """Return how far the stream, the decisions and the notices are complete; never waits.

        Ids are given out before what has them is committed. What was given out at one look is
        settled once every transaction has ended that had begun to write by then.
        """
        if self._candidate is not None:
            ((oldest,),) = self._readers.fetch(self._queries["find_oldest"])
            if oldest < self._candidate[1]:
                return self._settled
            self._settled, self._candidate = self._candidate[0], None
        # Outside of our own transaction, whose number may be older than what others took since.
        ((sequence, decision_id, notice_id, following, oldest, at),) = self._readers.fetch(
            self._queries["look_around"]
        )
        given = Settled(sequence=sequence, decision_id=decision_id, notice_id=notice_id, at=at)
        if oldest >= following:
            self._settled = given
        else:
            self._candidate = (given, following)
        return self._settled

    def flush(self) -> None:
        """Do nothing: the version is raised at once."""

    def committed(self) -> None:
        """The next transaction may change it again."""
        self._is_changed = False

    def rolled_back(self) -> None:
        """Nothing was changed."""
        self._is_changed = False
