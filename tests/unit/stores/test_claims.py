"""The filter in front of the table of claims."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.stores.sqlite.claims import KeyFilter

keys = st.sets(st.integers(0, 2**63 - 1))


@pytest.fixture(scope="module")
def key_filter() -> KeyFilter:
    """Give a filter; it is large, so that one serves all examples."""
    return KeyFilter()


@given(added=keys)
def test_a_key_that_was_added_is_never_denied(key_filter: KeyFilter, added: set[int]) -> None:
    """The filter may err on the side of asking the table, never on the other."""
    key_filter.clear()
    for key in added:
        key_filter.add(key)
    assert all(key_filter.add(key) for key in added)


def test_most_keys_that_were_not_added_are_denied(key_filter: KeyFilter) -> None:
    """Else it would spare no question."""
    key_filter.clear()
    # Spread like hashes: an odd multiplier visits every value once.
    spread = [n * 0x9E3779B97F4A7C15 % 2**63 for n in range(20_000)]
    for key in spread[:10_000]:
        key_filter.add(key)
    assert sum(key_filter.add(key) for key in spread[10_000:]) < 100
    assert not key_filter.is_full
