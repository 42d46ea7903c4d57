"""A store's random life, the same in the process that is killed and in the one that checks.

Transaction number n of a seed does the same whoever computes it, so the checker can say exactly
what a store must hold after any number of them.
"""

import random  # noqa: TID251  a failure is repeated by its seed
from collections.abc import Callable
from typing import Any

import msgspec

from kept.core.event import Event, Identifier
from kept.core.identity import Link
from kept.core.message import Message
from kept.ports import BrandRow, StateRow, Store
from tests.contract.values import NOW, make_event, make_message, undone

PARTS_MAX = 40
DONE = "done"
"""The setting in which a store itself knows how many transactions it holds."""


class Workload:
    """Decides what each transaction does, and knows what a store must hold after it."""

    def __init__(self, seed: int) -> None:
        """Begin with an empty store."""
        self._seed = seed
        self.count = 0
        self.events: list[tuple[int, Event]] = []
        self.claims: dict[tuple[int, int], None] = {}
        self.parts: list[tuple[Identifier, bool]] = []
        self.customers: dict[int, int] = {}
        self.links: dict[tuple[int, int, str], int] = {}
        self.states: dict[int, StateRow] = {}
        self.mark = 0
        self.wakes: dict[int, int] = {}
        self.messages: dict[str, Message] = {}
        self.decisions: list[tuple[int, bytes]] = []
        self.quarantined: list[bytes] = []
        self.audited: list[dict[str, Any]] = []
        self.settings: dict[str, bytes] = {}
        self.brands: dict[str, int] = {}
        self.guards: dict[bytes, None] = {}

    def advance(self, store: Store | None) -> None:
        """Do the next transaction's work, inside a transaction of the store if there is one."""
        self.count += 1
        draw = random.Random(self._seed * 1_000_003 + self.count)
        for _ in range(draw.choice((1, 1, 2, 5, 20))):
            self._take_event(draw, store)
        for step in (
            self._write_behind,
            self._change_identity,
            self._change_messages,
            self._keep_records,
        ):
            if draw.random() < 0.4:
                step(draw, store)
        if store is not None:
            store.save_setting(DONE, self.count.to_bytes(8, "big"))

    def _take_event(self, draw: random.Random, store: Store | None) -> None:
        # Time goes on: new hours begin, late events fall into earlier ones, and some come again.
        hour, key = self.count // 10 + draw.randrange(3), draw.getrandbits(63)
        if self.claims and draw.random() < 0.3:
            hour, key = draw.choice(list(self.claims))
        is_new = (hour, key) not in self.claims
        if store is not None and store.claim(key, hour=hour) != is_new:
            raise AssertionError(f"key {key} of hour {hour}: is_new should be {is_new}")
        if not is_new:
            return
        self.claims[hour, key] = None
        event = make_event(key, properties={"text": "x" * draw.choice((10, 300, 6_000))})
        part_id = draw.randrange(PARTS_MAX) + 1
        self.events.append((part_id, event))
        if store is not None and store.append_event(part_id, event) != len(self.events):
            raise AssertionError("the sequence is not dense")
        if draw.random() < 0.5:
            trace = draw.randbytes(draw.choice((5, 500)))
            self.decisions.append((part_id, trace))
            if store is not None:
                store.append_decision(
                    part_id=part_id,
                    decided_at=NOW,
                    placement="web",
                    trace=trace,
                    decision_id=store.next_decision_id(),
                )

    def _write_behind(self, draw: random.Random, store: Store | None) -> None:
        self.mark = max(self.mark, draw.randint(self.mark, len(self.events)))
        touched = {part_id for part_id, _ in self.events[: self.mark]}
        rows = [
            StateRow(part_id=part_id, applied_sequence=self.mark, state=draw.randbytes(2_000))
            for part_id in sorted(touched)
        ]
        wakes = [(draw.randrange(9) + 1, draw.choice((0, NOW, NOW + 1))) for _ in range(3)]
        self.states |= {row.part_id: row for row in rows}
        self.wakes |= dict(wakes)
        if store is not None:
            store.save_states(rows, mark=self.mark)
            store.save_wakes(wakes)

    def _change_identity(self, draw: random.Random, store: Store | None) -> None:
        if len(self.parts) < PARTS_MAX:
            self.parts.append((Identifier("user_id", f"u{len(self.parts)}"), draw.random() < 0.3))
            part_id = len(self.parts)
            self.customers[part_id] = part_id
            if store is not None:
                identifier, claimed = self.parts[-1]
                part = store.add_part(identifier, claimed=claimed, customer_id=None)
                if part.part_id != part_id:
                    raise AssertionError(f"part {part.part_id} should be {part_id}")
        moved = [part_id for part_id in self.customers if draw.random() < 0.2]
        home = draw.choice(list(self.customers))
        self.customers |= dict.fromkeys(moved, home)
        link = Link(1, draw.randrange(9) + 2, "vouched", NOW + draw.randrange(9))
        key = (link.part_a, link.part_b, link.evidence)
        self.links[key] = min(link.first_at, self.links.get(key, link.first_at))
        if store is not None:
            store.move_parts(moved, customer_id=home)
            store.save_link(link)

    def _change_messages(self, draw: random.Random, store: Store | None) -> None:
        changed = [
            msgspec.structs.replace(
                one, state=draw.choice(("leased", "leaving", "delivered", "expired"))
            )
            for one in self.messages.values()
            if draw.random() < 0.1
        ]
        changed.append(make_message(f"m{len(self.messages)}", part_id=draw.randrange(9) + 1))
        self.messages |= {one.message_id: one for one in changed}
        if store is not None:
            store.save_messages(changed)

    def _keep_records(self, draw: random.Random, store: Store | None) -> None:
        content = draw.randbytes(8)
        choices: list[Callable[[], None]] = [
            lambda: self._quarantine(content, store),
            lambda: self._audit(content, store),
            lambda: self._set(f"s{draw.randrange(5)}", content, store),
            lambda: self._bring_into_force(f"v{draw.randrange(3)}", store),
            lambda: self._guard(content[:1], store),
        ]
        draw.choice(choices)()

    def _quarantine(self, content: bytes, store: Store | None) -> None:
        self.quarantined.append(content)
        if store is not None:
            store.quarantine(source="web", received_at=NOW, code="c", detail="d", payload=content)

    def _audit(self, content: bytes, store: Store | None) -> None:
        detail = {"content": content.hex()}
        self.audited.append(detail)
        if store is not None:
            store.append_audit(at=NOW, actor="ops", verb="pause", detail=detail)

    def _set(self, name: str, content: bytes, store: Store | None) -> None:
        self.settings[name] = content
        if store is not None:
            store.save_setting(name, content)

    def _bring_into_force(self, version: str, store: Store | None) -> None:
        self.brands[version] = NOW + self.count
        if store is not None:
            store.save_brand(
                BrandRow(version=version, in_force_at=NOW + self.count, texts={"a": version})
            )

    def _guard(self, content: bytes, store: Store | None) -> None:
        self.guards[content] = None
        if store is not None:
            store.append_guard(content)


