"""Which events can be heard at all: what sources may send, and what Kept itself causes."""

from typing import Final

import msgspec

from kept.core.brand.model import SourcesFile
from kept.core.event import (
    APPROVAL_DECIDED,
    CHANNEL_CLOSED,
    CONTACT_REPORTED,
    DECISION_CONTESTED,
    HISTORY_TAKEN,
    MESSAGE_BOUNCED,
    MESSAGE_CLICKED,
    MESSAGE_COMPLAINED,
    MESSAGE_DELIVERED,
    MESSAGE_LEAVING,
    MESSAGE_OPENED,
    MESSAGE_REPLIED,
    MESSAGE_SETTLED,
    OFFER_DECLINED,
)

OWN_EVENTS: Final = frozenset(
    {
        APPROVAL_DECIDED,
        CHANNEL_CLOSED,
        CONTACT_REPORTED,
        DECISION_CONTESTED,
        MESSAGE_BOUNCED,
        MESSAGE_CLICKED,
        MESSAGE_COMPLAINED,
        MESSAGE_DELIVERED,
        MESSAGE_LEAVING,
        MESSAGE_OPENED,
        MESSAGE_REPLIED,
        MESSAGE_SETTLED,
        OFFER_DECLINED,
        HISTORY_TAKEN,
    }
)
"""Events that need no source: Kept causes them, or a channel's provider reports them."""
ANY_EVENT: Final = "*"


class Supply(msgspec.Struct, frozen=True, kw_only=True):
    """The events that may be heard from day to day; an import is the past and supplies none."""

    names: frozenset[str]
    prefixes: tuple[str, ...]

    def has(self, event: str) -> bool:
        """Return whether an event of this name may be heard."""
        return event == ANY_EVENT or event in self.names or event.startswith(self.prefixes)


def supply_of(sources: SourcesFile) -> Supply:
    """Return what the sources of a brand may send, with what Kept itself causes."""
    listed = [
        event
        for source in sources.sources.values()
        if source.kind != "import"
        for event in (*source.events, *(mapping.event for mapping in source.mappings))
    ]
    return Supply(
        names=OWN_EVENTS.union(event for event in listed if not event.endswith(ANY_EVENT)),
        prefixes=tuple(event[:-1] for event in listed if event.endswith(ANY_EVENT)),
    )
