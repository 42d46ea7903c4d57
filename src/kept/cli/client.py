"""How the command line speaks with a running server: over its admin API, like anybody else."""

import os
from pathlib import Path
from typing import Any, Final

import httpx

from kept.errors import InputError, SettingsError
from kept.runtime.server import ADDRESS_FILE, ADMIN_TOKEN_FILE

TIMEOUT_SECONDS: Final = 60.0
LONG_SECONDS: Final = 3_600.0
"""How long an answer may take that goes over everybody, or over all that is stored."""
TOKEN_VARIABLE: Final = "KEPT_TOKEN"


def call(
    data: Path,
    method: str,
    path: str,
    body: Any = None,
    *,
    key: str = "",
    seconds: float = TIMEOUT_SECONDS,
) -> Any:
    """Return what a running server answers to the operator (or, with a write key, to a source).

    The operator is whoever holds the admin token of the data folder, or the API token that the
    environment variable KEPT_TOKEN holds.

    Raises:
        SettingsError: no server has been started on this data folder, or it does not answer.
        InputError: the server refused, and why.
    """
    return _read(_ask(data, method, path, body, key=key, seconds=seconds))


def fetch(data: Path, method: str, path: str, body: Any = None) -> bytes:
    """Return a file that a running server makes for the operator; raises as `call` does."""
    return _ask(data, method, path, body, seconds=LONG_SECONDS).content


def _ask(
    data: Path,
    method: str,
    path: str,
    body: Any = None,
    *,
    key: str = "",
    seconds: float = TIMEOUT_SECONDS,
) -> httpx.Response:
    address, token = _server_of(data, key)
    try:
        answer = httpx.request(
            method,
            address + path,
            json=body,
            headers={"authorization": f"Bearer {token}"},
            timeout=seconds,
        )
    except httpx.HTTPError as error:
        raise _silent(address, error) from error
    if not answer.is_success:
        raise _refused(answer.status_code, _read(answer))
    return answer


def download(data: Path, path: str, body: Any, target: Path) -> None:
    """Write what a running server answers into a new file that only its owner reads, as it comes.

    Raises:
        SettingsError: no server has been started on this data folder, or it does not answer.
        InputError: the server refused, and why.
    """
    address, token = _server_of(data)
    headers = {"authorization": f"Bearer {token}"}
    try:
        with httpx.stream(
            "POST", address + path, json=body, headers=headers, timeout=TIMEOUT_SECONDS
        ) as answer:
            if not answer.is_success:
                answer.read()
                raise _refused(answer.status_code, _read(answer))
            opened = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(opened, "wb") as file:
                for piece in answer.iter_bytes():
                    file.write(piece)
    except httpx.HTTPError as error:
        raise _silent(address, error) from error


def read_address(data: Path) -> str:
    """Return the address of the server of a data folder.

    Raises:
        SettingsError: no server has been started on it.
    """
    try:
        return (data / ADDRESS_FILE).read_text(encoding="utf-8").strip()
    except OSError as error:
        message = (
            f"no server was started on {data} ({error.strerror}: {ADDRESS_FILE}); "
            "start one with `kept serve`, or name its folder with --data"
        )
        raise SettingsError(message) from error


def _server_of(data: Path, key: str = "") -> tuple[str, str]:
    """Return the address of the server of a data folder, and what is shown to it."""
    address = read_address(data)
    if own := key or os.environ.get(TOKEN_VARIABLE, ""):
        return address, own
    file = data / ADMIN_TOKEN_FILE
    try:
        return address, file.read_text(encoding="utf-8").strip()
    except OSError as error:
        message = (
            f"there is no admin token to show ({error.strerror}: {file}): it was revoked, or it lies with "
            f"another node; put an API token into {TOKEN_VARIABLE}, or for `kept staff` and "
            "`kept token`, which no API token opens, sign in with --as NAME"
        )
        raise SettingsError(message) from error


def _silent(address: str, error: httpx.HTTPError) -> SettingsError:
    what = type(error).__name__
    return SettingsError(f"the server at {address} does not answer ({what}); is it running?")


def _refused(status: int, told: Any) -> InputError:
    detail = told.get("detail") if isinstance(told, dict) else None
    return InputError(str(detail or f"the server answered {status}"))


def _read(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None
