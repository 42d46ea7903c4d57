"""A file of history is sent row by row, and nothing of it is lost or counts twice."""

import json
from pathlib import Path
from typing import Any

import pytest

from kept.cli import history
from kept.cli.history import Totals, open_file, send
from kept.errors import InputError
from kept.web.wire.body import BODY_BYTES_MAX

MAPPING = """\
mappings:
  - event: Bill Issued
    occurred_at: body.at
    identifiers: {user_id: body.user}
    properties: {amount: body.amount}
"""


class Server:
    """Takes every item of an import once."""

    def __init__(self) -> None:
        """Begin with nothing taken."""
        self.items: list[Any] = []
        self.requests = 0
        self.bytes_max = 0

    def call(self, data: Path, method: str, path: str, body: Any) -> Any:
        """Answer one request of an import."""
        self.requests += 1
        self.bytes_max = max(self.bytes_max, len(json.dumps(body, ensure_ascii=False).encode()))
        known = {item["messageId"] for item in self.items}
        new = [item for item in body["batch"] if item["messageId"] not in known]
        self.items += new
        return {"accepted": len(new), "duplicates": len(body["batch"]) - len(new), "rejected": []}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """Put a server in the place of the real one."""
    server = Server()
    monkeypatch.setattr(history, "call", server.call)
    return server


def write_bills(folder: Path, *rows: str) -> Path:
    """Write a table of bills."""
    file = folder / "bills.csv"
    file.write_text("\n".join(["user,at,amount", *rows]) + "\n")
    (folder / "mapping.yaml").write_text(MAPPING)
    return file


def bring_in(file: Path, *, mapping: str | None = "mapping.yaml", **more: Any) -> Totals:
    """Import a file; return what came of it."""
    reading = open_file(file, None if mapping is None else file.parent / mapping)
    *_, done = send(reading, data=file.parent, source="history", report=more.get("report"))
    return done


