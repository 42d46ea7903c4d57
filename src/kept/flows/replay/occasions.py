"""Put what a record holds of a few connected customers into the one order in which it happened.

Events have their place in the stream, decisions have their ids, and each decision says which event
was the newest that it could know. What remains is to tell what each decision was made for: a look
at a customer, a message about to be handed over, a question.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, Literal, TypeAlias

import msgspec

from kept.core.consent import CONSENT_WITHDRAWN
from kept.core.decision import OUTBOUND
from kept.core.event import (
    ALIASED,
    MESSAGE_LEAVING,
    MESSAGE_SETTLED,
    SOURCE_SELF,
    Event,
)
from kept.core.identity import Link
from kept.core.values import MINUTE
from kept.ports import DecisionRow, StoredEvent
from kept.recorded_port import Trace

LAG_MAX: Final = MINUTE
"""An event is taken for the cause of a decision that follows it within this."""

Kind: TypeAlias = Literal[
    "heard", "own", "joined", "look", "wake", "hand_over", "asked", "outside", "other"
]

_decode_trace: Final = msgspec.msgpack.Decoder(Trace).decode


class Join(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator said of who is who, and the first decision after it (0: not known)."""

    link: Link
    before_id: int


class Occasion(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One thing that happened, at the instant at which the writer worked on it."""

    kind: Kind
    now: int
    part_id: int = 0
    stored: StoredEvent | None = None
    """Of `heard` and `own`: the event."""
    link: Link | None = None
    """Of `joined`: what an operator said."""
    traces: tuple[Trace, ...] = ()
    """The decisions that were made then; of a look, the last one is what comes next."""
    is_answer: bool = False
    """Of a look: whether an event caused it, and not the passing of time."""
    takes_back: bool = False
    """Of a look: whether its first decision took back a message that was about to be handed over."""

    @property
    def trace(self) -> Trace:
        """Return the decision that the occasion was for."""
        return self.traces[-1]

    @property
    def event(self) -> Event:
        """Return the event of `heard` and `own`."""
        if self.stored is None:
            raise AssertionError(f"a {self.kind} is no event")
        return self.stored.event


def read_traces(rows: Iterable[DecisionRow]) -> list[tuple[DecisionRow, Trace]]:
    """Return decisions with what a replay must know of them."""
    return [(row, _decode_trace(row.trace)) for row in rows]


def order_occasions(
    events: Sequence[StoredEvent],
    decided: Sequence[tuple[DecisionRow, Trace]],
    joins: Sequence[Join],
    *,
    is_shared: bool = False,
) -> list[Occasion]:
    """Return what happened to connected customers, in order.

    Args:
        events: in stream order.
        decided: in order of their ids.
        joins: what operators said of who is who.
        is_shared: whether several nodes may have decided.
    """
    breaks = frozenset(join.before_id for join in joins)
    made = [*_joined(joins, decided), *_group(decided, events, breaks)]
    if is_shared:
        made = [_after_others(one, events) for one in made]
    # Of what stands at one place of the stream, operators' words come before what follows of them.
    made.sort(key=lambda one: one[:2])
    merged: list[Occasion] = []
    position = 0
    for place, _, occasion in made:
        while position < len(events) and events[position].sequence <= place:
            merged.append(_of_event(events[position]))
            position += 1
        merged.append(occasion)
    merged += [_of_event(stored) for stored in events[position:]]
    return _dated(merged)


def _after_others(
    placed: tuple[int, int, Occasion], events: Sequence[StoredEvent]
) -> tuple[int, int, Occasion]:
    """Return an occasion behind whatever other nodes heard before it, of which its own need not know."""
    place, order, occasion = placed
    for stored in events[bisect_right(events, place, key=lambda one: one.sequence) :]:
        if stored.event.received_at >= occasion.now:
            break
        place = stored.sequence
    return place, order, occasion


def _of_event(stored: StoredEvent) -> Occasion:
    is_own = stored.event.source == SOURCE_SELF
    return Occasion(
        kind="own" if is_own else "heard",
        now=stored.event.received_at,
        part_id=stored.part_id,
        stored=stored,
    )


# -- decisions


def kind_of(trace: Trace) -> Kind:
    """Return what a decision was made for; one about a message counts as a hand-over here."""
    request = trace.request
    if request.outside is not None:
        return "outside"
    if request.source:
        return "asked"
    if request.message_id:
        return "hand_over"
    is_whole = not (request.actions or request.about or request.channel)
    return "look" if request.placement == OUTBOUND and is_whole else "other"


def _place_of(trace: Trace, events: Sequence[StoredEvent]) -> int:
    """Return the newest event that a decision could know."""
    if trace.heard_through:
        return trace.heard_through
    # Of before it was kept: what had been received by then.
    return max(
        (one.sequence for one in events if one.event.received_at <= trace.decided_at), default=0
    )


def _group(
    decided: Sequence[tuple[DecisionRow, Trace]],
    events: Sequence[StoredEvent],
    breaks: frozenset[int],
) -> Iterator[tuple[int, int, Occasion]]:
    """Yield decisions as occasions with their places; a look takes along what it looked at again."""
    begun = _find_begun(decided, events)
    settled = [
        one.sequence
        for one in events
        if one.event.name == MESSAGE_SETTLED and one.event.properties.get("outcome") == "unknown"
    ]
    waiting: list[tuple[DecisionRow, Trace]] = []

    def alone(some: list[tuple[DecisionRow, Trace]]) -> Iterator[tuple[int, int, Occasion]]:
        for row, trace in some:
            yield _occasion("hand_over", row, (trace,), events)

    for row, trace in decided:
        kind = kind_of(trace)
        is_break = trace.decision_id in breaks
        if waiting and (is_break or not _goes_on(waiting[-1], row, trace, settled)):
            yield from alone(waiting)
            waiting = []
        if kind == "hand_over":
            if trace.decision_id in begun:
                yield from alone([*waiting, (row, trace)])
                waiting = []
            else:
                waiting.append((row, trace))
            continue
        if kind == "look":
            start, takes_back = _start_of_look([each for _, each in waiting], trace)
            yield from alone(waiting[:start])
            looked = tuple(each for _, each in waiting[start:])
            yield _occasion("look", row, (*looked, trace), events, takes_back=takes_back)
        else:
            yield from alone(waiting)
            yield _occasion(kind, row, (trace,), events)
        waiting = []
    yield from alone(waiting)


def _start_of_look(judged: Sequence[Trace], last: Trace) -> tuple[int, bool]:
    """Return from which on decisions about messages belong to a look, and whether it took one back.

    A look judges what is open one after the other, in the order in which it is listed. A message that
    is taken back at its hand-over was judged before, out of that order, and then everything is looked
    at again.
    """
    traces = [*judged, last]
    start = next(
        (start for start in range(len(traces)) if _is_one_look(traces[start:])), len(judged)
    )
    takes_back = start > 0 and not _is_listed(traces[start - 1], traces[start])
    return start - takes_back, takes_back


def _is_one_look(traces: Sequence[Trace]) -> bool:
    """Return whether a look makes these decisions: about each message that waits, then about all."""
    judged, last = traces[:-1], traces[-1]
    listed = [one.message_id for one in traces[0].request.open_messages if not one.in_flight]
    # What is not judged has expired by then.
    left = {one.message_id for one in last.request.open_messages}
    asked = [one.request.message_id for one in judged]
    if [one for one in listed if one in left or one in asked] != asked:
        return False
    # What may go ahead stays; only a hand-over takes it back all the same, for it has another address.
    return all(
        _is_listed(one, following) or not _may_go_ahead(one) for one, following in pairwise(traces)
    )


def _is_listed(judged: Trace, following: Trace) -> bool:
    message_id = judged.request.message_id
    return any(one.message_id == message_id for one in following.request.open_messages)


def _may_go_ahead(judged: Trace) -> bool:
    return any(one.about == judged.request.about for one in judged.chosen)


def _find_begun(
    decided: Sequence[tuple[DecisionRow, Trace]], events: Sequence[StoredEvent]
) -> frozenset[int]:
    """Return the decisions on which a message left: the last one about it before it did."""
    judged: dict[str, list[Trace]] = {}
    for _, trace in decided:
        if trace.request.message_id:
            judged.setdefault(trace.request.message_id, []).append(trace)
    begun = set()
    for stored in events:
        if stored.event.name != MESSAGE_LEAVING or stored.event.source != SOURCE_SELF:
            continue
        left_at = stored.event.received_at
        for trace in reversed(judged.get(str(stored.event.properties.get("message_id")), ())):
            if trace.decided_at == left_at and trace.heard_through < stored.sequence:
                begun.add(trace.decision_id)
                break
    return frozenset(begun)


def _goes_on(
    before: tuple[DecisionRow, Trace], row: DecisionRow, trace: Trace, settled: Sequence[int]
) -> bool:
    """Return whether two decisions may have been made in one look.

    Nothing lies between them but attempts that end because their message is withdrawn.
    """
    last_row, last = before
    was_flying = {one.message_id: one.in_flight for one in last.request.open_messages}
    for one in trace.request.open_messages:
        if was_flying.get(one.message_id, one.in_flight) != one.in_flight:
            return False
    heard = trace.heard_through - last.heard_through
    if heard:
        between = bisect_right(settled, trace.heard_through)
        if between - bisect_right(settled, last.heard_through) != heard:
            return False
    # Ids need not be next to each other: where several nodes decide, others may lie between them.
    return row.part_id == last_row.part_id and trace.decided_at == last.decided_at


def _occasion(
    kind: Kind,
    row: DecisionRow,
    traces: tuple[Trace, ...],
    events: Sequence[StoredEvent],
    *,
    takes_back: bool = False,
) -> tuple[int, int, Occasion]:
    first = traces[0]
    occasion = Occasion(
        kind=kind,
        now=first.decided_at,
        part_id=row.part_id,
        traces=traces,
        takes_back=takes_back,
    )
    return _place_of(first, events), 2 * first.decision_id + 1, occasion


# -- what operators said of who is who


def find_operators_links(
    links: Iterable[Link], joins: Iterable[Join], events: Sequence[StoredEvent]
) -> list[Join]:
    """Return what operators said of these parts, and other evidence that no event brought."""
    told = {stored.event.occurred_at for stored in events if stored.event.name == ALIASED}
    found = list(joins)
    known = {(one.link.part_a, one.link.part_b, one.link.evidence) for one in found}
    found += [
        Join(link=link, before_id=0)
        for link in links
        if (link.part_a, link.part_b, link.evidence) not in known
        and (link.evidence == "apart" or (link.evidence == "alias" and link.first_at not in told))
    ]
    return found


def _joined(
    joins: Sequence[Join], decided: Sequence[tuple[DecisionRow, Trace]]
) -> Iterator[tuple[int, int, Occasion]]:
    for join in joins:
        link, before_id = join.link, join.before_id
        # Without a decision after it nothing followed from it, and its place is the end.
        place, order = 1 << 62, 0
        for row, trace in decided:
            is_after = (
                row.decision_id >= before_id
                if before_id
                else (kind_of(trace) in ("look", "hand_over") and trace.decided_at >= link.first_at)
            )
            if is_after:
                place, order = trace.heard_through, 2 * row.decision_id
                break
        yield place, order, Occasion(kind="joined", now=link.first_at, link=link)


# -- instants


def _dated(occasions: list[Occasion]) -> list[Occasion]:
    """Return occasions with the instants at which the writer worked on what came from outside.

    An event says when it was received. The writer took it up a little later: at the instant of the
    look that follows it.
    """
    dated: list[Occasion] = []
    looked_at = 0
    for one in reversed(occasions):
        if one.kind == "look":
            looked_at = one.now
        elif one.kind == "heard":
            looked_at = looked_at if 0 <= looked_at - one.now <= LAG_MAX else 0
            one = msgspec.structs.replace(one, now=looked_at or one.now)  # noqa: PLW2901 - dated
        elif not (one.kind == "own" and one.event.name == CONSENT_WITHDRAWN):
            # What follows from an event at once stands right behind it.
            looked_at = 0
        dated.append(one)
    dated.reverse()
    return _in_order(dated)


def _in_order(occasions: list[Occasion]) -> list[Occasion]:
    """Return occasions none of which lies before one that came earlier, and say what caused looks."""
    done: list[Occasion] = []
    latest, heard_at = 0, -1
    for one in occasions:
        now = max(one.now, latest)
        is_answer = one.kind == "look" and heard_at == now
        if one.kind in ("heard", "own", "joined"):
            heard_at = now
        if now != one.now or is_answer:
            one = msgspec.structs.replace(one, now=now, is_answer=is_answer)  # noqa: PLW2901
        latest = now
        done.append(one)
    return done
