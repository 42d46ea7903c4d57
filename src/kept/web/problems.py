"""Errors as RFC 9457 problems: the one place that knows which status an error has."""

from typing import Any, Final

import msgspec

from kept.errors import (
    ConflictError,
    DiskFullError,
    InputError,
    InvalidBrandError,
    KeptError,
    NotAllowedError,
    NotFoundError,
    OutsideError,
    OverloadedError,
    SettingsError,
    TooLargeError,
    UnknownCallerError,
)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = 5
"""When to come back after something outside Kept failed."""

INTERNAL: Final = "internal"
"""The code of a bug: nothing that the caller can mend, and logged with the request's id."""

# From the special to the general: the first that fits decides.
_STATUSES: Final[tuple[tuple[type[KeptError], int, str], ...]] = (
    (TooLargeError, 413, "Too large"),
    (InvalidBrandError, 422, "The brand folder cannot be used"),
    (UnknownCallerError, 401, "Who is asking?"),
    (NotAllowedError, 403, "Not allowed"),
    (NotFoundError, 404, "Not found"),
    (ConflictError, 409, "Conflict"),
    (OverloadedError, 429, "Too much at once"),
    (InputError, 400, "Cannot be used"),
    (OutsideError, 503, "Not possible just now"),
    (SettingsError, 503, "Not set up"),
)


class HttpProblem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, in the form of RFC 9457; compare `code`, show `detail`."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str = ""
    retry_after: int | None = None
    """Seconds after which the same request is welcome again."""
    problems: tuple[dict[str, Any], ...] = ()
    """For a brand folder: everything that is wrong with it, each with file, line and column."""


def problem_of(
    error: KeptError, *, request_id: str = "", is_for_operator: bool = False
) -> HttpProblem:
    """Return an error as a problem; what is wrong inside is told to operators only."""
    status, title = status_of(error)
    return HttpProblem(
        type=type_of(error.code),
        title=title,
        status=status,
        detail=str(error) if status < 500 or is_for_operator else _plain(error),
        code=error.code,
        request_id=request_id,
        retry_after=_retry_after(error, status),
        problems=(
            tuple(msgspec.to_builtins(each) for each in error.problems)
            if isinstance(error, InvalidBrandError)
            else ()
        ),
    )


def _plain(error: KeptError) -> str:
    """Return what a stranger may know of a failure; its paths and names stand in the log."""
    if isinstance(error, DiskFullError):
        return "there is no room to make anything durable, so nothing was taken; try again later"
    if isinstance(error, SettingsError):
        return "the server is not set up for this; its log says what is missing"
    return "this is not possible just now, and nothing was taken; try again soon"


def http_problem(status: int, detail: str, *, code: str, request_id: str = "") -> HttpProblem:
    """Return a problem that is about HTTP itself: no such path, no such method, a bug of ours."""
    titles = {404: "Not found", 405: "Method not allowed", 500: "Internal error"}
    return HttpProblem(
        type=type_of(code),
        title=titles.get(status, "Error"),
        status=status,
        detail=detail,
        code=code,
        request_id=request_id,
    )


def wrong_method(allowed: str, *, request_id: str) -> HttpProblem:
    """Return the problem of a path that answers to another method."""
    detail = f"this path answers to {allowed} only; /openapi.json lists every route"
    return http_problem(405, detail, code="method_not_allowed", request_id=request_id)


def internal_problem(*, request_id: str) -> HttpProblem:
    """Return the problem of a bug; what it was stands in the log only."""
    detail = "something went wrong inside; the log knows it by the request's id"
    return http_problem(500, detail, code=INTERNAL, request_id=request_id)


def headers_of(problem: HttpProblem) -> list[tuple[bytes, bytes]]:
    """Return the headers that a problem needs besides its length."""
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"cache-control", b"no-store")]
    if problem.retry_after is not None:
        seconds = b"%d" % problem.retry_after
        headers += [(b"retry-after", seconds), (b"x-ratelimit-reset", seconds)]
    if problem.status == 401:
        # Not Basic: a browser would ask the visitor for a password in the middle of a page.
        headers.append((b"www-authenticate", b'Bearer realm="kept"'))
    return headers


def status_of(error: KeptError) -> tuple[int, str]:
    """Return the status of an error, and its title."""
    for kind, status, title in _STATUSES:
        if isinstance(error, kind):
            return status, title
    return 500, "Error"


def type_of(code: str) -> str:
    """Return the URI that names a kind of problem; docs/reference/errors.md explains each code."""
    return f"urn:kept:error:{code}"


def _retry_after(error: KeptError, status: int) -> int | None:
    if isinstance(error, OverloadedError):
        return error.retry_after_seconds
    return RETRY_SECONDS if status == 503 else None
