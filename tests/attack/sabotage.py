"""The honest control: each mechanism switched off, in the process under test, by the tests' own launcher.

A sabotage says which guarantees must then be seen to break. One that no judge sees is a failure of
the suite, not a success of Kept.
"""

import re
from collections.abc import Callable, Iterable
from itertools import count
from threading import get_ident
from typing import Any, Final, Literal, TypeAlias

import msgspec

from kept.core import consent, layers
from kept.core.contact import check_cap
from kept.core.decision import Chosen
from kept.core.fold import fold
from kept.core.message import Message, Postponed, SendResult, Unclear
from kept.core.rules import Findings
from kept.flows import brake, deliver, engine, ingest, nodes, react, recover
from kept.flows.compose import Gap
from kept.flows.customers import Customer, Customers
from kept.flows.engine import Engine
from kept.ports import ErasedCounts
from kept.runtime.server import Runtime
from kept.stores.postgres.shared import Control, Locks
from kept.stores.sqlite.derived import Derived
from kept.stores.sqlite.erasure import Erasure
from kept.stores.sqlite.session import Session

COMMITS_GATHERED: Final = 25
COMMITS_AT_START: Final = 60


StoreKind: TypeAlias = Literal["sqlite", "postgres"]
ANY: Final = ("G1", "G2", "G3", "G4", "G5", "G9", "G10")
_LOCKS: Final = re.compile(r"FOR (NO KEY )?UPDATE[A-Z ]*")


class Sabotage(msgspec.Struct, frozen=True, kw_only=True):
    """A mechanism that can be switched off, and the guarantees that must then be seen to break."""

    mechanism: str
    apply: Callable[[], None]
    guarantees: frozenset[str]
    stores: frozenset[StoreKind]
    """The stores that have such a mechanism."""


def _put(place: Any, name: str, value: Any) -> None:
    """Replace something in the process under test; what is not there is a sabotage that does nothing."""
    if not hasattr(place, name):
        raise AssertionError(f"{place} has no {name} to sabotage")
    setattr(place, name, value)


# -- stops


def _as_queued(engine: Engine, customer: Customer, message: Message, now: int) -> Chosen:
    """Let a message leave as it was decided when it was queued."""
    return Chosen(action=message.action, about=message.about, due_at=message.due_at)


def no_second_decision() -> None:
    """Let messages leave without another look at the hand-over."""
    _put(deliver, "judge", _as_queued)


def no_look_at_all() -> None:
    """Neither withdraw what a stop forbids nor look again at the hand-over."""
    _put(react, "recheck", lambda engine, customer, now: [])
    no_second_decision()


def nothing_listed() -> None:
    """Answer stops without the list of what is on its way."""
    follow = ingest._follow
    _put(ingest, "_follow", lambda *given: ([], follow(*given)[1]))


def brake_not_told() -> None:
    """Keep brakes in the store, and tell nobody who decides."""
    _put(
        brake,
        "_put",
        lambda engine, brakes: engine.store.save_setting(
            brake.SETTING, msgspec.json.encode(brakes)
        ),
    )


def holds_ignored() -> None:
    """Let no open matter hush anything."""
    _put(layers, "check_holds", lambda rule, about, at: None)


# -- permission


def nothing_asked_of_consent() -> None:
    """Permit everything to everybody."""
    _put(layers, "check_permission", lambda consents, **asked: None)


def claims_permit() -> None:
    """Take what somebody claims for what a source vouches for."""
    combine = consent.combine_consents
    _put(
        fold,
        "combine_consents",
        lambda parts, attached, *, joined_at: combine([*parts, *attached], [], joined_at=joined_at),
    )


def latest_word_wins() -> None:
    """Let the latest word of any part win, instead of the most restrictive."""
    _put(
        consent,
        "_stricter",
        lambda key, one, other, joined_at: one if one.is_later_than(other) else other,
    )


# -- pressure


def no_caps() -> None:
    """Count no contacts."""
    _put(layers, "check_cap", lambda cap, contacts, *, now: None)


def slots_from_the_outcome() -> None:
    """Let a contact occupy its slot only once its outcome is known, and not from the attempt."""
    _put(
        layers,
        "check_cap",
        lambda cap, contacts, *, now: check_cap(
            cap, [one for one in contacts if one.settled_at], now=now
        ),
    )


# -- the hand-over


def sent_before_the_commit() -> None:
    """Call providers within the transaction that says so, and not after it."""
    begin, send = Runtime._begin_due, Runtime._send_begun

    def begin_and_send(self: Runtime, engine: Engine, now: int) -> None:
        begin(self, engine, now)
        send(self, engine, now)

    _put(Runtime, "_begin_due", begin_and_send)


