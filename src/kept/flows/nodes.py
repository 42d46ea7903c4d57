"""Say that this node is there, and take up what nodes that are gone left behind.

Nobody leads: once a second, whichever node comes first looks whether others are gone. What they were
handing over is resumed, what they had heard is kept, and they are taken out of the list.
"""

from typing import Final

from kept.core.values import SECOND
from kept.flows.deliver import resume_from_others
from kept.flows.engine import Engine
from kept.flows.sources import keep_heard_by

ATTENDED_EVERY: Final = SECOND


def attend(engine: Engine, now: int) -> None:
    """Do what nodes owe each other; nothing where there is only one."""
    store = engine.store
    if not store.is_shared or now - engine.watched.attended_at < ATTENDED_EVERY:
        return
    engine.watched.attended_at = now
    store.say_present(control_version=engine.control_version)
    engine.nodes = store.list_nodes()
    if not any(node.is_gone for node in engine.nodes) or not store.try_duty("nodes"):
        return
    # Until the duty was ours another node may have taken them out.
    engine.nodes = store.list_nodes()
    gone = [node.node_id for node in engine.nodes if node.is_gone]
    waiting = resume_from_others(engine, gone, now)
    if waiting:
        # Somebody works on those customers just now; the next look comes soon.
        engine.watched.attended_at = 0
        return
    for node_id in gone:
        keep_heard_by(engine, node_id)
        store.take_out(node_id)
        engine.alert("node_gone", node=node_id, at=now)
