"""What could not be taken: look at it, mend it and take it after all, or drop it."""

from collections.abc import Sequence

from kept.core.event import Event
from kept.errors import ConflictError, ContendedError, NotFoundError
from kept.flows.engine import Engine
from kept.flows.ingest import Ingested, ingest
from kept.flows.note_in_log import note_operator
from kept.ports import Quarantined, Store


def find_quarantined(store: Store, quarantine_id: int) -> Quarantined:
    """Return one item that could not be taken; safe from any thread.

    Raises:
        NotFoundError: there is none of this id.
    """
    found = store.read_quarantine(after=quarantine_id - 1, limit=1)
    if not found or found[0].quarantine_id != quarantine_id:
        raise NotFoundError(f"nothing is quarantined under {quarantine_id}")
    return found[0]


def replay(
    engine: Engine, quarantine_id: int, events: Sequence[Event], *, actor: str, now: int
) -> Ingested:
    """Take the events that a mended item gives, as if they had come right at first.

    Raises:
        NotFoundError: there is none of this id.
        ConflictError: it was replayed or dropped already.
        ContendedError: another node replays or drops just now.
    """
    item = _held(engine, quarantine_id)
    taken = ingest(engine, events, [], source=item.source, now=now)
    engine.store.set_quarantine_state(quarantine_id, "replayed")
    detail = {"quarantine_id": quarantine_id, "accepted": taken.accepted}
    note_operator(engine.store, "approval", actor=actor, verb="replay", detail=detail, now=now)
    return taken


def drop(engine: Engine, quarantine_id: int, *, actor: str, now: int) -> None:
    """Give an item up; it stays visible, and is replayed no more.

    Raises:
        NotFoundError: there is none of this id.
        ConflictError: it was replayed or dropped already.
        ContendedError: another node replays or drops just now.
    """
    _held(engine, quarantine_id)
    engine.store.set_quarantine_state(quarantine_id, "dropped")
    detail = {"quarantine_id": quarantine_id}
    note_operator(engine.store, "approval", actor=actor, verb="drop", detail=detail, now=now)


def _held(engine: Engine, quarantine_id: int) -> Quarantined:
    if not engine.store.try_duty("quarantine"):
        # What one node drops must not be taken by another that saw it held.
        raise ContendedError("another node is at work on what was quarantined")
    item = find_quarantined(engine.store, quarantine_id)
    if item.state != "held":
        raise ConflictError(f"{quarantine_id} was {item.state} already")
    return item
