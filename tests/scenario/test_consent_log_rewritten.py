"""Every way of rewriting the consent log is found, and named with its place."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from kept.core.checkpoint import Checkpoint, sign_checkpoint
from kept.core.event import Identifier
from kept.core.merkle import TILE_WIDTH, hash_leaf, root_of
from kept.core.record import read_leaf, write_leaf
from kept.errors import StoreError
from kept.flows.audit_log import Kept, audit_log, begin_audit
from kept.flows.forget import Wish, forget
from kept.flows.note_in_log import note_operator
from kept.flows.sign_log import load_log_keys, public_keys, rotate_key
from kept.flows.tick import housekeep
from kept.runtime.audits import audit_public, tile_path
from kept.stores.codecs import decode_event, encode_event
from kept.stores.sqlite import SqliteStore
from tests.scenario.log_world import HEADER, NOW, LogWorld, sql, truncate


def rewrite(connection: sqlite3.Connection, index: int, *, with_hash: bool) -> None:
    """Change a word of a record where it lies, and its hash if asked."""
    (data,) = connection.execute(
        "SELECT data FROM consent_log WHERE leaf_index = ?", (index,)
    ).fetchone()
    forged = data.replace(b"user_id:ana", b"user_id:eve")
    assert forged != data
    connection.execute("UPDATE consent_log SET data = ? WHERE leaf_index = ?", (forged, index))
    if with_hash:
        connection.execute(
            "UPDATE consent_log SET leaf_hash = ? WHERE leaf_index = ?",
            (hash_leaf(forged[HEADER:]), index),
        )


def shift(connection: sqlite3.Connection, index: int) -> None:
    """Remove a leaf and move those after it up."""
    connection.execute("DELETE FROM consent_log WHERE leaf_index = ?", (index,))
    for n in range(index + 1, 7):
        connection.execute("UPDATE consent_log SET leaf_index = ? WHERE leaf_index = ?", (n - 1, n))


def swap(connection: sqlite3.Connection, one: int, other: int) -> None:
    """Let two leaves change places."""
    for old, new in ((one, 99), (other, one), (99, other)):
        connection.execute("UPDATE consent_log SET leaf_index = ? WHERE leaf_index = ?", (new, old))


def edit_event(connection: sqlite3.Connection, sequence: int) -> None:
    """Let an event say something else."""
    (body,) = connection.execute(
        "SELECT body FROM events WHERE sequence = ?", (sequence,)
    ).fetchone()
    event = decode_event(body[HEADER:])
    forged = msgspec.structs.replace(event, properties={"entity": "bank", "purpose": "marketing"})
    sealed = body[:HEADER] + encode_event(forged)
    connection.execute("UPDATE events SET body = ? WHERE sequence = ?", (sealed, sequence))


def drop_event(connection: sqlite3.Connection, sequence: int) -> None:
    """Remove an event that stored states hold already, so that opening the store misses nothing."""
    connection.execute("DELETE FROM events WHERE sequence = ?", (sequence,))
    connection.execute("INSERT OR REPLACE INTO marks SELECT 'states', max(sequence) FROM events")


def plant_event(connection: sqlite3.Connection) -> None:
    """Add a consent that nobody gave."""
    connection.execute(
        "INSERT INTO events SELECT (SELECT max(sequence) + 1 FROM events), part_id, body "
        "FROM events WHERE sequence = 1"
    )


def plant_leaf(connection: sqlite3.Connection) -> None:
    """Add the record of a consent that nobody gave."""
    (data,) = connection.execute("SELECT data FROM consent_log WHERE leaf_index = 1").fetchone()
    _, record = read_leaf(data[HEADER:])
    assert record.from_event is not None
    source = msgspec.structs.replace(record.from_event, sequence=50)
    forged = write_leaf(
        msgspec.structs.replace(record, record_id="7", from_event=source), b"s" * 32
    )
    row = (7, 1, hash_leaf(forged), data[:HEADER] + forged)
    connection.execute("INSERT INTO consent_log VALUES (?, ?, ?, ?)", row)


TAMPERING: dict[str, tuple[Callable[[sqlite3.Connection], object], list[str]]] = {
    "a record is edited": (lambda c: rewrite(c, 1, with_hash=False), ["leaf 1"]),
    "a record is edited with its hash": (
        lambda c: rewrite(c, 1, with_hash=True),
        ["leaves 1 to 3"],
    ),
    "a late record is edited with its hash": (
        lambda c: rewrite(c, 5, with_hash=True),
        ["leaves 4 to 6"],
    ),
    "a hash is edited": (
        sql("UPDATE consent_log SET leaf_hash = zeroblob(32) WHERE leaf_index = 5"),
        ["leaf 5", "leaves 4 to 6"],
    ),
    "a leaf is deleted": (
        sql("DELETE FROM consent_log WHERE leaf_index = 4"),
        ["leaf 4", "event 6"],
    ),
    "the first leaf is deleted": (
        sql("DELETE FROM consent_log WHERE leaf_index = 0"),
        ["leaf 0", "leaf 0"],
    ),
    "a leaf is deleted and the rest moved up": (
        lambda c: shift(c, 4),
        ["leaf 4", "leaf 5", "leaf 6", "event 6"],
    ),
    "two leaves change places": (
        lambda c: swap(c, 4, 5),
        ["leaf 4", "leaf 5", "leaf 5", "leaves 4 to 6", "event 6"],
    ),
    "the end is cut off": (
        sql("DELETE FROM consent_log WHERE leaf_index >= 5"),
        ["leaves 5 to 6", "event 7", "audit entry 2"],
    ),
    "the end is cut off with what was signed": (
        lambda c: truncate(c, 5),
        ["leaves 5 to 6", "event 7", "audit entry 2"],
    ),
    "an event is edited": (lambda c: edit_event(c, 1), ["event 1"]),
    "an event is deleted": (lambda c: drop_event(c, 6), ["leaf 4"]),
    "an event is planted": (plant_event, ["event 8"]),
    "an event is given to somebody else": (
        sql("UPDATE events SET part_id = 2 WHERE sequence = 1"),
        ["leaf 1"],
    ),
    "a leaf is planted": (plant_leaf, ["leaf 7"]),
    "a leaf is given to somebody else": (
        sql("UPDATE consent_log SET part_id = 2 WHERE leaf_index = 1"),
        ["leaf 1"],
    ),
    "the audit is edited": (
        sql("UPDATE audit SET actor = 'yan' WHERE entry_id = 1"),
        ["audit entry 1"],
    ),
    "the audit is cut": (sql("DELETE FROM audit WHERE entry_id = 2"), ["audit entry 2"]),
    "a checkpoint is edited": (
        sql("UPDATE consent_log_checkpoints SET note = replace(note, 'larkmead', 'markland')"),
        ["checkpoint 1", "checkpoint 4", "checkpoint 7"],
    ),
    "a checkpoint's root is edited": (
        sql(
            "UPDATE consent_log_checkpoints SET note = (SELECT note FROM consent_log_checkpoints "
            "WHERE size = 4) WHERE size = 7"
        ),
        ["checkpoint 7"],
    ),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_is_found_and_named_with_its_place(log_world: LogWorld, name: str) -> None:
    """Edit, delete, reorder, truncate, plant: in the log, the stream, the audit, what was signed."""
    plan, places = TAMPERING[name]
    assert log_world.places() == []
    log_world.tamper(plan)
    assert log_world.places() == places


def resign(world: LogWorld, size: int) -> None:
    """Do what only somebody with everything can: cut everything off, and sign what is left."""
    keys = load_log_keys(world.store)
    assert keys is not None
    leaves = world.store.read_leaves(start=0, limit=size)
    root = root_of([leaf.leaf_hash for leaf in leaves])
    checkpoint = Checkpoint(origin=keys.present.name, size=size, root=root)
    note = sign_checkpoint(checkpoint, keys.seed)

    def cut(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM consent_log WHERE leaf_index >= ?", (size,))
        connection.execute("DELETE FROM consent_log_checkpoints")
        connection.execute("DELETE FROM events WHERE sequence > 5")
        connection.execute("DELETE FROM audit WHERE entry_id > 1")
        connection.execute(
            "INSERT INTO consent_log_checkpoints VALUES (?, ?, ?)", (size, world.now, note)
        )

    world.tamper(cut)
    (world.folder / "log.checkpoint").write_text(note)


def test_a_whole_forgery_is_found_by_what_was_kept_elsewhere(log_world: LogWorld) -> None:
    """Whoever has key and file can make them fit each other, but not a checkpoint or a receipt."""
    kept = log_world.store.read_newest_checkpoint()
    assert kept is not None
    resign(log_world, 4)
    assert log_world.places() == []
    assert log_world.places(kept.note) == ["leaves 4 to 6"]


@pytest.fixture
def outdated(log_world: LogWorld, tmp_path: Path) -> str:
    """Put yesterday's database in the place of today's; give a receipt of today."""
    log_world.store.close()
    old = tmp_path / "old.db"
    shutil.copy(tmp_path / "kept.db", old)
    log_world.open()
    log_world.say("Unsubscribed", purpose="marketing")
    receipt = msgspec.json.encode(log_world.receipts().receipts[-1]).decode()
    assert log_world.places(receipt) == []
    log_world.store.close()
    for name in ("kept.db-wal", "kept.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.copy(old, tmp_path / "kept.db")
    log_world.store = SqliteStore(tmp_path, vault=log_world.vault)
    return receipt


def test_an_old_database_is_found(log_world: LogWorld, outdated: str, tmp_path: Path) -> None:
    """By the checkpoint beside it; where that was taken away too, by a receipt of today."""
    assert log_world.places() == ["leaves 7 to 8"]
    (tmp_path / "log.checkpoint").unlink()
    assert log_world.places() == []
    assert log_world.places(outdated) == ["leaves 7 to 8", "leaf 7"]


def test_an_old_database_is_never_signed_under_the_old_name(
    log_world: LogWorld, outdated: str
) -> None:
    """It goes on as another log, says so in its own leaves, and alerts the operator."""
    before = load_log_keys(log_world.store)
    assert before is not None
    log_world.store.close()
    log_world.open()
    record = next(r for r in log_world.records() if r.kind == "log_key")
    assert record.detail["replaces"] == before.periods[-1].key
    assert before.present.name in record.detail["signed_before"]
    assert [alert["code"] for alert in log_world.engine.alerts] == ["log_renewed"]
    assert log_world.places() == []
    assert log_world.places(outdated) == ["leaf 7", "leaf 8"]
    log_world.store.close()
    log_world.open()
    assert log_world.engine.alerts == []


def test_what_is_kept_elsewhere_must_be_ours(log_world: LogWorld) -> None:
    """Another log's checkpoint, and what is no checkpoint at all, are findings, not passes."""
    foreign = sign_checkpoint(Checkpoint(origin="other/log", size=3, root=bytes(32)), b"k" * 32)
    found = log_world.audit(foreign, "nonsense", "{}")
    assert [finding.place for finding in found.findings] == ["file 0", "file 1", "file 2"]
    assert "none of the known keys" in found.findings[0].what


