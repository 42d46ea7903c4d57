"""What every test stands on: no network by surprise, printed seeds, tools that may be missing."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent

# Examples are drawn afresh each time; a failure prints the blob that brings it back.
settings.register_profile("dev", max_examples=50, deadline=None, print_blob=True)
settings.register_profile(
    "ci",
    max_examples=300,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # the machine is shared and noisy
)
HYPOTHESIS_PROFILE = os.environ.get("KEPT_HYPOTHESIS_PROFILE", "dev")
settings.load_profile(HYPOTHESIS_PROFILE)

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
TOOLS_ARE_REQUIRED = os.environ.get("KEPT_CI_REQUIRE") == "1"


def find_chromium() -> str | None:
    """Return the path of the first Chromium found, if any."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let whoever runs the tests choose the worlds that tests/scenario plays."""
    group = parser.getgroup("kept")
    group.addoption("--seed", type=int, help="play only the world of this seed")
    group.addoption("--seeds", type=int, default=4, help="play so many worlds")
    group.addoption(
        "--fuzz-seed", type=int, default=1, help="make the mutations of tests/fuzz of this seed"
    )
    group.addoption(
        "--fuzz-seconds", type=int, default=5, help="fuzz each parser so long, in tests/suites"
    )


def pytest_report_header() -> list[str]:
    """Say what this run draws and what it can reach."""
    return [
        f"hypothesis profile: {HYPOTHESIS_PROFILE}",
        f"node: {shutil.which('node') or 'not found, tests that need it are skipped'}",
        f"chromium: {find_chromium() or 'not found, tests that need it are skipped'}",
    ]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whatever lives in tests/suites as slow."""
    for item in items:
        if item.path.is_relative_to(TESTS / "suites"):
            item.add_marker(pytest.mark.slow)


def require_tool(path: str | None, *, name: str) -> str:
    """Return the tool's path; skip the test where it is missing, or fail it where CI insists."""
    if path is not None:
        return path
    if TOOLS_ARE_REQUIRED:
        pytest.fail(f"{name} is not found, and KEPT_CI_REQUIRE=1 asks for it")
    pytest.skip(f"{name} is not found")


@pytest.fixture(scope="session")
def node() -> str:
    """Return the path of Node."""
    return require_tool(shutil.which("node"), name="node")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of Chromium."""
    return require_tool(find_chromium(), name="chromium")


class NetworkBlockedError(RuntimeError):
    """A test reached for the network that has not said it would."""


def is_loopback(address: object) -> bool:
    """Return whether an address given to a socket stays on this machine."""
    host = address[0] if isinstance(address, tuple) else address
    return isinstance(host, str) and (host in {"localhost", "::1"} or host.startswith("127."))


def may_use_loopback(request: pytest.FixtureRequest) -> bool:
    """Return whether this test talks to other processes of this machine."""
    where = request.node.path
    return (
        where.is_relative_to(TESTS / "e2e")
        or where.is_relative_to(TESTS / "suites")
        or request.node.get_closest_marker("network") is not None
    )


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test reach another machine, and only those that say so use the loopback interface."""
    loopback_is_open = may_use_loopback(request)

    def guard(method: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(self: socket.socket, *arguments: Any) -> Any:
            address = arguments[-1]
            is_internet = self.family in {socket.AF_INET, socket.AF_INET6}
            if is_internet and not (loopback_is_open and is_loopback(address)):
                raise NetworkBlockedError(
                    f"this test reached for {address!r}: put it into tests/e2e, or mark it with "
                    "`network` if it stays on the loopback interface"
                )
            return method(self, *arguments)

        return guarded

    for name in ("bind", "connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, guard(getattr(socket.socket, name)))
