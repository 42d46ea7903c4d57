"""Every SDK that was tried is understood as it is."""

import json

import pytest

from kept.core.values import SECOND
from tests.unit.core.touchpoint_sample import NOW, names
from tests.unit.web.wire.shapes import SHAPES, Shape
from tests.unit.web.wire.wire_sample import post

BY_NAME = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.sdk)


@BY_NAME
def test_what_an_sdk_sends_is_taken_whole(shape: Shape) -> None:
    """Nothing is rejected, names and identifiers are as meant, and the times are right."""
    parsed = post(shape.path, shape.body, *shape.headers, query=shape.query, key=None)
    assert parsed.rejected == []
    assert tuple((event.name, *names(event)) for event in parsed.events) == shape.events
    for event in parsed.events:
        assert event.occurred_at in (NOW - 2 * SECOND, NOW)


@BY_NAME
def test_a_retry_is_known_again(shape: Shape) -> None:
    """It comes later and says a later `sentAt`; keys and hours stay what they were."""
    body = shape.body.replace(b"10:00:00", b"10:07:00")
    first = post(shape.path, shape.body, *shape.headers, query=shape.query, key=None)
    retry = post(
        shape.path,
        body,
        *shape.headers,
        query=shape.query,
        key=None,
        received_at=NOW + 420 * SECOND,
    )
    assert [(e.event_key, e.claim_hour) for e in first.events] == [
        (e.event_key, e.claim_hour) for e in retry.events
    ]


def test_traits_are_told_from_either_place() -> None:
    """One family puts them on top, the other into the context."""
    told = {
        shape.sdk.split()[0]: event.traits
        for shape in SHAPES
        for event in post(
            shape.path, shape.body, *shape.headers, query=shape.query, key=None
        ).events
        if event.name == "Identified"
    }
    assert told["@rudderstack/analytics-js"] == told["@segment/analytics-next"]
    assert json.dumps(told["@segment/analytics-next"]) == '{"email": "Ana@example.org"}'
