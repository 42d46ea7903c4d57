"""What stands before the handlers of operators: how often one may ask, and whose page makes them ask."""

import hmac
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.types import Scope

from kept import settings
from kept.core.access import Network
from kept.core.buckets import Buckets
from kept.core.values import SECOND
from kept.errors import NotAllowedError, TooOftenError
from kept.runtime import Runtime
from kept.web.address import address_of
from kept.web.asgi import header_of
from kept.web.cookies import form_token, is_same_site

FIELDS_MAX: Final = 20
FORM_TOKEN: Final = "form_token"
"""The field of a form that proves that we gave it to this browser."""
FORM_TOKEN_HEADER: Final = b"x-kept-form-token"
"""The same for scripts of our own pages."""


class Guard:
    """Counts requests, and knows our own pages from those of others."""

    def __init__(self, runtime: Runtime, *, proxies: Sequence[Network]) -> None:
        """Begin with nobody counted."""
        self._runtime = runtime
        self._proxies = proxies
        self._strangers = Buckets(
            per_second=settings.STRANGERS_PER_SECOND, burst=settings.STRANGERS_AT_ONCE
        )
        self._operators = Buckets(
            per_second=settings.OPERATOR_CALLS_PER_SECOND, burst=settings.OPERATOR_CALLS_AT_ONCE
        )
        self._sign_ins = Buckets(
            per_second=settings.SIGN_INS_PER_SECOND, burst=settings.SIGN_INS_AT_ONCE
        )
        self._unmaskings = Buckets(
            per_second=settings.UNMASKINGS_PER_SECOND, burst=settings.UNMASKINGS_AT_ONCE
        )

    def address(self, scope: Scope) -> str:
        """Return where a request comes from."""
        return address_of(scope, self._proxies)

    def own_address(self, scope: Scope) -> str:
        """Return the caller's own address, empty where it is a proxy's that nobody told us of.

        All callers would share that one: a stranger's failures must not shut everybody out.
        """
        is_known = bool(self._proxies) or not self._runtime.settings.public_url
        return self.address(scope) if is_known else ""

    def note_stranger(self, scope: Scope) -> None:
        """Count a request that nobody known made, or raise `TooOftenError` for one too many."""
        wait = self._strangers.take(self.address(scope), self._runtime.clock.now())
        _refuse(wait, "with what opens nothing")

    def admit_operator(self, bucket: str) -> None:
        """Count a request of an operator, or raise `TooOftenError`."""
        _refuse(self._operators.take(bucket, self._runtime.clock.now()), "to the admin API")

    def admit_sign_in(self, scope: Scope, *, name: str = "") -> None:
        """Count an attempt to sign in, by its address or else its name, or raise `TooOftenError`."""
        key = self.own_address(scope) or f"name:{name}"
        _refuse(self._sign_ins.take(key, self._runtime.clock.now()), "to sign in")

    def admit_unmasking(self, bucket: str) -> None:
        """Count an unmasking, or raise `TooOftenError`."""
        _refuse(self._unmaskings.take(bucket, self._runtime.clock.now()), "for values of people")

    def check_form(self, scope: Scope, *, cookie: str, offered: str) -> None:
        """Raise `NotAllowedError` unless one of our own pages makes this browser ask.

        Args:
            scope: the request.
            cookie: what the browser showed.
            offered: the form's token, from a field or a header.
        """
        if not is_same_site(self._runtime.settings, scope):
            raise NotAllowedError("this request was made by a page that is not one of ours")
        if not cookie or not hmac.compare_digest(form_token(cookie).encode(), offered.encode()):
            raise NotAllowedError(
                "the form is too old, or not one of ours; load its page again and repeat"
            )


def header_token(scope: Scope) -> str:
    """Return the form's token that a script put into a header."""
    return header_of(scope, FORM_TOKEN_HEADER).decode("latin-1")


def read_fields(request: Request, body: bytes) -> dict[str, str]:
    """Return the fields of a form as our own pages post it; empty where it is none."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except ValueError:
        return {}


def _refuse(wait: int, what: str) -> None:
    if wait:
        raise TooOftenError(
            f"too many requests {what}; wait a moment",
            retry_after_seconds=max(1, -(-wait // SECOND)),
        )
