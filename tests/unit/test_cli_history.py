"""A file of history is sent row by row, and nothing of it is lost or counts twice."""

from pathlib import Path
from typing import Any

import pytest

from kept.cli import history
from kept.cli.history import Totals, open_file, send

MAPPING = """\
mappings:
  - event: Bill Issued
    occurred_at: body.at
    identifiers: {user_id: body.user}
    properties: {amount: body.amount}
"""


class Server:
    """Takes every item of an import, unless it is told to be silent."""

    def __init__(self) -> None:
        """Begin with nothing taken."""
        self.items: list[Any] = []
        self.requests = 0
        self.is_silent = False

    def call(self, data: Path, method: str, path: str, body: Any) -> Any:
        """Answer one request of an import."""
        if self.is_silent:
            raise KeyboardInterrupt
        self.requests += 1
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
