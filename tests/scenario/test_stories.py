"""Every story comes out the same on the embedded store, and where two nodes hear it in turn."""

from pathlib import Path

import pytest

from kept.flows import take_up
from kept.stores.sqlite import SqliteStore
from tests.memory_shared import Shared
from tests.scenario.told import STORIES, differences_on
from tests.vaults import make_vault


@pytest.mark.parametrize("name", STORIES)
def test_a_story_comes_out_the_same_on_the_embedded_store(tmp_path: Path, name: str) -> None:
    """With real files and sealed records, as on the store in memory on which `kept test` plays."""
    store = SqliteStore(tmp_path, vault=make_vault(tmp_path))
    differences = differences_on([store], name)
    store.close()
    assert differences == []


@pytest.mark.parametrize("name", STORIES)
def test_a_story_comes_out_the_same_where_two_nodes_hear_it_in_turn(name: str) -> None:
    """Who hears and who is asked takes turns, and what falls due is done by whoever comes first."""
    shared = Shared()
    assert differences_on([shared.connect(), shared.connect()], name) == []


def test_a_brake_that_only_one_node_knows_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A control: the story of the brake fails where nodes do not take up what all must know."""
    monkeypatch.setattr(take_up, "load_brakes", lambda engine: None)
    shared = Shared()
    assert differences_on([shared.connect(), shared.connect()], "ferrowen/35-stop-everything")
