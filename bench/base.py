"""Rows on everybody at once: how fast a base is taken, and how fast one query decides for all in it.

The query runs in a process of its own, so that its memory is its own. Customers are drawn as for the
decision core, with contacts, consents and addresses besides, and written out many times over; some
of them are decided by the engine as well, which must come to the same.
"""

import random
import sys
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from subprocess import PIPE, run
from typing import Any

import msgspec

from bench.brand import make_brand
from bench.case import DAY, NOW, make_case, make_facts
from bench.rivals.kept_policy import to_facts
from bench.row import Figures
from bench.scale import Scale
from bench.service import running_kept
from bench.whole_path import introduce
from bench.workspace import fresh_directory
from kept.analytics.duckdb_base import DuckDbBase
from kept.cli.client import call
from kept.core.brand.load import load_brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.consent import purpose_key
from kept.core.decide import decide
from kept.core.decision import Controls, Facts, Request
from kept.core.policy_sql.answers import read_told
from kept.core.policy_sql.counts import write_reach
from kept.core.policy_sql.lookups import drawn_table, zones_table
from kept.core.policy_sql.query import write_query
from kept.core.policy_sql.rows import RowWriter
from kept.core.policy_sql.schema import schema_of
from kept.core.state import Contact, Stamped

DRAWN = 2_000
"""Different customers; a base has each of them many times, under other ids."""
COPIES_AT_ONCE = 100
ZONE = "Europe/Berlin"
MIB = 1024 * 1024
RATE = "customers/s"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What one process measured."""

    seconds: float
    cpu_seconds: float
    plan_seconds: float
    peak_bytes: int


def measure(figures: Figures, scale: Scale, directory: Path) -> None:
    """Take a base from a server, then decide for bases of several sizes."""
    with fresh_directory(directory) as fresh, running_kept(fresh) as kept:
        introduce(kept, count=scale.hot_customers)
        figures.add("everybody: taking a base from a server", _take_base(fresh), RATE)
    for _ in range(scale.rounds):
        for count in scale.base_customers:
            told = _in_own_process(count, actions=50)
            name = f"everybody: decided with reasons, {count:,} customers, 50 actions"
            figures.add(name, count / told.seconds, RATE)
            figures.add(f"cost of {name}", told.cpu_seconds * 1e6 / count, "CPU µs a customer")
            figures.add(f"memory of {name}", told.peak_bytes / MIB, "MiB")
        for actions in scale.action_counts:
            told = _in_own_process(DRAWN, actions=actions)
            figures.add(f"everybody: planning {actions} actions", told.plan_seconds, "s")


def _take_base(directory: Path) -> float:
    """Return how many customers a second a running server copies into its base."""
    data = directory / "data"
    told = call(data, "POST", "/v1/admin/base")
    while told["state"] == "filling":
        time.sleep(0.1)
        told = call(data, "GET", "/v1/admin/base")
    assert told["state"] == "ready", told
    return float(told["customers"]) / float(told["seconds"])


def _in_own_process(count: int, *, actions: int) -> Told:
    command = (sys.executable, "-m", "bench.base", str(count), str(actions))
    done = run(command, check=True, stdout=PIPE, cwd=Path(__file__).parent.parent)
    return msgspec.json.decode(done.stdout, type=Told)


# -- the process


def decide_everybody(count: int, actions: int) -> Told:
    """Fill a base and decide for everybody in it."""
    conditions = max(actions * 2 // 5, 1)
    bundle = compile_brand(
        load_brand(make_brand(make_case(condition_count=conditions, action_count=actions)))
    )
    base = DuckDbBase(threads=2, memory_limit="4GiB")
    people = draw_people(bundle)
    fill(base, bundle, people, copies=max(count // DRAWN, 1))
    check_some(base, bundle, people)
    query = write_query(bundle, now=NOW, has_claims=False, has_unknown=False, with_details=False)
    text = write_reach(query, by_cohort=False)
    begun, cpu_begun = time.perf_counter(), time.process_time()
    base.ask(f"EXPLAIN {text}")
    planned, cpu_planned = time.perf_counter(), time.process_time()
    assert base.ask(text)
    # A query is planned again when it runs, so that this comes off.
    ended, cpu_ended = time.perf_counter(), time.process_time()
    return Told(
        seconds=ended - planned,
        cpu_seconds=cpu_ended - cpu_planned - (cpu_planned - cpu_begun),
        plan_seconds=planned - begun,
        peak_bytes=read_peak_bytes(),
    )


def draw_people(bundle: Bundle) -> list[Facts]:
    """Draw customers as decisions see them."""
    chance = random.Random(13)
    return [_draw_person(bundle, facts, chance) for facts in make_facts(DRAWN)]


def _draw_person(bundle: Bundle, facts: Any, chance: random.Random) -> Facts:
    contacts = []
    for number in range(chance.choice((0, 0, 0, 1, 2, 4))):
        rule = chance.choice(bundle.policy.actions)
        at = NOW - chance.randint(1, 40 * DAY)
        contacts.append(
            Contact(
                message_id=f"m{number}", attempt_at=at, settled_at=at + 1, outcome="delivered",
                action=rule.action, kind=rule.kind, purpose=rule.purpose, topic=rule.topic,
                channel="email", answered_at=chance.choice((0, at + 2)),
            )
        )  # fmt: skip
    said = Stamped(chance.random() < 0.8, NOW - chance.randint(1, 9 * DAY), 1)
    return msgspec.structs.replace(
        to_facts(bundle.policy, facts),
        contacts=sorted(contacts, key=lambda one: one.attempt_at),
        consents={purpose_key("shop", "marketing"): said} if chance.random() < 0.8 else {},
        addresses={"email": "ok", "provider": "ok"} if chance.random() < 0.9 else {},
        zone=ZONE,
        draw=chance.randint(0, 9_999),
    )


def fill(base: DuckDbBase, bundle: Bundle, people: list[Facts], *, copies: int) -> None:
    """Fill a base with everybody, so many times."""
    writer = RowWriter(bundle)
    base.begin(schema_of(bundle))
    base.add("customers", [writer.write(id_, one, ()) for id_, one in enumerate(people, start=1)])
    for table in (zones_table(bundle.policy, [ZONE], NOW), drawn_table(bundle.policy)):
        base.look_up(table)
    for first in range(1, copies, COPIES_AT_ONCE):
        others = f"RANGE({first}, {min(first + COPIES_AT_ONCE, copies)}) k_copies(k_copy)"
        moved = f'":customer" + k_copy * {DRAWN}'
        base.ask(
            f'INSERT INTO customers SELECT k_own.* REPLACE ({moved} AS ":customer") '  # noqa: S608
            f'FROM customers k_own, {others} WHERE ":customer" <= {DRAWN}'
        )
        base.settle()


def check_some(base: DuckDbBase, bundle: Bundle, people: list[Facts]) -> None:
    """Assert that the engine and the query say the same of the first ones."""
    query = write_query(bundle, now=NOW, has_claims=False, where='":customer" <= 200')
    for row in base.walk(query.text):
        told = read_told(query, bundle.policy, row)
        decision = decide(
            people[told.customer_id - 1], Request(), bundle.policy, Controls(),
            customer_id=told.customer_id, now=NOW, decision_id=1,
        )  # fmt: skip
        assert told.chosen == decision.chosen
        ordered = sorted(decision.considered, key=lambda one: (one.action, one.about))
        assert list(told.considered) == ordered


def read_peak_bytes() -> int:
    """Return the most memory that this process ever held at once."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _main(arguments: Iterator[str]) -> None:
    count, actions = int(next(arguments)), int(next(arguments))
    sys.stdout.write(msgspec.json.encode(decide_everybody(count, actions)).decode())


if __name__ == "__main__":
    _main(chain(sys.argv[1:]))
