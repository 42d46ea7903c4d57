"""One transaction of an engine, also where other nodes share its store.

There, it begins by taking up what all nodes must know, takes the customers' locks that it is known
to need all at once, and ends by making everything durable: no state, wake or import waits for later.
What only memory holds counts once the commit is done; a transaction that another node came in the
way of leaves no trace, and the same work is done again.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, TypeAlias, TypeVar

import msgspec

from kept.core.event import Identifier
from kept.errors import ContendedError, InputError, OverloadedError
from kept.flows.engine import NOTHING_KNOWN, Engine
from kept.flows.import_events import settle_import
from kept.flows.shared_customers import SharedCustomers
from kept.flows.take_up import take_up
from kept.flows.tick import schedule

T = TypeVar("T")
TRIES: Final = 12
"""How often the same work is done again because other nodes came in its way."""


class Wants(msgspec.Struct, frozen=True, kw_only=True):
    """What work says beforehand that it will touch, so that all of it is asked for at once."""

    identifiers: Sequence[tuple[Identifier, bool]] = ()
    """Identifiers, and whether as merely claimed."""
    claims: Sequence[tuple[int, int]] = ()
    """Keys and hours by which events are known again."""


WantsOf: TypeAlias = Callable[[Engine], Wants]
"""Says what work will touch; asked within the transaction, where the brand in force is known."""


class First(msgspec.Struct, frozen=True, kw_only=True):
    """What a transaction takes before anything else, because it was contended before."""

    customers: frozenset[int] = frozenset()
    alone: bool = False

    def after(self, error: ContendedError) -> "First":
        """Return what to take first after a transaction that was contended."""
        return First(customers=self.customers | error.customers, alone=self.alone or error.alone)


AT_ONCE: Final = First()


@contextmanager
def together(
    engine: Engine,
    tell_time: Callable[[int], int],
    *,
    first: First = AT_ONCE,
    wants: Collection[WantsOf] = (),
) -> Iterator[int]:
    """Open the one write transaction of an engine, and give the instant at which it happens.

    Args:
        engine: the engine.
        tell_time: from the instant by the clock that all nodes share (0: there is none) to ours.
        first: what to take before anything else.
        wants: what the work will touch, as far as it is known.

    Raises:
        ContendedError: another node came in the way; nothing has happened.
        OutdatedError: another brand is in force, which must be compiled first.
        StoreError: nothing could be made durable.
    """
    store, customers = engine.store, engine.customers
    if not isinstance(customers, SharedCustomers):
        with store.transaction():
            yield tell_time(0)
        return
    try:
        with store.transaction(alone=first.alone):
            now = tell_time(store.read_clock())
            version = store.control_version()
            if version != engine.control_version:
                take_up(engine)
                engine.control_version = version
            _prepare(engine, customers, first, wants)
            yield now
            _finish(engine, customers, now)
    except BaseException:
        customers.note_rolled_back()
        engine.drop_noted()
        if first.alone:
            # What all nodes must know may have been changed in memory, and was not.
            engine.control_version = NOTHING_KNOWN
        raise
    customers.note_committed()
    engine.keep_noted()


def _prepare(
    engine: Engine, customers: SharedCustomers, first: First, wants: Collection[WantsOf]
) -> None:
    """Lock and load whom the work is known to need, and ask at once what it will ask one by one."""
    known = []
    for wants_of in wants:
        # What cannot be understood is refused by the work itself.
        with suppress(InputError):
            known.append(wants_of(engine))
    wanted = [one for want in known for one in want.identifiers]
    if wanted or first.customers:
        customers.prepare(wanted, first.customers)
    if claims := [key for want in known for key in want.claims]:
        engine.store.foresee_claims(claims)


def _finish(engine: Engine, customers: SharedCustomers, now: int) -> None:
    """Make durable what one that has no neighbours may do later."""
    settle_import(engine, now)
    if customers.regrouped:
        engine.note_regrouped(now)
    schedule(engine, now)
    customers.save_all()


def do_together(
    engine: Engine,
    job: Callable[[Engine, int], T],
    tell_time: Callable[[int], int],
    *,
    wants: Collection[WantsOf] = (),
    tries: int = TRIES,
) -> T:
    """Do work in a transaction, again for as long as other nodes come in the way.

    Raises:
        OverloadedError: they always did.
    """
    first = AT_ONCE
    for _ in range(tries):
        try:
            with together(engine, tell_time, first=first, wants=wants) as now:
                result = job(engine, now)
        except ContendedError as error:
            first = first.after(error)
        else:
            return result
    raise OverloadedError("other nodes are busy with the same; try again soon")
