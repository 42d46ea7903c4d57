"""Notice which sources fell silent; what rests on them is unknown until they are heard again.

Where several nodes share a store, each hears for itself. It writes down when it last heard each
source, one of them compares, and what it finds is known to all like a brake.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from kept.core.values import SECOND
from kept.flows.engine import Engine

HEARD_SETTING: Final = "heard_at"
SILENT_SETTING: Final = "silent_sources"
WRITTEN_EVERY: Final = 2 * SECOND
"""How often a node writes down whom it heard; a source is taken for silent so much later."""
COMPARED_EVERY: Final = SECOND
_decode_heard: Final = msgspec.json.Decoder(dict[str, int]).decode
_decode_silent: Final = msgspec.json.Decoder(list[str]).decode


def watch_sources(engine: Engine, now: int) -> None:
    """Notice which sources are silent now, and which are heard again."""
    if not engine.store.is_shared:
        silent = find_silent(engine, engine.heard_at, now)
        if silent != engine.stale_sources:
            _take_silent(engine, silent, now)
        return
    _write_down(engine, now)
    if now - engine.watched.compared_at < COMPARED_EVERY or not engine.store.try_duty("sources"):
        return
    engine.watched.compared_at = now
    silent = find_silent(engine, load_heard(engine), now - WRITTEN_EVERY)
    if silent != engine.stale_sources:
        engine.store.change_control()
        engine.store.save_setting(SILENT_SETTING, msgspec.json.encode(silent))
        _take_silent(engine, silent, now)


def find_silent(engine: Engine, heard_at: Mapping[str, int], now: int) -> list[str]:
    """Return which sources were not heard for longer than they may be silent."""
    return sorted(
        source
        for source, after in engine.bundle.stale_after.items()
        if source in heard_at and now - heard_at[source] > after
    )


def _take_silent(engine: Engine, silent: list[str], now: int) -> None:
    for source in set(silent) - set(engine.stale_sources):
        engine.alert("source_silent", source=source, at=now)
    for source in set(engine.stale_sources) - set(silent):
        engine.alert("source_back", source=source, at=now)
    _work_by(engine, silent)


def _work_by(engine: Engine, silent: list[str]) -> None:
    engine.stale_sources = silent
    stale_facts = engine.bundle.stale_facts(silent)
    engine.controls = msgspec.structs.replace(engine.controls, stale_facts=stale_facts)
    engine.customers.forget_standing()


def load_silent(engine: Engine) -> None:
    """Work by what was found of all sources, whoever found it."""
    stored = engine.store.load_setting(SILENT_SETTING)
    known = _decode_silent(stored) if stored else []
    _work_by(engine, [each for each in known if each in engine.bundle.stale_after])


# -- when each was heard


def load_heard(engine: Engine) -> dict[str, int]:
    """Return when each source was last heard, as far as it was written down, by any node."""
    store = engine.store
    names = [HEARD_SETTING, *(_heard_by(node.node_id) for node in store.list_nodes())]
    heard: dict[str, int] = {}
    for name in names:
        stored = store.load_setting(name)
        for source, at in _decode_heard(stored).items() if stored else ():
            heard[source] = max(at, heard.get(source, 0))
    return heard


def save_heard(engine: Engine) -> None:
    """Write down when each source was heard; where there are several nodes, by this one."""
    name = _heard_by(engine.node_id) if engine.store.is_shared else HEARD_SETTING
    engine.store.save_setting(name, msgspec.json.encode(engine.heard_at))


def keep_heard_by(engine: Engine, node_id: int) -> None:
    """Keep what a node that is gone had heard."""
    engine.store.save_setting(HEARD_SETTING, msgspec.json.encode(load_heard(engine)))
    engine.store.save_setting(_heard_by(node_id), b"")


def _heard_by(node_id: int) -> str:
    return f"{HEARD_SETTING}.{node_id}"


def _write_down(engine: Engine, now: int) -> None:
    """Write down whom this node heard, now and then; of one that was silent, at once."""
    heard, watched = engine.heard_at, engine.watched
    if heard == watched.written:
        return
    is_back = any(
        heard.get(source) != watched.written.get(source) for source in engine.stale_sources
    )
    if is_back or now - watched.written_at >= WRITTEN_EVERY:
        save_heard(engine)
        watched.written, watched.written_at = dict(heard), now
