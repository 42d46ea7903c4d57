"""Rows on replays: recorded signals a second on one core, all wakes in between, and no disk.

A record is made first, by the flows of a server on virtual time: a month of the mix of events that
the whole path is measured with, a tick each minute. What is timed is what a replay does with what it
has read: fold, react, decide, and look again at everybody whenever time alone changes something.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from bench.brand import SOURCE, make_brand
from bench.case import make_case
from bench.row import Figures
from bench.scale import Scale
from bench.stream import Plan, Stream
from bench.workspace import fresh_directory
from kept.core.brand.load import load_brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.values import DAY, MINUTE
from kept.flows.engine import Engine
from kept.flows.ingest import ingest
from kept.flows.replay.components import connect, find_joins, load_components
from kept.flows.replay.played import Component, Period
from kept.flows.replay.player import Player
from kept.flows.replay.policies import AsRecorded, Instead, RecordedBrands, Timeline
from kept.flows.tick import tick
from kept.ports import BrandRow
from kept.recorded_port import Recorded
from kept.runtime.collector import spare_collector
from kept.runtime.replays import Source, open_record
from kept.runtime.master_key import open_keys
from kept.stores.replay import ReplayStore
from kept.stores.sqlite import SqliteStore
from kept.stores.vault import SealingVault
from kept.web.wire.batch import parse_batch, read_batch

SAME: Final = "replay on one core, the recorded policy: every decision compared"
OTHER: Final = "replay on one core, another policy"
READ: Final = "reading a record for its replay"
UNIT: Final = "signals/s"
BATCH: Final = 100
SPAN: Final = 30 * DAY
STARTED_AT: Final = 1_780_000_000_000_000


def measure(figures: Figures, scale: Scale, directory: Path) -> None:
    """Make a record, and play it under its own policy and under another one."""
    texts = make_brand(make_case())
    changed = texts | {
        "contact.yaml": texts["contact.yaml"].replace('"answer_stable":"1 day"', '"answer_stable":"2 days"')
    }
    for _ in range(scale.rounds):
        with fresh_directory(directory) as fresh:
            make_record(fresh, texts, signals=scale.replayed_signals, customers=scale.hot_customers)
            _measure_one(figures, fresh, changed)


def _measure_one(figures: Figures, folder: Path, changed: dict[str, str]) -> None:
    recorded = open_record(Source(data=folder))
    begun = time.process_time()
    components = read_all(recorded)
    spent = time.process_time() - begun
    bundle = compile_brand(load_brand(recorded.read_brands()[-1].texts))
    brands = RecordedBrands(recorded.read_brands(), known=bundle)
    timeline = Timeline(recorded.read_settings(), recorded.read_acts())
    _, last = recorded.read_span()
    period = Period(since=0, until=last + 1, ends_at=last)
    recorded.close()
    spare_collector()
    followed = Player(
        ReplayStore(), AsRecorded(brands, timeline, fallback=bundle), period=period, follows=True
    )
    count = figures_of(followed, components)
    figures.add(READ, count.signals / spent, UNIT)
    figures.add(SAME, count.signals / count.seconds, UNIT)
    assert not count.differences
    tried = Player(
        ReplayStore(), Instead(compile_brand(load_brand(changed)), brands, timeline),
        period=period, follows=False,
    )
    count = figures_of(tried, components)
    figures.add(OTHER, count.signals / count.seconds, UNIT)


class Count(msgspec.Struct, frozen=True):
    """How much was played, and in how many seconds of the processor."""

    signals: int
    decisions: int
    wakes: int
    differences: int
    seconds: float


def figures_of(player: Player, components: Iterable[Component]) -> Count:
    """Play components and count."""
    signals = decisions = wakes = differences = 0
    begun = time.process_time()
    for component in components:
        played = player.play(component)
        signals += played.counts["signals"]
        decisions += played.counts["decisions"]
        wakes += played.counts["wakes"]
        differences += len(played.differences)
    return Count(signals, decisions, wakes, differences, time.process_time() - begun)


def read_all(recorded: Recorded) -> list[Component]:
    """Read a whole record into memory."""
    joins = find_joins(recorded.read_acts())
    connected = connect(recorded.read_parts(), recorded.read_links())
    return list(load_components(recorded, connected, joins))


def make_record(folder: Path, texts: dict[str, str], *, signals: int, customers: int) -> None:
    """Let a month pass: batches of events, and a tick a minute."""
    bundle: Bundle = compile_brand(load_brand(texts))
    store = SqliteStore(folder, vault=SealingVault(open_keys(folder)))
    engine = Engine(store, bundle, secret=b"bench", public_url="http://127.0.0.1")
    touchpoint = bundle.touchpoints[SOURCE]
    stream = Stream(
        Plan(port=0, path="", body="batches", customers=customers, seed=1, tag="replay")
    )
    version = bundle.policy.version
    with store.transaction():
        store.save_brand(BrandRow(version=version, in_force_at=STARTED_AT, texts=texts))
    batches = signals // BATCH
    for number in range(batches):
        now = STARTED_AT + number * SPAN // batches
        batch = read_batch(bytes(stream.next_request()))
        assert batch is not None
        parsed = parse_batch(batch, touchpoint, received_at=now)
        events = [
            msgspec.structs.replace(event, occurred_at=now, received_at=now, claim_hour=0)
            for event in parsed.events
        ]
        with store.transaction():
            ingest(engine, events, [], source=SOURCE, now=now)
        later = now + min(MINUTE, SPAN // batches // 2)
        with store.transaction():
            # A tick takes so many wakes at once, and the next one the rest.
            while tick(engine, later):
                pass
    store.close()
