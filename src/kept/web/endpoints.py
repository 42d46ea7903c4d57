"""A route as a value: who may call it, what it takes, what it answers, and which handler answers.

One table of these (`routes.py`) makes both the running routes and the OpenAPI document, so that the
two cannot differ: a body is decoded into the struct that the document shows.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, TypeAlias

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from kept.core.access import Permission
from kept.errors import (
    InputError,
    KeptError,
    NotAllowedError,
    TooLargeError,
    UnknownCallerError,
)
from kept.web import problems
from kept.web.asgi import header_of
from kept.web.callers import (
    NOBODY,
    Caller,
    check_permission,
    find_operator,
    find_person,
    find_source,
    is_own_machine,
)
from kept.web.front import Front
from kept.web.guard import FORM_TOKEN, header_token, read_fields
from kept.web.wire.cors import RESPONSE_HEADERS

_log = logging.getLogger("kept.web")
_encode: Final = msgspec.json.Encoder().encode

BUSY: Final = (429, 503)
"""Statuses of whatever goes to the writer: it may be refused for a moment."""

Who: TypeAlias = Literal[
    "anyone", "source", "server", "customer", "signer", "link", "watcher", "operator", "person"
]
"""Who may call: anyone; a source by its write key; a server source only; a customer by a pass, or
the server that proves one; whoever signs as configured; whoever holds a signed link; whoever may
watch (on a machine of one's own, anyone); an operator by session or token, with the permission
that the route needs; a person who signed in, about themselves."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request, as far as a handler needs it: authenticated, bounded and decoded."""

    front: Front
    request: Request
    caller: Caller
    raw: bytes
    body: Any
    query: Any
    now: int

    def text(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.request.path_params[name])

    def number(self, name: str) -> int:
        """Return a part of the path that is an id.

        Raises:
            InputError: it is not a number.
        """
        text = self.text(name)
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise InputError(f"{text[:40]!r} is not an id")
        return int(text)


Handler: TypeAlias = Callable[[Call], Awaitable[Any]]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One route."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    name: str
    """A name of its own, the `operationId` of the document."""
    summary: str
    tag: str
    who: Who
    needs: Permission | None = None
    """What an operator must be allowed to do; every route of `operator` and `watcher` names one."""
    handler: Handler | None = None
    """None for the few routes that `app` answers itself, without a framework."""
    body: Any = None
    """The struct (or union of structs) that a JSON body is decoded into."""
    body_text: str = ""
    """What the body is where it is no JSON of ours."""
    body_bytes_max: int = 64 * 1024
    query: Any = None
    answer: Any = None
    success: int = 200
    """303 where a form was posted and another page follows."""
    media_type: str = "application/json"
    statuses: tuple[int, ...] = ()
    """What it may answer besides 200, and besides what follows from `who` and `body`."""
    is_shared: bool = False
    """Whether pages on other origins may call it (CORS)."""


def make_endpoint(front: Front, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """Return what the framework calls: everything that all routes do alike, around the handler."""

    async def answer(request: Request) -> Response:
        try:
            response = await _answer(front, endpoint, request)
        except KeptError as error:
            response = refuse(error, request, is_for_operator=endpoint.who == "operator")
        except ClientDisconnect:
            response = Response(status_code=400)
        except Exception:  # noqa: BLE001 - the edge: a bug is logged, and answered without details
            _log.exception("%s failed", endpoint.name, extra=log_extra(request))
            response = write_problem(problems.internal_problem(request_id=request_id_of(request)))
        if endpoint.who in ("watcher", "person") and response.status_code == 401:
            response = _invite(front, endpoint, request, response)
        if endpoint.is_shared:
            response.raw_headers.extend(RESPONSE_HEADERS)
        front.meters.answered(endpoint.name, response.status_code)
        return response

    return answer


async def _answer(front: Front, endpoint: Endpoint, request: Request) -> Response:
    caller = _authenticate(front, endpoint, request)
    raw = await _read(request, endpoint.body_bytes_max) if endpoint.method == "POST" else b""
    if caller.cookie and endpoint.method != "GET":
        # A browser sends its cookie along whoever makes it ask; a token nobody sends by accident.
        offered = header_token(request.scope) or read_fields(request, raw).get(FORM_TOKEN, "")
        front.guard.check_form(request.scope, cookie=caller.cookie, offered=offered)
    call = Call(
        front=front,
        request=request,
        caller=caller,
        raw=raw,
        body=_decode_body(endpoint, raw),
        query=_decode_query(endpoint, request),
        now=front.runtime.clock.now(),
    )
    if endpoint.handler is None:
        raise AssertionError(f"{endpoint.name} is not answered by the framework")
    answer = await endpoint.handler(call)
    if isinstance(answer, Response):
        return answer
    return Response(
        _encode(answer), media_type="application/json", headers={"cache-control": "no-store"}
    )


def _authenticate(front: Front, endpoint: Endpoint, request: Request) -> Caller:
    match endpoint.who:
        case "source":
            return find_source(front.runtime, request.scope, proxies=front.proxies)
        case "server":
            return find_source(
                front.runtime, request.scope, proxies=front.proxies, server_only=True
            )
        case "operator" | "watcher" | "person":
            return _find_known(front, endpoint, request.scope)
        case _:
            return NOBODY


def _find_known(front: Front, endpoint: Endpoint, scope: Scope) -> Caller:
    """Return an operator who may do what the route is for, or somebody who signed in."""
    if endpoint.who == "watcher" and front.is_private and is_own_machine(scope):
        return NOBODY
    try:
        caller = _find_caller(front, endpoint, scope)
    except UnknownCallerError:
        front.guard.note_stranger(scope)
        raise
    front.guard.admit_operator(caller.bucket)
    if endpoint.who != "person":
        if endpoint.needs is None:
            raise AssertionError(f"{endpoint.name} does not say what it needs")
        check_permission(caller, endpoint.needs)
    return caller


def _find_caller(front: Front, endpoint: Endpoint, scope: Scope) -> Caller:
    if endpoint.who == "person":
        person = find_person(front.runtime, scope, cookies=front.cookies)
        if person is None:
            raise UnknownCallerError("sign in first, at /sign-in")
        return person
    return find_operator(
        front.runtime,
        scope,
        cookies=front.cookies,
        proxies=front.proxies,
        only_watches=endpoint.who == "watcher",
    )


def _invite(front: Front, endpoint: Endpoint, request: Request, refused: Response) -> Response:
    """Return where a browser without a session signs in; to anybody else, the refusal."""
    wants_page = "text/html" in request.headers.get("accept", "") and endpoint.method == "GET"
    if wants_page and front.cookies.are_possible:
        return RedirectResponse("/sign-in", status_code=303, headers={"cache-control": "no-store"})
    if endpoint.who == "watcher":
        # A browser asks for the token when it is told to.
        refused.headers["www-authenticate"] = 'Basic realm="Kept: the token as user name"'
    return refused


async def _read(request: Request, bytes_max: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > bytes_max:
            raise TooLargeError(f"the request has more than {bytes_max} bytes")
        parts.append(chunk)
    return b"".join(parts)


def _decode_body(endpoint: Endpoint, raw: bytes) -> Any:
    if endpoint.body is None:
        return None
    try:
        return msgspec.json.decode(raw or b"{}", type=endpoint.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"the body cannot be used: {error}") from None


def _decode_query(endpoint: Endpoint, request: Request) -> Any:
    if endpoint.query is None:
        return None
    try:
        return msgspec.convert(dict(request.query_params), type=endpoint.query, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"the query cannot be used: {error}") from None


def refuse(error: KeptError, request: Request, *, is_for_operator: bool) -> Response:
    """Return an error as an answer."""
    problem = problems.problem_of(
        error, request_id=request_id_of(request), is_for_operator=is_for_operator
    )
    if isinstance(error, UnknownCallerError):
        _log.info("refused: nobody known asks", extra=log_extra(request))
    elif isinstance(error, NotAllowedError):
        _log.info("refused: not allowed", extra=log_extra(request))
    elif problem.status >= 500:
        _log.warning("refused: %s: %s", error.code, error, extra=log_extra(request))
    return write_problem(problem)


def write_problem(problem: problems.HttpProblem) -> Response:
    """Return a problem as an answer."""
    response = Response(_encode(problem), status_code=problem.status)
    response.raw_headers.extend(problems.headers_of(problem))
    return response


def request_id_of(request: Request) -> str:
    """Return the id under which the log knows a request."""
    return str(request.scope.get("kept.request_id", b""), "latin-1")


def log_extra(request: Request) -> dict[str, str]:
    """Return what a line of the log says of a request: its ids, never its contents."""
    extra = {"request_id": request_id_of(request)}
    trace = trace_id_of(header_of(request.scope, b"traceparent"))
    return extra | {"trace_id": trace} if trace else extra


def trace_id_of(traceparent: bytes) -> str:
    """Return the trace that a `traceparent` header (W3C Trace Context) names, or an empty text."""
    parts = traceparent.split(b"-")
    if len(parts) < 4 or len(parts[1]) != 32 or parts[1].strip(b"0123456789abcdef"):
        return ""
    return parts[1].decode() if parts[1].strip(b"0") else ""
