"""Every store keeps decisions, quarantined events, the audit, brands and settings."""

import pytest

from kept.ports import BrandRow, DecisionRow, Quarantined, Store
from kept.ports_access import AuditEntry
from tests.contract.conftest import Stores
from tests.contract.values import NOW, ODD_TEXTS

pytestmark = pytest.mark.store


def decide(store: Store, *part_ids: int) -> list[int]:
    """Commit a decision for each part and return their ids."""
    made = []
    with store.transaction():
        for part_id in part_ids:
            decision_id = store.next_decision_id()
            store.append_decision(
                part_id=part_id,
                decided_at=NOW + decision_id,
                placement="web",
                trace=b"trace %d" % decision_id,
                decision_id=decision_id,
            )
            made.append(decision_id)
    return made


def test_decision_ids_grow_across_reopening(stores: Stores) -> None:
    """The next id is free until a decision takes it."""
    store = stores.open()
    assert store.next_decision_id() == store.next_decision_id() == 1
    assert decide(store, 7, 7) == [1, 2]
    assert decide(stores.open(), 7) == [3]


def test_a_decision_id_is_used_once(store: Store) -> None:
    """Two decisions of one id would be a bug of the caller."""
    decide(store, 1, 1)
    with pytest.raises(AssertionError), store.transaction():
        store.append_decision(part_id=1, decided_at=NOW, placement="", trace=b"", decision_id=2)


def test_a_decision_comes_back_as_it_was(stores: Stores) -> None:
    """With its part, its instant and its trace."""
    store = stores.open()
    kept: list[int] = []
    with store.transaction():
        for number, text in enumerate(ODD_TEXTS, start=1):
            kept.append(store.next_decision_id())
            store.append_decision(
                part_id=number,
                decided_at=-number,
                placement=text,
                trace=text.encode() * 3,
                decision_id=kept[-1],
            )
            assert store.read_decision(kept[-1]) is not None
    store = stores.open()
    for number, (decision_id, text) in enumerate(zip(kept, ODD_TEXTS, strict=True), start=1):
        assert store.read_decision(decision_id) == DecisionRow(
            decision_id=decision_id,
            part_id=number,
            decided_at=-number,
            placement=text,
            trace=text.encode() * 3,
        )
    assert store.read_decision(kept[-1] + 1) is None
    assert store.next_decision_id() == kept[-1] + 1


def test_the_newest_decisions_of_parts_come_first(stores: Stores) -> None:
    """Only of the parts asked for, as many as asked for, however they are spread."""
    store = stores.open()
    for _ in range(12):
        decide(store, 1, 2, 3)
    expected = [n for n in range(36, 0, -1) if n % 3 != 2]
    for is_reopened in (False, True):
        one = stores.open() if is_reopened else store
        found = one.read_decisions([3, 1], newest=99)
        assert [row.decision_id for row in found] == expected
        assert [row.decision_id for row in one.read_decisions([1, 3], newest=5)] == expected[:5]
        assert one.read_decisions([1], newest=0) == one.read_decisions([], newest=5) == []


def test_quarantined_events_stay_until_they_are_dealt_with(stores: Stores) -> None:
    """They are kept as received, listed in order, and counted while they are held."""
    store = stores.open()
    with store.transaction():
        kept = [
            store.quarantine(
                source="web", received_at=NOW, code="event.invalid", detail=text, payload=payload
            )
            for text, payload in zip(ODD_TEXTS, (b"\xff\x00", *[b"{}"] * 20), strict=False)
        ]
        store.set_quarantine_state(kept[1], "dropped")
    with store.transaction():
        store.set_quarantine_state(kept[2], "replayed")
        store.set_quarantine_state(kept[2], "replayed")
    store = stores.open()
    found = store.read_quarantine(after=0, limit=99)
    assert [one.quarantine_id for one in found] == kept == sorted(kept)
    assert found[0] == Quarantined(
        quarantine_id=kept[0],
        source="web",
        received_at=NOW,
        code="event.invalid",
        detail=ODD_TEXTS[0],
        payload=b"\xff\x00",
    )
    assert [one.detail for one in found] == list(ODD_TEXTS)
    assert [one.state for one in found[:4]] == ["held", "dropped", "replayed", "held"]
    page = store.read_quarantine(after=kept[3], limit=2)
    assert [one.quarantine_id for one in page] == kept[4:6]
    assert store.read_counts()["quarantined"] == len(kept) - 2
    with store.transaction():
        store.set_quarantine_state(kept[1], "held")
    assert store.read_counts()["quarantined"] == len(kept) - 1


def test_the_newest_audit_entries_come_first(stores: Stores) -> None:
    """Each with who did what, when."""
    store = stores.open()
    with store.transaction():
        written = [
            store.append_audit(at=NOW + n, actor="ops", verb="pause", detail={"text": text, "n": n})
            for n, text in enumerate(ODD_TEXTS)
        ]
    found = stores.open().read_audit(newest=3)
    assert found == [
        AuditEntry(
            entry_id=written[n],
            at=NOW + n,
            actor="ops",
            verb="pause",
            detail={"text": ODD_TEXTS[n], "n": n},
        )
        for n in range(len(ODD_TEXTS) - 1, len(ODD_TEXTS) - 4, -1)
    ]
    assert stores.open().read_audit(newest=0) == []


def test_the_brand_last_in_force_is_found(stores: Stores) -> None:
    """Also when an older one comes back into force."""
    store = stores.open()
    assert store.load_brand() is None
    texts = {f"{number}.yaml": text for number, text in enumerate(ODD_TEXTS)}
    first = BrandRow(version="v1", in_force_at=NOW, texts=texts)
    second = BrandRow(version="v2", in_force_at=NOW + 1, texts={})
    again = BrandRow(version="v1", in_force_at=NOW + 2, texts=texts)
    for row, expected in ((first, first), (second, second), (again, again)):
        with store.transaction():
            store.save_brand(row)
            assert store.load_brand() == expected
    store = stores.open()
    assert store.load_brand() == again
    assert store.load_brand("v2") == second
    assert store.load_brand("v3") is None


def test_settings_are_kept_by_name(stores: Stores) -> None:
    """The last value counts; an empty one is a value too."""
    store = stores.open()
    for value in (b"first", b"", b"\x00\xff"):
        for name in ODD_TEXTS:
            with store.transaction():
                store.save_setting(name, value)
            assert store.load_setting(name) == value
    store = stores.open()
    assert [store.load_setting(name) for name in ODD_TEXTS] == [b"\x00\xff"] * len(ODD_TEXTS)
    assert store.load_setting("unknown") is None


def test_counts_of_an_empty_store_name_everything(store: Store) -> None:
    """A dashboard shows zeros, not gaps."""
    counts = store.read_counts()
    assert set(counts.values()) == {0}
    assert {"events", "parts", "customers", "quarantined", "messages.queued"} < counts.keys()