def promotions_tried_again_at_start() -> None:
    """At a start, hand over again whatever was on its way, promotions too."""

    def resume(engine: Engine, now: int) -> None:
        for message in engine.store.load_messages_in(["leaving"], limit=1_000_000):
            queued = msgspec.structs.replace(message, state="queued", due_at=now)
            engine.save_message(deliver.customer_of(engine, message), queued)

    _put(recover, "resume_interrupted", resume)


def services_left_at_start() -> None:
    """At a start, leave whatever was on its way as it is."""
    _put(recover, "resume_interrupted", lambda engine, now: None)


def unclear_tried_again() -> None:
    """Take an outcome that nobody knows for one that surely did not arrive."""
    settle = deliver.settle

    def settle_boldly(engine: Engine, message_id: str, result: SendResult, now: int) -> None:
        if isinstance(result, Unclear):
            result = Postponed(detail=result.detail)
        settle(engine, message_id, result, now)

    _put(deliver, "settle", settle_boldly)


def a_key_for_each_attempt() -> None:
    """Give each attempt a name of its own."""
    compose: Any = vars(deliver)["compose"]

    def compose_anew(engine: Engine, customer: Customer, message: Message, now: int) -> Any:
        outgoing = compose(engine, customer, message, now)
        if message.attempt_count and not isinstance(outgoing, Gap):
            key = f"{outgoing.idempotency_key}-{message.attempt_count}"
            return msgspec.structs.replace(outgoing, idempotency_key=key)
        return outgoing

    _put(deliver, "compose", compose_anew)


# -- what is kept


def everything_is_new() -> None:
    """Take an event again that was taken before."""
    _put(ingest, "claim", lambda engine, event: True)


def commits_gathered() -> None:
    """Answer before the commit: many transactions are committed as one."""
    begin, commit, numbers = Session.begin, Session.commit, count(1)

    def begin_late(self: Session) -> None:
        if not self.connection.in_transaction:
            begin(self)
            return
        self.in_transaction = True
        self._owner = get_ident()

    def commit_late(self: Session) -> None:
        number = next(numbers)
        # A store is opened as it should be; from then on many transactions wait for one commit.
        if number < COMMITS_AT_START or number % COMMITS_GATHERED == 0:
            commit(self)
            return
        self.flush()
        self.in_transaction = False

    _put(Session, "begin", begin_late)
    _put(Session, "commit", commit_late)


def states_behind_the_mark() -> None:
    """Say of states that they are written, and write only some."""
    save, numbers = Derived.save_states, count(1)

    def save_some(self: Derived, rows: Any, *, mark: int) -> None:
        save(self, [row for row in rows if next(numbers) % 3], mark=mark)

    _put(Derived, "save_states", save_some)


def decisions_unrecorded() -> None:
    """Answer some questions without keeping the decision."""
    decide, numbers = Engine.decide, count(1)

    def decide_quietly(self: Engine, customer: Customer, request: Any, now: int) -> Any:
        if next(numbers) % 50:
            return decide(self, customer, request, now)
        return self.look(customer, request, now, decision_id=self.store.next_decision_id() + 10**9)

    _put(Engine, "decide", decide_quietly)


def traces_without_contacts() -> None:
    """Keep decisions without the contacts that they rested on."""
    encode = engine.encode_trace

    def encode_less(decision: Any) -> bytes:
        facts = msgspec.structs.replace(decision.facts, contacts=())
        return encode(msgspec.structs.replace(decision, facts=facts))

    _put(engine, "encode_trace", encode_less)


# -- answers


def old_findings() -> None:
    """Answer from what conditions came to before the last events."""
    evaluate, known = Engine.evaluate, dict[int, tuple[int, Findings]]()

    def evaluate_rarely(self: Engine, customer: Customer, now: int) -> Findings:
        kept = known.get(customer.customer_id)
        if kept is None or now - kept[0] > 500_000:
            kept = known[customer.customer_id] = now, evaluate(self, customer, now)
        return kept[1]

    _put(Engine, "evaluate", evaluate_rarely)


def answers_never_renewed() -> None:
    """Let the answer in force stand whatever happens."""
    _put(Engine, "still_stands", lambda self, customer, now: customer.standing is not None)


# -- who is who, and who is forgotten


def evidence_unheeded() -> None:
    """Keep the evidence on who is who, and regroup nobody."""
    _put(Customers, "regroup", lambda self, groups, links: [])


def late_events_of_the_forgotten() -> None:
    """Take events of people who were forgotten."""
    _put(ingest, "leave_out_forgotten", lambda engine, events: events)


def nothing_erased() -> None:
    """Say that somebody is forgotten, and erase nothing."""
    _put(
        Erasure,
        "erase_parts",
        lambda self, part_ids: ErasedCounts(events=0, decisions=0, messages=0),
    )


# -- several nodes


