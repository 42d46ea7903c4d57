"""A backup of the embedded store is whole, and restoring it loses no stop that came later."""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kept.errors import KeptError, SettingsError, StoreError
from kept.ports import RESTORED_SETTING
from kept.stores.guard_log import digest_record, salvage_guard_file
from kept.stores.sqlite import SqliteStore, backup, restore_backup
from kept.stores.vault import MASTER_KEY_NAME, MasterKeyFile
from tests.contract.values import append, make_event, undone
from tests.vaults import make_vault


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the folder of a store."""
    return tmp_path / "data"


@pytest.fixture
def store(folder: Path) -> Iterator[SqliteStore]:
    """Give a store with ten events."""
    opened = open_store(folder)
    append(opened, *range(1, 11))
    yield opened
    opened.close()


def open_store(folder: Path) -> SqliteStore:
    """Open the store of a folder."""
    return SqliteStore(folder, vault=make_vault(folder))


def restore(path: Path, folder: Path, *, replace: bool = False, stops: Iterable[bytes] = ()) -> int:
    """Restore on a machine that was given the master key of the first one."""
    folder.mkdir(exist_ok=True)
    given = path.parent / "data" / MASTER_KEY_NAME
    if given.exists() and given.parent != folder:
        shutil.copy(given, folder)
    service = MasterKeyFile(given) if given.exists() else None
    return restore_backup(path, folder, service=service, replace=replace, stops=stops)


def back_up(store: SqliteStore, path: Path) -> Path:
    """Make a whole backup."""
    assert list(store.backup(str(path)))[-1] == 1.0
    return path


def stop(store: SqliteStore, *records: bytes) -> None:
    """Commit stops."""
    with store.transaction():
        for record in records:
            store.append_guard(record)


def test_a_backup_holds_the_store_of_one_instant(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commits go on while it is made, and it holds none of them."""
    monkeypatch.setattr(backup, "PAGES_A_STEP", 1)
    path = tmp_path / "backup.db"
    progress = []
    for share in store.backup(str(path)):
        progress.append(share)
        append(store, 1, first_key=100 + len(progress))
    assert len(progress) > 5
    assert progress == sorted(progress)
    assert progress[-1] == 1.0
    restore(path, tmp_path / "restored")
    restored = open_store(tmp_path / "restored")
    with closing(restored):
        assert restored.last_sequence() == 10
        assert restored.load_events(after=0, limit=99) == store.load_events(after=0, limit=10)


def test_a_backup_is_one_file_that_only_its_owner_may_read(
    store: SqliteStore, tmp_path: Path
) -> None:
    """Nothing is left beside it."""
    path = back_up(store, tmp_path / "backups.db")
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["backups.db"]
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("DELETE FROM events WHERE sequence = 10", "does not hold what the store held"),
        ("PRAGMA user_version = 0", "it is empty"),
    ],
)
def test_a_copy_that_is_not_the_store_is_no_backup(
    store: SqliteStore, tmp_path: Path, spoil: str, words: str
) -> None:
    """Whatever went wrong on the way is noticed before the copy gets its name."""
    steps = store.backup(str(tmp_path / "backup.db"))
    # Twice at the same share: when the last page is copied, and when the copy is closed.
    shares: list[float] = []
    while shares[-2:] != [backup.COPY_SHARE] * 2:
        shares.append(next(steps))
    with closing(sqlite3.connect(tmp_path / "backup.db.partial")) as copy:
        copy.execute(spoil)
        copy.commit()
    with pytest.raises((StoreError, SettingsError), match=words):
        next(steps)
    assert not (tmp_path / "backup.db").exists()


def test_a_backup_never_overwrites(store: SqliteStore, tmp_path: Path) -> None:
    """A file of that name may be the last good backup."""
    path = tmp_path / "backup.db"
    path.write_text("precious")
    with pytest.raises(SettingsError, match="exists"):
        list(store.backup(str(path)))
    assert path.read_text() == "precious"


def test_a_backup_that_cannot_be_written_says_so(store: SqliteStore, tmp_path: Path) -> None:
    """In our words, and the store goes on."""
    with pytest.raises(StoreError):
        list(store.backup(str(tmp_path / "nowhere" / "backup.db")))
    append(store, 1, first_key=50)


