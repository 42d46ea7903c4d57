"""What only a person may do, from the command line: by the public address, and told clearly where it cannot be."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kept.cli.person import signed_in
from kept.errors import InputError, SettingsError
from tests.contract.servers import CERTIFICATE, free_port, server_context
from tests.e2e.people import PASSWORD
from tests.e2e.people import signed_in as browser_of
from tests.e2e.served import Served, serve


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65_536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def https_before(address: str, port: int) -> Iterator[None]:
    """Speak https on a port, and pass everything on to a server."""
    url = urlsplit(address)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with (
                socket.create_connection((url.hostname, url.port)) as behind,
                suppress(OSError),
                server_context().wrap_socket(self.request, server_side=True) as before,
            ):
                back = threading.Thread(target=_copy, args=(behind, before), daemon=True)
                back.start()
                _copy(before, behind)
                back.join()

    class Proxy(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Proxy(("127.0.0.1", port), Handler) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            proxy.shutdown()


def test_a_person_asks_by_the_public_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A form of any other address is refused, and the cookie goes over https alone."""
    with serve(tmp_path) as served:
        name = browser_of(served, "supervisor").name
    port = free_port()
    url = f"https://localhost:{port}"
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    because = {"because": "Only to see whether it is asked."}
    with (
        serve(tmp_path, "--public-url", url) as served,
        https_before(served.url, port),
        signed_in(served.data, name, PASSWORD) as ask,
    ):
        assert ask("GET", "/v1/me")["name"] == name
        with pytest.raises(InputError, match="there is no approval 99"):
            ask("POST", "/v1/admin/approvals/99/approve", because)
    # Without one, nothing is left that leads there.
    with serve(tmp_path) as served, signed_in(served.data, name, PASSWORD) as ask:
        assert ask("GET", "/v1/me")["name"] == name


def why_not(served: Served, name: str = "ines") -> str:
    """Return why somebody cannot sign in."""
    with pytest.raises(InputError) as caught, signed_in(served.data, name, PASSWORD):
        pass
    return str(caught.value)


def test_who_cannot_sign_in_by_a_password_is_told_why(tmp_path: Path) -> None:
    """An identity provider has their password; over plain http nobody signs in from elsewhere."""
    with serve(tmp_path) as served:
        assert "is the password right? Whoever an identity provider lets in" in why_not(served)
    with serve(tmp_path, environment={"KEPT_LOCAL_ACCOUNTS": "false"}) as served:
        assert "nobody signs in by name and password here" in why_not(served)
    plain = f"http://127.0.0.1:{free_port()}"
    with serve(tmp_path, "--public-url", plain) as served:
        (served.data / "public-url").write_text(served.url)
        assert "people sign in over https" in why_not(served)
    with (
        pytest.raises(SettingsError, match="no server was started"),
        signed_in(tmp_path / "none", "ines", PASSWORD),
    ):
        pass
