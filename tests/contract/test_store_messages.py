"""Every store finds messages by what the hand-over asks for."""

from typing import get_args

import msgspec
import pytest

from kept.core.message import OPEN_STATES, Message, MessageState
from kept.ports import Store
from tests.contract.conftest import Stores
from tests.contract.values import NOW, ODD_TEXTS, make_message, undone

pytestmark = pytest.mark.store

STATES: tuple[MessageState, ...] = get_args(MessageState)


def save(store: Store, *messages: Message) -> None:
    """Commit messages."""
    with store.transaction():
        store.save_messages(messages)


def ids(messages: list[Message]) -> list[str]:
    """Return the ids of messages."""
    return [message.message_id for message in messages]


def test_a_message_comes_back_as_it_was(stores: Stores) -> None:
    """Every field survives, whatever it holds."""
    messages = [
        make_message(
            f"m{number}{text}",
            topic=text,
            about=f"parcel/{text}",
            state="withdrawn",
            provider_id=text,
            reason={"type": "Held", "hold": text, "more": [1, None]},
            sets={"renewed": True, text: None},
            settled_at=NOW,
        )
        for number, text in enumerate(ODD_TEXTS)
    ]
    save(stores.open(), *messages)
    store = stores.open()
    assert [store.load_message(message.message_id) for message in messages] == messages
    assert store.load_message("unknown") is None


def test_saving_again_replaces_the_message(store: Store) -> None:
    """There is one message of an id, and its latest content counts."""
    first = make_message("m")
    later = msgspec.structs.replace(first, state="leased", leased_until=NOW + 9, due_at=NOW + 1)
    save(store, first, make_message("n"), later)
    save(store, later)
    assert store.load_message("m") == later
    assert ids(store.load_open_messages([1])) == ["m", "n"]
    assert store.read_counts()["messages.leased"] == 1


@pytest.mark.parametrize("state", STATES)
def test_open_messages_are_those_that_may_still_leave(store: Store, state: MessageState) -> None:
    """The store and the core agree on what is open."""
    save(store, make_message("m", state=state))
    assert ids(store.load_open_messages([1])) == (["m"] if state in OPEN_STATES else [])
    assert ids(store.load_messages_in([state], limit=9)) == ["m"]
    assert store.read_counts()[f"messages.{state}"] == 1


def test_open_messages_of_parts_come_oldest_first(store: Store) -> None:
    """Only of the parts asked for."""
    save(
        store,
        make_message("c", part_id=1, queued_at=NOW + 2),
        make_message("a", part_id=2, queued_at=NOW),
        make_message("b", part_id=1, queued_at=NOW + 1),
        make_message("x", part_id=3),
    )
    assert ids(store.load_open_messages([1])) == ["b", "c"]
    assert ids(store.load_open_messages([2, 1, 2])) == ["a", "b", "c"]
    assert store.load_open_messages([]) == store.load_open_messages([99]) == []


def test_due_messages_come_earliest_first_within_the_limit(store: Store) -> None:
    """Over all channels asked for together, each once."""
    save(
        store,
        make_message("late", due_at=NOW + 1),
        make_message("second", due_at=NOW - 1),
        make_message("third", due_at=NOW, channel="sms"),
        make_message("first", due_at=NOW - 2, channel="sms"),
        make_message("elsewhere", due_at=NOW - 9, channel="inbox"),
    )
    channels = ["email", "sms", "sms", "nothing"]
    due = store.load_due_messages(now=NOW, channels=channels, limit=9)
    assert ids(due) == ["first", "second", "third"]
    assert ids(store.load_due_messages(now=NOW, channels=channels, limit=2)) == ["first", "second"]
    assert store.load_due_messages(now=NOW, channels=[], limit=9) == []


@pytest.mark.parametrize("state", STATES)
def test_only_queued_messages_and_ended_leases_are_due(store: Store, state: MessageState) -> None:
    """A lease that still runs belongs to a sender; whatever has left or ended is nobody's."""
    save(
        store,
        make_message("ended", state=state, leased_until=NOW),
        make_message("running", state=state, leased_until=NOW + 1),
    )
    expected = {"queued": ["ended", "running"], "leased": ["ended"]}.get(state, [])
    assert ids(store.load_due_messages(now=NOW, channels=["email"], limit=9)) == expected


def test_messages_in_states_come_oldest_first(store: Store) -> None:
    """Recovery looks at what was in flight in the order in which it was queued."""
    save(
        store,
        make_message("b", state="leaving", queued_at=NOW + 1),
        make_message("a", state="unknown", queued_at=NOW),
        make_message("c", state="leaving", queued_at=NOW + 2),
        make_message("x", state="queued"),
    )
    assert ids(store.load_messages_in(["leaving", "unknown", "leaving"], limit=9)) == [*"abc"]
    assert ids(store.load_messages_in(["leaving", "unknown"], limit=2)) == [*"ab"]
    assert store.load_messages_in([], limit=9) == []


def test_a_callback_finds_its_message(store: Store) -> None:
    """By channel and the provider's id; an empty id finds nothing."""
    save(
        store,
        make_message("a", provider_id="p-1"),
        make_message("b", provider_id="p-1", channel="sms"),
        make_message("c"),
    )
    found = store.load_message_by_provider_id("sms", "p-1")
    assert found is not None
    assert found.message_id == "b"
    assert store.load_message_by_provider_id("sms", "p-2") is None
    assert store.load_message_by_provider_id("email", "") is None


def test_counts_follow_messages_through_their_states(stores: Stores) -> None:
    """Each message is counted in exactly one state, also after a rollback and reopening."""
    store = stores.open()
    for number, state in enumerate(STATES):
        save(store, make_message(f"m{number}"))
        save(store, make_message(f"m{number}", state=state))
    with undone(store):
        store.save_messages([make_message("gone")])
    counts = stores.open().read_counts()
    assert {state: counts[f"messages.{state}"] for state in STATES} == dict.fromkeys(STATES, 1)
