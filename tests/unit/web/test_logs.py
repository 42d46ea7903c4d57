"""Logs as JSON, one object a line."""

import json
import logging
from typing import Any

import pytest

from kept.errors import StoreError
from kept.web.endpoints import trace_id_of
from kept.web.logs import JsonFormatter


def line(**rest: Any) -> dict[str, Any]:
    """Return a line as it is written."""
    told = {"msg": "%s happened", "args": ("it",), "levelname": "WARNING", "name": "kept.web"}
    written = JsonFormatter().format(logging.makeLogRecord(told | rest))
    assert "\n" not in written
    read: dict[str, Any] = json.loads(written)
    return read


def test_a_line_says_when_where_and_what() -> None:
    """And the request's ids, where there are any."""
    told = line(request_id="r", trace_id="t", body="secret")
    assert set(told) == {"at", "level", "logger", "message", "request_id", "trace_id"}
    assert (told["message"], told["level"]) == ("it happened", "warning")
    assert told["at"].endswith("Z")
    assert "request_id" not in line()


def test_a_failure_carries_its_trace_in_one_line() -> None:
    """So that a search finds all of it."""
    error = ValueError("broken\nin two")
    told = line(exc_info=(type(error), error, None))
    assert "ValueError" in told["trace"]


def test_a_trace_does_not_repeat_the_words_of_a_library() -> None:
    """They quote what it worked on, such as a customer's address; ours quote no such thing."""
    known: dict[str, int] = {}
    address = "ana@mail.example"

    def fail() -> None:
        try:
            known[address] += 1
        except KeyError as error:
            raise StoreError("the store cannot be read") from error

    with pytest.raises(StoreError) as failed:
        fail()
    trace = line(exc_info=(failed.type, failed.value, failed.tb))["trace"]
    assert address not in trace
    assert "in fail" in trace
    assert trace.index("KeyError") < trace.index("StoreError: the store cannot be read")


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "0af7651916cd43dd8448eb211c80319c",
        ),
        (b"00-00000000000000000000000000000000-b7ad6b7169203331-01", ""),
        (b"00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01", ""),
        (b'00-0af7651916cd43dd8448eb211c80319"-b7ad6b7169203331-01', ""),
        (b"", ""),
        (b"rubbish", ""),
    ],
)
def test_only_a_real_trace_is_written_down(header: bytes, trace: str) -> None:
    """Nobody writes into our log by a header."""
    assert trace_id_of(header) == trace
