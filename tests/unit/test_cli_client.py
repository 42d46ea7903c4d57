"""How commands ask a server: for as long as the answer may take, and told what is missing where they cannot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from kept.cli import breach, consent_log, data, sql
from kept.cli.client import LONG_SECONDS, TIMEOUT_SECONDS, TOKEN_VARIABLE, call
from kept.errors import SettingsError

AUDITED = {"size": 0, "root": "", "checkpoints": 0, "events": 0, "forgotten": 0, "findings": []}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of a server that runs."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    (tmp_path / "server-address").write_text("http://127.0.0.1:8080\n")
    (tmp_path / "admin-token").write_text("kept_x\n")
    return tmp_path


Command = Callable[[Path], object]
LONG: dict[str, tuple[Command, Any]] = {
    "backup": (data.backup, {"file": "b", "size": 1}),
    "vault rotate": (data.rotate_vault, {"epochs": []}),
    "audit": (lambda folder: consent_log.audit(str(folder)), AUDITED),
    "export-history": (
        sql.export_history,
        {"files": 0, "bytes": 0, "folder": "h"},
    ),
    "breach evidence": (lambda folder: breach.evidence(1, folder, folder / "zip"), {}),
}


@pytest.mark.parametrize("name", LONG)
def test_what_goes_over_the_whole_store_is_waited_for(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a minute a backup of some millions is not done, and is made all the same."""
    command, told = LONG[name]
    waited: list[float] = []

    def answer(*_: object, timeout: float, **__: object) -> httpx.Response:
        waited.append(timeout)
        return httpx.Response(200, json=told)

    monkeypatch.setattr(httpx, "request", answer)
    monkeypatch.setattr(consent_log, "audit_store", lambda *_, **__: None)
    command(folder)
    assert waited == [LONG_SECONDS]
    call(folder, "GET", "/v1/admin/brakes")
    assert waited == [LONG_SECONDS, TIMEOUT_SECONDS]


def test_a_node_that_did_not_make_the_admin_token_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server runs: to be told to start one would lead astray."""
    shown: list[Any] = []

    def answer(*_: object, headers: dict[str, str], **__: object) -> httpx.Response:
        shown.append(headers["authorization"])
        return httpx.Response(200, json={})

    monkeypatch.setattr(httpx, "request", answer)
    (folder / "admin-token").unlink()
    with pytest.raises(SettingsError) as caught:
        call(folder, "GET", "/v1/admin/brakes")
    said = str(caught.value)
    assert str(folder / "admin-token") in said
    assert TOKEN_VARIABLE in said
    assert "kept serve" not in said
    monkeypatch.setenv(TOKEN_VARIABLE, "kept_api_x")
    call(folder, "GET", "/v1/admin/brakes")
    assert shown == ["Bearer kept_api_x"]
    # The token alone does not say where the server is.
    (folder / "server-address").unlink()
    with pytest.raises(SettingsError, match=r"server-address.*--data"):
        call(folder, "GET", "/v1/admin/brakes")
