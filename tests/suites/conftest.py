"""Servers that the suites speak with, and SDKs as their registries deliver them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import require_tool
from tests.e2e.relay import Relay, relay_to
from tests.e2e.sdks import CLIENTS, Clients
from tests.e2e.served import Served, serve
from tests.postgres import TEMPLATE, Server, find_binaries, running_server


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    """Run one PostgreSQL for a module, with a template that has the schema."""
    require_tool(str(find_binaries() or "") or None, name="PostgreSQL")
    with running_server() as running:
        running.make_template(TEMPLATE)
        yield running


@pytest.fixture(scope="module")
def kept_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests of a module; each speaks of customers of its own."""
    with serve(tmp_path_factory.mktemp("kept")) as served:
        yield served


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Served]:
    """A server of a test's own, to be paused, filled or stopped."""
    with serve(tmp_path) as served:
        yield served


@pytest.fixture
def relay(kept_server: Served) -> Iterator[Relay]:
    """A relay to the module's server, through which a test sees what an SDK sends."""
    with relay_to(kept_server.url) as running:
        yield running


@pytest.fixture(scope="session")
def clients(node: str) -> Clients:
    """The SDKs that npm installed from the committed lock."""
    installed = CLIENTS / "node_modules"
    require_tool(
        str(installed) if installed.is_dir() else None,
        name="tests/e2e/clients/node_modules, which `npm ci` there makes,",
    )
    return Clients(node)
