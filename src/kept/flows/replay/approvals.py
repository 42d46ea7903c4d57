"""What persons decided while the record was made: it stands, whatever the policy."""

from collections.abc import Mapping
from typing import Any

import msgspec

from kept.core.event import APPROVAL_DECIDED, Event
from kept.flows.approval_requests import read_record, save_record
from kept.ports import Store


def is_use(event: Event) -> bool:
    """Return whether an event says that an approved action went ahead, which follows from decisions."""
    return event.name == APPROVAL_DECIDED and event.properties.get("outcome") == "used"


def note_approval(store: Store, told: Mapping[str, Any]) -> None:
    """Let a dossier say what a person decided now, and not what became of it later."""
    dossier = store.load_dossier("approval", told["number"])
    if dossier is not None:
        record = msgspec.structs.replace(
            read_record(dossier), until=told["until"], fingerprint=told["fingerprint"]
        )
        save_record(store, dossier, record, state="approved")
