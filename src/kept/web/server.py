"""Serve: bind, announce, answer until told to stop, then finish what was begun and end."""

import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import msgspec
import uvicorn

from kept.errors import SettingsError
from kept.flows.engine import Engine
from kept.runtime import Runtime
from kept.web.app import Application
from kept.web.logs import configure_logs
from kept.web.protocol import make_protocol

_log = logging.getLogger("kept.web")
BACKLOG: Final = 2_048
KEEP_ALIVE_SECONDS: Final = 75
FINISH_SECONDS: Final = 20
"""How long requests that have begun may take to end once the server was told to stop."""


class Server(uvicorn.Server):
    """uvicorn's server, which stops by signal without taking the process down with it."""

    def __init__(self, config: uvicorn.Config, *, application: Application) -> None:
        """Take what to serve."""
        super().__init__(config)
        self._application = application

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM; a second one does not wait for requests to end."""
        try:
            before = {
                number: signal.signal(number, self.handle_exit)
                for number in (signal.SIGINT, signal.SIGTERM)
            }
        except ValueError:
            # Not the main thread: whoever started this one stops it.
            yield
            return
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; what arrives from now on is sent elsewhere by /ready."""
        self._application.front.is_draining = True
        self.force_exit = self.should_exit
        self.should_exit = True


def open_listener(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = infos[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        message = f"cannot listen on {host}:{port}: {error.strerror}; choose another --port"
        raise SettingsError(message) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Return where a listener is reached from this machine."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    runtime: Runtime,
    *,
    host: str = "",
    port: int | None = None,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve a runtime that has been started until a signal says stop; then stop it too.

    Args:
        runtime: what to serve.
        host: where to listen, by default as its settings say.
        port: the same; 0 takes a free one.
        announce: is told the address as soon as it answers; by default it is printed.
    """
    settings = runtime.settings
    configure_logs()
    try:
        listener = open_listener(host or settings.host, settings.port if port is None else port)
        _tell_address(runtime, host or settings.host, listener.getsockname()[1])
        server = make_server(runtime)
        runtime.announce(url_of(listener))
        (announce or _print_address)(url_of(listener))
        server.run(sockets=[listener])
    finally:
        runtime.stop()


def make_server(runtime: Runtime) -> Server:
    """Return a server that is ready to run."""
    application = Application(runtime)
    config = uvicorn.Config(
        application,
        loop="auto",
        http=make_protocol(application),
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        headers=[("x-content-type-options", "nosniff")],
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    return Server(config, application=application)


def _tell_address(runtime: Runtime, host: str, port: int) -> None:
    """Let links in messages lead to where the server really listens."""
    if (host, port) != (runtime.settings.host, runtime.settings.port):
        runtime.settings = msgspec.structs.replace(runtime.settings, host=host, port=port)

        def tell(engine: Engine, now: int) -> None:
            engine.public_url = runtime.settings.own_url

        runtime.submit(tell).result()


def _print_address(url: str) -> None:
    sys.stdout.write(f"Kept listens on {url}\n")
    sys.stdout.flush()
