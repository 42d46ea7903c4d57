"""Which worlds are played: a few by default, one by `--seed`, many by `--seeds`."""

import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each seed to the tests that ask for one."""
    if "world_seed" in metafunc.fixturenames:
        one, count = metafunc.config.getoption("seed"), metafunc.config.getoption("seeds")
        metafunc.parametrize("world_seed", [one] if one is not None else list(range(count)))
