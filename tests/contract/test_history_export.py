"""Closed hours become files, each row exactly once; what must go, goes out of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from kept.analytics import ParquetHistory
from kept.clock import random_bytes
from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.core.data_map import map_data
from kept.core.event import Identifier
from kept.core.history_columns import KINDS, SCHEMA_VERSION
from kept.core.history_files import first_open_hour
from kept.core.values import DAY, HOUR, MINUTE, SECOND
from kept.errors import StoreError
from kept.flows.correct import Correction, correct
from kept.flows.engine import Engine
from kept.flows.export_history import HistoryWriter, how_far_behind, plan_export
from kept.flows.history_list import is_gone, load_gone
from kept.flows.restrict import restrict
from kept.flows.retain import Retaining, retain
from kept.flows.trim_history import HistoryTrimmer
from kept.shared_port import Settled
from kept.stores.memory import MemoryStore
from tests.history import NOON, World
from tests.history_lives import SECRET, forget_ana, lived, lives_through_death
from tests.scenario.larkmead import LARKMEAD, compile_larkmead

STRIDE = 13


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Give a world with two customers, one of whom is sent something."""
    return lived(World(compile_larkmead(), tmp_path))


def test_nothing_is_exported_before_its_hour_is_closed(world: World) -> None:
    """And once it is, everything of it is there, of every kind."""
    world.look()
    assert all(world.rows(kind) == [] for kind in KINDS)
    stored = {kind: world.stored_ids(kind) for kind in KINDS}
    assert all(stored.values())
    world.close_hour()
    world.look()
    assert {kind: world.ids(kind) for kind in KINDS} == stored
    assert {(str(row["date"]), int(row["hour"])) for row in world.rows("events")} == {
        ("2026-03-02", 12)
    }


def test_an_hour_is_not_closed_over_rows_that_may_still_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where what is known to be settled is older than the hour's end, and at first nothing is."""
    store = world.stage.store
    nothing = Settled(sequence=0, decision_id=0, notice_id=0, at=0)
    old = msgspec.structs.replace(store.read_settled(), at=world.stage.now)
    world.tell("Page Viewed", "ana", path="/in-the-same-hour")
    world.close_hour()
    for settled in (nothing, old):
        monkeypatch.setattr(store, "read_settled", lambda settled=settled: settled)
        world.look()
    monkeypatch.undo()
    world.look()
    assert world.ids("events") == world.stored_ids("events")
    assert {int(row["hour"]) for row in world.rows("events")} == {12}


def test_each_row_is_there_once_however_often_it_is_looked(world: World) -> None:
    """Hour after hour; what was exported is not exported again."""
    for _ in range(3):
        world.close_hour()
        world.look()
        world.look()
        world.tell("Page Viewed", "ana", path="/chairs")
    world.close_hour()
    world.look()
    assert world.ids("events") == world.stored_ids("events")
    assert len({row["hour"] for row in world.rows("events")}) > 2


def test_a_late_event_is_filed_under_the_hour_in_which_it_came(world: World) -> None:
    """Files that are there already do not change for it; when it happened stands in it."""
    world.close_hour()
    world.look()
    before = {name: (world.folder / name).read_bytes() for name in world.history.list_names()[0]}
    world.tell("Page Viewed", "ana", at=NOON - 3 * DAY, path="/late")
    world.close_hour()
    world.look()
    late = world.rows("events")[-1]
    assert late["occurred_at"] < late["received_at"]
    assert int(late["hour"]) == late["received_at"].hour
    assert all((world.folder / name).read_bytes() == content for name, content in before.items())


def test_a_clock_that_is_turned_back_reopens_no_hour(world: World) -> None:
    """What arrives then is filed under the first hour that is not closed."""
    world.close_hour()
    world.look()
    closed = {row["hour"] for row in world.rows("events")}
    end = first_open_hour(world.stage.now)
    world.stage.now -= HOUR
    world.tell("Page Viewed", "ana", path="/again")
    world.stage.now = (end + 1) * HOUR + MINUTE
    world.look()
    last = world.rows("events")[-1]
    assert last["hour"] not in closed
    assert world.ids("events") == world.stored_ids("events")


def test_whatever_is_settled_can_be_exported_at_once(world: World) -> None:
    """The hour that is under way stays open for what follows."""
    world.look(is_all=True)
    assert world.ids("events") == world.stored_ids("events")
    world.tell("Page Viewed", "ben", path="/more")
    world.look(is_all=True)
    assert world.ids("events") == world.stored_ids("events")
    assert len({row["hour"] for row in world.rows("events")}) == 1


