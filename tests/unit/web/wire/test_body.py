"""Bodies come packed, mislabelled and in odd charsets; bombs do not go off."""

import base64
import gzip
import json
import tracemalloc
import zlib

import pytest

from kept.errors import InvalidEventError, TooLargeError
from kept.web.wire.body import BODY_BYTES_MAX, open_body, read_data

JSON = json.dumps({"a": "é €"}, ensure_ascii=False)


@pytest.mark.parametrize("encoding", ["", "gzip", "identity", "br"])
@pytest.mark.parametrize("content_type", ["", "application/x-www-form-urlencoded", "text/plain"])
def test_gzip_is_known_by_its_first_bytes(encoding: str, content_type: str) -> None:
    """Whatever the labels say, or do not say."""
    packed = gzip.compress(JSON.encode())
    assert open_body(packed, encoding=encoding, content_type=content_type) == JSON.encode()


def test_a_label_without_gzip_behind_it_is_passed_over() -> None:
    """A proxy that unpacks may forget to say so."""
    assert open_body(JSON.encode(), encoding="gzip") == JSON.encode()


def test_deflate_is_unpacked_where_it_is_said() -> None:
    """It has no mark of its own."""
    assert open_body(zlib.compress(JSON.encode()), encoding="Deflate") == JSON.encode()


def test_a_bomb_is_put_down_before_it_grows() -> None:
    """A gigabyte in a megabyte is refused, and never held."""
    bomb = gzip.compress(b"0" * (64 * 1024 * 1024))
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError, match="unpacks to more than"):
            open_body(bomb)
        assert tracemalloc.get_traced_memory()[1] < 4 * BODY_BYTES_MAX
    finally:
        tracemalloc.stop()


def test_a_large_body_is_refused_and_told_what_to_do() -> None:
    """Packed or not."""
    with pytest.raises(TooLargeError, match="split it"):
        open_body(b" " * (BODY_BYTES_MAX + 1))
    assert len(open_body(b"[" + b" " * (BODY_BYTES_MAX - 1))) == BODY_BYTES_MAX


@pytest.mark.parametrize(
    "damaged",
    [
        gzip.compress(b"{}" * 1_000, mtime=0)[:-9],
        gzip.compress(b"{}", mtime=0) + b"more",
        gzip.compress(b"{}", mtime=0) + gzip.compress(b"{}", mtime=0),
        b"\x1f\x8bnonsense",
    ],
)
def test_a_damaged_archive_is_refused(damaged: bytes) -> None:
    """Half of a batch is not a batch."""
    with pytest.raises(InvalidEventError):
        open_body(damaged)


@pytest.mark.parametrize("empty", [b"", b"  \n", gzip.compress(b"", mtime=0), b"\xef\xbb\xbf"])
def test_an_empty_body_is_refused(empty: bytes) -> None:
    """With the advice to send something."""
    with pytest.raises(InvalidEventError, match="send a JSON object"):
        open_body(empty)


@pytest.mark.parametrize("charset", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_at_the_beginning_tells_the_charset(charset: str) -> None:
    """Byte order marks come from editors and from one large company's tools."""
    assert open_body(JSON.encode(charset)) == JSON.encode()


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be", "windows-1252", "ISO-8859-15"])
def test_a_charset_that_is_said_is_used(charset: str) -> None:
    """Where the bytes are not UTF-8 anyway."""
    content_type = f'application/json; Charset="{charset}"'
    assert open_body(JSON.encode(charset), content_type=content_type) == JSON.encode()


def test_utf8_is_believed_before_a_label() -> None:
    """Text that is valid UTF-8 beyond ASCII is hardly ever anything else."""
    assert open_body(JSON.encode(), content_type="text/plain; charset=latin-1") == JSON.encode()


@pytest.mark.parametrize("charset", ["zip", "hex", "idna", "no-such", "undefined"])
def test_a_charset_that_is_none_is_refused(charset: str) -> None:
    """Python's codecs include some that unpack or compute."""
    with pytest.raises(InvalidEventError, match="charset"):
        open_body(b"\xff\x00", content_type=f"text/plain; charset={charset}")


def test_a_charset_that_does_not_fit_is_refused() -> None:
    """An odd byte at the end of UTF-16."""
    with pytest.raises(InvalidEventError, match="utf-16"):
        open_body(b"\xff\xfe{\x00}", content_type="")


def test_a_form_carries_json_or_base64() -> None:
    """As beacons send it, the plus sign escaped or not."""
    packed = base64.b64encode(JSON.encode()).decode()
    assert open_body(b"data=%7B%22a%22%3A1%7D&x=1") == b'{"a":1}'
    assert open_body(f"data={packed}".encode()) == JSON.encode()
    with pytest.raises(InvalidEventError):
        open_body(b"data=&data=")
    with pytest.raises(InvalidEventError, match="form"):
        open_body(b"data=" + b"&a=b" * 50)
    with pytest.raises(InvalidEventError, match="form"):
        open_body(b"data=\xff")


@pytest.mark.parametrize("raw", [b'{"a":"???>>>"}', b'{"a":1}', b'{"ab":1}'])
def test_base64_is_read_in_either_alphabet_padded_or_not(raw: bytes) -> None:
    """And with the spaces that plus signs become."""
    plain = base64.b64encode(raw).decode()
    for text in (
        plain,
        plain.rstrip("="),
        plain.replace("+", " "),
        base64.urlsafe_b64encode(raw).decode(),
    ):
        assert read_data(text) == raw


def test_what_is_neither_json_nor_base64_is_refused() -> None:
    """The message names the parameter."""
    with pytest.raises(InvalidEventError, match="`data`"):
        read_data("§§§")
    assert read_data(" [1] ") == b"[1]"
