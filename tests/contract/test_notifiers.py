"""Every way to a tool takes a body under an id, and a body that comes again is the same one."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kept.channels.posted import PostedFiles
from kept.core.message import Accepted, Postponed, Refused
from kept.errors import SettingsError
from kept.ports import Notifier
from tests.contract.hooks import channel_to
from tests.contract.servers import Desk, free_port, http_server

pytestmark = pytest.mark.network
BODY = json.dumps({"type": "suppressions", "data": {"suppressions": []}}).encode()
Way = tuple[Notifier, Callable[[], dict[str, bytes]]]


@pytest.fixture(params=["files", "webhook"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    """Yield a notifier, and what arrived by it: id -> body."""
    if request.param == "files":
        files = PostedFiles(folder=tmp_path / "tool")
        yield (
            files,
            lambda: {
                path.stem: path.read_bytes().rstrip() for path in (tmp_path / "tool").glob("*.json")
            },
        )
        return
    desk = Desk()
    with http_server(desk) as port:
        channel = channel_to(port)
        yield channel, lambda: {one.headers["webhook-id"]: one.body for one in desk.requests}
        channel.close()


def test_a_body_arrives_as_it_is(way: Way) -> None:
    """Byte for byte, under its id."""
    notifier, arrived = way
    assert isinstance(notifier.post("a1", BODY), Accepted)
    assert isinstance(notifier.post("b2", BODY + b" "), Accepted)
    assert {name: body.rstrip() for name, body in arrived().items()} == {"a1": BODY, "b2": BODY}


def test_a_body_that_comes_again_is_known_by_its_id(way: Way) -> None:
    """What was not noted in time is told a second time, and is there once."""
    notifier, arrived = way
    assert isinstance(notifier.post("a1", BODY), Accepted)
    assert isinstance(notifier.post("a1", BODY), Accepted)
    assert arrived() == {"a1": BODY}


def test_a_tool_that_is_not_there_is_no_error() -> None:
    """It surely took nothing."""
    assert isinstance(channel_to(free_port()).post("a1", BODY), Postponed)


def test_files_go_nowhere_else(tmp_path: Path) -> None:
    """An id is no path, and a folder that cannot be is told at once."""
    files = PostedFiles(folder=tmp_path / "tool")
    assert isinstance(files.post("../a1", BODY), Refused)
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be written"):
        PostedFiles(folder=tmp_path / "file" / "tool")
    (tmp_path / "tool").rmdir()
    assert isinstance(files.post("a1", BODY), Postponed)


def test_what_a_crash_left_half_written_is_gone_after_a_start(tmp_path: Path) -> None:
    """Nobody would find it to erase it; what was posted stays."""
    folder = tmp_path / "tool"
    PostedFiles(folder=folder).post("a1", BODY)
    (folder / ".b2").write_text("ana@example.com")
    PostedFiles(folder=folder)
    assert [path.name for path in folder.iterdir()] == ["a1.json"]
