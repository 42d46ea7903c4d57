"""A database is reached by TLS where its address says so, and by one that proves who it is."""

import asyncio
import ssl
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kept.errors import SettingsError
from kept.stores.postgres import Address
from kept.stores.postgres.driver import Wire
from tests.postgres import Server

pytestmark = [pytest.mark.network, pytest.mark.postgres]

ALWAYS = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def make_certificate(folder: Path, name: str, address: str) -> Path:
    """Write a certificate that vouches for itself, with its key in one file; return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
    certificate = (
        x509.CertificateBuilder(who, who, key.public_key(), 1, *ALWAYS)
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    form = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(form)
    )
    return path


@contextmanager
def running_tls(certificate: Path, socket: Path) -> Iterator[int]:
    """Put TLS before a server, as it is asked for in PostgreSQL's protocol; give the port.

    The PostgreSQL that tests install was built without TLS.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listening: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # SSLRequest, https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
        assert await reader.readexactly(8) == b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
        writer.write(b"S")
        with suppress(ssl.SSLError, ConnectionError):
            await writer.start_tls(context)
            inner, outer = await asyncio.open_unix_connection(socket)
            await asyncio.gather(pump(reader, outer), pump(inner, writer))
            await outer.wait_closed()

    async def serve() -> None:
        ends = asyncio.Event()
        server = await asyncio.start_server(meet, "127.0.0.1", 0)
        listening.set_result((server.sockets[0].getsockname()[1], asyncio.get_running_loop(), ends))
        async with server:
            await ends.wait()

    thread = Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    port, loop, ends = listening.result()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(ends.set)
        thread.join()


def test_a_server_that_proves_who_it_is_is_spoken_with(postgres: Server, tmp_path: Path) -> None:
    """By TLS, all the way."""
    certificate = make_certificate(tmp_path, "db", "127.0.0.1")
    with running_tls(certificate, postgres.sockets / ".s.PGSQL.5432") as port:
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=verify-full"
        wire = Wire(Address(f"{url}&sslrootcert={certificate}"), {})
        assert wire.fetch("SELECT 1")[0][0] == 1
        wire.close()


@pytest.mark.parametrize("case", ["another authority", "another name"])
def test_one_that_does_not_is_refused(postgres: Server, tmp_path: Path, case: str) -> None:
    """An error of settings, so that a node stops, and says where to look."""
    name = "127.0.0.2" if case == "another name" else "127.0.0.1"
    shown = make_certificate(tmp_path, "shown", name)
    trusted = make_certificate(tmp_path, "trusted", name) if case != "another name" else shown
    with running_tls(shown, postgres.sockets / ".s.PGSQL.5432") as port:
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=verify-full"
        with pytest.raises(SettingsError, match="does not prove that it is the one"):
            Wire(Address(f"{url}&sslrootcert={trusted}"), {})
