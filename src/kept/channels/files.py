"""Messages as files: one that a person can read for each, and an index that a program can.

This is how Kept speaks until it is told how else, so that nothing reaches anybody by accident and
everything can be looked at. It is as durable as a provider: what was accepted is on the disk.
"""

import errno
import hashlib
import os
import re
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from kept.clock import Clock
from kept.core.message import Accepted, Outgoing, Postponed, Refused, SendResult, Unclear
from kept.core.plain_text import clean_line, clean_text
from kept.core.policy.types import TIMESTAMP_MAX
from kept.core.values import format_instant
from kept.errors import ChannelError, SettingsError

INDEX: Final = "index.jsonl"
_LINE_BYTES_MAX: Final = 1_000_000
_TO_THE_SECOND: Final = len("2026-01-01T00:00:00")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,80}")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the index: one message that was taken."""

    at: str
    message_id: str
    idempotency_key: str
    channel: str
    action: str
    to: str
    subject: str
    file: str


class FilesChannel:
    """Writes each message into a folder, and then a line into its index.

    The line is what counts as taken. A message whose key is in the index already is not taken a
    second time, so that a retry leaves no double.
    """

    def __init__(self, *, folder: Path, clock: Clock, is_durable: bool = True) -> None:
        """Make the folder; raises `SettingsError` if it cannot be written.

        Args:
            folder: Where messages go, each channel's into a folder of its own.
            clock: Dates the entries.
            is_durable: Wait for the disk before a message counts as taken; tests need not.
        """
        self._folder = folder
        self._clock = clock
        self._is_durable = is_durable
        self._guard = threading.Lock()
        self._flush_guard = threading.Lock()
        self._appended = 0
        self._flushed = 0
        self._touched: set[Path] = set()
        self._is_failed = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._index = os.open(folder / INDEX, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            self._mend_index()
            for draft in (*folder.glob(f".{INDEX}.*"), *folder.glob("*/.*.txt.*")):
                # A process died over it, and nobody would find it to erase it.
                wipe_file(draft)
        except OSError as error:
            raise SettingsError(f"messages cannot be written to {folder}: {error}") from error

    def send(self, outgoing: Outgoing) -> SendResult:
        """Write a message."""
        try:
            return self._take(outgoing)
        except UnicodeError:
            return Refused(detail="the message holds half a character, which nothing can carry")

    def _take(self, outgoing: Outgoing) -> SendResult:
        """Write a message and its line."""
        if self._index < 0:
            return Postponed(detail="the channel is closed")
        if self._is_failed:
            return Postponed(detail="the disk has failed; see to it and start again")
        folder = self._folder / _safe(outgoing.channel)
        path = folder / (_safe(outgoing.idempotency_key) + ".txt")
        name = f"{folder.name}/{path.name}"
        entry = Entry(
            at=format_instant(self._clock.now()),
            message_id=outgoing.message_id,
            idempotency_key=outgoing.idempotency_key,
            channel=outgoing.channel,
            action=outgoing.action,
            to=clean_line(outgoing.to),
            subject=clean_line(outgoing.subject),
            file=name,
        )
        try:
            folder.mkdir(exist_ok=True)
            # A file alone proves nothing: the process may have died before the line.
            if path.exists() and self._is_taken(outgoing.idempotency_key):
                return Accepted(provider_id=name)
            self._write(path, _readable(outgoing, entry))
            self._append(msgspec.json.encode(entry) + b"\n", folder)
        except OSError as error:
            return Postponed(detail=f"the message cannot be written: {error}")
        try:
            if self._is_durable:
                self._flush()
        except OSError as error:
            return Unclear(detail=f"the message may be lost with the power: {error}")
        return Accepted(provider_id=name)

    def list_before(self, at: int) -> list[str]:
        """Return the ids of messages that were taken before an instant, to the second."""
        until = format_instant(at)[:_TO_THE_SECOND]
        with self._guard, (self._folder / INDEX).open("rb") as index:
            entries = [entry for line in index if (entry := _read_line(line)) is not None]
        return [entry.message_id for entry in entries if entry.at[:_TO_THE_SECOND] < until]

    def erase(self, message_ids: Collection[str]) -> int:
        """Remove messages and their lines for good; return how many lines there were.

        Raises:
            ChannelError: the disk refused; asked again, it goes on.
        """
        gone = frozenset(message_ids)
        try:
            for folder in (one for one in self._folder.iterdir() if one.is_dir()):
                for message_id in gone:
                    wipe_file(folder / (_safe(message_id) + ".txt"))
            with self._flush_guard, self._guard:
                return self._leave_out(gone)
        except OSError as error:
            raise ChannelError(f"messages in {self._folder} cannot be erased: {error}") from error

    def _leave_out(self, gone: frozenset[str]) -> int:
        """Put an index without some messages in the place of the one that is there."""
        path = self._folder / INDEX
        lines = path.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if _message_of(line) not in gone]
        if len(kept) == len(lines):
            return 0
        self._write(path, b"".join(kept))
        _sync_folder(self._folder)
        old, self._index = self._index, os.open(path, os.O_RDWR | os.O_APPEND)
        os.close(old)
        return len(lines) - len(kept)

    def close(self) -> None:
        """Close the index."""
        with self._guard:
            if self._index >= 0:
                os.close(self._index)
            self._index = -1

    def _write(self, path: Path, content: bytes) -> None:
        """Write a file that is there as a whole or not at all."""
        draft = path.with_name(f".{path.name}.{threading.get_ident()}")
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                if self._is_durable:
                    os.fsync(file.fileno())
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def _flush(self) -> None:
        """Wait until what was appended is on the disk, together with whoever else waits."""
        with self._guard:
            mine = self._appended
        with self._flush_guard:
            if self._is_failed:
                # The disk reports an error once; asked again, it would call lost data safe.
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            if self._flushed >= mine:
                # Somebody's flush began after our line was there, and covered it.
                return
            with self._guard:
                covered = self._appended
                folders, self._touched = self._touched, set()
            try:
                for folder in folders:
                    _sync_folder(folder)
                os.fsync(self._index)
            except OSError:
                self._is_failed = True
                raise
            self._flushed = covered

    def _append(self, line: bytes, folder: Path) -> None:
        """Add a line to the index, whole or not at all."""
        with self._guard:
            size = os.fstat(self._index).st_size
            written = -1
            try:
                written = os.write(self._index, line)
            finally:
                if written != len(line):
                    os.ftruncate(self._index, size)
            if written != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._appended += 1
            self._touched.add(folder)

    def _is_taken(self, idempotency_key: str) -> bool:
        """Return whether the index has a key; only asked of messages that were tried before."""
        needle = b'"idempotency_key":' + msgspec.json.encode(idempotency_key) + b","
        with (self._folder / INDEX).open("rb") as index:
            return any(needle in line for line in index)

    def _mend_index(self) -> None:
        """Remove a line that a crash has cut off: its message was never said to be taken."""
        size = os.fstat(self._index).st_size
        start = max(0, size - _LINE_BYTES_MAX)
        tail = os.pread(self._index, size - start, start)
        os.ftruncate(self._index, start + tail.rfind(b"\n") + 1)


