"""Write keys are found wherever SDKs put them, and kept only as hashes."""

import base64

import pytest

from kept.core.keys import KEY_LENGTH_MAX, KeyRing, hash_key
from kept.web.wire.keys import offered_keys


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


@pytest.mark.parametrize("value", [b"Basic ", b"Basic !!!", b"Basic " + b64("\xff\xfe:")[:3], b""])
def test_a_broken_header_offers_nothing_that_is_found(value: bytes) -> None:
    """And raises nothing."""
    ring = KeyRing({hash_key("key"): "web"})
    assert not any(map(ring.find, offered_keys({b"authorization": value}, {})))


def test_a_ring_knows_whose_a_key_is() -> None:
    """A source may have several keys, as when one is being replaced."""
    ring = KeyRing({hash_key("old"): "web", hash_key("new"): "web", hash_key("till"): "till"})
    assert [ring.find(key) for key in ("old", "new", "till")] == ["web", "web", "till"]
    assert [ring.find(key) for key in ("", "other", hash_key("old"), "é", "\ud800")] == [None] * 5


def test_keys_that_share_the_beginning_of_their_hash_are_told_apart() -> None:
    """The look-up goes by a prefix, the comparison by the whole."""
    real = hash_key("key")
    ring = KeyRing({real[:8] + "0" * 56: "other", real: "web"})
    assert ring.find("key") == "web"
    assert KeyRing({real[:8] + "0" * 56: "other"}).find("key") is None


def test_an_endless_key_is_not_even_hashed() -> None:
    """Nobody makes the server work by a long header."""
    long = "x" * (KEY_LENGTH_MAX + 1)
    assert KeyRing({hash_key(long): "web"}).find(long) is None


def test_the_hash_is_a_plain_sha256() -> None:
    """So that an operator can make one with any tool."""
    assert hash_key("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
