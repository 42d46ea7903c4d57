"""A store that was written before records were sealed is sealed when it is opened, and says the same.

`stores/schema-2.sql.gz` was written by the version before: a played world with messages, opt-outs,
merges, a quarantined event and an audit entry.
"""

import gzip
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kept.errors import SettingsError, StoreError
from kept.ports import Store
from kept.stores.guard_log import read_guard_file
from kept.stores.sqlite import SqliteStore
from kept.stores.sqlite import vault as sealing
from kept.stores.vault import PlainVault
from tests.vaults import make_vault

OLD = Path(__file__).with_name("stores")
STATES = ("queued", "leased", "leaving", "delivered", "failed", "unknown", "withdrawn", "expired")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a data folder as the version before left it."""
    data = tmp_path / "data"
    data.mkdir()
    with closing(sqlite3.connect(data / "kept.db")) as connection:
        connection.executescript(gzip.decompress((OLD / "schema-2.sql.gz").read_bytes()).decode())
    shutil.copy(OLD / "schema-2.optouts.log", data / "optouts.log")
    return data


def look(store: Store) -> dict[str, Any]:
    """Return everything that customers and operators have in a store."""
    parts = list(range(1, 99))
    return {
        "events": store.load_events(after=0, limit=9_999),
        "parts": store.load_parts(parts),
        "links": store.load_links(parts),
        "states": store.load_states(parts),
        "messages": store.load_messages_in(STATES, limit=999),
        "decisions": store.read_decisions(parts, newest=9_999),
        "quarantine": store.read_quarantine(after=0, limit=9),
        "counts": store.read_counts(),
    }


def find_words(store: Store) -> set[bytes]:
    """Return personal values that the store holds: identifiers, names, addresses."""
    words = {part.identifier.value.encode() for part in store.load_parts(list(range(1, 99)))}
    words |= {
        str(value).encode()
        for stored in store.load_events(after=0, limit=9_999)
        for value in stored.event.traits.values()
    }
    # A device of the world is called as a placement is, which is no secret.
    return {word for word in words - {b"tablet"} if len(word) >= 5} | {
        b"quinn.quarantined@example.com",
        b"ana.audited@example.com",
    }


def read_all(folder: Path) -> bytes:
    """Return every byte of every file, the guard log's records decoded."""
    records, _ = read_guard_file(folder / "optouts.log")
    return b"".join(
        [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()] + records
    )


def test_an_older_store_is_sealed_and_says_the_same(folder: Path) -> None:
    """No byte of any file holds a personal value afterwards; everything can be read as before."""
    with closing(SqliteStore(folder, vault=PlainVault())) as plain:
        before, words = look(plain), find_words(plain)
    clear = read_all(folder)
    assert len(words) > 10
    assert all(word in clear for word in words)
    assert before["events"]
    store = SqliteStore(folder, vault=make_vault(folder))
    assert look(store) == before
    assert [store.load_setting(name) for name in ("restored", "no such")] == [None, None]
    assert store.read_audit(newest=9)[0].detail == {"one": "email:ana.audited@example.com"}
    assert store.load_guard() == []
    for part in before["parts"]:
        assert store.find_parts([(part.identifier, part.claimed)]) == [part]
    store.close()
    sealed = read_all(folder)
    assert not [word for word in words if word in sealed]


def test_a_sealing_that_was_cut_short_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it stopped: what is sealed already is passed over."""
    with closing(SqliteStore(folder, vault=PlainVault())) as plain:
        before = look(plain)
    monkeypatch.setattr(sealing, "CHUNK", 20)
    for seals in range(3, 60, 7):
        vault = make_vault(folder)
        monkeypatch.setattr(vault, "seal", _failing_after(seals, vault.seal))
        with pytest.raises(StoreError, match="cut short"):
            SqliteStore(folder, vault=vault)
        vault.close()
    with closing(SqliteStore(folder, vault=make_vault(folder))) as store:
        assert look(store) == before


def _failing_after(count: int, seal: Any) -> Any:
    left = [count]

    def fail(*record: Any) -> bytes:
        left[0] -= 1
        if left[0] < 0:
            raise StoreError("cut short")
        sealed: bytes = seal(*record)
        return sealed

    return fail


def test_stops_that_named_people_plainly_are_still_known(folder: Path) -> None:
    """A guard log of the version before that comes from elsewhere is renamed as well, and applies."""
    with closing(SqliteStore(folder, vault=PlainVault())) as plain, plain.transaction():
        # As if the backup were older than half of its opt-outs.
        stops, _ = read_guard_file(folder / "optouts.log")
    with closing(sqlite3.connect(folder / "kept.db")) as connection, connection:
        digests = connection.execute("SELECT digest FROM guards").fetchall()
        connection.executemany("DELETE FROM guards WHERE digest = ?", digests[::2])
    with closing(SqliteStore(folder, vault=make_vault(folder))) as store:
        waiting = store.load_guard()
        assert len(waiting) == len(digests[::2])
        assert not re.search(rb"[=?]\d+:", b"".join(waiting))
    assert len(stops) == len(digests)


def test_a_sealed_store_is_not_opened_without_its_keys(folder: Path) -> None:
    """Neither plainly, nor with keys of its own making."""
    SqliteStore(folder, vault=make_vault(folder)).close()
    with pytest.raises(SettingsError, match="is sealed, and was opened without its keys"):
        SqliteStore(folder, vault=PlainVault())
    (folder / "vault.db").unlink()
    with pytest.raises(SettingsError, match=r"keys .* are missing"):
        SqliteStore(folder, vault=make_vault(folder))
