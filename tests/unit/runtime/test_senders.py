"""Each channel is given what it has room for, and of a call that was never made it is told so."""

import threading

from kept.core.message import Accepted, Outgoing, Postponed, SendResult
from kept.runtime.senders import Senders
from tests.contract.values import make_message

OUTGOING = Outgoing(
    message_id="m1", idempotency_key="m1", channel="slow", action="a", to="x", sender="",
    subject="", text="", html="", headers={}, data={}, expires_at=0,
)  # fmt: skip


class Slow:
    """Answers once it is let."""

    def __init__(self) -> None:
        """Hold everybody up."""
        self.is_called = threading.Semaphore(0)
        self.may_answer = threading.Event()
        self.is_closed = threading.Event()

    def send(self, outgoing: Outgoing) -> SendResult:
        """Wait, and take it."""
        self.is_called.release()
        self.may_answer.wait(timeout=10)
        return Accepted()

    def close(self) -> None:
        """Let go of everybody."""
        self.is_closed.set()
        self.may_answer.set()


def test_a_channel_has_room_for_its_own_threads_alone() -> None:
    """That others are free is of no use to what waits for this one."""
    slow, other = Slow(), Slow()
    told: list[tuple[str, SendResult]] = []
    senders = Senders(
        {"slow": slow, "other": other},
        threads=2,
        report=lambda message, result: told.append((message.message_id, result)),
    )
    assert senders.rooms(0) == {"slow": 2, "other": 2}
    message = make_message("m1", channel="slow")
    senders.send(message, OUTGOING, 0)
    assert slow.is_called.acquire(timeout=10)
    assert senders.rooms(0) == {"slow": 1, "other": 2}
    senders.send(message, OUTGOING, 0)
    assert slow.is_called.acquire(timeout=10)
    assert senders.rooms(0) == {"other": 2}
    # A third one would have to wait, and is told to have gone nowhere when the server stops.
    senders.send(make_message("m3", channel="slow"), OUTGOING, 0)
    senders.drain(0.0)
    assert told[0] == ("m3", Postponed(detail="the server stopped before it could send"))


def test_a_call_under_way_ends_by_the_adapter_it_began_with() -> None:
    """Which is closed when its last call has ended, and not before; what others use stays open."""
    old, new, lent = Slow(), Slow(), Slow()
    told: list[SendResult] = []
    senders = Senders(
        {"slow": old, "files": lent},
        threads=1,
        report=lambda message, result: told.append(result),
        lent=(lent,),
    )
    senders.send(make_message("m1", channel="slow"), OUTGOING, 0)
    assert old.is_called.acquire(timeout=10)
    senders.take({"slow": new})
    assert not old.is_closed.is_set()
    assert not lent.is_closed.is_set()
    # The new one has its own threads, which wait for nobody.
    assert senders.rooms(0) == {"slow": 1}
    senders.send(make_message("m2", channel="slow"), OUTGOING, 0)
    assert new.is_called.acquire(timeout=10)
    old.may_answer.set()
    assert old.is_closed.wait(timeout=10)
    assert not new.is_closed.is_set()
    senders.drain(0.0)
    assert told[0] == Accepted()
