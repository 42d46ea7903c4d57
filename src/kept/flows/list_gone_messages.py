"""Which messages that were written as files are kept no longer: their files go as well."""

from collections.abc import Sequence

from kept.core.retention import MESSAGES, Limits, limits_in_force
from kept.flows.engine import Engine
from kept.flows.retain import load_progress


def kept_since(engine: Engine, limits: Limits, now: int) -> int:
    """Return the instant before which messages are past their time, by the limits that are applied."""
    applied = limits_in_force(load_progress(engine.store).agreement, limits)
    return now - applied.by_name[MESSAGES].duration


def list_gone(engine: Engine, message_ids: Sequence[str]) -> list[str]:
    """Return those of some messages that the store does not have any more."""
    load = engine.store.load_message
    return [message_id for message_id in message_ids if load(message_id) is None]
