"""What the notes of a world must show, computed from the providers' logs and the stream alone."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from kept.core.event import Event
from kept.core.explain import replays_alike
from kept.core.fold.fold import decode_state, encode_state, fold_event
from kept.core.identity import group
from kept.core.message import OPEN_STATES
from kept.core.state import State
from kept.core.values import DAY
from kept.flows.engine import decode_trace
from kept.ports import StoredEvent
from tests.scenario.world import Left, Received, World

PARTS_UNUSED_MAX: Final = 1_000
ENTITIES: Final = {"lamp_offer": "shop", "chair_offer": "bank", "first_order_thanks": "shop"}


def judge(world: World) -> list[str]:
    """Return everything that was promised and not kept, each with its guarantee."""
    events = world.store.load_events(after=0, limit=1_000_000)
    # What was erased since counted when it was there.
    heard = sorted([*events, *world.erased_events], key=lambda stored: stored.sequence)
    return [
        *_stopped(world),
        *_stopped_what_was_queued(world, heard),
        *_consented(world, heard),
        *_not_too_much(world),
        *_quiet(world),
        *_once(world),
        *_said_once(world),
        *(f"G5: {told}" for told in world.answers_differed),
        *_replayed(world),
        *_kept(world, events),
        *_grouped(world),
        *_closed(world),
        *_forgotten(world, events),
    ]


def _stopped(world: World) -> Iterator[str]:
    """G1: after a stop was answered, only what the answer listed may still arrive."""
    for stop in (one for one in world.answered if one.stops_marketing):
        words = [one for one in world.log if one.step > stop.step and one.message.promotional]
        for one in words:
            left = next(
                each
                for each in reversed(world.left)
                if each.message.message_id == one.message.message_id and each.step <= one.step
            )
            begun_before = left.step <= stop.step
            listed = one.message.message_id in stop.in_flight
            concerned = one.message.part_id in stop.part_ids
            if begun_before and concerned and not listed:
                yield f"G1: {one.message.message_id} left after the answer of step {stop.step}"


def _stopped_what_was_queued(world: World, events: list[StoredEvent]) -> Iterator[str]:
    """G1: what a stop forbids does not begin to leave after its answer, unless it is allowed again."""
    stored_as = {stored.event.event_key: stored for stored in events}
    for stop in (one for one in world.answered if one.stops_marketing):
        stored = stored_as.get(stop.event_key)
        if stored is None:
            continue
        for left in world.left:
            if (
                left.step > stop.step
                and left.message.promotional
                and ENTITIES[left.message.action] == stop.entity
                and stored.part_id in left.part_ids
                and not _is_allowed_again(left, stored, events)
            ):
                yield f"G1: {left.message.message_id} left after the stop of step {stop.step}"


def _is_allowed_again(left: Left, stop: StoredEvent, events: list[StoredEvent]) -> bool:
    entity = ENTITIES[left.message.action]
    return any(
        stored.part_id in left.part_ids
        and stored.sequence <= left.sequence
        and stored.event.occurred_at >= stop.event.occurred_at
        and _word_of(stored.event, entity=entity, channel=left.message.channel) is True
        for stored in events
    )


def _consented(world: World, events: list[StoredEvent]) -> Iterator[str]:
    """G2: whatever is promotional left under an opt-in that no later word took back."""
    for left in (one for one in world.left if one.message.promotional):
        entity = ENTITIES[left.message.action]
        given = -1
        refused: dict[int, tuple[int, bool]] = {}
        for stored in events:
            if stored.sequence > left.sequence or stored.part_id not in left.part_ids:
                continue
            said = _word_of(stored.event, entity=entity, channel=left.message.channel)
            at = stored.event.occurred_at
            if said is True and stored.event.vouched_count:
                given = max(given, at)
            if said is not None and at >= refused.get(stored.part_id, (0, False))[0]:
                # Within one part the latest word counts.
                refused[stored.part_id] = (at, not said)
        if given < 0:
            yield f"G2: {left.message.message_id} left without any opt-in"
        elif any(is_no and at > given for at, is_no in refused.values()):
            yield f"G2: {left.message.message_id} left although the last word was no"


def _word_of(event: Event, *, entity: str, channel: str) -> bool | None:
    told = event.properties
    if event.name == "Segment Consent Preference Updated":
        preferences = event.context["consent"]["categoryPreferences"]
        return preferences["Advertising"] if entity == "shop" else None
    if event.name in ("Consent Given", "Consent Withdrawn", "Unsubscribed"):
        concerns = told.get("entity") == entity and told.get("channel", channel) == channel
        return event.name == "Consent Given" if concerns else None
    if event.name == "Email Marked as Spam" and channel == "email":
        return False
    return None


def _not_too_much(world: World) -> Iterator[str]:
    """G3: no window of any cap holds more than it may, by the providers' own log."""
    for left in world.left:
        message = left.message
        for name, count_max, window, covers in _CAPS:
            if not covers(left):
                continue
            before = {
                one.message.message_id
                for one in world.log
                if one.arrived
                and one.message.message_id != message.message_id
                and one.message.part_id in left.part_ids
                and left.at - window < one.at <= left.at
                and one.step <= left.step
                and covers(one)
            }
            if len(before) >= count_max:
                yield f"G3: {message.message_id} is one too many for {name}: {sorted(before)}"