def test_an_abandoned_backup_leaves_nothing(store: SqliteStore, tmp_path: Path) -> None:
    """Whoever stops waiting gets no half a file."""
    steps = store.backup(str(tmp_path / "backup.db"))
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert not [one for one in tmp_path.iterdir() if one.is_file()]


def test_a_damaged_backup_is_refused(store: SqliteStore, tmp_path: Path) -> None:
    """Before it replaces anything."""
    path = back_up(store, tmp_path / "backup.db")
    content = bytearray(path.read_bytes())
    content[8192:40960] = b"\xaa" * (40960 - 8192)
    path.write_bytes(content)
    with pytest.raises(StoreError):
        restore(path, tmp_path / "restored")
    assert not (tmp_path / "restored" / "kept.db").exists()


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 400])
def test_what_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    """With a word on what is wrong."""
    path = tmp_path / "backup.db"
    path.write_bytes(content)
    with pytest.raises((SettingsError, StoreError), match=r"backup\.db"):
        restore(path, tmp_path / "restored")
    assert not (tmp_path / "restored" / "kept.db").exists()
    with pytest.raises(SettingsError, match="no backup"):
        restore(tmp_path / "missing.db", tmp_path / "restored")


def test_a_living_store_is_never_restored_over(store: SqliteStore, folder: Path) -> None:
    """Not even when asked to replace."""
    path = back_up(store, folder.parent / "backup.db")
    for replace in (False, True):
        with pytest.raises(SettingsError, match="in use by process"):
            restore(path, folder, replace=replace)


def test_a_store_at_rest_is_replaced_only_on_request(store: SqliteStore, folder: Path) -> None:
    """And then kept beside, so that nothing is lost by a wrong file name."""
    path = back_up(store, folder.parent / "backup.db")
    append(store, 1, first_key=100)
    store.close()
    with pytest.raises(SettingsError, match="--replace"):
        restore(path, folder)
    restore(path, folder, replace=True)
    restored = open_store(folder)
    with closing(restored):
        assert restored.last_sequence() == 10
        assert restored.load_setting(RESTORED_SETTING) == b"1"
    with closing(sqlite3.connect(folder / "kept.db.replaced")) as old:
        assert old.execute("SELECT count(*) FROM events").fetchone() == (11,)
    with pytest.raises(SettingsError, match="move it away"):
        restore(path, folder, replace=True)


def test_stops_after_the_backup_wait_in_the_restored_store(
    store: SqliteStore, folder: Path
) -> None:
    """In order, until they are applied; those within the backup do not."""
    stop(store, b"before")
    path = back_up(store, folder.parent / "backup.db")
    stop(store, b"after 1", b"after 2\x00\n\xff")
    stop(store, b"after 3")
    assert store.load_guard() == []
    store.close()
    restore(path, folder, replace=True)
    restored = open_store(folder)
    assert restored.load_guard() == [b"after 1", b"after 2\x00\n\xff", b"after 3"]
    with undone(restored):
        restored.append_guard(b"after 1")
        assert restored.load_guard() == [b"after 2\x00\n\xff", b"after 3"]
    stop(restored, b"after 1", b"after 3")
    assert restored.load_guard() == [b"after 2\x00\n\xff"]
    restored.close()
    restored = open_store(folder)
    assert restored.load_guard() == [b"after 2\x00\n\xff"]
    restored.close()
    assert (folder / "optouts.log").read_bytes().count(b"\n") == 4


def test_stops_from_another_folder_come_along_with_a_restore(
    store: SqliteStore, folder: Path
) -> None:
    """A restore on another machine brings the guard log along; twice is once, and one's own stays."""
    path = back_up(store, folder.parent / "backup.db")
    stop(store, b"after 1", b"after 2")
    elsewhere = folder.parent / "elsewhere"
    restore(path, elsewhere)
    restored = open_store(elsewhere)
    stop(restored, b"after 2", b"own")
    with pytest.raises(SettingsError, match="in use"):
        restore(path, elsewhere, replace=True, stops=[b"after 1"])
    restored.close()
    stops, damaged = salvage_guard_file(folder / "optouts.log", is_record=bool)
    assert not damaged

    assert restore(path, elsewhere, replace=True, stops=[*stops, *stops]) == 1

    restored = open_store(elsewhere)
    assert restored.load_guard() == [b"after 2", b"own", b"after 1"]
    restored.close()


