"""Reads a store on which nothing runs any more, and tells what it holds in plain values."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from kept.core.brand.load import load_brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.explain import replays_alike
from kept.core.fold.fold import decode_state, fold_event
from kept.core.identity import Part, group
from kept.core.message import Message
from kept.core.state import State
from kept.flows.audit_log import audit_log, begin_audit
from kept.flows.engine import decode_trace
from kept.flows.take_brand import choose_slots
from kept.ports import Store
from kept.runtime.folder import load_checked, read_folder
from tests.attack.evidence import Row, Run, Stored
from tests.slots import keep_only

STATES: Final = (
    "queued", "leased", "leaving", "delivered", "failed", "unknown", "withdrawn", "expired",
)  # fmt: skip
ALL: Final = 10_000_000
CHUNK: Final = 500
REPLAYED_MAX: Final = 3_000
PARTS_A_PERSON: Final = 8
SEARCHED_MAX: Final = 12
"""Of so many of those who were forgotten every file is searched for their values."""
SOURCES: Final = frozenset({"shop", "site"})


def recount(store: Store, run: Run, *, brand: Path, files: list[Path], wall_offset: int) -> Stored:
    """Return what a store holds; `wall_offset` makes its instants those of the evidence."""
    folder = load_checked(read_folder(brand))
    bundle = compile_brand(folder, slots=choose_slots(folder.facts, store))
    events = [stored.event for stored in store.load_events(after=0, limit=ALL)]
    parts = {part.part_id: part for part in _load_parts(store, len(run.erasures))}
    groups, afresh = _group(store, parts, bundle)
    replayed, otherwise = _replay(store)
    return Stored(
        events=[
            (
                event.message_id,
                next((one.value for one in event.identifiers if one.namespace == "user_id"), ""),
            )
            for event in events
            # A stop that a kill cut off is kept outside of the store, and heard again from there.
            if event.source in SOURCES and not event.message_id.startswith("kept-stop-")
        ],
        messages=[
            _row(message, wall_offset=wall_offset)
            for message in store.load_messages_in(STATES, limit=ALL)
        ],
        decisions=frozenset(
            asked.decision_id
            for asked in run.asked
            if store.read_decision(asked.decision_id) is not None
        ),
        replayed_count=replayed,
        replayed_otherwise=otherwise,
        groups=groups,
        groups_afresh=afresh,
        audit=_audit(store),
        torn_parts=dict(_torn_parts(store, bundle)),
        people=frozenset(
            part.identifier.value
            for part in parts.values()
            if part.identifier.namespace == "user_id"
        ),
        readable=_readable(run, files),
    )


def _audit(store: Store) -> list[str]:
    with store.transaction(alone=True):
        scope = begin_audit(store)
    return [f"{one.place}: {one.what}" for one in audit_log(store, scope).findings]


def _row(message: Message, *, wall_offset: int) -> Row:
    return Row(
        message_id=message.message_id,
        action=message.action,
        about=message.about.partition("/")[2],
        state=message.state,
        queued_at=message.queued_at + wall_offset,
        left_at=message.attempted_at + wall_offset if message.attempted_at else 0,
        attempt_count=message.attempt_count,
        has_reason=message.reason is not None,
    )


def _load_parts(store: Store, erased_count: int) -> Iterator[Part]:
    last = store.read_counts()["parts"] + (erased_count + CHUNK) * PARTS_A_PERSON
    for first in range(1, last + 1, CHUNK):
        yield from store.load_parts(list(range(first, first + CHUNK)))


def _group(
    store: Store, parts: dict[int, Part], bundle: Bundle
) -> tuple[frozenset[frozenset[int]], frozenset[frozenset[int]]]:
    links = [
        link for link in store.load_links(list(parts)) if {link.part_a, link.part_b} <= set(parts)
    ]
    afresh = group(parts, links, bundle.namespaces).groups
    together: dict[int, set[int]] = {}
    for part in parts.values():
        together.setdefault(part.customer_id, set()).add(part.part_id)
    return frozenset(map(frozenset, together.values())), frozenset(map(frozenset, afresh))


def _torn_parts(store: Store, bundle: Bundle) -> Iterator[tuple[int, str]]:
    mark = store.load_mark()
    for row in store.iterate_states(after=0, limit=ALL):
        state = State()
        for stored in store.load_part_events([row.part_id]):
            if stored.sequence <= row.applied_sequence:
                fold_event(bundle.fold_plan, state, stored.event)
            elif stored.sequence <= mark:
                yield row.part_id, f"event {stored.sequence} is not in it"
                break
        else:
            kept = keep_only(decode_state(row.state), bundle.fold_plan.slots.values())
            if kept != state:
                yield (
                    row.part_id,
                    _difference(msgspec.to_builtins(kept), msgspec.to_builtins(state)),
                )


def _difference(kept: list[Any], folded: list[Any]) -> str:
    """Return where two states differ; nobody in them is a real person."""
    return "; ".join(
        f"{name}: kept {mine!r:.2000}, folded {theirs!r:.2000}"
        for name, mine, theirs in zip(State.__struct_fields__, kept, folded, strict=True)
        if mine != theirs
    )


def _replay(store: Store) -> tuple[int, list[int]]:
    """Make a sample of decisions again; return how many, and which came out otherwise."""
    last = store.next_decision_id() - 1
    step = max(1, last // REPLAYED_MAX)
    compiled: dict[str, Bundle] = {}
    count, otherwise = 0, []
    for number in range(1, last + 1, step):
        row = store.read_decision(number)
        if row is None:
            continue
        decision = decode_trace(row.trace)
        bundle = compiled.get(decision.brand_version)
        if bundle is None:
            brand = store.load_brand(decision.brand_version)
            if brand is None:
                otherwise.append(number)
                continue
            bundle = compiled[decision.brand_version] = compile_brand(load_brand(brand.texts))
        count += 1
        if not replays_alike(decision, bundle.policy):
            otherwise.append(number)
    return count, otherwise


def _readable(run: Run, files: list[Path]) -> frozenset[str]:
    gone = [one.person for one in run.erasures if one.answered_at][:SEARCHED_MAX]
    if not gone:
        return frozenset()
    pattern = re.compile(b"|".join(re.escape(f"{one}@mail".encode()) for one in gone))
    search: Callable[[bytes], set[str]] = lambda content: {  # noqa: E731
        found.decode().partition("@")[0] for found in pattern.findall(content)
    }
    return frozenset(name for path in files for name in search(path.read_bytes()))