_CAPS: Final[tuple[tuple[str, int, int, Callable[[Left | Received], bool]], ...]] = (
    ("promotions_a_week", 2, 7 * DAY, lambda one: one.message.promotional),
    ("texts_a_day", 1, DAY, lambda one: one.message.channel == "sms"),
    ("service_a_day", 3, DAY, lambda one: one.message.kind == "service"),
)


def _quiet(world: World) -> Iterator[str]:
    """G3, G12: nothing leaves in the customer's night, or where nobody knows what time it is."""
    for left in world.left:
        if left.zone_told is None or left.zone_told not in available_timezones():
            yield f"G12: {left.message.message_id} left to a zone of {left.zone_told!r}"
            continue
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=left.at)
        local = moment.astimezone(ZoneInfo(left.zone_told))
        minute = local.hour * 60 + local.minute
        if minute >= 22 * 60 or minute < 7 * 60 + 30:
            yield f"G3: {left.message.message_id} left at {local:%H:%M}"


def _once(world: World) -> Iterator[str]:
    """G4: a promotion arrives at most once, a service message is retried under one key; all ends."""
    calls: dict[str, list[Received]] = {}
    for one in world.log:
        calls.setdefault(one.message.message_id, []).append(one)
    for message_id, received in calls.items():
        arrived = [one for one in received if one.arrived]
        if received[0].message.promotional and len(arrived) > 1:
            yield f"G4: {message_id} arrived {len(arrived)} times"
        if len({one.outgoing.idempotency_key for one in received}) > 1:
            yield f"G4: {message_id} was retried under several keys"
    for message in world.store.load_messages_in([*OPEN_STATES], limit=1_000):
        if message.queued_at < world.now - 26 * DAY:
            yield f"G4: {message.message_id} never ended and is {message.state}"


def _said_once(world: World) -> Iterator[str]:
    """G4: what is to be said once, of one thing, is said once."""
    for left in world.left:
        if left.message.action in ("first_order_thanks", "bill_due", "bill_reminder"):
            for one in world.log:
                if (
                    one.arrived
                    and one.step < left.step
                    and one.message.message_id != left.message.message_id
                    and one.message.part_id in left.part_ids
                    and (one.message.action, one.message.about)
                    == (left.message.action, left.message.about)
                ):
                    yield f"G4: {left.message.message_id} says {one.message.message_id} again"


def _replayed(world: World) -> Iterator[str]:
    """G7: every decision of the run comes out the same when it is made again."""
    policy = world.engine.bundle.policy
    for number in range(1, world.store.next_decision_id()):
        row = world.store.read_decision(number)
        # Where several nodes take numbers, one that was taken may not have been used.
        if row is not None and not replays_alike(decode_trace(row.trace), policy):
            yield f"G7: decision {number} comes out otherwise"


