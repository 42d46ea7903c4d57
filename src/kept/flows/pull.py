"""Hand over what is fetched and not sent: the customer's inbox, and the call list of a dialler.

The pull is the hand-over. Whatever is due is decided again at that moment, under the customer's
lock, and only what still stands is shown. What was shown once is decided again at every further
look, so that a stop (an opt-out, a hold, a bill that was paid) takes it from the inbox as well.
"""

from collections.abc import Collection
from typing import Any, Final, Literal, TypeAlias

import msgspec

from kept.core.consent import is_restricted
from kept.core.decision import Chosen
from kept.core.event import OFFER_DECLINED
from kept.core.explain import describe_outcome
from kept.core.feedback import Feedback
from kept.core.message import Accepted, Message, Outgoing, Postponed, Refused, SendResult
from kept.core.notices import breach_of
from kept.core.reason import Reason
from kept.core.unsubscribe import Unsubscribe
from kept.core.values import format_instant
from kept.errors import NotFoundError
from kept.flows.compose import compose, situation_of
from kept.flows.customers import Customer
from kept.flows.deliver import begin, customer_of, held_of, look_up, settle
from kept.flows.disclosures import Disclosure, note_disclosure
from kept.flows.engine import Engine, decode_trace
from kept.flows.learn import learn, unsubscribe
from kept.flows.react import look_again, react

INBOX: Final = "inbox"
CALL_LIST: Final = "call_list"
ITEMS_MAX: Final = 50
"""How much of an inbox is shown, newest first."""
CARDS_TRIED_MAX: Final = 20
"""How many due calls one question looks at before it says that there is none just now."""
RETRY_SECONDS: Final = 2 * 3_600
"""When a customer who did not answer is called again, at the earliest."""

_STAYING_LAYERS: Final = frozenset({"pressure", "honest", "worth_it"})
"""Layers whose no keeps something from being said, and does not take back what was said."""

Mark: TypeAlias = Literal["read", "dismissed", "declined"]
_MARKS: Final = ("", "read", "dismissed", "declined")
"""What a customer may have done with a message, each more than what stands before it."""
CallOutcome: TypeAlias = Literal[
    "reached", "no_answer", "busy", "wrong_number", "declined", "do_not_call"
]


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message in a customer's inbox."""

    message_id: str
    action: str
    kind: str
    channel: str
    about: str = ""
    title: str = ""
    text: str
    html: str = ""
    received_at: str
    expires_at: str
    is_read: bool = False


