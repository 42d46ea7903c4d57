"""Compare what a replay decides with what the record decided, decision by decision."""

from typing import Final

import msgspec

from kept.core.decision import Decision
from kept.flows.engine import encode_trace
from kept.flows.replay.played import Component, Difference, Period, Unlike, name_difference

_decode: Final = msgspec.msgpack.Decoder(Decision).decode


class Comparison:
    """The decisions of the record that a replay has yet to make, and how it differed so far."""

    def __init__(self, component: Component, period: Period) -> None:
        """Expect every decision that the record made within the period."""
        self._expected = {
            trace.decision_id: component.traces[trace.decision_id]
            for occasion in component.occasions
            for trace in occasion.traces
            if period.since <= trace.decided_at < period.until
        }
        self._heard = {
            trace.decision_id: trace.heard_through
            for occasion in component.occasions
            for trace in occasion.traces
        }
        self._parts = {
            trace.decision_id: occasion.part_id
            for occasion in component.occasions
            for trace in occasion.traces
        }
        self.differences: list[Difference] = []

    def compare(self, decision: Decision, customer_id: int) -> None:
        """Compare one decision about a customer with the recorded one of its id."""
        recorded = self._expected.pop(decision.decision_id, None)
        if recorded is None:
            self._note("extra", decision, customer_id)
            return
        again = msgspec.structs.replace(decision, heard_through=self._heard[decision.decision_id])
        written = encode_trace(again)
        if written == recorded:
            return
        known = _decode(recorded)
        # Read back, for members of a dictionary may have been added in another order.
        if _decode(written) != known:
            what, mine, theirs = name_difference(known, again)
            part_id = self._parts[decision.decision_id]
            self._note("differs", known, part_id, what=what, recorded=mine, replayed=theirs)

    def end(self) -> list[Difference]:
        """Note the decisions that were not made, and return all differences in order of their ids."""
        for decision_id, trace in self._expected.items():
            self._note("missing", _decode(trace), self._parts[decision_id])
        self._expected = {}
        return sorted(self.differences, key=lambda one: one.decision_id)

    def _note(
        self, kind: Unlike, decision: Decision, part_id: int, *, what: str = "", **told: str
    ) -> None:
        request = decision.request
        asked = (
            f"about a message of {request.actions[0]}"
            if request.message_id and request.outside is None
            else request.placement
        )
        self.differences.append(
            Difference(
                kind=kind,
                decision_id=decision.decision_id,
                at=decision.decided_at,
                what=what or asked,
                part_id=part_id,
                **told,
            )
        )
