"""The clocks tell microseconds, and the virtual one moves only forward."""

import pytest

from kept.clock import SystemClock, VirtualClock, new_id, random_token, read_monotonic

YEAR_2020 = 1_577_836_800_000_000
YEAR_2100 = 4_102_444_800_000_000


def test_the_system_clock_tells_microseconds() -> None:
    """An instant lies in this century when it is read as microseconds."""
    assert YEAR_2020 < SystemClock().now() < YEAR_2100


def test_the_virtual_clock_stands_still_until_it_is_moved() -> None:
    """Asking does not move it; advancing does, by exactly so much."""
    clock = VirtualClock(1_000)
    assert (clock.now(), clock.now()) == (1_000, 1_000)
    assert clock.advance(500) == 1_500
    assert clock.now() == 1_500


def test_time_does_not_run_backwards() -> None:
    """A negative step is a mistake of the caller."""
    clock = VirtualClock(1_000)
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
    assert clock.now() == 1_000


def test_the_monotonic_clock_never_steps_back() -> None:
    """Readings in a row do not fall."""
    readings = [read_monotonic() for _ in range(1_000)]
    assert readings == sorted(readings)


def test_ids_and_tokens_differ_each_time() -> None:
    """Nothing is handed out twice, and a token holds 256 bits."""
    assert len({new_id() for _ in range(1_000)}) == 1_000
    tokens = {random_token() for _ in range(1_000)}
    assert len(tokens) == 1_000
    assert min(map(len, tokens)) == 43  # 32 bytes in base64 without padding