def test_large_hours_become_several_files(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file has a limit, and so has what is read at once."""
    monkeypatch.setattr("kept.flows.export_history.ROWS_A_FILE", 3)
    monkeypatch.setattr("kept.flows.export_history.ROWS_A_READ", 2)
    world.look(is_all=True)
    assert world.ids("events") == world.stored_ids("events")
    names = [name for name in world.history.list_names()[0] if name.startswith("events")]
    assert len(names) == -(-len(world.ids("events")) // 3)


def test_long_events_make_shorter_files(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a file fits into memory, whatever a source sends."""
    monkeypatch.setattr("kept.flows.export_history.BYTES_A_FILE", 1)
    world.look(is_all=True)
    assert world.ids("events") == world.stored_ids("events")
    names = [name for name in world.history.list_names()[0] if name.startswith("events")]
    assert len(names) == len(world.ids("events"))


def test_nothing_personal_stands_open(world: World) -> None:
    """Only what is declared as not personal has columns; the rest is in the sealed record."""
    world.look(is_all=True)
    first = world.rows("events")[0]
    assert first["traits"] == '{"zone":"Europe/Lisbon"}'
    assert SECRET.encode() in first["sealed"], "memory seals nothing"
    # All but the sealed column, of every row of every kind.
    shown = str(
        [
            [value for name, value in row.items() if name != "sealed"]
            for kind in KINDS
            for row in world.rows(kind)
        ]
    )
    assert SECRET not in shown
    assert "example.com" not in shown
    assert "ana" not in shown.replace("analysis", "")
    assert "/lamps" not in shown


def test_a_file_says_its_kind_and_the_version_of_its_schema(world: World) -> None:
    """In the metadata of Parquet, where every reader finds it."""
    world.look(is_all=True)
    for name in world.history.list_names()[0]:
        path = str(world.folder / name)
        told = dict(
            duckdb.execute(
                "SELECT decode(key), decode(value) FROM parquet_kv_metadata(?)", [path]
            ).fetchall()
        )
        assert told["kept_schema"] == str(SCHEMA_VERSION)
        assert told["kept_kind"] == name.partition("/")[0]


def test_the_forgotten_are_removed_from_files(world: World) -> None:
    """Rows and not only keys; the erasure is not done before, and others stay as they are."""
    world.look(is_all=True)
    (part,) = {row["part"] for row in world.rows("events") if b"ana@" in row["sealed"]}
    others = [row for row in world.rows("events") if row["part"] != part]
    forget_ana(world)
    assert not is_gone(world.stage.store, "r-1")
    world.look()
    assert is_gone(world.stage.store, "r-1")
    assert load_gone(world.stage.store) == ()
    for kind in KINDS:
        assert part not in {row["part"] for row in world.rows(kind)}
    assert world.rows("events") == others
    assert b"ana@" not in world.content()
    grouping = duckdb.execute(
        "SELECT part FROM read_parquet(?)", [str(world.folder / "parts" / "parts.parquet")]
    ).fetchall()
    assert (part,) not in grouping


def test_an_erasure_of_somebody_without_files_waits_for_nothing(world: World) -> None:
    """Nor does one before the first file was ever thought of."""
    forget_ana(world)
    assert is_gone(world.stage.store, "r-1")
    world.look(is_all=True)
    assert world.ids("events") == world.stored_ids("events")


def test_whoever_is_forgotten_while_a_file_is_written_is_not_in_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is given up and written anew."""
    finish = type(world.history.draft("events")).finish
    done: list[bool] = []

    def finish_late(draft: Any) -> Any:
        written = finish(draft)
        if not done:
            done.append(True)
            forget_ana(world)
        return written

    monkeypatch.setattr(type(world.history.draft("events")), "finish", finish_late)
    world.writer.export(is_all=True)
    assert b"ana@" not in world.content()
    world.look(is_all=True)
    assert world.ids("events") == world.stored_ids("events")
    assert is_gone(world.stage.store, "r-1")


def test_what_is_put_right_is_put_right_in_files(world: World) -> None:
    """The wrong value is in no file any more."""
    world.tell("Order Completed", "ben", total=77, note="Wrongly-Spelt", order="o-1")
    stored = world.stage.store.load_events(after=0, limit=999)
    (wrong,) = [one for one in stored if one.event.properties.get("order") == "o-1"]
    world.look(is_all=True)
    assert b"Wrongly-Spelt" in world.content()
    with world.stage.store.transaction():
        correct(
            world.stage.engine,
            map_data(world.stage.engine.bundle.brand),
            Correction(
                identifier="user_id:ben",
                confirmed_by="came in person",
                because="it was spelt wrongly",
                event=wrong.event.message_id,
                property="note",
                value="Rightly-Spelt",
            ),
            actor="test",
            now=world.stage.now,
        )
    world.look(is_all=True)
    content = world.content()
    assert b"Wrongly-Spelt" not in content
    assert b"Rightly-Spelt" in content
    assert world.ids("events") == world.stored_ids("events")


def test_what_is_past_its_time_goes_out_of_files_too(tmp_path: Path) -> None:
    """As soon as the store let go of it; what somebody wants kept stays in both."""
    world = short_lived(tmp_path)
    with world.stage.store.transaction():
        told = {"because": "a claim is on its way", "confirmed_by": "came in person"}
        ben = Identifier("user_id", "ben")
        restrict(world.stage.engine, ben, **told, actor="test", now=world.stage.now)
    world.stage.now += 31 * DAY
    world.look(is_all=True)
    assert viewed(world) == 2, "the store has not let go of it yet"
    keep_house(world)
    world.stage.now += DAY
    world.look(is_all=True)
    assert viewed(world) == 1, "whoever is restricted keeps theirs"
    assert world.ids("events") == world.stored_ids("events")
    assert world.rows("decisions")
    world.stage.now += 60 * DAY
    keep_house(world)
    world.look(is_all=True)
    (part,) = world.stage.store.find_parts([(ben, False)])
    assert part is not None
    oldest = world.stage.now - 60 * DAY
    rows = world.rows("decisions")
    old = {row["part"] for row in rows if row["decided_at"].timestamp() * SECOND <= oldest}
    assert old == {part.part_id}
    assert world.ids("decisions") == world.stored_ids("decisions")


def test_a_file_that_another_node_was_at_is_looked_through_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is taken for removed that was not, and nobody waits a day for it."""
    world = short_lived(tmp_path)
    world.stage.now += 31 * DAY
    keep_house(world)
    with monkeypatch.context() as contended:
        contended.setattr(world.trimmer, "rewrite", lambda *_: False)
        assert world.trimmer.expire(world.limits())
    assert viewed(world) == 2
    assert world.trimmer.expire(world.limits())
    assert viewed(world) == 0
    assert not world.trimmer.expire(world.limits())


def short_lived(folder: Path) -> World:
    """Return a world that has lived, and whose records do not last long."""
    texts = dict(LARKMEAD)
    texts["brand.yaml"] = texts["brand.yaml"].replace(
        "history: 3650 days\n",
        "history: 3650 days\nretention: {Page Viewed: 30 days}\nrecords: {decisions: 60 days, messages: 50 days}\n",
    )
    world = World(compile_brand(load_brand(texts)), folder)
    keep_house(world)
    lived(world)
    world.look(is_all=True)
    return world


def viewed(world: World) -> int:
    """Return how many page views are in files."""
    return sum(row["event"] == "Page Viewed" for row in world.rows("events"))


def keep_house(world: World) -> None:
    """Let the store remove what is past its time, until it is done."""
    retaining = Retaining(world.limits())
    is_more = True
    while is_more:
        with world.stage.store.transaction():
            is_more = retain(world.stage.engine, retaining, world.stage.now)


def test_what_becomes_personal_is_closed_in_files(world: World) -> None:
    """A brand that declares otherwise holds for what was written before, too."""
    world.look(is_all=True)
    assert "Europe/Lisbon" in str([row["traits"] for row in world.rows("events")])
    texts = dict(LARKMEAD)
    texts["facts.yaml"] = texts["facts.yaml"].replace(
        "zone: {type: text, personal: false}", "zone: {type: text}"
    )
    world.stage.engine.bundle = compile_brand(load_brand(texts))
    world.look()
    assert {row["traits"] for row in world.rows("events")} == {"{}"}
    assert world.ids("events") == world.stored_ids("events")
    before = world.history.list_names()
    world.look()
    assert world.history.list_names() == before


def test_a_store_from_a_backup_takes_files_of_after_it_away(tmp_path: Path) -> None:
    """What they hold is in no store any more, and nobody in them could be forgotten."""
    world = lived(World(compile_larkmead(), tmp_path))
    world.look(is_all=True)
    again = World(compile_larkmead(), tmp_path, MemoryStore())
    again.trimmer.sweep()
    assert again.history.list_names() == ([], [])
    lived(again).look(is_all=True)
    assert again.ids("events") == again.stored_ids("events")


def test_files_that_vanish_are_told_to_the_operator(world: World) -> None:
    """Nobody gets them back by silence; the rest goes on."""
    world.look(is_all=True)
    name = world.history.list_names()[0][0]
    (world.folder / name).unlink()
    world.trimmer.sweep()
    assert world.stage.engine.alerts[-1]["code"] == "history_lost"
    count = len(world.stage.engine.alerts)
    world.trimmer.sweep()
    assert len(world.stage.engine.alerts) == count
    forget_ana(world)
    world.look()
    assert is_gone(world.stage.store, "r-1")


def test_a_folder_that_is_not_mounted_loses_nothing(world: World, tmp_path: Path) -> None:
    """Nothing is written beside it, and nothing is taken for lost, until it is there again."""
    world.look(is_all=True)
    before = world.ids("events")
    elsewhere = tmp_path.with_name("elsewhere")
    world.folder.rename(elsewhere)
    world.folder.mkdir()
    world.tell("Page Viewed", "ana", path="/meanwhile")
    with pytest.raises(StoreError, match="is it mounted"):
        world.trimmer.sweep()
    with pytest.raises(StoreError, match="is it mounted"):
        world.writer.export(is_all=True)
    assert world.stage.engine.alerts[-1]["code"] == "history_missing"
    assert list(world.folder.iterdir()) == []
    world.folder.rmdir()
    elsewhere.rename(world.folder)
    world.trimmer.sweep()
    world.look(is_all=True)
    assert world.ids("events") == world.stored_ids("events")
    assert set(before) < set(world.ids("events"))


def test_a_field_that_became_personal_meanwhile_opens_in_no_file(world: World) -> None:
    """A file that was read by the brand of before is given up."""
    plan = world.do(lambda engine, now: plan_export(engine, now, is_all=True))
    texts = dict(LARKMEAD)
    texts["facts.yaml"] = texts["facts.yaml"].replace(
        "zone: {type: text, personal: false}", "zone: {type: text}"
    )
    world.stage.engine.bundle = compile_brand(load_brand(texts))
    assert not world.writer._export(plan, "events")
    world.look(is_all=True)
    assert "Europe/Lisbon" not in str([row["traits"] for row in world.rows("events")])


def test_how_far_behind_it_is(world: World) -> None:
    """From the first closed hour that waits; nothing before there was ever a file."""
    store = world.stage.store
    assert how_far_behind(store, world.stage.now) == 0
    world.close_hour()
    world.look()
    assert how_far_behind(store, world.stage.now) == 0
    world.stage.advance(world.stage.now + 5 * HOUR)
    assert how_far_behind(store, world.stage.now) == 5 * HOUR
    world.look()
    assert how_far_behind(store, world.stage.now) == 0


def test_of_several_nodes_one_exports(world: World) -> None:
    """Whoever was slower gives its file up; nothing is doubled."""
    other = HistoryWriter(
        world.do, lambda: world.stage.store, ParquetHistory(world.folder), rest=lambda: None
    )
    slow = world.do(lambda engine, now: plan_export(engine, now, is_all=True))
    while other.export(is_all=True):
        pass
    before = world.history.list_names()
    for kind in KINDS:
        assert not world.writer._export(slow, kind)
    assert world.history.list_names() == before
    assert world.ids("events") == world.stored_ids("events")


def test_a_file_that_another_node_swept_away_is_written_anew(world: World) -> None:
    """It was not listed yet, so that nothing is lost."""
    swept: list[bool] = []
    noted = world.writer.do

    def sweep_first(job: Callable[[Engine, int], Any]) -> Any:
        _, temporary = world.history.list_names()
        if temporary and not swept:
            swept.append(True)
            HistoryTrimmer(
                HistoryWriter(noted, lambda: world.stage.store, world.history, rest=lambda: None)
            ).sweep()
        return noted(job)

    world.writer.do = sweep_first
    world.writer.export(is_all=True)
    assert swept
    world.look(is_all=True)
    assert world.ids("events") == world.stored_ids("events")


def test_a_death_at_a_step_neither_loses_nor_doubles_a_row(tmp_path: Path) -> None:
    """Some of the steps, from a first one on that is drawn; a suite goes through all of them."""
    first = random_bytes(1)[0] % STRIDE + 1
    died = sum(
        lives_through_death(tmp_path / str(step), step) for step in range(first, STRIDE * 8, STRIDE)
    )
    assert died > 4