def test_a_mapping_that_was_mended_meanwhile_reads_every_row(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read so far was read by the mapping of before."""
    monkeypatch.setattr(history, "ROWS_A_REQUEST", 1)
    file = write_bills(tmp_path, "ana,2026-01-01,1.50", "bo,2026-01-02,2.50")
    sending = send(
        open_file(file, tmp_path / "mapping.yaml"), data=tmp_path, source="history", report=None
    )
    assert [next(sending).rows, next(sending).rows] == [0, 1]
    (tmp_path / "mapping.yaml").write_text(MAPPING.replace("Bill Issued", "Bill Sent"))
    bring_in(file)
    assert [item["event"] for item in server.items] == ["Bill Issued", "Bill Sent", "Bill Sent"]


def test_an_import_that_was_killed_at_its_very_end_says_what_it_took(
    server: Server, tmp_path: Path
) -> None:
    """Everything was sent and noted, and only the note of it was still there."""
    file = write_bills(tmp_path, "ana,2026-01-01,1.50", "bo,2026-01-02,2.50")
    sending = send(
        open_file(file, tmp_path / "mapping.yaml"), data=tmp_path, source="history", report=None
    )
    assert [next(sending).taken, next(sending).taken] == [0, 2]
    assert bring_in(file).taken == 2
    assert server.requests == 1


def test_large_rows_go_in_requests_that_a_server_takes(server: Server, tmp_path: Path) -> None:
    """And one that is larger than any event may be is refused by itself."""
    file = tmp_path / "notes.jsonl"
    lines = [
        json.dumps(
            {"type": "track", "event": "Noted", "properties": {"n": n, "note": "é" * 15_000}}
        )
        for n in range(300)
    ]
    lines.insert(7, json.dumps({"type": "track", "properties": {"note": "é" * 17_000}}))
    file.write_text("\n".join(lines))
    report = tmp_path / "report.jsonl"
    done = bring_in(file, mapping=None, report=report)
    assert (done.rows, done.taken, done.refused) == (301, 300, 1)
    (refused,) = map(json.loads, report.read_text().splitlines())
    assert (refused["row"], refused["code"]) == (8, "event.too_large")
    assert server.requests > 1
    assert server.bytes_max < BODY_BYTES_MAX


def test_a_row_that_was_mended_is_another_and_the_rest_are_known(
    server: Server, tmp_path: Path
) -> None:
    """Wherever it stands, and also where a row before it went or came."""
    rows = [f"ana,2026-01-{day:02},{day}.50" for day in range(1, 10)]
    assert bring_in(write_bills(tmp_path, *rows)).taken == 9
    mended = ["bo,2026-01-01,7.50", *rows[:3], "ana,2026-01-04,4.90", *rows[5:]]
    done = bring_in(write_bills(tmp_path, *mended))
    assert (done.taken, done.duplicates) == (2, 7)


def test_each_of_several_equal_rows_counts(server: Server, tmp_path: Path) -> None:
    """Once each, also where the import was interrupted between them."""
    file = write_bills(tmp_path, *["ana,2026-01-01,1.50"] * 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "ROWS_A_REQUEST", 1)
        reading = open_file(file, tmp_path / "mapping.yaml")
        sending = send(reading, data=tmp_path, source="history", report=None)
        assert [next(sending).taken, next(sending).taken] == [0, 1]
    assert bring_in(file).taken == 3
    assert len(server.items) == 3
    assert bring_in(file).duplicates == 3


def test_another_file_of_the_same_name_is_another_file(server: Server, tmp_path: Path) -> None:
    """Its rows are not known by their numbers."""
    assert bring_in(write_bills(tmp_path, "ana,2026-01-01,1.50")).taken == 1
    other = tmp_path / "other"
    other.mkdir()
    assert bring_in(write_bills(other, "ana,2026-02-01,1.50")).taken == 1


@pytest.mark.parametrize("depth", [150, 995, 100_000])
def test_a_line_that_is_too_deep_is_refused_by_itself(
    server: Server, tmp_path: Path, depth: int
) -> None:
    """Whether it is the decoder that notices, or would be whoever makes a text of it again."""
    file = tmp_path / "deep.jsonl"
    lists = "[" * depth + "]" * depth
    file.write_text(f'{{"type": "track", "x": {lists}}}\n{{"type": "track"}}\n')
    done = bring_in(file, mapping=None)
    assert (done.taken, done.refused) == (1, 1)


CELLS = """\
mappings:
  - event: Review Written
    when: {body.kind: "5", body.vip: "true", body.gone: ""}
    occurred_at: body.at
    identifiers: {user_id: body.user}
    properties: {cell: body.cell, code: body.code}
    constants: {said: "1"}
texts: [body.code]
"""


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("42", 42),
        ("-7", -7),
        ("0", 0),
        ("true", True),
        ("false", False),
        ("True", "True"),
        ("007", "007"),
        ("-0", "-0"),
        ("+351910000001", "+351910000001"),
        ("4.50", "4.50"),
        ("٤٢", "٤٢"),
        ("9" * 19, "9" * 19),
        (" 42", " 42"),
    ],
)
def test_numbers_and_truths_of_a_table_are_read(
    server: Server, tmp_path: Path, cell: str, value: Any
) -> None:
    """A table knows texts only, and facts that are numbers would be told nothing by it."""
    file = tmp_path / "reviews.csv"
    file.write_text(f"kind,vip,gone,user,at,cell,code\n5,true,,17,20260131,{cell},{cell}\n")
    (tmp_path / "mapping.yaml").write_text(CELLS)
    assert bring_in(file).taken == 1
    (item,) = server.items
    assert item["properties"] == {"cell": value, "code": cell, "said": "1"}
    assert type(item["properties"]["cell"]) is type(value)
    assert item["timestamp"].startswith("2026-01-31")
    assert item["context"]["externalIds"] == [{"type": "user_id", "id": "17"}]


def test_an_empty_cell_tells_nothing(server: Server, tmp_path: Path) -> None:
    """Neither does one that is not there: what is known by others is not overwritten."""
    file = write_bills(tmp_path, "ana,2026-01-01,", "bo,2026-01-01")
    assert bring_in(file).taken == 2
    assert ["properties" in item and item["properties"] for item in server.items] == [{}, {}]


def test_a_text_that_no_property_is_read_from_is_a_mistake(tmp_path: Path) -> None:
    """It would be misspelt, and its column be read as numbers."""
    file = write_bills(tmp_path)
    (tmp_path / "mapping.yaml").write_text(f"{MAPPING}texts: [body.amuont]\n")
    with pytest.raises(InputError, match=r"names body\.amuont"):
        open_file(file, tmp_path / "mapping.yaml")
