"""The cookies of sign-in: how they are called, what protects them, and where they are possible.

Over https each has the prefix `__Host-`: no other host of the same domain can set it. On a machine
of one's own there is no https, and so no prefix; anywhere else there is no sign-in without it.
"""

import hmac
from hashlib import sha256
from typing import Final, Literal
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.types import Scope

from kept.settings import Settings
from kept.web.asgi import header_of

_VALUE_LENGTH_MAX: Final = 100
LOOPBACK: Final = frozenset({"127.0.0.1", "[::1]", "::1", "localhost"})
Purpose = Literal["session", "before"]
"""A session of somebody who signed in, or the browser of somebody who has not yet."""


class Cookies:
    """The cookies of one server."""

    def __init__(self, settings: Settings) -> None:
        """Find out whether https protects them."""
        self._is_https = settings.public_url.startswith("https://")
        self.are_possible = self._is_https or is_loopback(settings)
        """Whether a cookie would be safe: else nobody signs in."""
        self._prefix = "__Host-kept-" if self._is_https else "kept-"

    def read(self, scope: Scope, purpose: Purpose) -> str:
        """Return what a cookie holds, empty where it is missing or no cookie is safe."""
        if not self.are_possible:
            return ""
        wanted = self._prefix + purpose
        for pair in header_of(scope, b"cookie").decode("latin-1").split(";"):
            name, _, value = pair.strip().partition("=")
            if name == wanted and len(value) <= _VALUE_LENGTH_MAX:
                return value
        return ""

    def put(self, response: Response, purpose: Purpose, value: str, *, seconds: int) -> None:
        """Let a browser keep something; scripts do not see it, and other sites do not send it."""
        response.set_cookie(
            self._prefix + purpose,
            value,
            max_age=seconds,
            path="/",
            secure=self._is_https,
            httponly=True,
            # Strict would be lost on the way back from an identity provider.
            samesite="lax",
        )

    def drop(self, response: Response, purpose: Purpose) -> None:
        """Let a browser forget it."""
        self.put(response, purpose, "", seconds=0)


def is_loopback(settings: Settings) -> bool:
    """Return whether the server listens to this machine only, and no proxy speaks for it."""
    return settings.host in LOOPBACK and not settings.public_url


def form_token(cookie: str) -> str:
    """Return what a form must carry to be one that we gave to the browser with this cookie."""
    return hmac.digest(cookie.encode(), b"kept.form.1", sha256).hex()


def own_origin(settings: Settings, scope: Scope) -> str:
    """Return the origin of our own pages, as this request could know it."""
    if settings.public_url:
        parts = urlsplit(settings.public_url)
        return f"{parts.scheme}://{parts.netloc}".lower()
    host = header_of(scope, b"host").decode("latin-1").lower()
    name, colon, port = host.rpartition(":")
    is_own = (name if colon and port.isdigit() else host) in LOOPBACK
    return f"http://{host}" if is_own else ""


def is_same_site(settings: Settings, scope: Scope) -> bool:
    """Return whether one of our own pages makes this request, as the browser says.

    A browser names the origin of whatever is not a GET, or hides it (`null`) as our own pages ask
    it to and says `Sec-Fetch-Site` instead; one that says neither is refused.
    """
    origin = header_of(scope, b"origin").decode("latin-1").lower()
    site = header_of(scope, b"sec-fetch-site")
    if site and site != b"same-origin":
        return False
    if origin in ("", "null"):
        return bool(site)
    return origin == own_origin(settings, scope)