def wipe_file(path: Path) -> None:
    """Overwrite a file and remove it; one that is not there is gone already."""
    try:
        with path.open("r+b") as file:
            file.write(bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except FileNotFoundError:
        return


def _read_line(line: bytes) -> Entry | None:
    """Return a line of the index, None for one that is none of ours."""
    try:
        return msgspec.json.decode(line, type=Entry)
    except msgspec.MsgspecError:
        return None


def _message_of(line: bytes) -> str:
    """Return which message a line of the index is of, an empty text for one that is none of ours."""
    entry = _read_line(line)
    return "" if entry is None else entry.message_id


def _sync_folder(folder: Path) -> None:
    """Wait until a folder's names are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _safe(name: str) -> str:
    """Return a name that is a file's name on every system, and no two names' the same."""
    if _NAME.fullmatch(name):
        return name
    plain = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:40]
    return f"{plain or 'message'}.{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _readable(outgoing: Outgoing, entry: Entry) -> bytes:
    """Return a message as a person reads it: lines of header, an empty line, the text."""
    lines = [
        f"Date: {entry.at}",
        f"From: {clean_line(outgoing.sender)}",
        f"To: {entry.to}",
        f"Subject: {entry.subject}",
        f"Channel: {clean_line(outgoing.channel)}",
        f"Action: {clean_line(outgoing.action)}",
        f"Message: {clean_line(outgoing.message_id)}",
        f"Expires: {format_instant(min(outgoing.expires_at, TIMESTAMP_MAX))}",
    ]
    lines += [
        f"{clean_line(name)}: {clean_line(value)}" for name, value in outgoing.headers.items()
    ]
    if outgoing.data:
        lines.append(f"Data: {msgspec.json.encode(outgoing.data).decode()}")
    text = "\n".join(lines) + "\n\n" + clean_text(outgoing.text).rstrip() + "\n"
    if outgoing.html:
        text += f"\n---- html\n{clean_text(outgoing.html).rstrip()}\n"
    return text.encode()
