"""The embedded store's folder: one writer, known files only, and a way back from a full disk."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from kept.errors import DiskFullError, OutsideError, SettingsError, StoreError
from kept.stores.sqlite import SqliteStore, checkpoints, migrations
from kept.stores.vault import PlainVault
from tests.contract.values import append, make_event
from tests.vaults import make_vault


def open_store(folder: Path) -> SqliteStore:
    """Open the store of a folder."""
    return SqliteStore(folder, vault=make_vault(folder))


def fill(store: SqliteStore) -> int:
    """Commit big events until one fails; return how many were acknowledged."""
    for count in range(100_000):
        event = make_event(count, properties={"text": "x" * 20_000})
        with store.transaction():
            store.append_event(1, event)
    raise AssertionError("the disk never filled")


def check(folder: Path, *, acknowledged: int) -> None:
    """Open the store and find everything that was acknowledged, and nothing torn."""
    store = open_store(folder)
    with closing(store):
        events = store.load_events(after=0, limit=100_000)
        assert len(events) >= acknowledged
        assert [one.sequence for one in events] == list(range(1, len(events) + 1))
        append(store, 1, first_key=10**6)


def test_two_stores_never_share_a_folder(tmp_path: Path) -> None:
    """The second is told which process has it, and may come in when the first is gone."""
    first = open_store(tmp_path)
    with pytest.raises(SettingsError, match=f"in use by process {os.getpid()}"):
        open_store(tmp_path)
    first.close()
    open_store(tmp_path).close()


def test_another_process_is_kept_out_and_named(tmp_path: Path) -> None:
    """The lock holds between processes, and dies with the one that holds it."""
    script = (
        "import sys; from pathlib import Path; from kept.stores.sqlite import SqliteStore; "
        "from tests.vaults import make_vault; "
        "store = SqliteStore(Path(sys.argv[1]), vault=make_vault(Path(sys.argv[1]))); "
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        with pytest.raises(SettingsError, match=f"in use by process {child.pid}"):
            open_store(tmp_path)
        child.send_signal(signal.SIGKILL)
        child.wait()
        open_store(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The operator is told what to change."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="data folder"):
        SqliteStore(tmp_path / "file" / "data", vault=PlainVault())
    with pytest.raises(SettingsError, match=r"master key .* cannot be written: Not a directory"):
        open_store(tmp_path / "file" / "data")


def test_a_store_of_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    """An older Kept does not write what it does not understand."""
    open_store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "kept.db")) as connection:
        connection.execute("PRAGMA user_version = 999")
    before = (tmp_path / "kept.db").read_bytes()
    with pytest.raises(SettingsError, match=r"version 999.*newer Kept"):
        open_store(tmp_path)
    assert (tmp_path / "kept.db").read_bytes() == before


def test_somebody_elses_database_is_refused_untouched(tmp_path: Path) -> None:
    """A wrong folder costs nobody their data."""
    with closing(sqlite3.connect(tmp_path / "kept.db")) as connection:
        connection.execute("CREATE TABLE photos (name TEXT)")
        connection.commit()
    before = (tmp_path / "kept.db").read_bytes()
    with pytest.raises(SettingsError, match="not one of Kept's"):
        open_store(tmp_path)
    assert (tmp_path / "kept.db").read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """In our words."""
    (tmp_path / "kept.db").write_bytes(b"hello" * 1_000)
    with pytest.raises(StoreError, match=r"kept\.db"):
        open_store(tmp_path)
    assert (tmp_path / "kept.db").read_bytes() == b"hello" * 1_000


def test_a_failed_start_lets_go_of_the_folder(tmp_path: Path) -> None:
    """Whatever was wrong can be mended and tried again at once."""
    (tmp_path / "kept.db").write_bytes(b"hello" * 1_000)
    with pytest.raises(StoreError):
        open_store(tmp_path)
    (tmp_path / "kept.db").unlink()
    open_store(tmp_path).close()


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than failing later, in the middle of something."""
    monkeypatch.setattr(migrations, "SQLITE_MIN", (99, 0, 0))
    with pytest.raises(SettingsError, match=r"99\.0\.0"):
        open_store(tmp_path)


def test_migrations_are_numbered_without_a_gap() -> None:
    """Each sets the version that its name says."""
    numbers = [number for number, _ in migrations.list_migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
    for number, text in migrations.list_migrations():
        assert text.rstrip().endswith(f"PRAGMA user_version = {number};")


def test_commits_are_on_the_disk_when_they_return(tmp_path: Path) -> None:
    """The write connection syncs each commit, on every system."""
    store = open_store(tmp_path)
    connection = store._session.connection
    with closing(store):
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA fullfsync").fetchone() == (1,)
        assert connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)


def test_a_full_database_is_refused_clearly_and_recovers(tmp_path: Path) -> None:
    """SQLite itself says that it is full; with room again, a new start is all it takes."""
    store = open_store(tmp_path)
    store._session.connection.execute("PRAGMA max_page_count = 200")
    with pytest.raises(DiskFullError, match="no room left"):
        fill(store)
    acknowledged = store.last_sequence()
    assert acknowledged > 10
    for _ in range(2):
        with pytest.raises(DiskFullError, match="open the store again"):
            append(store, 1)
    assert len(store.load_events(after=0, limit=10**6)) == acknowledged
    store.close()
    check(tmp_path, acknowledged=acknowledged)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let this process write no file beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_may_not_grow_is_refused_clearly_and_recovers(tmp_path: Path) -> None:
    """The same for a limit of the system, met anywhere: in the log, or in the guard log."""
    store = open_store(tmp_path)
    with pytest.raises(StoreError), largest_file(1_000_000):
        fill(store)
    acknowledged = store.last_sequence()
    with pytest.raises(StoreError, match="open the store again"):
        append(store, 1)
    store.close()
    check(tmp_path, acknowledged=acknowledged)
    store = open_store(tmp_path)
    with pytest.raises(DiskFullError, match="guard log"), largest_file(100), store.transaction():
        store.append_guard(b"stop" * 1_000)
    store.close()
    check(tmp_path, acknowledged=acknowledged + 1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on a disk of two megabytes; skipped where mounting is not allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_refused_clearly_and_recovers(small_disk: Path) -> None:
    """A disk that is really full, while the store runs and while it starts."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 500_000)
    store = open_store(small_disk / "data")
    with pytest.raises(DiskFullError):
        fill(store)
    acknowledged = store.last_sequence()
    store.close()
    with pytest.raises(OutsideError):
        fill_again(small_disk / "data")
    ballast.unlink()
    check(small_disk / "data", acknowledged=acknowledged)


def fill_again(folder: Path) -> None:
    """Open a store on a full disk and write until it fails, if it opens at all."""
    store = open_store(folder)
    with closing(store):
        fill(store)


def test_the_log_is_begun_anew_when_it_has_grown_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a pause of the writer the log would otherwise grow for ever."""
    monkeypatch.setattr(checkpoints, "CHANGES_BETWEEN", 20)
    monkeypatch.setattr(checkpoints, "LOG_PAGES_MAX", 50)
    store = open_store(tmp_path)
    log = tmp_path / "kept.db-wal"
    with closing(store):
        for key in range(2_000):
            append(store, 1, first_key=key)
        written = 2_000 * 4_096
        assert log.stat().st_size < written / 4
        assert (tmp_path / "kept.db").stat().st_size > 100_000
    assert not log.exists()
    check(tmp_path, acknowledged=2_000)
