"""A node's life on PostgreSQL, the same in the process that is killed and in the one that checks.

Transaction number n does the same whoever computes it. Numbers of events may have gaps, for a
transaction that was cut off gives none back: what is compared is what was written, and its order.
"""

import random  # noqa: TID251  a failure is repeated by its seed
from collections import defaultdict
from typing import NamedTuple

from kept.core.event import Identifier
from kept.core.identity import Part
from kept.core.merkle import hash_leaf
from kept.ports import StateRow, Store
from tests.contract.values import NOW, make_event, make_message

PARTS = 12
DONE = "done"
ALL = 10**6
HOUR = 5


class Step(NamedTuple):
    """What one transaction writes."""

    number: int
    keys: tuple[int, ...]
    parts: tuple[int, ...]
    guard: bytes


def plan(seed: int, number: int) -> Step:
    """Return what the transaction with a number does."""
    draw = random.Random(seed * 1_000_003 + number)
    count = draw.choice((1, 2, 9))
    keys = tuple(number * 100 + place for place in range(count))
    parts = tuple(draw.randrange(PARTS) for _ in keys)
    return Step(number, keys, parts, b"\x92\xc4\x01#" + bytes((number % 128,)))


def do(store: Store, step: Step) -> None:
    """Do a transaction's work."""
    for key, place in zip(step.keys, step.parts, strict=True):
        identifier = Identifier("user_id", str(place))
        (found,) = store.find_parts([(identifier, False)])
        part = found or store.add_part(identifier, claimed=False, customer_id=None)
        assert part.customer_id in store.lock_customers([part.customer_id]) or found is None
        if not store.claim(key, hour=HOUR):
            raise AssertionError(f"key {key} was claimed by nobody and is taken")
        sequence = store.append_event(part.part_id, make_event(key))
        state = StateRow(part_id=part.part_id, applied_sequence=sequence, state=b"%d" % key)
        store.save_states([state], mark=0)
        store.append_decision(
            part_id=part.part_id,
            decided_at=NOW,
            placement="web",
            trace=b"%d" % key,
            decision_id=store.next_decision_id(),
        )
        store.save_messages([make_message(f"m{key}", part_id=part.part_id)])
    data = b"%d" % step.number
    store.append_leaf(1, leaf_hash=hash_leaf(data), data=data)
    store.append_guard(step.guard)
    store.save_setting(DONE, step.number.to_bytes(8, "big"))


def load_done(store: Store) -> int:
    """Return how many transactions a store holds."""
    return int.from_bytes(store.load_setting(DONE) or b"", "big")


def check(store: Store, *, seed: int) -> int:
    """Check that a store holds so many whole transactions and nothing else; return how many."""
    done = load_done(store)
    steps = [plan(seed, number) for number in range(1, done + 1)]
    keys = [key for step in steps for key in step.keys]
    owners = {
        key: place for step in steps for key, place in zip(step.keys, step.parts, strict=True)
    }
    events = store.load_events(after=0, limit=ALL)
    assert [one.event.event_key for one in events] == keys
    places = {part.part_id: int(part.identifier.value) for part in _parts(store)}
    assert [places[one.part_id] for one in events] == list(owners.values())
    newest: dict[int, int] = {}
    own: dict[int, list[int]] = defaultdict(list)
    for key, place in owners.items():
        newest[place] = key
        own[place].append(key)
    states = store.iterate_states(after=0, limit=ALL)
    assert {places[one.part_id]: int(one.state) for one in states} == newest
    for part_id, place in places.items():
        traces = [int(one.trace) for one in store.read_decisions([part_id], newest=ALL)]
        assert traces == own[place][::-1]
        messages = {one.message_id for one in store.load_open_messages([part_id])}
        assert messages == {f"m{key}" for key in own[place]}
    assert [one.data for one in store.read_leaves(start=0, limit=ALL)] == [
        b"%d" % step.number for step in steps
    ]
    with store.transaction():
        assert not any(store.claim(key, hour=HOUR) for key in keys[-50:])
    # A stop of the transaction that was cut short may wait; none that was committed does.
    following = {plan(seed, done + 1).guard}
    assert set(store.load_guard()) <= following - {step.guard for step in steps}
    return done


def _parts(store: Store) -> list[Part]:
    wanted = [(Identifier("user_id", str(place)), False) for place in range(PARTS)]
    return [part for part in store.find_parts(wanted) if part is not None]
