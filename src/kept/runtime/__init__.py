"""A running Kept: store, writer, senders and brand put together."""

from kept.runtime.server import Runtime

__all__ = ["Runtime"]
