"""Which worlds are played: a few by default, one by `--seed`, many by `--seeds`; and a consent log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kept.flows.brake import pause, resume
from tests.scenario.log_world import LogWorld


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each seed to the tests that ask for one."""
    if "world_seed" in metafunc.fixturenames:
        one, count = metafunc.config.getoption("seed"), metafunc.config.getoption("seeds")
        seeds = [one] if one is not None else list(range(count))
        # Marked, so that many can be played without everything else of this folder.
        worlds = [pytest.param(seed, marks=pytest.mark.worlds) for seed in seeds]
        metafunc.parametrize("world_seed", worlds)


@pytest.fixture
def log_world(tmp_path: Path) -> Iterator[LogWorld]:
    """Give a log of seven leaves, signed after four and at the end.

    0 the beginning, 1 Ana's consent, 2 a brake, 3 Ana's signal; 4 Ben's consent, 5 Ana's
    withdrawal, 6 the brake lifted.
    """
    world = LogWorld(tmp_path)
    world.say("Consent Given", entity="shop", purpose="marketing", wording="none")
    world.say("Order Completed", total=10)
    world.do(lambda engine, now: pause(engine, "all", actor="zoe", because="x", now=now))
    for _ in range(3):
        world.say("Page Viewed", gpc=True)
    world.sign()
    world.say("Consent Given", "ben", entity="bank", purpose="marketing", channel="email")
    world.say("Consent Withdrawn", purpose="marketing")
    world.do(lambda engine, now: resume(engine, "all", actor="zoe", now=now))
    world.sign()
    yield world
    world.store.close()
