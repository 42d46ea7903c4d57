"""Every store keeps who may ask, and who looked at whom."""

import pytest

from kept.core.keys import WriteKey
from kept.core.staff import ApiToken, Failures, Session, Staff
from kept.ports import Store
from tests.contract.conftest import SqliteStores, Stores
from tests.contract.values import NOW, ODD_TEXTS, undone

pytestmark = pytest.mark.store


def make_staff(staff_id: int, name: str = "ana@harbour.example") -> Staff:
    """Return a member of staff with everything that one can have."""
    return Staff(
        staff_id=staff_id,
        name=name,
        roles=("agent", "supervisor"),
        password="$argon2id$",
        invitation="i",
        invited_until=NOW,
        issuer="https://id.example",
        subject="s",
        made_at=NOW,
        made_by="admin",
        signed_in_at=NOW,
    )


def make_session(digest: str) -> Session:
    """Return a session."""
    return Session(
        digest=digest, staff_id=1, begun_at=NOW, seen_at=NOW, way="password", browser="Chromium"
    )


def make_token(digest: str) -> ApiToken:
    """Return an API token."""
    return ApiToken(
        digest=digest,
        name="dashboard",
        scopes=("status", "metrics"),
        made_at=NOW,
        made_by="staff:1",
        ends_at=NOW + 1,
        networks=("10.0.0.0/8",),
    )


def make_key(digest: str) -> WriteKey:
    """Return a write key with every restriction."""
    return WriteKey(
        digest=digest,
        source="shop",
        made_at=NOW,
        made_by="staff:1",
        ends_at=NOW + 1,
        origins=("https://harbour.example",),
        events=("track",),
        networks=("::1/128",),
        asks=False,
    )


def test_staff_come_back_as_they_were_saved(stores: Stores) -> None:
    """In order of their ids, odd names whole; saved again, the newer counts."""
    store = stores.open()
    assert store.load_staff() == []
    rows = [make_staff(number, text) for number, text in enumerate(ODD_TEXTS, start=1)]
    with store.transaction():
        for row in reversed(rows):
            store.save_staff(row)
        store.save_staff(make_staff(1, "other"))
    store = stores.open()
    assert store.load_staff() == [make_staff(1, "other"), *rows[1:]]


def test_sessions_tokens_and_keys_are_kept_until_they_are_dropped(stores: Stores) -> None:
    """In order of their hashes; what is not there is dropped without a word."""
    store = stores.open()
    with store.transaction():
        for digest in ("b", "a", "c"):
            store.save_session(make_session(digest))
            store.save_token(make_token(digest))
            store.save_key(make_key(digest))
        store.drop_sessions(["b", "z"])
        store.drop_tokens(["b", "z"])
        store.drop_keys(["b", "z"])
    store = stores.open()
    assert store.load_sessions() == [make_session("a"), make_session("c")]
    assert store.load_tokens() == [make_token("a"), make_token("c")]
    assert store.load_keys() == [make_key("a"), make_key("c")]


def test_failures_come_back_oldest_first(stores: Stores) -> None:
    """So that whoever forgets some forgets the oldest."""
    store = stores.open()
    with store.transaction():
        for name, at in (("new", 3), ("old", 1), ("mid", 2), ("gone", 0)):
            store.save_failures(name, Failures(count=1, last_at=NOW + at))
        store.save_failures("old", Failures(count=2, last_at=NOW + 1, until=NOW + 9))
        store.drop_failures(["gone", "nobody"])
    store = stores.open()
    assert list(store.load_failures().items()) == [
        ("old", Failures(count=2, last_at=NOW + 1, until=NOW + 9)),
        ("mid", Failures(count=1, last_at=NOW + 2)),
        ("new", Failures(count=1, last_at=NOW + 3)),
    ]


def note(store: Store, *part_ids: int) -> int:
    """Keep an audit entry of somebody who saw values of these parts."""
    entry_id = store.append_audit(at=NOW, actor="staff:1", verb="unmask", detail={"of": "x"})
    for part_id in part_ids:
        store.append_access(entry_id, part_id)
        store.append_access(entry_id, part_id)
    return entry_id


def test_who_saw_values_of_a_part_is_found_by_it(stores: Stores) -> None:
    """Newest first, each once, as many as asked for, and nobody else's."""
    store = stores.open()
    with store.transaction():
        entries = [note(store, 1), note(store, 2), note(store, 1, 3), note(store, 9)]
        assert [each.entry_id for each in store.read_accesses([9], newest=9)] == [entries[3]]
    store = stores.open()
    found = store.read_accesses([1, 3, 4], newest=9)
    assert [each.entry_id for each in found] == [entries[2], entries[0]]
    assert found[0].detail == {"of": "x"}
    assert len(store.read_accesses([1, 2], newest=1)) == 1
    assert store.read_accesses([1], newest=0) == []
    assert store.read_accesses([], newest=9) == []


def test_who_saw_values_of_a_part_is_forgotten_with_it(stores: Stores) -> None:
    """The audit says still that somebody looked; it leads to nobody any more."""
    store = stores.open()
    with store.transaction():
        entry_id = note(store, 1, 2)
        store.erase_parts([1])
    assert store.read_accesses([1], newest=9) == []
    assert [each.entry_id for each in store.read_accesses([2], newest=9)] == [entry_id]


def test_what_is_undone_lets_nobody_in(stores: Stores) -> None:
    """A transaction that is rolled back leaves everything as it was."""
    store = stores.open()
    with store.transaction():
        store.save_session(make_session("a"))
        store.save_failures("a", Failures(count=1, last_at=NOW))
    with undone(store):
        store.save_staff(make_staff(1))
        store.save_token(make_token("a"))
        store.save_key(make_key("a"))
        store.drop_sessions(["a"])
        store.drop_failures(["a"])
        note(store, 1)
    assert store.load_staff() == []
    assert store.load_tokens() == []
    assert store.load_keys() == []
    assert store.load_sessions() == [make_session("a")]
    assert list(store.load_failures()) == ["a"]
    assert store.read_accesses([1], newest=9) == []
    with pytest.raises(AssertionError):
        store.save_staff(make_staff(1))


def test_who_staff_are_passes_the_vault(stores: Stores) -> None:
    """No row tells of a person who works here but in an envelope; a sealed one in no word."""
    if not isinstance(stores, SqliteStores):
        pytest.skip("only a store on a disk has a vault")
    store = stores.open()
    with store.transaction():
        store.save_staff(make_staff(1))
        store.save_session(make_session("a"))
    with stores.connect() as connection:
        for table in ("staff", "sessions"):
            ((body,),) = connection.execute(f"SELECT body FROM {table}").fetchall()
            is_sealed = body[1:2] != b"\0"
            assert body.startswith(b"\x01")
            assert not is_sealed or not any(
                word in body for word in (b"harbour", b"argon2", b"Chromium")
            )
