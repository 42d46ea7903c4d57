"""Keep the engine of a replay under the brand and the controls of the instant that is played."""

from kept.core.bundle import Bundle
from kept.core.decision import Controls
from kept.flows.customers import Customers
from kept.flows.engine import Engine
from kept.flows.replay.fates import Fates
from kept.flows.replay.occasions import Occasion
from kept.flows.replay.people import People
from kept.flows.replay.policies import Policies


class Control:
    """Which brand, brakes, silent sources and breaches decide just now."""

    def __init__(self, engine: Engine, policies: Policies, *, follows: bool) -> None:
        """Take what says so; `follows` where every decision is to come out as recorded."""
        self._engine = engine
        self._policies = policies
        self._follows = follows
        self._from = self._until = 0
        """Between which instants the controls are those that the engine has."""

    def begin(self, now: int) -> None:
        """Let another component begin: nobody is known, and everything is as at this instant."""
        engine, policies = self._engine, self._policies
        engine.bundle = policies.brand_at(now)
        engine.customers = Customers(engine.store, engine.bundle.fold_plan)
        engine.controls = policies.controls_at(now)
        self._from, self._until = now, policies.next_change(now)

    def take(self, occasion: Occasion, now: int, people: People, fates: Fates) -> None:
        """Take up by what the record decided on an occasion, if it did."""
        if not occasion.traces:
            if not self._follows:
                self.pass_to(now, people, fates)
            # What changed at the same instant shows in the next decision, and not before.
            return
        trace, policies = occasion.trace, self._policies
        # What it decided under may be newer than what is known of that instant.
        self._until = 0
        self._use(policies.brand_of(trace.brand_version, now), people)
        self._put(policies.controls_of(trace.brand_version, trace.controls))
        self._heed_shadow(now, fates)

    def pass_to(self, now: int, people: People, fates: Fates) -> None:
        """Take up what holds at an instant at which something falls due by itself."""
        self._heed_shadow(now, fates)
        if self._follows or self._from <= now < self._until:
            return
        policies = self._policies
        self._from, self._until = now, policies.next_change(now)
        self._use(policies.brand_at(now), people)
        self._put(policies.controls_at(now))

    def _use(self, bundle: Bundle, people: People) -> None:
        """Let a brand decide from now on; what was folded is folded again where its facts differ."""
        engine = self._engine
        if bundle is engine.bundle:
            return
        is_same_fold = bundle.brand.facts == engine.bundle.brand.facts
        engine.bundle = bundle
        engine.customers.take_plan(bundle.fold_plan)
        engine.customers.forget_standing()
        if not is_same_fold:
            people.fold_again()

    def _put(self, controls: Controls) -> None:
        engine = self._engine
        if controls != engine.controls:
            engine.controls = controls
            engine.customers.forget_standing()

    def _heed_shadow(self, now: int, fates: Fates) -> None:
        if fates.may_be_shadow:
            self._engine.shadow = fates.is_shadow_at(now)
