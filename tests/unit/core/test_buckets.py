"""How often somebody may ask, and that counting is bounded itself."""

from hypothesis import given
from hypothesis import strategies as st

from kept.core.buckets import Buckets
from kept.core.values import SECOND

NOW = 1_767_225_600_000_000


def test_a_burst_passes_and_then_a_steady_drip() -> None:
    """The wait that is named is exactly when the next one passes."""
    buckets = Buckets(per_second=2, burst=3)
    assert [buckets.take("a", NOW) for _ in range(3)] == [0, 0, 0]
    wait = buckets.take("a", NOW)
    assert wait == SECOND // 2
    assert buckets.take("a", NOW + wait - 1000) > 0
    assert buckets.take("a", NOW + wait) == 0
    assert buckets.take("b", NOW) == 0


def test_a_clock_that_steps_back_gives_nothing() -> None:
    """Nor takes anything."""
    buckets = Buckets(per_second=1, burst=1)
    assert buckets.take("a", NOW) == 0
    assert buckets.take("a", NOW - 10 * SECOND) > 0


def test_memory_is_bounded_by_forgetting_who_was_quiet_longest() -> None:
    """A flood of addresses costs no more than the limit."""
    buckets = Buckets(per_second=1, burst=1, keys_max=3)
    for key in "abcd":
        buckets.take(key, NOW)
    assert len(buckets) == 3
    assert buckets.take("d", NOW) > 0
    assert buckets.take("a", NOW) == 0


@given(st.lists(st.integers(0, 5 * SECOND), max_size=60))
def test_no_schedule_passes_more_than_burst_and_rate(steps: list[int]) -> None:
    """In any stretch of time, whatever the steps."""
    buckets, now, passed = Buckets(per_second=1, burst=4), NOW, []
    for step in steps:
        now += step
        if buckets.take("a", now) == 0:
            passed.append(now)
    for start in range(len(passed)):
        for end in range(start, len(passed)):
            seconds = (passed[end] - passed[start]) / SECOND
            assert end - start + 1 <= 4 + seconds + 0.001
