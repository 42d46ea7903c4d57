"""A relay between an SDK and Kept: it notes what the SDK really sends, and can fail as networks do."""

import gzip
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 30.0
_NOT_FORWARDED = {"transfer-encoding", "connection", "content-length", "date", "server"}
_PREFLIGHT = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "Retry-After",
}


class Passed(NamedTuple):
    """A request that came by, and what the client was answered."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def is_packed(self) -> bool:
        """Return whether the body came as gzip."""
        return self.body.startswith(b"\x1f\x8b")

    @property
    def events(self) -> list[dict[str, Any]]:
        """Return the events in the body."""
        told = json.loads(gzip.decompress(self.body) if self.is_packed else self.body)
        return list(told["batch"]) if "batch" in told else [told]


class Fault(NamedTuple):
    """One answer that the relay gives in Kept's stead."""

    status: int
    when: Literal["before", "after"] = "before"
    """`before`: Kept never hears of the request; `after`: it took it, and the answer is lost."""
    retry_after: int = 0


class Relay:
    """What passed by, and which requests with events are still to fail."""

    def __init__(self, url: str, target: str) -> None:
        """Begin with nothing that fails."""
        self.url = url
        self.target = target
        self.passed: list[Passed] = []
        self._faults: list[Fault] = []
        self._guard = threading.Lock()

    def fail(self, *faults: Fault) -> None:
        """Let the next requests with events fail, one after the other."""
        with self._guard:
            self._faults.extend(faults)

    def next_fault(self) -> Fault | None:
        """Return how the request at hand fails, if it does."""
        with self._guard:
            return self._faults.pop(0) if self._faults else None

    @property
    def with_events(self) -> list[Passed]:
        """Return the requests that carried events."""
        return [each for each in self.passed if each.method == "POST"]

    def paths(self) -> set[str]:
        """Return every path that was asked for."""
        return {each.path for each in self.passed}


@contextmanager
def relay_to(target: str) -> Iterator[Relay]:
    """Run a relay to a server at `target`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """Say nothing; `passed` holds it all."""

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            fault = relay.next_fault() if self.command == "POST" else None
            status, headers, answer = 0, dict(_PREFLIGHT), b"{}"
            if fault is None or fault.when == "after":
                status, headers, answer = _forward(relay.target, self, body)
            if fault is not None:
                status, answer = fault.status, b'{"detail": "the relay fails"}'
                headers = _PREFLIGHT | (
                    {"retry-after": str(fault.retry_after)} if fault.retry_after else {}
                )
            parts = urlsplit(self.path)
            named = {name.lower(): value for name, value in self.headers.items()}
            relay.passed.append(Passed(self.command, parts.path, parts.query, named, body, status))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_OPTIONS = _pass  # noqa: N815 - the base's names

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A page that is closed hangs up; that is no fault of the relay."""

    server = Server(("127.0.0.1", 0), Handler)
    relay = Relay(f"http://127.0.0.1:{server.server_address[1]}", target)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield relay
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _forward(
    target: str, request: BaseHTTPRequestHandler, body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """Hand a request on as it came, its host included; return what was answered."""
    parts = urlsplit(target)
    connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.putrequest(
            request.command, request.path, skip_host=True, skip_accept_encoding=True
        )
        for name, value in request.headers.items():
            if name.lower() != "connection":
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        headers = {
            name: value for name, value in answer.getheaders() if name.lower() not in _NOT_FORWARDED
        }
        return answer.status, headers, answer.read()
    finally:
        connection.close()
