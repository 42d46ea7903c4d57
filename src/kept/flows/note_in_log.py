"""Record in the consent log what was said, approved, looked at or erased, with the same commit.

This is the one way into the log. Only what speaks of consent, and what operators do, pays for it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from kept.clock import random_bytes
from kept.core.brand.model import Brand
from kept.core.consent import Categories, read_consents
from kept.core.event import Event
from kept.core.identity import Part
from kept.core.merkle import TILE_WIDTH, hash_leaf, root_of
from kept.core.record import (
    SALT_BYTES,
    SCHEMA,
    FromAudit,
    Kind,
    Record,
    record_consent,
    write_leaf,
)
from kept.core.state import Stamped
from kept.core.values import format_instant
from kept.ports import HOUSE, Store


def note_consent(
    store: Store,
    part: Part,
    event: Event,
    *,
    sequence: int,
    before: Mapping[str, Stamped],
    brand: Brand,
    categories: Categories,
) -> None:
    """Record what an event says about consent that is new (see `is_recorded`).

    Args:
        store: where the event was appended in this transaction.
        part: whose the event is.
        event: the event.
        sequence: its place in the stream.
        before: what the part had said before.
        brand: the brand in force.
        categories: what the categories of consent events mean.
    """
    record = record_consent(
        event,
        read_consents(event, categories),
        before=before,
        brand=brand,
        who=part.identifier,
        sequence=sequence,
        index=store.log_size(),
    )
    _append(store, part.part_id, record)


def note_in_log(
    store: Store, kind: Kind, *, now: int, part_id: int = HOUSE, detail: Mapping[str, Any]
) -> None:
    """Record what follows from no event and no operator: that the log began, has a new key, forgot."""
    _append(store, part_id, _record(store, kind, now=now, part_id=part_id, detail=dict(detail)))


def note_operator(
    store: Store,
    kind: Kind,
    *,
    actor: str,
    verb: str,
    detail: Mapping[str, Any],
    now: int,
    part_id: int = HOUSE,
) -> int:
    """Keep what an operator did or saw in the audit, record it in the log, and return its leaf's index.

    Args:
        store: where both are kept.
        kind: `approval` for what changes something, `staff_access` for what shows a person's data,
            `erasure` for what forgets parts, which `detail` then lists under `parts`.
        actor: who it was.
        verb: what it was, as the audit calls it.
        detail: of what; never a personal value, for the audit is not sealed.
        now: when it was.
        part_id: whose it is alone, if anybody's: the record is forgotten with them.
    """
    told = {**detail, "part": part_id} if part_id else dict(detail)
    entry_id = store.append_audit(at=now, actor=actor, verb=verb, detail=told)
    source = FromAudit(entry_id=entry_id, actor=actor, verb=verb, detail=told)
    return _append(
        store, part_id, _record(store, kind, now=now, part_id=part_id, from_audit=source)
    )


def _record(store: Store, kind: Kind, *, now: int, part_id: int, **told: Any) -> Record:
    return Record(
        schema_version=SCHEMA,
        record_id=str(store.log_size()),
        kind=kind,
        recorded_at=format_instant(now),
        pii_principal_id=f"part:{part_id}" if part_id else "",
        **told,
    )


def _append(store: Store, part_id: int, record: Record) -> int:
    data = write_leaf(record, random_bytes(SALT_BYTES))
    index = store.append_leaf(part_id, leaf_hash=hash_leaf(data), data=data)
    if str(index) != record.record_id:
        raise AssertionError(f"leaf {index} records {record.record_id}")
    # Every 256 hashes of a level make one of the next, so that proofs never read all leaves.
    level, end = 0, index + 1
    while end % TILE_WIDTH == 0:
        hashes: Sequence[bytes] = store.read_log_hashes(
            level, start=end - TILE_WIDTH, count=TILE_WIDTH
        )
        level, end = level + 1, end // TILE_WIDTH
        store.save_log_hash(level, end - 1, root_of(hashes))
    return index
