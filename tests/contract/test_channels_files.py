"""Messages as files: safe names, one line for each, and nothing lost or doubled by a crash."""

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from kept.channels.files import INDEX, FilesChannel
from kept.clock import VirtualClock
from kept.core.message import Accepted, Postponed, Unclear
from kept.errors import SettingsError
from tests.contract.servers import outgoing

CLOCK = VirtualClock(1_700_000_000_000_000)


def index_of(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a folder's index."""
    return [json.loads(line) for line in (folder / INDEX).read_text().split("\n")[:-1]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where messages go."""
    return tmp_path / "out"


@pytest.fixture
def channel(folder: Path) -> FilesChannel:
    """Return a channel that writes there."""
    return FilesChannel(folder=folder, clock=CLOCK)


def test_a_message_can_be_read_by_a_person(folder: Path, channel: FilesChannel) -> None:
    """A header like a letter's, then the text, then the HTML if there is any."""
    result = channel.send(
        outgoing(html="<p>Dear Ana</p>", headers={"X-Campaign": "c1"}, data={"about": "bill/7"})
    )
    assert result == Accepted(provider_id="email/m7-grace.txt")
    assert (folder / "email" / "m7-grace.txt").read_text() == (
        "Date: 2023-11-14T22:13:20Z\n"
        "From: Fernbank Shop <hello@shop.example>\n"
        "To: ana@mail.example\n"
        "Subject: Your bill can wait\n"
        "Channel: email\n"
        "Action: grace\n"
        "Message: m7-grace\n"
        "Expires: 2027-01-15T08:00:00Z\n"
        "X-Campaign: c1\n"
        'Data: {"about":"bill/7"}\n'
        "\nDear Ana,\n\nyour bill can wait.\n"
        "\n---- html\n<p>Dear Ana</p>\n"
    )


def test_the_index_has_a_line_for_each_message(folder: Path, channel: FilesChannel) -> None:
    """In the order in which they were taken."""
    for name in ("m1", "m2"):
        channel.send(outgoing(message_id=name, idempotency_key=name))
    assert index_of(folder)[1] == {
        "at": "2023-11-14T22:13:20Z",
        "message_id": "m2",
        "idempotency_key": "m2",
        "channel": "email",
        "action": "grace",
        "to": "ana@mail.example",
        "subject": "Your bill can wait",
        "file": "email/m2.txt",
    }
    assert [line["message_id"] for line in index_of(folder)] == ["m1", "m2"]


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "..", ".", "", ".hidden", "a/b", "a\\b", "CON", "nul.txt",
     "a\0b", "a\nb", "x" * 300, "Ä", "m1 ", "M1", "-rf"],
)  # fmt: skip
def test_no_name_leads_out_of_the_folder(folder: Path, channel: FilesChannel, name: str) -> None:
    """Neither a channel's nor a message's, and every system can store it."""
    result = channel.send(outgoing(idempotency_key=name, channel=name))
    assert isinstance(result, Accepted)
    files = [path for path in folder.parent.rglob("*") if path.is_file()]
    assert len(files) == 2
    (line,) = index_of(folder)
    assert (folder / line["file"]).is_relative_to(folder)
    assert (folder / line["file"]) in files
    assert line["file"].isascii()
    assert all(0 < len(part) < 100 and part[0].isalnum() for part in line["file"].split("/"))


def test_different_keys_have_different_files(folder: Path, channel: FilesChannel) -> None:
    """Even where a file system does not tell small letters from capitals."""
    for key in ("m1", "M1", "m1 ", "m-1", "m.1", "m/1"):
        channel.send(outgoing(idempotency_key=key))
    assert len({line["file"].lower() for line in index_of(folder)}) == 6


def test_a_message_whose_line_is_missing_is_taken_again(
    folder: Path, channel: FilesChannel
) -> None:
    """After a crash between the file and the line, the retry completes it: one file, one line."""
    channel.send(outgoing())
    (folder / INDEX).write_bytes(b"")
    assert isinstance(channel.send(outgoing()), Accepted)
    assert len(index_of(folder)) == 1
    assert isinstance(channel.send(outgoing()), Accepted)
    assert len(index_of(folder)) == 1