@pytest.mark.parametrize("refusal", ["a store is there", "the backup is damaged"])
def test_a_refused_restore_adds_no_stops(store: SqliteStore, folder: Path, refusal: str) -> None:
    """The store that stays is not told what was withdrawn from another one."""
    path = back_up(store, folder.parent / "backup.db")
    stop(store, b"own")
    store.close()
    before = (folder / "optouts.log").read_bytes()
    if refusal == "the backup is damaged":
        path.write_bytes(b"x" * 100 + path.read_bytes()[100:])
    with pytest.raises(KeptError):
        restore(path, folder, replace=refusal != "a store is there", stops=[b"other"])
    assert (folder / "optouts.log").read_bytes() == before


def test_what_is_whole_of_a_damaged_guard_log_is_taken(store: SqliteStore, folder: Path) -> None:
    """From a disk that was lost: each line that cannot be read is told by its number."""
    stop(store, b"one", b"two", b"three", b"four")
    lines = (folder / "optouts.log").read_bytes().splitlines()
    log = folder.parent / "found.log"
    log.write_bytes(
        lines[0] + b"\r\n#" + lines[1][1:] + b"\n\n\x00\xff\n" + lines[2] + b"\n" + lines[3][:-2]
    )
    assert salvage_guard_file(log, is_record=bool) == ([b"one", b"three"], [2, 4, 6])
    # A line whose checksum is right and that says nothing of ours is told as well.
    assert salvage_guard_file(log, is_record=b"one".__ne__) == ([b"three"], [1, 2, 4, 6])
    with pytest.raises(SettingsError, match="no guard log"):
        salvage_guard_file(folder / "missing.log", is_record=bool)
    with pytest.raises(StoreError, match="cannot be used"):
        salvage_guard_file(folder, is_record=bool)


def test_a_stop_is_kept_once_and_only_with_its_transaction(
    store: SqliteStore, folder: Path
) -> None:
    """What is rolled back is no stop; the same stop twice is one line."""
    with undone(store):
        store.append_guard(b"undone")
    stop(store, b"stop", b"stop")
    stop(store, b"stop")
    assert len((folder / "optouts.log").read_text().splitlines()) == 1
    store.close()
    reopened = open_store(folder)
    assert reopened.load_guard() == []
    reopened.close()


def test_a_stop_whose_commit_failed_is_applied_at_the_next_start(
    store: SqliteStore, folder: Path
) -> None:
    """A stop too many does no harm; a stop too few breaks a promise."""
    with store.transaction():
        store.save_setting("name", b"")
    with pytest.raises(StoreError), store.transaction():
        append_stop_and_break(store)
    store.close()
    reopened = open_store(folder)
    assert reopened.load_guard() == [b"stop"]
    assert reopened.last_sequence() == 10
    reopened.close()


def append_stop_and_break(store: SqliteStore) -> None:
    """Append a stop, bring it to the file, and let the commit fail."""
    store.append_guard(b"stop")
    store.append_event(1, make_event(99))
    store._session.flush()
    store._session.connection.close()


def test_a_torn_line_of_the_guard_log_is_dropped(store: SqliteStore, folder: Path) -> None:
    """It was never acknowledged; what comes next is written in its place."""
    stop(store, b"one", b"two")
    store.close()
    log = folder / "optouts.log"
    whole = log.read_bytes()
    for torn in (whole[:-1], whole + b"0", whole + b"00000000 AAA=\n", whole[: -len(whole) // 3]):
        log.write_bytes(torn)
        reopened = open_store(folder)
        stop(reopened, b"three")
        reopened.close()
        lines = log.read_bytes().splitlines()
        assert lines[0] == whole.splitlines()[0]
        assert lines[-1].endswith(b"dGhyZWU=")
        log.write_bytes(whole)
        undo(folder, b"three")


def undo(folder: Path, record: bytes) -> None:
    """Let the database forget that it contains a stop."""
    with closing(sqlite3.connect(folder / "kept.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM guards WHERE digest = ?", (digest_record(record),))


def test_damage_within_the_guard_log_is_not_passed_over(store: SqliteStore, folder: Path) -> None:
    """Nobody can say which stop the damaged line held."""
    stop(store, b"one", b"two", b"three")
    store.close()
    log = folder / "optouts.log"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(lines[0] + b"#" + lines[1][1:] + lines[2])
    with pytest.raises(StoreError, match="line 2"):
        open_store(folder)
    log.write_bytes(b"".join(lines))
    open_store(folder).close()