def customers_not_locked() -> None:
    """Read a customer's version, and let others change the customer meanwhile."""

    def take_no_lock(self: Locks, name: str, ids: list[int]) -> dict[int, int]:
        rows = self._session.write(_LOCKS.sub("", self._queries[name]), (ids,))
        return dict(rows)

    _put(Locks, "_take", take_no_lock)


def versions_not_raised() -> None:
    """Change customers, and let other nodes believe what they hold of them in memory."""
    _put(Locks, "raise_versions", lambda self, customer_ids: None)


def control_not_looked_at() -> None:
    """Work by the brakes and the brand that a node knew first."""
    known: list[int] = []
    version = Control.control_version

    def first_version(self: Control) -> int:
        if not known:
            known.append(version(self))
        return known[0]

    _put(Control, "control_version", first_version)


def clocks_of_their_own() -> None:
    """Let each node go by its own clock, however wrong it is."""
    _put(Control, "read_clock", lambda self: 0)


def promotions_of_others_tried_again() -> None:
    """Hand over again what another node was handing over, promotions too."""

    def resume(engine: Engine, gone: Any, now: int) -> int:
        for message in deliver.held_of(
            engine, engine.store.load_messages_in(["leaving"], limit=99)
        ):
            customer, newest = deliver.look_up(engine, message)
            if newest is not None and newest.state == "leaving" and newest.node in gone:
                queued = msgspec.structs.replace(newest, state="queued", due_at=now)
                engine.save_message(customer, queued)
        return 0

    _put(nodes, "resume_from_others", resume)


def replica_not_waited_for() -> None:
    """Do nothing here: it is the cluster that lets commits return before the replica has them."""


def _sabotage(
    mechanism: str,
    apply: Callable[[], None],
    *guarantees: str,
    stores: Iterable[StoreKind] = ("sqlite",),
) -> Sabotage:
    return Sabotage(
        mechanism=mechanism,
        apply=apply,
        guarantees=frozenset(guarantees),
        stores=frozenset(stores),
    )


BOTH: Final[tuple[StoreKind, ...]] = ("sqlite", "postgres")
NODES: Final[tuple[StoreKind, ...]] = ("postgres",)


SABOTAGES: Final[dict[str, Sabotage]] = {
    one.apply.__name__: one
    for one in (
        _sabotage("the second decision at the hand-over", no_second_decision, "G1", "G3"),
        _sabotage("withdrawal and second decision together", no_look_at_all, "G1"),
        _sabotage("the list of what is in flight", nothing_listed, "G1", stores=BOTH),
        _sabotage("brakes in force at once", brake_not_told, "G1"),
        _sabotage("holds", holds_ignored, "G1", "G5"),
        _sabotage("the basis", nothing_asked_of_consent, "G1", "G2"),
        _sabotage("claims permit nothing", claims_permit, "G1", "G2"),
        _sabotage("the most restrictive word wins", latest_word_wins, "G1"),
        _sabotage("caps", no_caps, "G3"),
        _sabotage("a slot from the attempt on", slots_from_the_outcome, "G3"),
        _sabotage("`leaving` is durable before the call", sent_before_the_commit, "G4"),
        _sabotage("no promotion again at a start", promotions_tried_again_at_start, "G4"),
        _sabotage("services again at a start", services_left_at_start, "G4"),
        _sabotage("no promotion again after an unclear call", unclear_tried_again, "G4"),
        _sabotage("one key for all attempts", a_key_for_each_attempt, "G4"),
        _sabotage("de-duplication", everything_is_new, "G9", stores=BOTH),
        _sabotage("the commit before the answer", commits_gathered, "G9"),
        _sabotage("the mark of states written behind", states_behind_the_mark, "G9", "G5"),
        _sabotage("every decision on record", decisions_unrecorded, "G9"),
        _sabotage("the whole trace", traces_without_contacts, "G7"),
        _sabotage("findings end with an event", old_findings, "G5"),
        _sabotage("an answer ends with what changes it", answers_never_renewed, "G4"),
        _sabotage("grouping by the evidence", evidence_unheeded, "G10"),
        _sabotage("late events of the forgotten", late_events_of_the_forgotten, "G11"),
        _sabotage("erasure", nothing_erased, "G11"),
        _sabotage("the customer's lock", customers_not_locked, *ANY, stores=NODES),
        _sabotage("the customer's version", versions_not_raised, *ANY, stores=NODES),
        _sabotage("the control version", control_not_looked_at, "G1", "G5", stores=NODES),
        _sabotage("the clock that nodes share", clocks_of_their_own, *ANY, stores=NODES),
        _sabotage(
            "no promotion again of another node's",
            promotions_of_others_tried_again,
            "G4",
            stores=NODES,
        ),
        _sabotage("the synchronous replica", replica_not_waited_for, "G9", "G7", stores=NODES),
    )
}
