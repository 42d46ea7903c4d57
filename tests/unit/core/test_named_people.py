"""Whom a payload seems to name although it could not be understood."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kept.core.event import Identifier
from kept.core.named_people import NODES_MAX, find_named

NAMES = {"email": "email", "loyalty_card": "loyalty_card"}


def test_names_are_found_wherever_sdks_put_them() -> None:
    """At the top, in traits, in properties, and in the list of external ids."""
    payload = {
        "userId": " ana ",
        "event": 7,
        "context": {"externalIds": [{"type": "loyalty_card", "id": "L1"}, {"type": 3, "id": "x"}]},
        "properties": {"order": {"email": "ana@example.com"}, "note": "user_id"},
        "anonymousId": "",
    }
    assert find_named(msgspec.json.encode(payload), NAMES) == {
        Identifier("user_id", "ana"),
        Identifier("loyalty_card", "L1"),
        Identifier("email", "ana@example.com"),
    }


@given(st.binary(max_size=60))
def test_what_is_no_json_names_nobody(payload: bytes) -> None:
    """Whatever it is, nothing is raised."""
    assert isinstance(find_named(payload, NAMES), set)


def test_a_payload_that_is_deep_or_wide_is_looked_at_up_to_a_limit() -> None:
    """A hostile one costs no more than a large one."""
    wide = [{"x": 1}] * NODES_MAX + [{"userId": "late"}]
    assert find_named(msgspec.json.encode(wide), NAMES) == set()
    assert find_named(b"[" * 100_000, NAMES) == set()
