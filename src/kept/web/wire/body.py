"""A request's body as plain UTF-8 JSON, whatever it was wrapped in.

SDKs label gzip as a web form and JSON as plain text, so labels are believed only where the bytes
themselves do not tell.
"""

import base64
import binascii
import codecs
import re
import zlib
from typing import Final
from urllib.parse import parse_qs

from kept.errors import InvalidEventError, TooLargeError

BODY_BYTES_MAX: Final = 4 * 1024 * 1024
"""What a request may hold, packed or unpacked: the largest batch that an SDK in use sends."""

_GZIP: Final = b"\x1f\x8b"
_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)
# Python knows codecs that unpack and run things; these only read text.
_CHARSETS: Final = frozenset(
    {"iso8859-1", "iso8859-15", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"}
)
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def open_body(body: bytes, *, encoding: str = "", content_type: str = "") -> bytes:
    """Return the JSON in a body: unpacked within bounds, in UTF-8, and out of its form."""
    if len(body) > BODY_BYTES_MAX:
        raise TooLargeError(
            f"the request has {len(body)} bytes; at most {BODY_BYTES_MAX} are taken, so split it"
        )
    if body.startswith(_GZIP):
        body = _unpack(body, window=31)
    elif encoding.strip().lower() == "deflate":
        body = _unpack(body, window=15)
    body = _to_utf8(body, content_type)
    if body.startswith(b"data="):
        body = _open_form(body)
    if not body or body.isspace():
        raise InvalidEventError("the request has no body; send a JSON object")
    return body


def read_data(text: str) -> bytes:
    """Return the JSON that a `data` parameter holds, as it is or in base64 (either alphabet)."""
    text = text.strip()
    if text.startswith(("{", "[")):
        return text.encode(errors="replace")
    # A plus sign that nobody escaped arrives as a space.
    packed = text.replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidEventError("`data` is neither JSON nor base64") from None


def _unpack(body: bytes, *, window: int) -> bytes:
    """Return unpacked bytes; a bomb is put down as soon as it grows past the limit."""
    unpacker = zlib.decompressobj(wbits=window)
    try:
        opened = unpacker.decompress(body, BODY_BYTES_MAX + 1)
    except zlib.error as error:
        raise InvalidEventError(f"the compressed body cannot be unpacked: {error}") from None
    if len(opened) > BODY_BYTES_MAX:
        raise TooLargeError(
            f"the body unpacks to more than {BODY_BYTES_MAX} bytes; split the request"
        )
    if not unpacker.eof or unpacker.unused_data:
        raise InvalidEventError("the compressed body is cut off, or something follows it")
    return opened


def _to_utf8(body: bytes, content_type: str) -> bytes:
    for mark, charset in _BOMS:
        if body.startswith(mark):
            return _recode(body.removeprefix(codecs.BOM_UTF8), charset)
    match = _CHARSET.search(content_type)
    if match is None or match[1].lower() in {"utf-8", "utf8", "us-ascii"} or _is_utf8(body):
        return body
    try:
        charset = codecs.lookup(match[1]).name
    except LookupError:
        charset = ""
    if charset not in _CHARSETS:
        raise InvalidEventError(f"the charset {match[1][:40]!r} is not known; send UTF-8")
    return _recode(body, charset)


def _recode(body: bytes, charset: str) -> bytes:
    if charset == "utf-8":
        return body
    try:
        return body.decode(charset).encode()
    except UnicodeError:
        raise InvalidEventError(f"the body is not {charset}, as it says; send UTF-8") from None


def _is_utf8(body: bytes) -> bool:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False
    # UTF-16 is valid UTF-8 as long as it is mostly ASCII, but then full of NULs.
    return "\0" not in text


def _open_form(body: bytes) -> bytes:
    try:
        form = parse_qs(body.decode(), max_num_fields=20)
    except ValueError:
        raise InvalidEventError("the form in the body cannot be read") from None
    return read_data(form["data"][0]) if "data" in form else b""
