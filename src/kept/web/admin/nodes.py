"""The nodes that share the store, over HTTP."""

from typing import Final

import msgspec

from kept.core.values import SECOND, format_instant
from kept.flows.engine import Engine
from kept.shared_port import Node
from kept.web.endpoints import BUSY, Call, Endpoint

SILENT_AFTER: Final = 5 * SECOND


class NodeView(msgspec.Struct, frozen=True, kw_only=True):
    """One node: a process of Kept from its start to its end."""

    node: int
    name: str
    """The machine that it runs on, and its process there."""
    state: str
    """`working`, `silent` while it does not say that it is there, or `gone`."""
    is_this: bool
    """Whether it is the one that answers."""
    is_current: bool
    """Whether it works by the newest brand, brakes and accesses."""
    joined_at: str
    seen_at: str


class Nodes(msgspec.Struct, frozen=True, kw_only=True):
    """The nodes that share the store; none where it has only one writer."""

    nodes: tuple[NodeView, ...]


async def list_nodes(call: Call) -> Nodes:
    """Return the nodes that share the store."""

    def look(engine: Engine, now: int) -> Nodes:
        found = engine.store.list_nodes()
        newest = engine.store.control_version()
        return Nodes(nodes=tuple(view_node(engine, one, newest, now) for one in found))

    return await call.front.runtime.ask(look)


def view_node(engine: Engine, node: Node, newest: int, now: int) -> NodeView:
    """Return a node as people see it."""
    is_silent = now - node.seen_at > SILENT_AFTER
    return NodeView(
        node=node.node_id,
        name=node.name,
        state="gone" if node.is_gone else "silent" if is_silent else "working",
        is_this=node.node_id == engine.node_id,
        is_current=node.control_version >= newest,
        joined_at=format_instant(node.joined_at),
        seen_at=format_instant(node.seen_at),
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/admin/nodes",
        name="listNodes",
        summary="List the nodes that share the store.",
        handler=list_nodes,
        tag="Operating",
        who="operator",
        needs="status",
        answer=Nodes,
        statuses=BUSY,
    ),
)
