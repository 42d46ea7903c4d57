"""Who is restricted, so that nothing of theirs is removed because it is old: a claim may need it.

A list of parts, for the store removes decisions and messages by their age and asks nobody. It is added to
when somebody is restricted, and whenever retention passes somebody who is.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from kept.core.consent import is_restricted
from kept.flows.engine import Engine
from kept.ports import Store

RESTRICTED_SETTING: Final = "retention.restricted"


def note_restricted(store: Store, part_ids: Iterable[int]) -> None:
    """Note whose decisions and messages are spared until their restriction is lifted."""
    known = load_restricted(store)
    if not known >= (parts := set(part_ids)):
        _save_restricted(store, known | parts)


def load_restricted(store: Store) -> set[int]:
    """Return parts of those who are restricted, as they were last looked at."""
    stored = store.load_setting(RESTRICTED_SETTING)
    return set(msgspec.json.decode(stored, type=list[int])) if stored else set()


def _save_restricted(store: Store, part_ids: set[int]) -> None:
    store.save_setting(RESTRICTED_SETTING, msgspec.json.encode(sorted(part_ids)))


def find_restricted(engine: Engine) -> list[int]:
    """Return all parts of whoever is restricted now, and forget who is not any more."""
    known = load_restricted(engine.store)
    homes = [engine.customers.home_of(part) for part in engine.store.load_parts(sorted(known))]
    restricted = {
        part_id
        for home in homes
        if is_restricted(home.total(engine.plan).consents)
        for part_id in home.parts
    }
    if restricted != known:
        _save_restricted(engine.store, restricted)
    return sorted(restricted)
