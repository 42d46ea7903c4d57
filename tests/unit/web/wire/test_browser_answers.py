"""What browser SDKs must be told before they send anything."""

import pytest

from kept.web.wire.cors import RESPONSE_HEADERS, preflight_headers
from kept.web.wire.sdk_settings import rudder_source_config, segment_settings


@pytest.mark.parametrize(
    ("base_url", "host", "protocol"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080/v1", "http"),
        ("https://events.example.org/", "events.example.org/v1", "https"),
        ("https://example.org/kept", "example.org/kept/v1", "https"),
    ],
)
def test_segments_settings_send_events_back_here(base_url: str, host: str, protocol: str) -> None:
    """With nothing else to load, and no metrics to report."""
    settings = segment_settings("KEY", base_url=base_url)
    assert list(settings["integrations"]) == ["Segment.io"]
    here = settings["integrations"]["Segment.io"]
    assert (here["apiKey"], here["apiHost"], here["protocol"]) == ("KEY", host, protocol)
    assert settings["metrics"] == {"sampleRate": 0}
    assert settings["remotePlugins"] == []


def test_rudders_source_config_is_what_its_sdk_asks_for() -> None:
    """Without `source.id`, `source.config` or the list of destinations it sends no event."""
    source = rudder_source_config("web", key="KEY")["source"]
    assert (source["id"], source["enabled"], source["destinations"]) == ("web", True, [])
    statistics = source["config"]["statsCollection"]
    assert not any(each["enabled"] for each in statistics.values())


def test_a_preflight_allows_what_is_asked_for() -> None:
    """Whatever headers the next version of an SDK thinks of."""
    asked = b"authorization,content-type,x-new-header"
    answer = dict(preflight_headers([(b"access-control-request-headers", asked)]))
    assert answer[b"access-control-allow-headers"] == asked
    assert b"POST" in answer[b"access-control-allow-methods"]
    assert answer[b"access-control-allow-origin"] == b"*"
    assert b"access-control-allow-credentials" not in answer


@pytest.mark.parametrize("asked", [b"", b"x\r\nset-cookie: a=b", b"x" * 3_000, b"\xff"])
def test_a_preflight_repeats_nothing_odd(asked: bytes) -> None:
    """Then it lists what SDKs are known to send."""
    answer = dict(preflight_headers([(b"access-control-request-headers", asked)]))
    allowed = answer[b"access-control-allow-headers"].split(b", ")
    assert {b"authorization", b"x-write-key", b"rsa-retry-attempt", b"if-none-match"} <= {*allowed}


def test_every_answer_lets_pages_read_when_to_come_back() -> None:
    """And the tag of a flag evaluation."""
    assert (b"access-control-expose-headers", b"ETag, Retry-After") in RESPONSE_HEADERS
