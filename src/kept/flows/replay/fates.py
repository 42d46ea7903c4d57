"""What becomes of messages in a replay: what became of the recorded ones, as far as they are the same.

A message shares the fate of a recorded one if it is the same contact: the same action about the
same object on the same channel, decided within a day. Its provider then answers as recorded, at the
instants that are recorded, and the customer's answers to it stand. Of any other message nobody knows
what its customer would have answered; that its provider takes it when it is due is assumed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kept.core.decision import OpenMessage
from kept.core.event import (
    MESSAGE_BOUNCED,
    MESSAGE_CLICKED,
    MESSAGE_COMPLAINED,
    MESSAGE_DELIVERED,
    MESSAGE_LEAVING,
    MESSAGE_OPENED,
    MESSAGE_REPLIED,
    MESSAGE_SETTLED,
    Event,
)
from kept.core.message import Accepted, Message, Postponed, Refused
from kept.core.reason import Expired
from kept.core.values import DAY, NEVER
from kept.flows.customers import Customer
from kept.flows.deliver import settle, settle_as
from kept.flows.engine import Engine
from kept.flows.react import withdraw

SAME_WITHIN: Final = DAY
"""Two messages that say the same are the same contact if they were decided within this."""
ANSWERS: Final = frozenset(
    {
        MESSAGE_DELIVERED,
        MESSAGE_OPENED,
        MESSAGE_CLICKED,
        MESSAGE_BOUNCED,
        MESSAGE_COMPLAINED,
        MESSAGE_REPLIED,
    }
)
"""What is heard of a message, and of none that was not sent."""


class Fates:
    """Follows the messages of a replay beside those of the record."""

    def __init__(
        self, engine: Engine, store: Any, recorded: Mapping[str, Message], *, since: int = 0
    ) -> None:
        """Take a `stores.ReplayStore`, and the messages that the record has.

        What was handed over before `since` was handed over as recorded.
        """
        self._since = since
        self._flying: dict[str, int] = {}
        """Message -> when it left, of what had left before and was not settled."""
        self._engine = engine
        self._store = store
        self._recorded = recorded
        self._replayed: dict[str, str] = {}
        self._open: set[str] = set()
        self._shadowed = [
            (one.queued_at, is_shadowed(one))
            for one in sorted(recorded.values(), key=lambda one: one.queued_at)
        ]
        self.may_be_shadow = any(shadowed for _, shadowed in self._shadowed)
        """Whether the record ever decided without sending."""
        self.kept_alike: dict[str, str] = {}
        """Message of the replay -> the recorded one whose fate it shares."""
        self.unknown: Counter[tuple[int, str]] = Counter()
        """What cannot be known, by whom it is about and what it is."""

    # -- which message is which

    def note_new(self, message: Message) -> None:
        """Take up a message that was just decided: is it one of the record's?"""
        if not message.is_open:
            return
        self._open.add(message.message_id)
        twin = self._find_twin(message)
        if twin is not None:
            self.kept_alike[message.message_id] = twin.message_id
            self._replayed[twin.message_id] = message.message_id

    def _find_twin(self, message: Message) -> Message | None:
        same = self._recorded.get(message.message_id)
        if same is not None and self._are_same(same, message):
            return same
        found = [
            one
            for one in self._recorded.values()
            if one.message_id not in self._replayed and self._are_same(one, message)
        ]
        return min(
            found,
            key=lambda one: (abs(one.queued_at - message.queued_at), one.message_id),
            default=None,
        )

    def _are_same(self, recorded: Message, message: Message) -> bool:
        return (
            recorded.action == message.action
            and recorded.about == message.about
            and recorded.channel == message.channel
            and abs(recorded.queued_at - message.queued_at) <= SAME_WITHIN
            and self._are_of_one(recorded.part_id, message.part_id)
        )

    def _are_of_one(self, part_id: int, other_id: int) -> bool:
        if part_id == other_id:
            return True
        homes = [
            self._engine.customers.home_of(part)
            for part in self._store.load_parts([part_id, other_id])
        ]
        return len(homes) == 2 and homes[0] is homes[1]

    def find(self, recorded_id: str) -> Message | None:
        """Return the replay's message that shares the fate of a recorded one, None without one."""
        message_id = self._replayed.get(recorded_id)
        found: Message | None = None
        if message_id is not None:
            found = self._store.load_message(message_id)
        return found

    # -- what leaves by itself

    @property
    def waiting(self) -> bool:
        """Return whether any message may be open."""
        return bool(self._open)

    def next_departure(self) -> tuple[int, Message | None]:
        """Return which message is handed over next without the record saying so, and when."""
        first: tuple[int, str] = (NEVER, "")
        for message_id in list(self._open):
            message: Message = self._store.messages[message_id]
            if not message.is_open:
                self._open.discard(message_id)
            elif message.state == "queued":
                first = min(first, (self._leaves_at(message), message_id))
        return (first[0], self._store.messages[first[1]]) if first[1] else (NEVER, None)

    def _leaves_at(self, message: Message) -> int:
        twin = self._recorded.get(self.kept_alike.get(message.message_id, ""))
        if twin is not None:
            # While the record's own message lives, it says when both are handed over.
            return NEVER if twin.is_open else max(message.due_at, twin.settled_at)
        channel = self._engine.bundle.policy.channels.get(message.channel)
        if channel is None or channel.pulls:
            # Nobody knows when it would have been fetched.
            return NEVER
        return message.due_at

    # -- how it went

    def settle(self, told: Mapping[str, Any], now: int) -> None:
        """Let a message end, or go back into the queue, as the record says its twin did."""
        recorded_id = str(told.get("message_id", ""))
        message = self.find(recorded_id)
        if message is None:
            return
        recorded = self._recorded.get(recorded_id)
        outcome = str(told.get("outcome", ""))
        ended = "queued"
        if recorded is not None and not recorded.is_open and recorded.settled_at == now:
            ended = recorded.state
        if ended == "delivered" and outcome != "delivered":
            # It was tried in vain, and reported as delivered at the same instant.
            ended = "queued"
        engine = self._engine
        if message.state == "leaving" and (ended, outcome) == ("failed", "unknown"):
            # Its attempt had been given up before, which leaves no event; then it bounced.
            settle_as(engine, message, "failed", "unknown", now)
        elif message.state == "leaving":
            self._end(message, _END.get(outcome) or ended, recorded, now)
        elif message.is_open and message.may_have_arrived and ended in ("delivered", "failed"):
            settle_as(engine, message, ended, outcome, now)

    def _end(self, message: Message, ended: str, recorded: Message | None, now: int) -> None:
        engine, message_id = self._engine, message.message_id
        match ended:
            case "delivered":
                provider_id = recorded.provider_id if recorded is not None else ""
                settle(engine, message_id, Accepted(provider_id=provider_id), now)
            case "failed":
                settle(engine, message_id, Refused(detail="as recorded"), now)
            case "expired":
                settle_as(engine, message, "expired", "failed", now)
            case "unknown":
                settle_as(engine, message, "unknown", "unknown", now)
            case "shadow":
                return
            case _:
                settle(engine, message_id, Postponed(detail="as recorded"), now)

    def heed(self, customer: Customer, listed: Sequence[OpenMessage], now: int) -> None:
        """Bring a customer's open messages to where they stood in the record when it decided.

        Three things leave no event. An attempt of which nobody knows how it ended shows in the next
        decision, for the message waits again. A message may have expired before anybody judged it.
        And the order in which messages are listed changes when a process starts again.
        """
        if not customer.messages:
            return
        for one in listed:
            message = None if one.in_flight else self.find(one.message_id)
            if message is not None and message.state == "leaving":
                again = msgspec.structs.replace(
                    message, state="queued", due_at=now, may_have_arrived=True
                )
                self._engine.save_message(customer, again)
        places = {one.message_id: place for place, one in enumerate(listed)}
        order = []
        for message in list(customer.messages.values()):
            recorded = self._recorded.get(self.kept_alike.get(message.message_id, ""))
            place = places.get(recorded.message_id) if recorded is not None else None
            if (
                recorded is not None
                and place is None
                and recorded.state == "expired"
                and recorded.settled_at <= now
                and message.state == "queued"
            ):
                withdraw(self._engine, customer, message, Expired(at=message.expires_at), now)
            else:
                order.append((len(places) if place is None else place, message))
        if len(order) > 1:
            # Those that the record does not list stay behind the others, as they were.
            order.sort(key=lambda each: each[0])
            customer.messages.clear()
            customer.messages.update((message.message_id, message) for _, message in order)

    # -- what customers answered

    def take_answer(self, event: Event, part_id: int) -> Event | None:
        """Return an answer as one to the replay's own message, None where that was never sent."""
        recorded_id = str(event.properties.get("message_id", ""))
        message = self.find(recorded_id)
        if message is None and self._was_before(recorded_id):
            return event
        if message is None or not message.attempted_at:
            self.unknown[part_id, f"answers: {event.name}"] += 1
            return None
        if message.message_id == recorded_id:
            return event
        told = event.properties | {"message_id": message.message_id}
        return msgspec.structs.replace(event, properties=told)

    def _was_before(self, recorded_id: str) -> bool:
        """Return whether a message had left before what is played began, or is not kept any more."""
        recorded = self._recorded.get(recorded_id)
        return recorded is None or 0 < recorded.attempted_at < self._since

    def note_refusal(self, event: Event, part_id: int) -> None:
        """Note that a refusal was said in answer to a message that was not sent."""
        recorded_id = str(event.properties.get("message_id", ""))
        if recorded_id in self._recorded:
            message = self.find(recorded_id)
            if message is None and self._was_before(recorded_id):
                return
            if message is None or not message.attempted_at:
                self.unknown[part_id, f"refusals: {event.name}"] += 1

    # -- the state of the record at an instant

    def note_before(self, event: Event) -> None:
        """Note what was on its way before what is played begins."""
        message_id = str(event.properties.get("message_id", ""))
        if event.name == MESSAGE_LEAVING:
            self._flying[message_id] = event.received_at
        elif event.name == MESSAGE_SETTLED:
            self._flying.pop(message_id, None)

    def open_at(self, instant: int) -> Iterator[Message]:
        """Yield the messages that were open at an instant, as they were then."""
        for one in self._recorded.values():
            if one.queued_at < instant and (one.is_open or one.settled_at >= instant):
                attempted_at = self._flying.get(one.message_id, 0)
                yield msgspec.structs.replace(
                    one,
                    state="leaving" if attempted_at else "queued",
                    attempted_at=attempted_at,
                    settled_at=0,
                    reason=None,
                    may_have_arrived=False,
                )

    def is_shadow_at(self, now: int) -> bool:
        """Return whether the record decided without sending at an instant."""
        shadowed = False
        for at, was_shadowed in self._shadowed:
            if at > now:
                break
            shadowed = was_shadowed
        return shadowed


def is_shadowed(message: Message) -> bool:
    """Return whether a message was only written down, because Kept watched and did not send."""
    return isinstance(message.reason, dict) and message.reason.get("code") == "shadowed"


_END: Final = {"delivered": "delivered", "refused": "failed", "shadow": "shadow"}
"""How a message ended, by the outcome that was noted; others say no more than that an attempt did."""