def load_done(store: Store) -> int:
    """Return how many transactions a store holds."""
    return int.from_bytes(store.load_setting(DONE) or b"", "big")


def check_store(store: Store, expected: Workload) -> None:
    """Compare everything that the port shows with what must be there."""
    _check_stream(store, expected)
    _check_identity(store, expected)
    _check_messages(store, expected)
    _check_records(store, expected)


def _check_stream(store: Store, expected: Workload) -> None:
    stored = store.load_events(after=0, limit=10**6)
    assert [one.sequence for one in stored] == list(range(1, len(stored) + 1)), "not dense"
    assert [(one.part_id, one.event) for one in stored] == expected.events
    for part_id in range(1, PARTS_MAX + 1):
        own = [n for n, (part, _) in enumerate(expected.events, start=1) if part == part_id]
        assert [one.sequence for one in store.load_part_events([part_id])] == own
        newest = [one.sequence for one in store.load_part_events([part_id], newest=2)]
        assert newest == own[-2:]
    with undone(store):
        assert not [one for one in expected.claims if store.claim(one[1], hour=one[0])]
        free = [(hour, 2**63 - 1 - n) for hour in range(expected.count // 10) for n in range(5)]
        assert all(store.claim(key, hour=hour) for hour, key in free)
    states = store.iterate_states(after=0, limit=10**6)
    assert {row.part_id: row for row in states} == expected.states
    assert store.load_mark() == expected.mark
    wakes = sorted((at, customer) for customer, at in expected.wakes.items() if at)
    assert store.load_due_wakes(now=NOW + 9, limit=99) == [(one, at) for at, one in wakes]


def _check_identity(store: Store, expected: Workload) -> None:
    found = store.find_parts(expected.parts)
    assert [part and part.part_id for part in found] == list(range(1, len(found) + 1))
    assert {part.part_id: part.customer_id for part in found if part} == expected.customers
    links = {(one.part_a, one.part_b, one.evidence): one.first_at for one in store.load_links([1])}
    assert links == expected.links


def _check_messages(store: Store, expected: Workload) -> None:
    for message in expected.messages.values():
        assert store.load_message(message.message_id) == message
    opened = {message.message_id for message in store.load_open_messages(range(1, 11))}
    assert opened == {one.message_id for one in expected.messages.values() if one.is_open}


def _check_records(store: Store, expected: Workload) -> None:
    assert store.next_decision_id() == len(expected.decisions) + 1
    for number, (part_id, trace) in enumerate(expected.decisions, start=1):
        decision = store.read_decision(number)
        assert decision is not None
        assert (decision.part_id, decision.trace) == (part_id, trace)
    for part_id in range(1, PARTS_MAX + 1):
        own = [n for n, (part, _) in enumerate(expected.decisions, start=1) if part == part_id]
        found = [row.decision_id for row in store.read_decisions([part_id], newest=10**6)]
        assert found == own[::-1]
    quarantined = store.read_quarantine(after=0, limit=10**6)
    assert [one.payload for one in quarantined] == expected.quarantined
    audited = store.read_audit(newest=10**6)
    assert [one.detail for one in audited] == expected.audited[::-1]
    assert {name: store.load_setting(name) for name in expected.settings} == expected.settings
    assert load_done(store) == expected.count
    for version, in_force_at in expected.brands.items():
        brand = store.load_brand(version)
        assert brand is not None
        assert brand.in_force_at == in_force_at
    counts = store.read_counts()
    assert counts["events"] == len(expected.events)
    assert counts["parts"] == len(expected.parts)
    assert counts["customers"] == len(set(expected.customers.values()))
    assert counts["quarantined"] == len(expected.quarantined)
    for state in ("queued", "leased", "leaving", "delivered", "expired"):
        in_state = [one for one in expected.messages.values() if one.state == state]
        assert counts[f"messages.{state}"] == len(in_state)
