"""Servers that tests of this folder speak with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.served import Served, serve


@pytest.fixture(scope="session")
def kept_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests that harm nobody else; each speaks of customers of its own."""
    with serve(tmp_path_factory.mktemp("kept")) as served:
        yield served


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Served]:
    """A server of a test's own, to be paused, filled or stopped."""
    with serve(tmp_path) as served:
        yield served
