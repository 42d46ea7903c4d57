"""Files of history: whole or not there, whatever they hold; and those of the first version for ever."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from kept.analytics import ParquetHistory, SqlSession
from kept.core.history_columns import COLUMNS, ID_COLUMNS, KINDS, PART_COLUMNS, HistoryKind
from kept.core.history_export import Opener, OpenPlaces, event_row
from kept.core.history_files import PARTS_FILE, name_of
from kept.core.values import DAY
from kept.errors import InputError, StoreError
from kept.history_port import Grouped, Trim
from tests.contract.values import NOW, ODD_TEXTS, make_event

FIRST = Path(__file__).parent / "history"
"""One file of each kind, as the first version wrote it. Never written anew."""
PLACES = OpenPlaces(
    frozenset(
        {("", "properties.price"), ("", "properties.tags"), ("odd/~name", "properties.a~/b")}
    ),
    frozenset(),
)


PLACES_THAT_BITE = (("it's", "properties.it's"), ("", "traits.'; DROP TABLE x; --"))


@pytest.fixture
def history(tmp_path: Path) -> ParquetHistory:
    """Give a folder that is not there yet."""
    return ParquetHistory(tmp_path / "history")


def odd_rows() -> list[dict[str, Any]]:
    """Return rows with whatever a source may write."""
    return [
        event_row(
            Opener(PLACES),
            number,
            number % 3,
            make_event(
                number,
                name=text or "odd/~name",
                occurred_at=NOW + number,
                properties={"price": -(2**63), "tags": [text, None, 1.5e300], "a~/b": True},
            ),
        )
        | {"sealed": b"\x00\xff" + text.encode()}
        for number, text in enumerate(ODD_TEXTS, start=1)
    ]


def place(history: ParquetHistory, rows: list[dict[str, Any]], kind: HistoryKind = "events") -> str:
    """Write rows into a file of their own, and return its name."""
    draft = history.draft(kind)
    draft.add(rows[:1])
    draft.add(rows[1:])
    written = draft.finish()
    draft.drop()
    name = name_of(kind, 490_900, version=written.version, first=written.first, last=written.last)
    history.place(written.temporary, name)
    return name


def read(history: ParquetHistory, name: str, columns: str = "*") -> list[tuple[Any, ...]]:
    """Return the rows of a file as they stand."""
    path = str(history.folder / name)
    query = f"SELECT {columns} FROM read_parquet(?, hive_partitioning = false)"
    return duckdb.execute(query, [path]).fetchall()


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    """Quotes, brackets and semicolons in a path are a path."""
    history = ParquetHistory(tmp_path / 'it\'s; DROP TABLE "y"')
    name = place(history, odd_rows())
    assert history.find_parts([name], [1]) == [name]
    written = history.rewrite("events", name, Trim(parts=frozenset({1}), places=PLACES_THAT_BITE))
    assert written
    assert "price" in read(history, written.temporary, "properties")[0][0]
    session = SqlSession(history.folder, [(1, 1)])
    assert session.run("SELECT count(*) FROM events").rows == [(4,)]
    session.close()
    with pytest.raises(InputError, match="without"):
        SqlSession(tmp_path / "a[b]*", [])


def test_whatever_a_source_writes_comes_back(history: ParquetHistory) -> None:
    """Texts with NUL and without sense, numbers at their limits, bytes."""
    rows = odd_rows()
    name = place(history, rows)
    found = read(history, name, "sequence, part, event, epoch_us(occurred_at), sealed")
    assert found == [
        (row["sequence"], row["part"], row["event"], row["occurred_at"], row["sealed"])
        for row in rows
    ]
    assert history.list_names() == ([name], [])


def test_every_column_is_there_with_its_type(history: ParquetHistory) -> None:
    """In the order of the table, JSON as text."""
    name = place(history, odd_rows())
    path = str(history.folder / name)
    described = duckdb.execute(
        "DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", [path]
    )
    names = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE", "JSON": "VARCHAR"}
    assert [row[:2] for row in described.fetchall()] == [
        (one.name, names.get(one.type, one.type)) for one in COLUMNS["events"]
    ]


def test_parts_are_found_in_files(history: ParquetHistory) -> None:
    """By their rows, and only where there are any."""
    one = place(history, odd_rows()[:2])
    two = place(history, odd_rows()[2:3])
    assert history.find_parts([one, two], [0]) == [two]
    assert history.find_parts([one, two], [1, 0]) == [one, two]
    assert history.find_parts([one, two], [77]) == []
    assert history.find_parts([], [1]) == []
    assert history.list_events([one, two]) == {"odd/~name", "a\x00b", ODD_TEXTS[2]}


def test_what_is_older_than_it_may_be_is_found(history: ParquetHistory) -> None:
    """Each event by its own limit; proofs never."""
    rows = odd_rows()[:4]
    rows[0]["is_proof"] = True
    name = place(history, rows)
    limits = {row["event"]: NOW + 3 for row in rows}
    assert history.find_expired("events", [name], limits) == {name: [2, 3]}
    assert history.find_expired("events", [name], {rows[1]["event"]: NOW + DAY}) == {name: [2]}
    assert history.find_expired("events", [name], {}) == {}


def test_a_file_is_rewritten_without_what_must_go(history: ParquetHistory) -> None:
    """By part, by id; what was put right takes its place; the rest is as it was."""
    rows = odd_rows()
    name = place(history, rows)
    before = {row[0]: row for row in read(history, name)}
    right = dict(rows[3], properties={"price": 1})
    trim = Trim(parts=frozenset({2}), ids=frozenset({1}), rows=(right,))
    written = history.rewrite("events", name, trim)
    assert written
    assert read(history, name) == list(before.values()), "it is not in its place yet"
    history.place(written.temporary, name)
    found = {row[0]: row for row in read(history, name)}
    assert set(found) == {3, 4, 6, 7, 9, 10}
    assert all(found[number] == before[number] for number in found if number != 4)
    assert found[4][7] == '{"price":1}'
    assert history.rewrite("events", name, Trim(parts=frozenset({0, 1}))) is None
    assert history.list_names() == ([name], [])


def test_fields_that_became_personal_are_closed(history: ParquetHistory) -> None:
    """Of one event or of all, whatever their names; the bytes of others stay."""
    rows = odd_rows()
    name = place(history, rows)
    places = (("", "properties.price"), ("odd/~name", "properties.a~/b"))
    written = history.rewrite("events", name, Trim(places=places))
    assert written
    found = read(history, written.temporary, "event, properties")
    assert all('"price"' not in properties for _, properties in found)
    assert all('"tags"' in properties for _, properties in found)
    assert not any('"a~/b"' in properties for _, properties in found)


def test_however_many_fields_became_personal_they_are_closed_at_once(
    history: ParquetHistory,
) -> None:
    """Each of its own event, and those of every event; what is left is left as it was spelt."""
    names = [f'it\'s.~/"{number}"' for number in range(30)]
    events = ("it's", "odd/~name", "other")
    plain = OpenPlaces(frozenset(("", f"properties.{name}") for name in names), frozenset())
    rows = [
        event_row(
            Opener(plain),
            number,
            1,
            make_event(number, name=event, properties=dict.fromkeys(names, None)),
        )
        | {"sealed": b"s"}
        for number, event in enumerate(events, start=1)
    ]
    rows.append(dict(rows[0], sequence=4, properties={"left": 1.50}))
    name = place(history, rows)
    ((left,),) = read(history, name, "properties")[3:]
    places = tuple(
        ((*events[:2], "")[number % 3], f"properties.{each}") for number, each in enumerate(names)
    )
    written = history.rewrite("events", name, Trim(places=places))
    assert written
    texts = [text for (text,) in read(history, written.temporary, "properties")]
    found = [msgspec.json.decode(text) for text in texts[:3]]
    assert found == [
        dict.fromkeys(each for number, each in enumerate(names) if number % 3 in kept)
        for kept in ({1}, {0}, {0, 1})
    ]
    assert texts[3] == left


def test_the_grouping_is_written_only_when_it_changed(history: ParquetHistory) -> None:
    """In a file that is replaced as a whole."""
    rows = [Grouped(1, 1, False), Grouped(2, 1, True)]
    assert history.write_grouping(rows)
    assert not history.write_grouping(rows)
    assert history.write_grouping([*rows, Grouped(3, 3, False)])
    assert read(history, "parts/parts.parquet") == [(1, 1, False), (2, 1, True), (3, 3, False)]
    path = str(history.folder / "parts" / "parts.parquet")
    described = duckdb.execute("DESCRIBE SELECT * FROM read_parquet(?)", [path]).fetchall()
    assert [row[0] for row in described] == [one.name for one in PART_COLUMNS]


def test_a_grouping_whose_lines_were_swept_away_is_not_placed(
    history: ParquetHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another node that starts takes them for what a death left; half a grouping helps nobody."""
    monkeypatch.setattr("kept.analytics.parquet_history.LINES_A_WRITE", 1)
    assert history.write_grouping([Grouped(1, 1, False)])

    def rows() -> Iterator[Grouped]:
        yield Grouped(1, 1, False)
        history.remove(history.list_names()[1])
        yield Grouped(2, 2, False)

    with pytest.raises(StoreError, match="other than 2 rows"):
        history.write_grouping(rows())
    assert read(history, PARTS_FILE) == [(1, 1, False)]
    assert history.list_names()[1] == []


