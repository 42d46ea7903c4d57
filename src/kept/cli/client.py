"""How the command line speaks with a running server: over its admin API, like anybody else."""

import os
from pathlib import Path
from typing import Any, Final

import httpx

from kept.errors import InputError, SettingsError
from kept.runtime.server import ADDRESS_FILE, ADMIN_TOKEN_FILE

TIMEOUT_SECONDS: Final = 60.0
TOKEN_VARIABLE: Final = "KEPT_TOKEN"


def call(data: Path, method: str, path: str, body: Any = None, *, key: str = "") -> Any:
    """Return what a running server answers to the operator (or, with a write key, to a source).

    The operator is whoever holds the admin token of the data folder, or the API token that the
    environment variable KEPT_TOKEN holds.

    Raises:
        SettingsError: no server has been started on this data folder, or it does not answer.
        InputError: the server refused, and why.
    """
    return _read(_ask(data, method, path, body, key=key))


def fetch(data: Path, method: str, path: str, body: Any = None) -> bytes:
    """Return the bytes that a running server answers to the operator; raises as `call` does."""
    return _ask(data, method, path, body).content


def _ask(data: Path, method: str, path: str, body: Any = None, *, key: str = "") -> httpx.Response:
    own = key or os.environ.get(TOKEN_VARIABLE, "")
    try:
        address = (data / ADDRESS_FILE).read_text(encoding="utf-8").strip()
        token = own or (data / ADMIN_TOKEN_FILE).read_text(encoding="utf-8").strip()
    except OSError as error:
        message = (
            f"no server was started on {data} ({error.strerror}: {Path(error.filename).name}); "
            "start one with `kept serve`, or name its folder with --data"
        )
        raise SettingsError(message) from error
    try:
        answer = httpx.request(
            method,
            address + path,
            json=body,
            headers={"authorization": f"Bearer {token}"},
            timeout=TIMEOUT_SECONDS,
        )
    except httpx.HTTPError as error:
        message = (
            f"the server at {address} does not answer ({type(error).__name__}); is it running?"
        )
        raise SettingsError(message) from error
    if answer.is_success:
        return answer
    told = _read(answer)
    detail = told.get("detail") if isinstance(told, dict) else None
    raise InputError(str(detail or f"the server answered {answer.status_code}"))


def _read(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None
