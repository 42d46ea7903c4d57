"""Two PostgreSQL servers, one a synchronous replica of the other, and the ways by which nodes reach them."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kept.stores.postgres import VAULT_SUFFIX
from tests.attack.proxy import Proxy
from tests.contract.servers import free_port
from tests.postgres import find_binaries, give_away

DATABASE: Final = "attack"
WAITS: Final = 3_000
DEAF_SECONDS: Final = 0.5
LISTENS: Final = b"walreceiver"
"""What a replica's process calls itself that hears of commits."""
SETTINGS: Final = {
    # Processes are killed, and no machine: what the kernel has outlives them.
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "replica",
    "max_wal_senders": "4",
    "max_connections": "150",
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "128MB",
    "hot_standby": "on",
}


class Cluster:
    """A primary, its replica, and one way to them for each node."""

    def __init__(self, home: Path, *, nodes: int, owner: str | None) -> None:
        """Note where everything is; nothing runs yet."""
        binaries = find_binaries()
        if binaries is None:
            raise RuntimeError("no PostgreSQL: install the extra `suites`")
        self.home = home
        self._bin = binaries
        self._owner = owner
        self.ports = (free_port(), free_port())
        self.primary = 0
        """Which of the two servers is written to."""
        self._processes: list[subprocess.Popen[bytes] | None] = [None, None]
        self.proxy = Proxy(nodes)
        self.proxy.order(None, target=self.ports[0])

    def address(self, port: int = 0) -> str:
        """Return the address of the database, by one of the ways or directly."""
        return f"postgresql://postgres@127.0.0.1:{port or self.ports[self.primary]}/{DATABASE}"

    def start(self, *, is_synchronous: bool = True) -> None:
        """Make the primary and its replica; let no commit return before both have it, or let it."""
        data = self._data(0)
        make = ["initdb", f"--pgdata={data}", "--username=postgres", "--auth=trust"]
        self._run(*make, "--encoding=UTF8", "--locale=C", "--no-sync")
        self._serve(0)
        for name in (DATABASE, DATABASE + VAULT_SUFFIX):
            self.sql(f"CREATE DATABASE {name}")
        copy = ["pg_basebackup", "-D", str(self._data(1)), "-R", "-X", "stream", "-c", "fast"]
        self._run(*copy, "-U", "postgres", "-h", "127.0.0.1", "-p", str(self.ports[0]))
        self._serve(1)
        if not is_synchronous:
            return
        self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.sql("SELECT pg_reload_conf()")

    def fail_over(self) -> None:
        """Kill the primary with all its processes, promote the replica, and lead everybody there."""
        old, new = self._processes[self.primary], self._processes[1 - self.primary]
        assert old is not None
        assert new is not None
        # The replica hears nothing for a moment: whatever it has not heard, nobody was told of. What
        # listens there is ended and not stopped, for it would hear afterwards what waits in its socket.
        children = _children(new.pid)
        listening = [pid for pid in children if LISTENS in _title(pid)]
        assert listening, "the replica does not follow the primary"
        deaf = [pid for pid in children if pid not in listening]
        _signal(deaf, signal.SIGSTOP)
        _signal(listening, signal.SIGTERM)
        time.sleep(DEAF_SECONDS)
        _signal([old.pid, *_children(old.pid)], signal.SIGKILL)
        old.wait()
        _signal(deaf, signal.SIGCONT)
        self._processes[self.primary] = None
        self.primary = 1 - self.primary
        self._run("pg_ctl", "promote", "-D", str(self._data(self.primary)), "-w")
        self.proxy.order(None, target=self.ports[self.primary])

    def sql(self, statement: str) -> str:
        """Run a statement on the primary, and return what it says."""
        ask = ["psql", "-U", "postgres", "-h", "127.0.0.1", "-p", str(self.ports[self.primary])]
        return self._run(*ask, "-d", "postgres", "-Atc", statement)

    def close(self) -> None:
        """End both servers."""
        self.proxy.close()
        for process in self._processes:
            if process is not None:
                process.send_signal(signal.SIGQUIT)
                process.wait()

    def log(self) -> str:
        """Return the end of what the servers said."""
        return "\n".join(path.read_text()[-2000:] for path in sorted(self.home.glob("log*")))

    def _data(self, number: int) -> Path:
        return self.home / f"data{number}"

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            check=False,
            user=self._owner,
            capture_output=True,
            text=True,
            cwd=self.home,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"
        return done.stdout

    def _serve(self, number: int) -> None:
        port = self.ports[number]
        serve = [str(self._bin / "postgres"), "-D", str(self._data(number)), "-p", str(port)]
        serve += ["-k", str(self.home)]
        for name, value in SETTINGS.items():
            serve += ["-c", f"{name}={value}"]
        with (self.home / f"log{number}").open("ab") as log:
            self._processes[number] = subprocess.Popen(
                serve, stdout=log, stderr=log, user=self._owner, cwd=self.home
            )
        ask = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        for _ in range(WAITS):
            if subprocess.run(ask, check=False).returncode == 0:
                return
            time.sleep(0.01)
        raise TimeoutError(f"PostgreSQL takes no queries: {self.log()}")


def _children(process: int) -> list[int]:
    return [
        int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()
    ]


def _title(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def _signal(processes: Iterable[int], number: signal.Signals) -> None:
    for process in processes:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            continue


@contextmanager
def running_cluster(nodes: int, *, is_synchronous: bool = True) -> Iterator[Cluster]:
    """Run a cluster of one's own for the length of the block."""
    # The path of a socket may be a hundred characters long, and a test's folder is longer.
    home = Path(tempfile.mkdtemp(prefix="attack-pg-"))
    cluster = Cluster(home, nodes=nodes, owner=give_away(home))
    try:
        cluster.start(is_synchronous=is_synchronous)
        yield cluster
    finally:
        cluster.close()
        shutil.rmtree(home, ignore_errors=True)
