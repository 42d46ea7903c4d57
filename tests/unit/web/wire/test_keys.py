"""Write keys are found wherever SDKs put them, and kept only as hashes."""

import base64

import pytest

from kept.core.event import Event
from kept.core.keys import (
    KEY_LENGTH_MAX,
    KeyRing,
    WriteKey,
    check_asks,
    hash_key,
    is_listed_origin,
)
from kept.core.values import HOUR
from kept.errors import NotAllowedError
from kept.web.wire.keys import offered_keys
from tests.unit.core.touchpoint_sample import NOW


def b64(text: str) -> bytes:
    """Return a text as HTTP Basic sends it."""
    return base64.b64encode(text.encode())


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (b"authorization", b"Basic " + b64("key:")),
        (b"authorization", b"Basic " + b64("key")),
        (b"authorization", b"basic  " + b64("key:") + b" "),
        (b"authorization", b"Basic " + b64("key:ignored")),
        (b"authorization", b"Basic " + b64("key:").rstrip(b"=")),
        (b"authorization", b"Bearer key"),
        (b"authorization", b"ApiKey key"),
        (b"authorization", b"key"),
        (b"x-write-key", b"key"),
        (b"x-write-key", b"key:secret"),
    ],
)
def test_a_key_is_found_in_every_header_that_carries_one(header: bytes, value: bytes) -> None:
    """With a colon or without, with a scheme or without."""
    assert "key" in offered_keys({header: value}, {})


def test_a_key_may_hold_a_colon_or_begin_like_a_scheme() -> None:
    """Whole values are offered too."""
    assert "key:secret" in offered_keys({b"x-write-key": b"key:secret"}, {})
    assert "key:secret" in offered_keys({b"authorization": b"Basic " + b64("key:secret")}, {})
    assert "Basic abc" in offered_keys({b"authorization": b"Basic abc"}, {})


def test_headers_come_before_the_query() -> None:
    """A beacon has no headers of its own."""
    offered = list(
        offered_keys({b"authorization": b"Bearer a", b"x-write-key": b"b"}, {"writeKey": "c"})
    )
    assert offered == ["a", "Bearer a", "b", "c"]
    assert list(offered_keys({}, {})) == []


def ring_of(**sources: str) -> KeyRing:
    """Return the ring of keys by their texts, each with its source."""
    return KeyRing(WriteKey(digest=hash_key(key), source=source) for key, source in sources.items())


def find(ring: KeyRing, key: str) -> str | None:
    """Return the source of a key."""
    found = ring.find(key, now=NOW)
    return found.source if found else None


@pytest.mark.parametrize("value", [b"Basic ", b"Basic !!!", b"Basic " + b64("\xff\xfe:")[:3], b""])
def test_a_broken_header_offers_nothing_that_is_found(value: bytes) -> None:
    """And raises nothing."""
    ring = ring_of(key="web")
    assert not any(find(ring, each) for each in offered_keys({b"authorization": value}, {}))


def test_a_ring_knows_whose_a_key_is() -> None:
    """A source may have several keys, as when one is being replaced."""
    ring = ring_of(old="web", new="web", till="till")
    assert [find(ring, key) for key in ("old", "new", "till")] == ["web", "web", "till"]
    assert [find(ring, key) for key in ("", "other", hash_key("old"), "é", "\ud800")] == [None] * 5


def test_keys_that_share_the_beginning_of_their_hash_are_told_apart() -> None:
    """The look-up goes by a prefix, the comparison by the whole."""
    real = WriteKey(digest=hash_key("key"), source="web")
    other = WriteKey(digest=real.digest[:8] + "0" * 56, source="other")
    assert find(KeyRing([other, real]), "key") == "web"
    assert find(KeyRing([other]), "key") is None


def test_an_endless_key_is_not_even_hashed() -> None:
    """Nobody makes the server work by a long header."""
    long = "x" * (KEY_LENGTH_MAX + 1)
    assert find(ring_of(**{long: "web"}), long) is None


def test_the_hash_is_a_plain_sha256() -> None:
    """So that an operator can make one with any tool."""
    assert hash_key("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_key_dies_by_itself_at_its_instant() -> None:
    """As the old one of a rotation does."""
    ring = KeyRing([WriteKey(digest=hash_key("key"), source="web", ends_at=NOW)])
    assert ring.find("key", now=NOW - 1) is not None
    assert ring.find("key", now=NOW) is None


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::7", True),
        ("11.0.0.1", False),
        ("::1", False),
        ("", False),
        ("unix", False),
    ],
)
def test_a_key_for_some_networks_is_good_from_there_only(address: str, *, may: bool) -> None:
    """Also where a socket shows IPv4 in the form of IPv6."""
    networks = ("10.0.0.0/8", "2001:db8::/32")
    ring = KeyRing([WriteKey(digest=hash_key("key"), source="web", networks=networks)])
    if may:
        assert ring.find("key", now=NOW, address=address) is not None
    else:
        with pytest.raises(NotAllowedError):
            ring.find("key", now=NOW, address=address)


def test_the_hour_of_the_last_use_is_noted_once() -> None:
    """Cheap for the thousands of uses within it."""
    ring = ring_of(key="web")
    digest = hash_key("key")
    ring.find("key", now=NOW + 5)
    assert ring.used == {digest: (NOW + 5) // HOUR * HOUR}
    ring.used.clear()
    ring.find("key", now=NOW + 6)
    assert ring.used == {}
    ring.find("key", now=NOW + 6 + HOUR)
    assert ring.used == {digest: (NOW + 6 + HOUR) // HOUR * HOUR}


def test_a_key_for_some_events_sends_these_by_name_or_type() -> None:
    """And every event if nothing is said."""
    event = Event(
        event_key=1, message_id="m", source="web", name="Order Completed", type="track",
        occurred_at=NOW, received_at=NOW,
    )  # fmt: skip

    def may(*events: str) -> bool:
        return WriteKey(digest="", source="web", events=events).may_send(event)

    assert may() and may("track") and may("Order Completed", "page")  # noqa: PT018 - one thought
    assert not may("Order")
    assert not may("page")


def test_an_origin_is_listed_with_or_without_its_port() -> None:
    """One that is listed without a port has any."""
    listed = ("https://tea.example", "http://localhost:3000")
    assert is_listed_origin("https://tea.example", listed)
    assert is_listed_origin("https://tea.example:8443", listed)
    assert is_listed_origin("http://localhost:3000", listed)
    assert not is_listed_origin("http://localhost:3001", listed)
    assert not is_listed_origin("https://tea.example.evil", listed)
    assert not is_listed_origin("null", listed)


def test_a_key_that_only_sends_asks_nothing() -> None:
    """Whatever its source may ask."""
    check_asks(WriteKey(digest="", source="web"))
    with pytest.raises(NotAllowedError, match="only send"):
        check_asks(WriteKey(digest="", source="web", asks=False))
