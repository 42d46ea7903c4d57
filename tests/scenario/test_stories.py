"""Every story comes out the same on the embedded store, and where two nodes hear it in turn."""

from pathlib import Path

import msgspec
import pytest

from kept.core.story import Expect
from kept.flows import take_up
from kept.flows.play import play
from kept.stores.memory import MemoryStore
from kept.stores.sqlite import SqliteStore
from tests.memory_shared import Shared
from tests.scenario.told import STORIES, compiled, differences_on
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


def test_an_alert_that_a_story_does_not_expect_is_seen(tmp_path: Path) -> None:
    """`alerts: []` means none, and a story that does not speak of alerts takes any."""
    story = STORIES["ferrowen/30-till-falls-silent"]
    bundle = compiled("ferrowen")

    def seen_where(alerts: tuple[str, ...] | None) -> list[str]:
        steps = [
            msgspec.structs.replace(one, expect=Expect(alerts=alerts))
            if one.expect is not None and one.expect.alerts == ("source_silent",)
            else one
            for one in story.steps
        ]
        told = msgspec.structs.replace(story, steps=tuple(steps))
        folder = tmp_path / str(alerts)
        folder.mkdir()
        store = SqliteStore(folder, vault=make_vault(folder))
        differences, _ = play(told, bundle, store)
        store.close()
        return [one.what for one in differences]

    assert seen_where(()) == ["alerts"]
    assert seen_where(None) == []


@pytest.mark.parametrize(
    "name", ["ferrowen/01-missed-bill", "ferrowen/38-the-other-tool-asks-first"]
)
def test_a_source_that_does_not_exist_is_a_difference_and_says_so(name: str) -> None:
    """Whoever misspells one is told what there is, and at which step."""
    story = STORIES[name]
    steps = [
        msgspec.structs.replace(
            one,
            signal=one.signal and msgspec.structs.replace(one.signal, source="shopp"),
            ask=one.ask and msgspec.structs.replace(one.ask, source="shopp"),
        )
        for one in story.steps
    ]
    told = msgspec.structs.replace(story, steps=tuple(steps))
    differences, _ = play(told, compiled("ferrowen"), MemoryStore())
    assert differences
    assert "there is no source 'shopp'; sources.yaml has" in differences[0].seen
