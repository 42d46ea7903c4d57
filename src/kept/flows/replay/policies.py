"""Which brand decides in a replay, and under which controls: what the record had, or one for all of it."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final, Protocol

import msgspec

from kept.core.brand.load import read_brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.decision import Brake, Controls
from kept.core.values import NEVER
from kept.flows.brake import brake_of
from kept.ports import BrandRow
from kept.ports_access import AuditEntry
from kept.recorded_port import Setting

_NO_CONTROLS: Final = Controls()


class RecordedBrands:
    """Every brand that decided in the record, compiled when it is first wanted."""

    def __init__(self, rows: Iterable[BrandRow], *, known: Bundle | None = None) -> None:
        """Take the folders; `known` is one that is compiled already."""
        self._texts = {row.version: row.texts for row in rows}
        self._bundles: dict[str, Bundle] = {}
        if known is not None:
            self._bundles[known.policy.version] = known

    def find(self, version: str) -> Bundle | None:
        """Return a brand by its version, None where its folder was not kept."""
        bundle = self._bundles.get(version)
        if bundle is None and version in self._texts:
            # The features of all versions are folded under their definitions.
            bundle = compile_brand(read_brand(self._texts[version]).brand)
            self._bundles[version] = bundle
        return bundle


class Policies(Protocol):
    """Says by which brand and under which controls is decided at an instant."""

    def brand_at(self, now: int) -> Bundle:
        """Return the brand in force at an instant."""

    def brand_of(self, version: str, now: int) -> Bundle:
        """Return the brand that decides where the record decided by this version."""

    def controls_at(self, now: int) -> Controls:
        """Return the controls at an instant."""

    def controls_of(self, version: str, controls: Controls) -> Controls:
        """Return the controls where the record decided by this version under these."""

    def next_change(self, now: int) -> int:
        """Return when the brand or the controls next change after an instant."""


class Timeline:
    """By which brand, and under which controls, the record decided, and from when on."""

    def __init__(self, settings: Iterable[Setting], acts: Iterable[AuditEntry]) -> None:
        """Take what decisions say of it, and what operators did."""
        self._settings = list(settings)
        self._decided = [one.decided_at for one in self._settings]
        self._brakes = list(_brakes_of(acts))
        self._braked = [at for at, _ in self._brakes]

    def at(self, now: int) -> Setting | None:
        """Return by what was decided last at an instant, or first after it; None without decisions."""
        if not self._settings:
            return None
        return self._settings[max(bisect_right(self._decided, now) - 1, 0)]

    def brakes_at(self, now: int) -> tuple[Brake, ...]:
        """Return the brakes that are on at an instant."""
        index = bisect_right(self._braked, now)
        return self._brakes[index - 1][1] if index else ()

    def next_change(self, now: int) -> int:
        """Return the first instant after this one at which anything of it changes."""
        nexts = [
            instants[index]
            for instants in (self._decided, self._braked)
            if (index := bisect_right(instants, now)) < len(instants)
        ]
        return min(nexts, default=NEVER)


def _brakes_of(acts: Iterable[AuditEntry]) -> Iterable[tuple[int, tuple[Brake, ...]]]:
    on: tuple[Brake, ...] = ()
    for act in acts:
        text = str(act.detail.get("scope", ""))
        if act.verb == "pause":
            because = str(act.detail.get("because", ""))
            on = (*on, brake_of(text, actor=act.actor, because=because, now=act.at))
        elif act.verb == "resume":
            on = tuple(brake for brake in on if brake.brake != text)
        else:
            continue
        yield act.at, on


class AsRecorded:
    """The brands and controls that the record had."""

    def __init__(self, brands: RecordedBrands, timeline: Timeline, *, fallback: Bundle) -> None:
        """Take what the record says; `fallback` decides where its own brand was not kept."""
        self._brands = brands
        self._timeline = timeline
        self._fallback = fallback

    def brand_at(self, now: int) -> Bundle:
        """Return the brand by which was decided last at an instant."""
        setting = self._timeline.at(now)
        found = None if setting is None else self._brands.find(setting.brand_version)
        return found or self._fallback

    def brand_of(self, version: str, now: int) -> Bundle:
        """Return the brand of a version."""
        return self._brands.find(version) or self._fallback

    def controls_at(self, now: int) -> Controls:
        """Return the controls at an instant, brakes to the instant at which they were put on."""
        setting = self._timeline.at(now)
        controls = _NO_CONTROLS if setting is None else setting.controls
        return msgspec.structs.replace(controls, brakes=self._timeline.brakes_at(now))

    def controls_of(self, version: str, controls: Controls) -> Controls:
        """Return the controls as they stand in the trace."""
        return controls

    def next_change(self, now: int) -> int:
        """Return when the brand or the controls next change after an instant."""
        return self._timeline.next_change(now)


class Instead:
    """One brand in the place of all that the record had, under the same controls."""

    def __init__(self, bundle: Bundle, recorded: RecordedBrands, timeline: Timeline) -> None:
        """Take the brand, and what the record says of its own."""
        self._bundle = bundle
        self._recorded = recorded
        self._timeline = timeline
        self._stale: dict[tuple[str, tuple[int, ...]], tuple[int, ...]] = {}

    def brand_at(self, now: int) -> Bundle:
        """Return the brand."""
        return self._bundle

    def brand_of(self, version: str, now: int) -> Bundle:
        """Return the brand."""
        return self._bundle

    def controls_at(self, now: int) -> Controls:
        """Return the controls at an instant."""
        setting = self._timeline.at(now)
        if setting is None:
            return Controls(brakes=self._timeline.brakes_at(now))
        translated = self.controls_of(setting.brand_version, setting.controls)
        return msgspec.structs.replace(translated, brakes=self._timeline.brakes_at(now))

    def controls_of(self, version: str, controls: Controls) -> Controls:
        """Return controls with the facts of silent sources as this brand numbers them."""
        if not controls.stale_facts:
            return controls
        key = (version, controls.stale_facts)
        stale = self._stale.get(key)
        if stale is None:
            stale = self._stale[key] = self._translate(version, frozenset(controls.stale_facts))
        return msgspec.structs.replace(controls, stale_facts=stale)

    def next_change(self, now: int) -> int:
        """Return when the controls next change after an instant."""
        return self._timeline.next_change(now)

    def _translate(self, version: str, stale: frozenset[int]) -> tuple[int, ...]:
        theirs = self._recorded.find(version)
        if theirs is None:
            return ()
        silent = {
            source
            for source in theirs.stale_after
            if (facts := theirs.stale_facts([source])) and stale.issuperset(facts)
        }
        mine = self._bundle
        return mine.stale_facts(sorted(silent.intersection(mine.stale_after)))