def _kept(world: World, events: list[StoredEvent]) -> Iterator[str]:
    """G9: what was acknowledged is in the stream once, and states are what the stream adds up to."""
    keys = [stored.event.event_key for stored in events if _is_told(stored.event)]
    if len(keys) != len(set(keys)):
        yield "G9: an event is in the stream twice"
    gone = {part_id for erased in world.erased for part_id in erased.part_ids}
    answered = {one.event_key for one in world.answered if not one.part_ids & gone}
    missing = answered - set(keys)
    if missing:
        yield f"G9: {len(missing)} acknowledged events are gone"
    plan = world.engine.plan
    states: dict[int, State] = {}
    for stored in events:
        fold_event(plan, states.setdefault(stored.part_id, State()), stored.event)
    for part_id, state in states.items():
        (part,) = world.store.load_parts([part_id])
        mine = world.engine.customers.home_of(part).states[part_id]
        if decode_state(encode_state(state)) != decode_state(encode_state(mine)):
            yield f"G9: the state of part {part_id} is not what its events add up to"
        if world.store.is_shared:
            (row,) = world.store.load_states([part_id])
            if decode_state(row.state) != decode_state(encode_state(mine)):
                yield f"G9: the stored state of part {part_id} is not that in memory"


def _is_told(event: Event) -> bool:
    return event.source != "kept" and event.name != "Contact Reported"


def _grouped(world: World) -> Iterator[str]:
    """G10: whoever is together is what all evidence, looked at afresh, puts together."""
    gone = sum(len(erased.part_ids) for erased in world.erased)
    # Where several nodes take numbers, one that was taken may not have been used.
    unused = PARTS_UNUSED_MAX if world.store.is_shared else 0
    ids = list(range(1, world.store.read_counts()["parts"] + gone + unused + 1))
    parts = {part.part_id: part for part in world.store.load_parts(ids)}
    afresh = group(parts, world.store.load_links(ids), world.engine.bundle.namespaces).groups
    now: dict[int, set[int]] = {}
    for part in parts.values():
        now.setdefault(part.customer_id, set()).add(part.part_id)
    if {frozenset(members) for members in now.values()} != set(afresh):
        yield "G10: customers are not what the evidence says"


def _forgotten(world: World, events: list[StoredEvent]) -> Iterator[str]:
    """G11: nothing of the forgotten is left, nothing more begins to leave, and nothing late comes back."""
    for erased in world.erased:
        parts = sorted(erased.part_ids)
        if world.store.load_parts(parts) or world.store.load_states(parts):
            yield f"G11: parts forgotten at step {erased.step} are there"
        if world.store.load_part_messages(parts) or world.store.read_decisions(parts, newest=1):
            yield f"G11: messages or decisions of step {erased.step} are there"
        for left in world.left:
            if left.step > erased.step and left.part_ids & erased.part_ids:
                yield f"G11: {left.message.message_id} left after its customer was forgotten"
        for stored in events:
            event = stored.event
            is_late = stored.sequence > erased.sequence and event.occurred_at < erased.at
            if is_late and erased.identifiers & set(event.identifiers):
                yield f"G11: event {stored.sequence} brings somebody back"


def _closed(world: World) -> Iterator[str]:
    """G12: what rests on a silent source does not go, and what an operator stopped does not either."""
    for left in world.left:
        if "billing" in left.silent and left.message.about.startswith("bill/"):
            yield f"G12: {left.message.message_id} left while billing was silent"
        stops = {
            "all": True,
            "channel:sms": left.message.channel == "sms",
            "purpose:marketing": left.message.purpose == "marketing",
            "action:lamp_offer": left.message.action == "lamp_offer",
        }
        for brake in left.brakes:
            if stops.get(brake, False):
                yield f"G1: {left.message.message_id} left under the brake {brake}"
