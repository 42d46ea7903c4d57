"""Who may ask is in force once it is durable, whatever comes between."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kept.clock import read_monotonic
from kept.core.keys import hash_key
from kept.core.staff import ApiToken
from kept.core.values import SECOND
from kept.errors import OverloadedError, StoreError
from kept.flows.engine import Engine
from kept.ports import Store
from kept.runtime.server import Runtime
from kept.settings import Settings
from tests.attack.nodes import BRAND

TOKEN = ApiToken(
    digest=hash_key("token"), name="tool", scopes=("status",), made_at=1, made_by="admin"
)


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """Give a server that has not started to work."""
    for name in ("QUAY_SHOP_KEY", "QUAY_SITE_KEY"):
        monkeypatch.setenv(name, name.lower())
    return Runtime(Settings(brand=BRAND, data=tmp_path / "data"))


def is_taken(runtime: Runtime) -> bool:
    """Return whether the token opens anything."""
    found = runtime.directory.find_token("token", now=runtime.clock.now(), address="127.0.0.1")
    return found is not None


def revoke(engine: Engine, now: int) -> None:
    """Revoke the token."""
    engine.store.drop_tokens([TOKEN.digest])


def fail(engine: Engine, now: int) -> None:
    """Let the store be opened anew."""
    message = "the disk failed"
    raise StoreError(message)


@pytest.mark.parametrize("what", ["refused", "opened anew"])
def test_a_token_that_was_revoked_is_nobodys_whatever_comes_after_the_commit(
    runtime: Runtime, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue is full, or the store fails, before the directory was loaded."""
    with runtime.writer.engine.store.transaction():
        runtime.writer.engine.store.save_token(TOKEN)
    runtime.directory.load(runtime.writer.engine.store)
    assert is_taken(runtime)
    runtime.start()
    try:
        if what == "refused":
            jobs: list[Callable[[Engine, int], Any]] = []
            ask = runtime.ask

            def refuse_second(job: Callable[[Engine, int], Any]) -> "asyncio.Future[Any]":
                jobs.append(job)
                if len(jobs) == 2:
                    raise OverloadedError("too much arrives", retry_after_seconds=1)
                return ask(job)

            monkeypatch.setattr(runtime, "ask", refuse_second)
            with pytest.raises(OverloadedError):
                asyncio.run(runtime.change_access(revoke))
        else:
            runtime.submit(revoke).result(timeout=10)
            with pytest.raises(StoreError):
                runtime.submit(fail).result(timeout=10)
        until = read_monotonic() + 10 * SECOND
        while is_taken(runtime) and read_monotonic() < until:
            pass
        assert not is_taken(runtime)
    finally:
        runtime.stop()


def test_the_use_of_a_token_is_written_down_once(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the tick that follows, and with none after it."""
    written: list[int] = []
    write_used = runtime.directory.write_used

    def write(store: Store) -> None:
        write_used(store)
        written.append(store.load_tokens()[0].used_at)

    def wait_for(count: int) -> None:
        until = read_monotonic() + 10 * SECOND
        while len(written) < count and read_monotonic() < until:
            pass

    with runtime.writer.engine.store.transaction():
        runtime.writer.engine.store.save_token(TOKEN)
    runtime.directory.load(runtime.writer.engine.store)
    assert is_taken(runtime)
    monkeypatch.setattr(runtime.directory, "write_used", write)
    runtime.start()
    try:
        wait_for(1)
        runtime.submit(lambda engine, now: engine.store.save_token(TOKEN)).result(timeout=10)
        begun = len(written)
        wait_for(begun + 2)
    finally:
        runtime.stop()
    assert written[0] > 0
    assert written[begun:]
    assert set(written[begun:]) == {0}
