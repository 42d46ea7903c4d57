"""Rows on several nodes of Kept that share one PostgreSQL, beside the service that only stores.

All processes, PostgreSQL and the load generators too, share this machine's cores.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.baseline.postgres import PostgreSQL, running_postgres
from bench.baseline.serve import running_baseline
from bench.load import run_load
from bench.row import Figures
from bench.scale import Scale
from bench.service import Kept, running_kept
from bench.stream import Plan
from bench.whole_path import (
    BASELINE,
    BATCH_CONNECTIONS,
    BATCH_SIZE,
    CPU,
    THROUGHPUT,
    check_success,
    introduce,
    make_tag,
    saturate,
)
from bench.workspace import fresh_directory

COUNTS = (1, 4)
BESIDE = f"batches of {BATCH_SIZE}, beside nodes: {BASELINE}"


def nodes_row(count: int) -> str:
    """Return the name of the row for so many nodes."""
    return f"batches of {BATCH_SIZE}: Kept on PostgreSQL, nodes: {count}"


def measure(figures: Figures, scale: Scale, directory: Path) -> None:
    """Run one node, several nodes and the baseline in every round."""
    for round_number in range(scale.rounds):
        with fresh_directory(directory) as fresh, running_baseline(fresh) as baseline:
            introduce(baseline, count=scale.hot_customers)
            stored = saturate(baseline, scale, batch_size=BATCH_SIZE, seed=round_number)
        figures.add(BESIDE, stored.events_per_second, THROUGHPUT)
        figures.add(f"cost of {BESIDE}", stored.cpu_us_per_event, CPU)
        for count in COUNTS:
            with fresh_directory(directory) as fresh, _running_nodes(fresh, count) as running:
                nodes, postgres = running
                introduce(nodes[0], count=scale.hot_customers)
                _saturate(figures, scale, nodes, postgres, seed=round_number)
    for count in COUNTS:
        figures.compare(nodes_row(count), BESIDE)


@contextmanager
def _running_nodes(directory: Path, count: int) -> Iterator[tuple[list[Kept], PostgreSQL]]:
    """Run a PostgreSQL and so many nodes on it."""
    with ExitStack() as opened:
        postgres = opened.enter_context(running_postgres(directory))
        nodes = []
        for number in range(count):
            own = directory / f"node{number}"
            own.mkdir()
            node = running_kept(own, database=postgres.address, master_key=directory / "master-key")
            nodes.append(opened.enter_context(node))
        yield nodes, postgres


def _saturate(
    figures: Figures, scale: Scale, nodes: list[Kept], postgres: PostgreSQL, *, seed: int
) -> None:
    """Send to all nodes at once as much as they take; every customer may come to every node."""
    plans = [
        Plan(
            port=node.port,
            path="/v1/batch",
            headers=dict(node.headers),
            body="batches",
            batch_size=BATCH_SIZE,
            connections=BATCH_CONNECTIONS // len(nodes),
            seconds=scale.seconds,
            warm_up_seconds=scale.warm_up_seconds,
            customers=scale.hot_customers,
            seed=seed * len(nodes) + number,
            tag=f"{make_tag()}{number}",
        )
        for number, node in enumerate(nodes)
    ]
    programs = [node.program for node in nodes] + [postgres.program]
    logged = postgres.read_logged_bytes()
    before = [program.read_cpu_seconds() for program in programs]
    with ThreadPoolExecutor(len(plans)) as pool:
        results = list(pool.map(run_load, plans))
    spent = [
        program.read_cpu_seconds() - cpu for program, cpu in zip(programs, before, strict=True)
    ]
    logged = postgres.read_logged_bytes() - logged
    for result in results:
        check_success(result)
    answered = sum(result.requests + result.warm_up_requests for result in results) * BATCH_SIZE
    row = nodes_row(len(nodes))
    figures.add(row, sum(result.per_second for result in results) * BATCH_SIZE, THROUGHPUT)
    figures.add(f"cost of {row}", sum(spent) * 1e6 / answered, CPU)
    figures.add(f"of which PostgreSQL, nodes: {len(nodes)}", spent[-1] * 1e6 / answered, CPU)
    figures.add(f"log of PostgreSQL, nodes: {len(nodes)}", logged / answered, "bytes an event")
