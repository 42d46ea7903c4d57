"""Apply what was withdrawn after the backup that a store comes from: at once, or when they are known."""

from collections import defaultdict

from kept.core.identity import Part
from kept.flows.engine import Engine
from kept.flows.guard import MissingStop, event_of, find_missing_stops


def apply_missing(engine: Engine, now: int) -> None:
    """Fold the stops of whom the store knows, and remember those of whom it does not."""
    awaited: defaultdict[bytes, list[MissingStop]] = defaultdict(list)
    for missing in list(find_missing_stops(engine.store)):
        part = engine.store.find_part_by_key(missing.stop.key)
        if part is None:
            awaited[missing.stop.key].append(missing)
        else:
            _fold(engine, part, missing, now, silent=False)
    engine.customers.awaited = dict(awaited)


def apply_awaited(engine: Engine, now: int, *, silent: bool = False) -> None:
    """Fold the stops of those who became known, before anything is decided; history is `silent`."""
    while engine.customers.arrived:
        part, missing = engine.customers.arrived.pop(0)
        _fold(engine, part, missing, now, silent=silent)


def _fold(engine: Engine, part: Part, missing: MissingStop, now: int, *, silent: bool) -> None:
    home = engine.customers.home_of(part)
    engine.fold(home, part.part_id, event_of(missing.stop, now), silent=silent)
    # From now on it is one that this store contains.
    engine.store.append_guard(missing.record)
