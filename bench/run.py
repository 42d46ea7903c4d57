"""Runs everything side by side, prints a table and writes what the documentation quotes."""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import (
    base,
    decide_http,
    decision_core,
    failover,
    generator,
    growth,
    hand_over,
    history,
    large_base,
    latency,
    nodes,
    replay,
    spark,
    split,
    whole_path,
)
from bench.document import LATEST, write_page
from bench.machine import describe_machine
from bench.row import Figures, Latest, Row, write_latest
from bench.scale import FULL, QUICK, Scale
from bench.workspace import check_durable

ROOT = Path(__file__).parent.parent
DEFAULT_DIRECTORY = ROOT / "var" / "bench"

WIDTH = 160
"""How wide the table is where there is no terminal to ask."""

FAILURES = (RuntimeError, OSError, ValueError, AssertionError, SubprocessError)

Topic = Callable[[Figures, Scale, Path], None]

TOPICS: dict[str, Topic] = {
    "generator": generator.measure,
    "decision_core": decision_core.measure,
    "split": split.measure,
    "whole_path": whole_path.measure,
    "nodes": nodes.measure,
    "failover": failover.measure,
    "latency": latency.measure,
    "decide_http": decide_http.measure,
    "hand_over": hand_over.measure,
    "large_base": large_base.measure,
    "growth": growth.measure,
    "base": base.measure,
    "history": history.measure,
    "replay": replay.measure,
}
ONLY_WHEN_ASKED: dict[str, Topic] = {"spark": spark.measure}
"""What needs more than `make bench` installs."""


def run(arguments: Sequence[str]) -> int:
    """Measure what is asked for; return 1 where a topic failed."""
    options = _parse(arguments)
    scale = QUICK if options.quick else FULL
    directory: Path = options.directory
    directory.mkdir(parents=True, exist_ok=True)
    check_durable(directory)
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    figures, machine = Figures(), describe_machine(directory)
    failed = []
    for name in options.only or TOPICS:
        begun = time.monotonic()
        console.print(f"[dim]measuring {name} …[/dim]")
        try:
            (TOPICS | ONLY_WHEN_ASKED)[name](figures, scale, directory)
        # What one topic cannot do must not hide what the others can.
        except FAILURES as error:
            failed.append(name)
            console.print(f"[bold red]{name} failed:[/bold red]", end=" ")
            console.print(str(error), markup=False, highlight=False)
        console.print(f"[dim]{name} took {time.monotonic() - begun:.0f} s[/dim]")
    rows = figures.rows()
    console.print(make_table(rows, figures, machine))
    _say_missing(console)
    latest = Latest(machine=machine, rows=rows)
    if options.output is not None:
        write_latest(options.output, latest)
    elif not options.quick and not options.only and not failed:
        write_latest(LATEST, latest)
        write_page(latest)
        console.print(f"written to {LATEST.relative_to(ROOT)} and to the documentation")
    return 1 if failed else 0


def make_table(rows: Sequence[Row], figures: Figures, machine: Mapping[str, Any]) -> Table:
    """Return the rows as a table for people."""
    title = f"{machine['cpu']}, {machine['cores']} cores, {machine['filesystem']}"
    table = Table(title=title, caption="medians; ± is the widest distance of a round from it")
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("±", justify="right")
    table.add_column("ratio", justify="right")
    table.add_column("to")
    for row in rows:
        table.add_row(
            row.name,
            f"{row.value:,.10g}",
            row.unit,
            f"{figures.spread(row.name):.0%}" if len(figures.rounds(row.name)) > 1 else "",
            "" if row.ratio is None else f"{row.ratio:.3g}",
            row.against or "",
        )
    return table


def _say_missing(console: Console) -> None:
    missing = decision_core.list_missing()
    if missing:
        console.print(f"[yellow]not installed, so not compared: {', '.join(missing)}[/yellow]")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: does every row work?")
    topics = [*TOPICS, *ONLY_WHEN_ASKED]
    parser.add_argument("--only", nargs="+", choices=topics, help="measure these topics only")
    parser.add_argument(
        "--directory", type=Path, default=DEFAULT_DIRECTORY, help="where data is kept meanwhile"
    )
    parser.add_argument(
        "--output", type=Path, help="where to write the rows (a full run: bench/latest.json)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
