"""The web application: the fast routes bare, the others on a framework, one edge around both."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path
from starlette.types import Message, Receive, Scope, Send

from kept.errors import KeptError
from kept.runtime import Runtime
from kept.web import decide, ingest, problems
from kept.web.asgi import JSON, Header, header_of, send_answer
from kept.web.endpoints import Endpoint, make_endpoint, trace_id_of, write_problem
from kept.web.front import Front
from kept.web.openapi import make_document
from kept.web.routes import ENDPOINTS
from kept.web.wire.cors import RESPONSE_HEADERS, preflight_headers
from kept.web.wire.routes import ROUTES, Route, find_route

_log = logging.getLogger("kept.web")
_encode: Final = msgspec.json.Encoder().encode

Hot: TypeAlias = Callable[[Scope, Receive], Awaitable[tuple[bytes, bytes] | None]]
"""Answers a request with a media type and a body, or with None to a caller who hung up."""


class Application:
    """Kept over HTTP, as an ASGI application."""

    def __init__(self, runtime: Runtime) -> None:
        """Take a runtime; raises `SettingsError` where a webhook's secret is missing."""
        self.front = front = Front(runtime)
        front.document = _encode(make_document(ENDPOINTS))
        self._slow = make_framework(front)
        self._hot: dict[str, tuple[str, Hot]] = {}
        for path, route in ROUTES.items():
            if route.kind in ("event", "batch"):
                self._hot[path] = (route.kind, self._ingest(route))
        self._hot["/v1/decide"] = ("decide", partial(decide.decide, front))
        self._hot["/v1/may-i"] = ("mayI", partial(decide.may_i, front))
        self.hot_posts = {
            each.encode(): hot for path, hot in self._hot.items() for each in (path, f"{path}/")
        }
        """The same by their paths as they stand in a request, for the short way."""
        self._shared = frozenset(each.path for each in ENDPOINTS if each.is_shared)

    def _ingest(self, route: Route) -> Hot:
        return partial(ingest.take_events, self.front, route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await _refuse_socket(scope, send)
            return
        request_id = self.front.name_request(header_of(scope, b"x-request-id"))
        path: str = scope["path"]
        method: str = scope["method"]
        hot = self._hot.get(path) or self._hot.get(path.removesuffix("/"))
        if hot is not None and method == "POST":
            await self._answer_hot(*hot, scope=scope, receive=receive, send=send, own=request_id)
            return
        route = find_route(path)
        if route is not None and method == "GET":
            answer = self._ingest(route) if route.kind == "pixel" else self._settings(route)
            if route.kind in ("pixel", "settings", "source_config"):
                await self._answer_hot(
                    route.kind, answer, scope=scope, receive=receive, send=send, own=request_id
                )
                return
        if method == "OPTIONS" and (hot or route or self._is_shared(path)):
            allowed = preflight_headers(scope["headers"])
            await send_answer(send, 200, b"", (*allowed, (b"x-request-id", request_id)))
            return
        if hot is not None or route is not None:
            await self._refuse_method(send, "POST" if hot else "GET", own=request_id)
            return
        scope["kept.request_id"] = request_id
        await self._slow(scope, receive, _naming(send, request_id))

    async def _refuse_method(self, send: Send, allowed: str, *, own: bytes) -> None:
        problem = problems.wrong_method(allowed, request_id=own.decode("latin-1"))
        headers = (*problems.headers_of(problem), (b"allow", allowed.encode()), *RESPONSE_HEADERS)
        self.front.meters.answered("none", problem.status)
        await send_answer(
            send, problem.status, _encode(problem), (*headers, (b"x-request-id", own))
        )

    def _settings(self, route: Route) -> Hot:
        async def answer(scope: Scope, receive: Receive) -> tuple[bytes, bytes]:
            return JSON, _encode(ingest.read_settings(self.front, route, scope))

        return answer

    def _is_shared(self, path: str) -> bool:
        return path in self._shared or path.startswith("/v1/inbox/")

    async def answer(
        self, name: str, hot: Hot, *, scope: Scope, receive: Receive, own: bytes
    ) -> tuple[int, list[Header], bytes] | None:
        """Return the status, headers and body of a hot answer; None to a caller who hung up."""
        try:
            answer = await hot(scope, receive)
            if answer is None:
                return None
            media_type, body = answer
            # A picture from a cache would tell us of nothing, and what is said of one is for nobody else.
            status, headers = 200, [(b"content-type", media_type), (b"cache-control", b"no-store")]
        except KeptError as error:
            problem = problems.problem_of(error, request_id=own.decode("latin-1"))
            status, body, headers = problem.status, _encode(problem), problems.headers_of(problem)
            if status >= 500:
                _log.warning(
                    "%s refused: %s: %s", name, error.code, error, extra=_extra(scope, own)
                )
        except Exception:  # noqa: BLE001 - the edge: a bug is logged, and answered without details
            _log.exception("%s failed", name, extra=_extra(scope, own))
            problem = problems.internal_problem(request_id=own.decode("latin-1"))
            status, body, headers = problem.status, _encode(problem), problems.headers_of(problem)
        self.front.meters.answered(name, status)
        headers.append((b"x-request-id", own))
        if header_of(scope, b"origin"):
            # Only a page needs to be told, and most events come from servers.
            headers += RESPONSE_HEADERS
        return status, headers, body

    async def _answer_hot(
        self, name: str, hot: Hot, *, scope: Scope, receive: Receive, send: Send, own: bytes
    ) -> None:
        answer = await self.answer(name, hot, scope=scope, receive=receive, own=own)
        if answer is not None:
            status, headers, body = answer
            await send_answer(send, status, body, headers)


def make_framework(front: Front) -> Starlette:
    """Return the routes that need not be fast."""

    async def refuse_http(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http")
        detail = {
            404: f"there is nothing at {request.url.path[:200]}; /openapi.json lists every route",
            405: f"{request.method} is not answered here; /openapi.json lists every route",
        }.get(error.status_code, str(error.detail))
        request_id = str(request.scope.get("kept.request_id", b""), "latin-1")
        problem = problems.http_problem(error.status_code, detail, code=code, request_id=request_id)
        response = write_problem(problem)
        response.headers.update(error.headers or {})
        front.meters.answered("none", error.status_code)
        return response

    return Starlette(
        routes=[_path(front, each) for each in ENDPOINTS if each.handler is not None],
        exception_handlers={HTTPException: refuse_http},
    )


def _path(front: Front, endpoint: Endpoint) -> Path:
    return Path(endpoint.path, make_endpoint(front, endpoint), methods=[endpoint.method])


def _naming(send: Send, request_id: bytes) -> Send:
    """Return a `send` that adds the request's id to the answer."""

    async def named(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
        await send(message)

    return named


async def _refuse_socket(scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})


def _extra(scope: Scope, request_id: bytes) -> dict[str, str]:
    return {
        "request_id": request_id.decode("latin-1"),
        "trace_id": trace_id_of(header_of(scope, b"traceparent")),
    }