@pytest.mark.parametrize("cut", [1, 2, 40, 150])
def test_a_line_that_a_crash_has_cut_off_is_removed(folder: Path, cut: int) -> None:
    """Its message was never said to be taken, so it comes again; the others stay."""
    first = FilesChannel(folder=folder, clock=CLOCK)
    for name in ("m1", "m2"):
        first.send(outgoing(message_id=name, idempotency_key=name))
    first.close()
    whole = (folder / INDEX).read_bytes()
    (folder / INDEX).write_bytes(whole[:-cut])
    second = FilesChannel(folder=folder, clock=CLOCK)
    second.send(outgoing(message_id="m2", idempotency_key="m2"))
    assert (folder / INDEX).read_bytes() == whole


def test_a_full_disk_takes_nothing_and_leaves_nothing(
    folder: Path, channel: FilesChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message waits; no half file and no half line is there, and afterwards all is well."""
    real = os.write

    def half(descriptor: int, content: bytes) -> int:
        return real(descriptor, content[: len(content) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        assert isinstance(channel.send(outgoing()), Postponed)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert isinstance(channel.send(outgoing(idempotency_key="m8")), Postponed)
    assert index_of(folder) == []
    assert [path.name for path in (folder / "email").iterdir()] == ["m7-grace.txt"]
    for key in ("m7-grace", "m8"):
        assert isinstance(channel.send(outgoing(idempotency_key=key)), Accepted)
    assert len(index_of(folder)) == 2


def test_a_line_that_may_not_survive_is_unclear(
    channel: FilesChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written, but the disk did not confirm it; and a disk that failed is not trusted."""
    real = os.fsync
    calls: list[int] = []

    def third_fails(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 3:
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", third_fails)
        assert isinstance(channel.send(outgoing()), Unclear)
    assert isinstance(channel.send(outgoing(idempotency_key="m8")), Postponed)


def test_a_channel_that_need_not_wait_for_the_disk_does_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A story that plays in a moment has no power to lose."""

    def never(descriptor: int) -> None:
        raise AssertionError("nobody asked to wait")

    monkeypatch.setattr(os, "fsync", never)
    channel = FilesChannel(folder=folder, clock=CLOCK, is_durable=False)
    assert isinstance(channel.send(outgoing()), Accepted)
    assert len(index_of(folder)) == 1


def send_from_threads(channel: FilesChannel, *, count: int, go: threading.Event) -> list[object]:
    """Send from several threads at once, and say `go` once all have written their lines."""
    results: list[object] = []
    threads = [
        threading.Thread(
            target=lambda key=f"m{number}": results.append(
                channel.send(outgoing(idempotency_key=key))
            )
        )
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    while channel._appended < count:
        threading.Event().wait(0.001)
    go.set()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("is_broken", [False, True])
def test_threads_that_wait_for_the_disk_wait_together(
    channel: FilesChannel, monkeypatch: pytest.MonkeyPatch, *, is_broken: bool
) -> None:
    """While one flush runs the others line up, and the next serves them all, or none of them."""
    real = os.fsync
    flushes: list[int] = []
    go = threading.Event()

    def slow(descriptor: int) -> None:
        if descriptor == channel._index:
            flushes.append(descriptor)
            if len(flushes) == 1:
                go.wait(10)
                if is_broken:
                    raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    results = send_from_threads(channel, count=8, go=go)
    kind = Unclear if is_broken else Accepted
    assert [type(result) for result in results] == [kind] * 8
    assert len(flushes) == (1 if is_broken else 2)


def test_a_folder_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    """The operator hears of it before the first message."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SettingsError, match="cannot be written"):
        FilesChannel(folder=tmp_path / "file" / "out", clock=CLOCK)


def test_a_folder_that_disappears_is_made_again_or_postpones(
    folder: Path, channel: FilesChannel
) -> None:
    """Somebody may tidy up; nothing is said to be taken that is not there."""
    channel.send(outgoing())
    (folder / "email" / "m7-grace.txt").unlink()
    (folder / "email").rmdir()
    assert isinstance(channel.send(outgoing(idempotency_key="m8")), Accepted)
    assert (folder / "email" / "m8.txt").exists()


def test_what_a_crash_left_half_written_is_gone_after_a_start(
    folder: Path, channel: FilesChannel
) -> None:
    """Nobody would find it to erase it; what was taken stays, and so do the files of others."""
    channel.send(outgoing())
    for name in ("email/.m8-grace.txt.140", f".{INDEX}.140", "email/.note", ".hidden"):
        (folder / name).write_text("Dear Ana")
    FilesChannel(folder=folder, clock=CLOCK)
    left = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    assert left == [".hidden", "email", "email/.note", "email/m7-grace.txt", INDEX]