class Card(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call to make: whom, what to say, and why."""

    message_id: str
    channel: str
    action: str
    to: str
    name: str = ""
    about: str = ""
    title: str = ""
    say: str
    why: tuple[str, ...] = ()
    decision_id: int
    expires_at: str


# -- the inbox


def pull_inbox(
    engine: Engine, customer: Customer, now: int, *, channels: Collection[str], source: str
) -> tuple[Item, ...]:
    """Return what a customer's inbox holds; what is due is handed over by this."""
    items = [
        item
        for contact in customer.total(engine.plan).contacts.values()
        if contact.channel in channels and contact.outcome == "delivered"
        if (item := _show_again(engine, customer, contact.message_id, now)) is not None
    ]
    due = [
        message
        for message in customer.messages.values()
        if message.channel in channels and message.due_at <= now
    ]
    for message in due:
        begun = begin(engine, message, now)
        if begun is not None:
            settle(engine, message.message_id, Accepted(), now)
            items.append(_item(*begun))
    items.sort(key=lambda item: (item.received_at, item.message_id), reverse=True)
    shown = tuple(items[:ITEMS_MAX])
    if shown:
        said = tuple(sorted({(item.action, item.channel) for item in shown}))
        told = Disclosure(source=source, what="inbox", shown=said)
        note_disclosure(engine, customer.own_part, told, now)
    return shown


def _show_again(engine: Engine, customer: Customer, message_id: str, now: int) -> Item | None:
    """Return a message that was handed over before, if it may still be seen."""
    message = engine.store.load_message(message_id)
    if message is None or now >= message.expires_at or message.mark in ("dismissed", "declined"):
        return None
    if not _can_say(engine, message):
        return None
    if message.promotional or is_restricted(customer.total(engine.plan).consents):
        verdict = look_again(engine, customer, message, now)
        if not isinstance(verdict, Chosen) and _takes_back(verdict):
            return None
    outgoing = compose(engine, customer, message, now)
    return _item(message, outgoing) if isinstance(outgoing, Outgoing) else None


def _can_say(engine: Engine, message: Message) -> bool:
    """Return whether the brand still knows a message's action, and the kind of what it is about."""
    if message.action not in engine.bundle.policy.by_name:
        return False
    kind = message.about.partition("/")[0]
    is_known = not kind or kind in engine.bundle.brand.facts.objects
    return is_known or breach_of(message.about) > 0


def _takes_back(reason: Reason) -> bool:
    return reason.layer not in _STAYING_LAYERS


def _item(message: Message, outgoing: Outgoing) -> Item:
    return Item(
        message_id=message.message_id,
        action=message.action,
        kind=message.kind,
        channel=message.channel,
        about=message.about,
        title=outgoing.subject,
        text=outgoing.text,
        html=outgoing.html,
        received_at=format_instant(message.attempted_at),
        expires_at=format_instant(message.expires_at),
        is_read=message.mark == "read",
    )


def mark_item(
    engine: Engine,
    customer: Customer,
    message_id: str,
    mark: Mark,
    *,
    channels: Collection[str],
    now: int,
) -> None:
    """Note what a customer did with a message of their inbox, unless they did as much already.

    Raises:
        NotFoundError: their inbox holds no such message.
    """
    message = engine.store.load_message(message_id)
    if (
        message is None
        or message.channel not in channels
        or message.state != "delivered"
        or customer_of(engine, message).customer_id != customer.customer_id
    ):
        raise NotFoundError(f"the inbox holds no message {message_id[:100]!r}")
    if _MARKS.index(mark) <= _MARKS.index(message.mark):
        # Another page says late that it was read: what was dismissed does not come back by that.
        return
    _note_opened(engine, message, now)
    marked = msgspec.structs.replace(message, mark=mark)
    engine.save_message(customer, marked)
    if mark == "declined":
        _decline(engine, customer, message, now)


def _note_opened(engine: Engine, message: Message, now: int) -> None:
    opened = Feedback(outcome="opened", message_id=message.message_id, occurred_at=now)
    learn(engine, opened, channel=message.channel, now=now)


def _decline(engine: Engine, customer: Customer, message: Message, now: int) -> None:
    """Note that the customer does not want it, on whatever channel."""
    told: dict[str, Any] = {"action": message.action, "message_id": message.message_id}
    if message.about:
        told["about"] = message.about
    engine.append_own(customer, message.part_id, OFFER_DECLINED, told, now)
    react(engine, customer, now)


# -- the call list


def next_call(engine: Engine, now: int, *, channels: Collection[str], source: str) -> Card | None:
    """Return the call that waited longest and may still be made; from here on it is in flight."""
    due = engine.store.load_due_messages(now=now, channels=sorted(channels), limit=CARDS_TRIED_MAX)
    for message in held_of(engine, due):
        begun = begin(engine, message, now)
        if begun is not None:
            shown = ((message.action, message.channel),)
            told = Disclosure(source=source, what="call_list", shown=shown)
            note_disclosure(engine, message.part_id, told, now)
            return _card(engine, *begun, now=now)
    return None


def _card(engine: Engine, message: Message, outgoing: Outgoing, *, now: int) -> Card:
    customer = customer_of(engine, message)
    name = situation_of(engine, customer, now).values["name"]
    return Card(
        message_id=message.message_id,
        channel=message.channel,
        action=message.action,
        to=outgoing.to,
        name=name or "",
        about=message.about,
        title=outgoing.subject,
        say=outgoing.text,
        why=_why(engine, message),
        decision_id=message.decision_id,
        expires_at=format_instant(message.expires_at),
    )


def _why(engine: Engine, message: Message) -> tuple[str, ...]:
    """Return why a call is made: what it is for, and how it was decided."""
    found = []
    description = engine.bundle.brand.actions[message.action].description
    if description:
        found.append(description)
    row = engine.store.read_decision(message.decision_id)
    if row is not None:
        decision = decode_trace(row.trace)
        found.append(describe_outcome(decision))
        if decision.cohort:
            found.append(f"The customer is {decision.cohort}.")
    return tuple(found)


def settle_call(
    engine: Engine,
    message_id: str,
    outcome: CallOutcome,
    *,
    channels: Collection[str],
    now: int,
) -> bool:
    """Record how a call went and what the customer said of it; return whether it waited for that.

    Raises:
        NotFoundError: there is no such call.
    """
    message = engine.store.load_message(message_id)
    if message is not None:
        _, message = look_up(engine, message)
    if message is None or message.channel not in channels:
        raise NotFoundError(f"there is no call {message_id[:100]!r}")
    is_awaited = message.state == "leaving"
    if is_awaited:
        settle(engine, message_id, _result_of(outcome), now)
    if outcome == "do_not_call":
        # The customer's word counts, whatever became of the call in which it was said.
        told = Unsubscribe(
            part_id=message.part_id,
            entity=message.entity,
            purpose=message.purpose,
            channel=message.channel,
            message_id=message.message_id,
        )
        unsubscribe(engine, told, now)
    elif is_awaited and outcome == "declined":
        _decline(engine, customer_of(engine, message), message, now)
    elif is_awaited:
        react(engine, customer_of(engine, message), now)
    return is_awaited


def _result_of(outcome: CallOutcome) -> SendResult:
    if outcome in ("reached", "declined", "do_not_call"):
        return Accepted()
    if outcome == "wrong_number":
        return Refused(detail="the number is somebody else's", closes_address=True)
    return Postponed(detail=outcome, retry_after_seconds=RETRY_SECONDS)
