"""Rows on where the time goes: Kept's own steps for batches of one hundred, without any HTTP.

Everything runs on one thread, as on the writer's, and each step is timed by that thread's own
processor time. Checkpoints, which run beside it, are counted apart.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.brand import ARCHIVE, SOURCE, make_brand
from bench.case import make_case
from bench.row import Figures
from bench.scale import Scale
from bench.stream import Plan, Stream
from bench.whole_path import BATCH_SIZE, CPU
from bench.workspace import fresh_directory
from kept.clock import SystemClock
from kept.core.brand.load import load_brand
from kept.core.compile import compile_brand
from kept.core.touchpoint import Touchpoint
from kept.flows.engine import Engine
from kept.flows.ingest import ingest
from kept.flows.tick import tick
from kept.ports import Vault
from kept.runtime.collector import spare_collector
from kept.runtime.master_key import open_keys
from kept.settings import TICK_SECONDS
from kept.stores.sqlite import SqliteStore
from kept.stores.vault import PlainVault, SealingVault
from kept.web.wire.batch import parse_batch, read_batch

TYPICAL_BATCHES_PER_SECOND = 200
"""Ticks come by the clock; here they come as often as at this rate, however fast the machine is."""

SEALED = "cost of the engine without HTTP, records sealed"
UNSEALED = "cost of the engine without HTTP, records left open"
"""What the sealing costs: the engine's own share of the work, so that it shows as much as it can."""

READ, TAKE, DECIDE, TICK, COMMIT, BESIDE = STEPS = (
    "read the wire format",
    "claim, resolve, append, fold",
    "decide, queue, withdraw",
    "tick: wakes, states written behind",
    "commit",
    "other threads",
)


def measure(figures: Figures, scale: Scale, directory: Path) -> None:
    """Take a stream of batches without deciding, with it, and with it on a store that seals nothing."""
    for round_number in range(scale.rounds):
        with fresh_directory(directory) as fresh:
            silent = _take_stream(fresh, scale, source=ARCHIVE, seed=round_number)
        with fresh_directory(directory) as fresh:
            spent = _take_stream(fresh, scale, source=SOURCE, seed=round_number)
        with fresh_directory(directory) as fresh:
            vault = PlainVault()
            unsealed = _take_stream(fresh, scale, source=SOURCE, seed=round_number, vault=vault)
        figures.add(SEALED, sum(spent.values()), CPU)
        figures.add(UNSEALED, sum(unsealed.values()), CPU, against=SEALED)
        spent[DECIDE] = spent[TAKE] - silent[TAKE]
        spent[TAKE] = silent[TAKE]
        for step in STEPS:
            figures.add(f"where the time goes: {step}", spent[step], CPU)


def _take_stream(
    fresh: Path, scale: Scale, *, source: str, seed: int, vault: Vault | None = None
) -> dict[str, float]:
    """Take batches for a while; return the microseconds an event that each step took."""
    clock = SystemClock()
    bundle = compile_brand(load_brand(make_brand(make_case())))
    store = SqliteStore(fresh, vault=vault or SealingVault(open_keys(fresh)))
    engine = Engine(store, bundle, secret=b"bench", public_url="http://127.0.0.1")
    touchpoint = bundle.touchpoints[source]
    stream = Stream(
        Plan(
            port=0, path="", body="batches", customers=scale.hot_customers, seed=seed, tag="stream"
        )
    )
    spent = dict.fromkeys(STEPS, 0.0)
    first = Stream(
        Plan(
            port=0,
            path="",
            body="first_events",
            customers=scale.hot_customers,
            order="sequential",
            tag="first",
        )
    )
    for _ in range(-(-scale.hot_customers // BATCH_SIZE)):
        body = bytes(first.next_request())
        _take(engine, touchpoint, body, clock.now(), spent, is_tick=False)
    spare_collector()
    batches_a_tick = TYPICAL_BATCHES_PER_SECOND * TICK_SECONDS
    count, whole, own = 0, 0.0, 0.0
    begun = time.monotonic()
    while time.monotonic() < begun + scale.warm_up_seconds + scale.seconds:
        if not whole and time.monotonic() >= begun + scale.warm_up_seconds:
            spent.update(dict.fromkeys(STEPS, 0.0))
            count, whole, own = 0, time.process_time(), time.thread_time()
        body = bytes(stream.next_request())
        is_tick = count // BATCH_SIZE % batches_a_tick == 0
        _take(engine, touchpoint, body, clock.now(), spent, is_tick=is_tick)
        count += BATCH_SIZE
    spent[BESIDE] = (time.process_time() - whole) - (time.thread_time() - own)
    store.close()
    return {step: seconds / count * 1e6 for step, seconds in spent.items()}


def _take(
    engine: Engine,
    touchpoint: Touchpoint,
    body: bytes,
    now: int,
    spent: dict[str, float],
    *,
    is_tick: bool,
) -> None:
    """Take one request as the server does."""
    with _timed(spent, READ):
        batch = read_batch(body)
        assert batch is not None
        parsed = parse_batch(batch, touchpoint, received_at=now)
    assert not parsed.rejected
    transaction = engine.store.transaction()
    transaction.__enter__()
    with _timed(spent, TAKE):
        taken = ingest(engine, parsed.events, [], source=touchpoint.name, now=now)
    assert taken.accepted == BATCH_SIZE
    with _timed(spent, TICK):
        if is_tick:
            tick(engine, now)
    with _timed(spent, COMMIT):
        transaction.__exit__(None, None, None)


@contextmanager
def _timed(spent: dict[str, float], step: str) -> Iterator[None]:
    begun = time.thread_time()
    yield
    spent[step] += time.thread_time() - begun
