"""Logs as one JSON object a line: what happened, never bodies, keys or identifiers."""

import json
import logging
import sys
import traceback
from typing import Any, Final, TextIO

from kept.core.values import format_instant
from kept.errors import KeptError

_OURS: Final = ("request_id", "trace_id")
"""What a line may carry besides its message; nothing else is taken over."""
CAUSES_MAX: Final = 10


class JsonFormatter(logging.Formatter):
    """Writes a record as JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "at": format_instant(int(record.created * 1_000_000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in _OURS:
            value = getattr(record, name, "")
            if value:
                line[name] = value
        if record.exc_info and record.exc_info[1] is not None:
            line["trace"] = trace_of(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def trace_of(error: BaseException) -> str:
    """Return where an error came from and of what kind it is, the first cause first.

    Its words are left out unless it is one of ours: those of a library quote what it worked on.
    """
    parts: list[str] = []
    one: BaseException | None = error
    while one is not None and len(parts) < CAUSES_MAX:
        words = f": {one}" if isinstance(one, KeptError) else ""
        parts.append("".join(traceback.format_tb(one.__traceback__)) + type(one).__name__ + words)
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return "\nand then\n".join(reversed(parts))


def configure_logs(*, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Write every log of this process as JSON, to standard error unless told otherwise."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio"):
        logger = logging.getLogger(noisy)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(level, logging.WARNING))
