"""Play a record again under another policy, on as many processes as are asked for.

Components of connected customers have nothing to do with each other, so that each is played by
itself, in any order and on any process; what is counted is added up.
"""

import gc
import multiprocessing
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final

import msgspec

from kept.core.brand.load import load_brand, read_brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.values import format_instant
from kept.errors import InputError
from kept.flows.read_history import entity_of
from kept.flows.replay.components import (
    Connected,
    connect,
    find_joins,
    load_components,
    load_nobody,
)
from kept.flows.replay.played import Component, Period
from kept.flows.replay.player import Player
from kept.flows.replay.policies import AsRecorded, Instead, Policies, RecordedBrands, Timeline
from kept.flows.replay.reading import Readable
from kept.flows.replay.tally import Tally, add_all, measure_of, tally
from kept.ports import BrandRow
from kept.recorded_port import Recorded, Setting
from kept.runtime.folder import load_checked
from kept.runtime.records import Source, open_record, snapshot_of
from kept.stores.replay import ReplayStore

PARTS_A_PIECE: Final = 2_000
"""At most about so many parts are read and played at once."""
WORKERS_MAX: Final = 64


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What is tried on a record."""

    texts: dict[str, str]
    """The brand folder."""
    base_texts: dict[str, str] | None = None
    """The folder that it is compared with; None for what was recorded."""
    since: int = 0
    """µs; 0 for the record's beginning."""
    until: int = 0
    """µs, exclusive; 0 for its end."""
    purpose: str
    entity: str = ""
    traits: tuple[str, ...] = ()
    """Traits by which groups are compared."""
    workers: int = 1


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a trial."""

    recorded_version: str
    """The brand in force at the end of the record."""
    tried_version: str
    period: Period
    entity: str
    purpose: str
    tally: Tally


class _Task(msgspec.Struct, frozen=True, kw_only=True):
    """What one process plays: which of so many shares."""

    source: Source
    trial: Trial
    period: Period
    entity: str
    settings: tuple[Setting, ...]
    number: int
    of: int


def replay(source: Source, trial: Trial) -> Replayed:
    """Play a record under the policy that it had and under another, and count both.

    Raises:
        InvalidBrandError: something is wrong with the folder that is tried.
        SettingsError: there is no record.
        InputError: the period holds nothing, or the record is another brand's.
    """
    brand = load_checked(trial.texts)
    if not 1 <= trial.workers <= WORKERS_MAX:
        raise InputError(f"--workers is from 1 to {WORKERS_MAX}")
    recorded = open_record(source)
    try:
        in_force = _brand_in_force(recorded.read_brands())
        known = read_brand(in_force.texts).brand
        if known.brand.brand != brand.brand.brand:
            raise InputError(
                f"the record is of {known.brand.brand!r}, and the folder of {brand.brand.brand!r}; "
                "try a policy on the record of its own brand"
            )
        period = _period_of(recorded, trial)
        entity = entity_of(known, purpose=trial.purpose, entity=trial.entity)
        tasks = _split(source, trial, recorded, period=period, entity=entity)
        # The record stays open: what its readers see of a database is what this one sees.
        return Replayed(
            recorded_version=in_force.version,
            tried_version=brand.version,
            period=period,
            entity=entity,
            purpose=trial.purpose,
            tally=add_all(_play_all(tasks)),
        )
    finally:
        recorded.close()


def _split(
    source: Source, trial: Trial, recorded: Recorded, *, period: Period, entity: str
) -> list[_Task]:
    """Return what each process plays."""
    settings = tuple(recorded.read_settings())
    same = msgspec.structs.replace(source, snapshot=snapshot_of(recorded))
    return [
        _Task(
            source=same,
            trial=trial,
            period=period,
            entity=entity,
            settings=settings,
            number=number,
            of=trial.workers,
        )
        for number in range(trial.workers)
    ]


def _brand_in_force(rows: Sequence[BrandRow]) -> BrandRow:
    if not rows:
        raise InputError("the record is empty: no brand was ever in force")
    return max(rows, key=lambda row: row.in_force_at)


def _period_of(recorded: Recorded, trial: Trial) -> Period:
    first, last = recorded.read_span()
    if not last:
        raise InputError("the record is empty: nothing was ever heard or decided")
    since, until = trial.since or first, trial.until or last + 1
    if since >= until:
        raise InputError(
            f"--from {format_instant(since)} does not lie before --to {format_instant(until)}"
        )
    if since > last or until <= first:
        raise InputError(
            "nothing was recorded then: the record goes from "
            f"{format_instant(first)} to {format_instant(last)}"
        )
    return Period(since=since, until=until, ends_at=last)


def _play_all(tasks: Sequence[_Task]) -> list[Tally]:
    if len(tasks) == 1:
        return [_play_share(tasks[0])]
    # A process that forks would take locks and connections along.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(tasks), mp_context=context) as pool:
        return list(pool.map(_play_share, tasks))


def _play_share(task: _Task) -> Tally:
    recorded = open_record(task.source)
    try:
        return add_all(_play(recorded, task))
    finally:
        recorded.close()


def _play(recorded: Recorded, task: _Task) -> Iterable[Tally]:
    rehearsal = Rehearsal(
        recorded,
        task.trial,
        period=task.period,
        entity=task.entity,
        settings=task.settings,
    )
    joins = find_joins(recorded.read_acts())
    components = connect(recorded.read_parts(), recorded.read_links())
    # What is loaded by now stays; the collector need not look at it again and again.
    gc.freeze()
    try:
        if task.number == 0:
            yield rehearsal.play(load_nobody(recorded))
        for piece in _pieces(components[task.number :: task.of]):
            for component in load_components(recorded, piece, joins):
                yield rehearsal.play(component)
    finally:
        gc.unfreeze()


def _pieces(components: Sequence[Connected]) -> Iterable[list[Connected]]:
    piece: list[Connected] = []
    count = 0
    for one in components:
        piece.append(one)
        count += len(one.parts)
        if count >= PARTS_A_PIECE:
            yield piece
            piece, count = [], 0
    if piece:
        yield piece


class Rehearsal:
    """Plays components under both policies, side by side."""

    def __init__(
        self,
        recorded: Recorded,
        trial: Trial,
        *,
        period: Period,
        entity: str,
        settings: Sequence[Setting],
    ) -> None:
        """Compile what decides, and take what the record says of its own policy."""
        rows = recorded.read_brands()
        self._known = compile_brand(read_brand(_brand_in_force(rows).texts).brand)
        brands = RecordedBrands(rows, known=self._known)
        timeline = Timeline(settings, recorded.read_acts())
        as_recorded = AsRecorded(brands, timeline, fallback=self._known)
        self._period = period
        self._trial = trial
        self._recorded = self._player(as_recorded, follows=True)
        bundles = [self._known]
        versions = {setting.brand_version for setting in settings}

        def stand_in(texts: dict[str, str] | None) -> Player | None:
            """Return a player of another policy, None for the one that the record had throughout."""
            brand = None if texts is None else load_brand(texts)
            if brand is None or {brand.version} == versions:
                return None
            bundles.append(compile_brand(brand))
            return self._player(Instead(bundles[-1], brands, timeline), follows=False)

        self._base = stand_in(trial.base_texts)
        self._tried = stand_in(trial.texts)
        self._measure = measure_of(bundles, trial.traits)
        self._readable = Readable(self._known, entity=entity, purpose=trial.purpose)

    def _player(self, policies: Policies, *, follows: bool) -> Player:
        return Player(ReplayStore(), policies, period=self._period, follows=follows)

    def play(self, component: Component) -> Tally:
        """Play one component under both policies and count it."""
        recorded = played = self._recorded.play(component)
        excluded, values = self._ask_who()
        base = self._base.play(component) if self._base is not None else None
        if self._tried is not None:
            played = self._tried.play(component)
            played.differences = recorded.differences
        elif base is not None:
            # What is tried is what the record had.
            played = recorded
        return tally(
            component,
            played,
            self._measure,
            self._period,
            excluded=excluded,
            values=values,
            base=base,
        )

    def _ask_who(self) -> tuple[set[int], dict[int, dict[str, str]]]:
        """Return of whom nothing may be read, and by which values the others are compared."""
        bundle: Bundle = self._recorded.engine.bundle
        excluded: set[int] = set()
        values: dict[int, dict[str, str]] = {}
        for customer in self._recorded.people.list_all():
            if not self._readable.may_read(customer, bundle):
                excluded.add(customer.customer_id)
            elif self._trial.traits:
                told = self._readable.values_of(customer, bundle, self._trial.traits)
                values[customer.customer_id] = dict(told)
        return excluded, values
