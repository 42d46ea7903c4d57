"""What a browser must be told before it lets a page on another origin send events.

Any origin may ask, because the write key decides and no cookie is ever read; a source that lists
its origins refuses the others when the event itself arrives (`segment.check_origin`).
"""

import re
from typing import Final

from kept.web.wire.segment import Headers

RESPONSE_HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"ETag, Retry-After"),
)
"""For every answer to a route that pages use, errors included."""

_REQUEST_HEADERS: Final = (
    b"authorization, content-type, x-retry-count, x-write-key, anonymousid, sentat, "
    b"rsa-retry-attempt, rsa-retry-reason, rsa-since-first-attempt, rsa-since-last-attempt, "
    b"if-none-match"
)
_HEADER_LIST: Final = re.compile(rb"[\w!#$%&'*+.^`|~, -]{1,2000}")


def preflight_headers(headers: Headers) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers of the answer to an OPTIONS request: whatever is asked for is allowed."""
    asked = dict(headers).get(b"access-control-request-headers", b"")
    allowed = asked if _HEADER_LIST.fullmatch(asked) else _REQUEST_HEADERS
    return (
        *RESPONSE_HEADERS,
        (b"access-control-allow-methods", b"GET, HEAD, POST, OPTIONS"),
        (b"access-control-allow-headers", allowed),
        # Two hours, the most that Chromium keeps.
        (b"access-control-max-age", b"7200"),
    )
