"""Take a batch apart whose decoder has given up, so that one bad item does not spoil the rest.

It looks only at quotes and brackets. Whatever stands between them (half a surrogate pair, `NaN`, a
thousand brackets) stays with its own item, and fails there alone. A body whose brackets do not
close is cut off: of such a one nothing is taken, for nobody knows what is missing.
"""

import re
from itertools import islice
from typing import Final

import msgspec

from kept.errors import InvalidEventError, TooLargeError

TOKENS_MAX: Final = 200_000
"""This path is slow, and a bad body must not keep the others waiting."""

# Possessive (`++`, `*+`): a text without an end is given up at once instead of tried again.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},]', re.DOTALL)
_KEY: Final = re.compile(rb'\s*("(?:[^"\\]++|\\.)*+")\s*:\s*', re.DOTALL)
_CLOSERS: Final = {b"{": b"}", b"[": b"]"}


def split_object(text: bytes) -> dict[str, bytes]:
    """Return the members of a JSON object, each value as it stands."""
    members = {}
    for element in _split(text, b"{"):
        match = _KEY.match(element)
        if match is None:
            raise InvalidEventError("the body is not JSON: a member of its object has no name")
        try:
            name = msgspec.json.decode(match[1], type=str)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # a name that cannot be read is none that we look for
        members[name] = element[match.end() :].strip()
    return members


def split_array(text: bytes) -> list[bytes]:
    """Return the elements of a JSON array, each as it stands."""
    return _split(text, b"[")


def _split(text: bytes, opener: bytes) -> list[bytes]:
    text = text.strip()
    if not text.startswith(opener):
        raise InvalidEventError("the body is not JSON, or not an object with a list in `batch`")
    elements: list[bytes] = []
    open_brackets: list[bytes] = []
    start = 1
    for match in islice(_TOKEN.finditer(text), TOKENS_MAX):
        token = match[0]
        if token in _CLOSERS:
            open_brackets.append(_CLOSERS[token])
        elif token == b"," and len(open_brackets) == 1:
            elements.append(text[start : match.start()].strip())
            start = match.end()
        elif token in _CLOSERS.values():
            if not open_brackets or open_brackets.pop() != token:
                raise InvalidEventError("the body is not JSON: its brackets do not match")
            if not open_brackets:
                return _finish(text, elements, start=start, end=match.start())
        elif token == b'"':
            break
    else:
        if len(text) > TOKENS_MAX:
            raise TooLargeError("the body is not clean JSON and too large to be mended; split it")
    raise InvalidEventError("the body is not JSON: it ends before it is complete")


def _finish(text: bytes, elements: list[bytes], *, start: int, end: int) -> list[bytes]:
    """Return all elements once the closing bracket is found at `end`."""
    if text[end + 1 :]:
        raise InvalidEventError("the body is not JSON: something follows its end")
    last = text[start:end].strip()
    return [*elements, last] if last or elements else []