def test_a_grouping_that_was_swept_away_is_not_taken_for_placed(
    history: ParquetHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before it is no substitute."""
    assert history.write_grouping([Grouped(1, 1, False)])
    exists = history.exists

    def sweep_first(name: str) -> bool:
        history.remove(history.list_names()[1])
        return exists(name)

    with monkeypatch.context() as swept:
        swept.setattr(history, "exists", sweep_first)
        with pytest.raises(StoreError):
            history.write_grouping([Grouped(1, 1, True)])
    assert history.write_grouping([Grouped(1, 1, True)])
    assert read(history, PARTS_FILE) == [(1, 1, True)]


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    """As an error of the store's kind, which names the folder and no value."""
    (tmp_path / "file").write_text("")
    history = ParquetHistory(tmp_path / "file" / "history")
    with pytest.raises(StoreError, match="cannot be used"):
        history.draft("events")
    broken = ParquetHistory(tmp_path)
    name = name_of("events", 490_900, version=1, first=1, last=2)
    target = tmp_path / name
    target.parent.mkdir(parents=True)
    target.write_bytes(b"no Parquet")
    with pytest.raises(StoreError, match="cannot be read"):
        broken.find_parts([name], [1])


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_the_first_version_are_read_for_ever(tmp_path: Path, kind: HistoryKind) -> None:
    """By everything that reads files: views, searches, and rewriting."""
    history = ParquetHistory(tmp_path)
    name = name_of(kind, 490_900, version=1, first=1, last=99)
    target = tmp_path / name
    target.parent.mkdir(parents=True)
    shutil.copy(FIRST / f"{kind}-v1.parquet", target)
    ids = [row[0] for row in read(history, name, ID_COLUMNS[kind])]
    parts = {row[0] for row in read(history, name, "part")}
    session = SqlSession(tmp_path, [(part, 7) for part in parts])
    assert session.run(f"SELECT count(*) FROM {kind} WHERE customer = 7").rows == [(len(ids),)]
    session.close()
    assert history.find_parts([name], parts) == [name]
    limits = (
        {"": NOW * 2} if kind != "events" else dict.fromkeys(history.list_events([name]), NOW * 2)
    )
    assert history.find_expired(kind, [name], limits)[name]
    written = history.rewrite(kind, name, Trim(ids=frozenset(ids[:1])))
    assert written
    assert (written.rows, written.version) == (len(ids) - 1, 1)