def public_of(log_world: LogWorld) -> dict[str, bytes]:
    """Return what the log shows to everybody, by its paths."""
    newest = log_world.store.read_newest_checkpoint()
    assert newest is not None
    shown = {"checkpoint": newest.note.encode()}
    for place in range(-(-newest.size // TILE_WIDTH)):
        width = min(TILE_WIDTH, newest.size - place * TILE_WIDTH)
        hashes = log_world.store.read_log_hashes(0, start=place * TILE_WIDTH, count=width)
        shown[tile_path(0, place, width)] = b"".join(hashes)
    return shown


def test_anybody_can_compare_what_is_shown_with_what_they_kept(log_world: LogWorld) -> None:
    """Over more than one tile: the same log passes, a rewritten one does not."""
    early = log_world.store.read_checkpoints(after=0, limit=1)[0].note
    with log_world.store.transaction():
        for number in range(300):
            note_operator(
                log_world.store, "approval", actor="zoe", verb="v", detail={"n": number}, now=NOW
            )
    receipt = msgspec.json.encode(log_world.receipts().receipts[0]).decode()
    kept = [Kept(name="early", text=early), Kept(name="receipt", text=receipt)]
    keys = public_keys(log_world.store)
    shown = public_of(log_world)
    found = audit_public(shown.__getitem__, keys, against=kept)
    assert (found.size, found.findings) == (log_world.store.log_size(), ())

    forged = shown | {"tile/0/000": bytes(32) + shown["tile/0/000"][32:64] + bytes(32 * 254)}
    places = [one.place for one in audit_public(forged.__getitem__, keys, against=kept).findings]
    assert places == [
        "leaves 0 to 0",
        f"leaves 0 to {found.size - 1}",
        f"leaves 0 to {found.size - 1}",
    ]

    forged = shown | {"tile/0/000": shown["tile/0/000"][:32] + bytes(32 * 255)}
    found_now = audit_public(forged.__getitem__, keys, against=kept[1:]).findings
    assert found_now[0].place == "leaf 1"

    cut = shown | {"tile/0/000": b""}
    with pytest.raises(StoreError, match="0 bytes"):
        audit_public(cut.__getitem__, keys, against=kept)


def test_a_shorter_log_is_found_from_outside(log_world: LogWorld) -> None:
    """What was signed last week is longer than what is shown today."""
    keys = public_keys(log_world.store)
    old = log_world.store.read_checkpoints(after=0, limit=9)
    shown = {"checkpoint": old[1].note.encode()}
    hashes = log_world.store.read_log_hashes(0, start=0, count=4)
    shown[tile_path(0, 0, 4)] = b"".join(hashes)
    kept = [Kept(name="newest", text=old[-1].note), Kept(name="junk", text="junk")]
    places = [one.place for one in audit_public(shown.__getitem__, keys, against=kept).findings]
    assert places == ["junk", "leaves 4 to 6"]


def test_tiles_have_the_names_that_the_specification_gives() -> None:
    """The example of C2SP tlog-tiles, and a part of a tile."""
    assert tile_path(0, 1234067, 256) == "tile/0/x001/x234/067"
    assert tile_path(2, 0, 1) == "tile/2/000.p/1"


def test_an_old_database_from_before_the_key_is_signed_again(
    log_world: LogWorld, tmp_path: Path
) -> None:
    """The checkpoint beside it was signed by a key that it never heard of; it goes on all the same."""
    log_world.store.close()
    old = tmp_path / "old.db"
    shutil.copy(tmp_path / "kept.db", old)
    log_world.open()
    log_world.do(lambda engine, now: rotate_key(engine, actor="zoe", now=now))
    log_world.store.close()
    shutil.copy(old, tmp_path / "kept.db")
    log_world.open()
    assert [alert["code"] for alert in log_world.engine.alerts] == ["log_renewed"]
    log_world.say("Unsubscribed", purpose="marketing")
    log_world.do(housekeep)
    assert [alert["code"] for alert in log_world.engine.alerts] == ["log_renewed"]
    newest = log_world.store.read_newest_checkpoint()
    assert newest is not None
    assert newest.size == log_world.store.log_size()
    assert log_world.places() == []


def test_an_audit_is_not_disturbed_by_what_happens_meanwhile(log_world: LogWorld) -> None:
    """What is said, signed or forgotten after it began is not its business."""
    scope = begin_audit(log_world.store)
    log_world.say("Unsubscribed", "ben", purpose="marketing")
    wish = Wish(request_id="r1", actor="zoe", confirmed_by="asked in the shop")
    ben = Identifier("user_id", "ben")
    log_world.do(lambda engine, now: forget(engine, ben, wish, now))
    log_world.sign()
    found = audit_log(log_world.store, scope)
    assert (found.size, found.findings) == (scope.size, ())
    assert log_world.places() == []
