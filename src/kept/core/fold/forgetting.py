"""What a state keeps at most, and what it knows of what it forgot.

A limit that drops the oldest must not make the order of events matter, and nobody may decide by what
is missing. So each limit has a *horizon*: an instant up to which everything of its kind is forgotten,
and after which everything is there. The horizon is a function of the events alone, namely when the
first one beyond the limit was last heard of, so that folding and adding stay commutative.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from kept.core.contact import NEVER_ARRIVED
from kept.core.state import ANSWERS, OWN, REPORTED, SAID, Contact, Stamped, State

OBJECTS_MAX: Final = 300
"""How many objects of one kind a part keeps: the ones heard of last."""
CONTACTS_MAX: Final = 400
"""How many contacts a part keeps of our own, and as many again that other tools report: the newest."""
ANSWERS_MAX: Final = 2 * CONTACTS_MAX
"""How many answered messages a part keeps: as many as it keeps contacts."""
SAID_MAX: Final = 3_000
"""How many different things that were said (an action, about one object) a part remembers."""
HEARD: Final = ""
"""The field of an object that keeps when it was heard of by an event that told nothing else."""
REPORTED_MARK: Final = "|"
"""Stands in the id of a contact that another tool reported, and in none of ours."""
_EVER: Final = -(2**63)


def reported_id(source: str, contact_id: str) -> str:
    """Return under which id a contact that another tool reported is kept.

    It is a name of its source, so that it can never take the place of a contact of ours.
    """
    return f"{source}{REPORTED_MARK}{contact_id}"


# -- objects


def is_forgotten_object(state: State, slot: str, at: int) -> bool:
    """Return whether what was said of such objects at this instant is beyond the horizon."""
    return at <= state.forgotten_objects.get(slot, _EVER)


def limit_objects(state: State, slot: str) -> None:
    """Forget what was said of a kind of object up to the first one that is beyond the limit."""
    objects = state.objects[slot]
    if len(objects) > OBJECTS_MAX:
        heard_at = sorted((_heard_at(fields) for fields in objects.values()), reverse=True)
        _forget_objects(state, slot, heard_at[OBJECTS_MAX])


def _heard_at(fields: dict[str, Stamped]) -> int:
    return max((said.at for said in fields.values()), default=_EVER)


def _forget_objects(state: State, slot: str, horizon: int) -> None:
    state.forgotten_objects[slot] = horizon
    kept: dict[str, dict[str, Stamped]] = {}
    for key, fields in state.objects.get(slot, {}).items():
        later = {field: said for field, said in fields.items() if said.at > horizon}
        if later:
            kept[key] = later
    state.objects[slot] = kept


def add_forgotten_objects(state: State, other: State) -> None:
    """Forget also what another state forgot, after its objects were added; then hold the limits."""
    for slot in {**state.forgotten_objects, **other.forgotten_objects}:
        mine = state.forgotten_objects.get(slot, _EVER)
        _forget_objects(state, slot, max(mine, other.forgotten_objects.get(slot, _EVER)))
    for slot in state.objects:
        limit_objects(state, slot)


# -- contacts


def keep_contact(state: State, contact: Contact) -> None:
    """Take up what is known of a contact, unless something newer is."""
    key = contact.message_id
    group = REPORTED if REPORTED_MARK in key else OWN
    if contact.settled_at and contact.outcome not in NEVER_ARRIVED:
        _keep_said(state, f"{contact.action}|{contact.about}", contact.attempt_at)
    if state.forgotten_contacts and _is_forgotten_contact(state, group, contact):
        return
    answered_at = state.answers.get(key, 0)
    if contact.answered_at != answered_at:
        contact = msgspec.structs.replace(contact, answered_at=answered_at)
    mine = state.contacts.get(key)
    if mine is None or _contact_order(contact) > _contact_order(mine):
        state.contacts[key] = contact
        if len(state.contacts) > CONTACTS_MAX:
            _limit_contacts(state, group)


def _is_forgotten_contact(state: State, group: str, contact: Contact) -> bool:
    return _last_known_at(contact) <= state.forgotten_contacts.get(group, _EVER)


def _last_known_at(contact: Contact) -> int:
    return max(contact.attempt_at, contact.settled_at)


def _contact_order(contact: Contact) -> tuple[int | str, ...]:
    # A later attempt is newer than the end of an earlier one; the rest makes ties come out alike.
    return (
        _last_known_at(contact), contact.attempt_at, contact.settled_at, contact.outcome,
        contact.action, contact.kind, contact.purpose, contact.topic, contact.channel, contact.about,
    )  # fmt: skip


def _limit_contacts(state: State, group: str) -> None:
    # What other tools report, however much, never pushes out what we said ourselves.
    is_reported = group == REPORTED
    rivals = [
        _last_known_at(contact)
        for key, contact in state.contacts.items()
        if (REPORTED_MARK in key) is is_reported
    ]
    if len(rivals) > CONTACTS_MAX:
        _forget_contacts(state, group, sorted(rivals, reverse=True)[CONTACTS_MAX])


def _forget_contacts(state: State, group: str, horizon: int) -> None:
    state.forgotten_contacts[group] = horizon
    is_reported = group == REPORTED
    state.contacts = {
        key: contact
        for key, contact in state.contacts.items()
        if (REPORTED_MARK in key) is not is_reported or _last_known_at(contact) > horizon
    }


def add_contacts(state: State, other: State) -> None:
    """Take up the contacts of another state, what was said by them, and who answered."""
    for message_id, at in other.answers.items():
        keep_answer(state, message_id, at)
    if other.forgotten_contacts:
        _add_forgotten_contacts(state, other)
    for contact in other.contacts.values():
        keep_contact(state, contact)
    for key, at in other.said.items():
        _keep_said(state, key, at)


def _add_forgotten_contacts(state: State, other: State) -> None:
    for group, theirs in other.forgotten_contacts.items():
        horizon = max(theirs, state.forgotten_contacts.get(group, _EVER))
        if group == SAID:
            _forget_said(state)
        elif group == ANSWERS:
            _forget_answers(state, horizon)
        else:
            _forget_contacts(state, group, horizon)


# -- what was said, and who answered


def _keep_said(state: State, key: str, at: int) -> None:
    # The first time is kept: it stays among what is forgotten, however often it is said again.
    first_at = state.said.get(key)
    if first_at is not None:
        if at < first_at:
            state.said[key] = at
    elif SAID not in state.forgotten_contacts:
        state.said[key] = at
        if len(state.said) > SAID_MAX:
            _forget_said(state)


def _forget_said(state: State) -> None:
    # Of a thing that was said once no horizon can tell, so that from here on nothing is known.
    state.forgotten_contacts[SAID] = 1
    state.said.clear()


def keep_answer(state: State, message_id: str, at: int) -> None:
    """Note that a person answered a message, whether or not its contact was heard of yet."""
    if at <= max(state.forgotten_contacts.get(ANSWERS, _EVER), state.answers.get(message_id, 0)):
        return
    state.answers[message_id] = at
    _match_answers(state, (message_id,))
    if len(state.answers) > ANSWERS_MAX:
        _forget_answers(state, sorted(state.answers.values(), reverse=True)[ANSWERS_MAX])


def _forget_answers(state: State, horizon: int) -> None:
    state.forgotten_contacts[ANSWERS] = horizon
    gone = [message_id for message_id, at in state.answers.items() if at <= horizon]
    for message_id in gone:
        del state.answers[message_id]
    _match_answers(state, gone)


def _match_answers(state: State, message_ids: Iterable[str]) -> None:
    for message_id in message_ids:
        contact = state.contacts.get(message_id)
        if contact is not None:
            answered_at = state.answers.get(message_id, 0)
            state.contacts[message_id] = msgspec.structs.replace(contact, answered_at=answered_at)
