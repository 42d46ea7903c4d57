"""What every flow works on: the store, the working set, the brand in force and the controls.

One engine runs on one thread at a time, the writer's. It holds no behaviour of its own but the
bookkeeping that several flows share: ids, counters, and what changed since the last tick.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from kept.core.bundle import Bundle
from kept.core.checkpoint import KeyPeriod
from kept.core.consent import CONSENT_EVENTS
from kept.core.data_map.given import Given
from kept.core.decide import decide, evaluate, find_next_change, findings_of, mask_of
from kept.core.decision import Controls, Decision, OpenMessage, Request
from kept.core.event import SOURCE_SELF, Event, Identifier
from kept.core.facts import find_address, read_facts
from kept.core.fold.fold import OWN_EVENTS, FoldPlan
from kept.core.layers import DRAWS
from kept.core.message import IN_FLIGHT_STATES, Message
from kept.core.reason import Reason
from kept.core.record import is_recorded
from kept.core.reevaluate import evaluate_known, reevaluate
from kept.core.rules import Findings, Policy
from kept.core.standing import (
    are_alike,
    is_waiting,
    next_end_of_answer,
    next_end_of_caps,
    next_end_of_offers,
    next_end_of_reasons,
)
from kept.core.suppression import changed_scopes, speaks_of_permission, wishes_of
from kept.core.values import HOUR, NEVER
from kept.flows.customers import Customer, Customers, Standing
from kept.flows.guard import keep_stop
from kept.flows.note_in_log import note_consent
from kept.flows.note_regrouped import note_regrouped
from kept.flows.preparation import Preparation
from kept.flows.shared_customers import SharedCustomers
from kept.ports import Store
from kept.shared_port import NO_NODE, Node

NEWS_MAX: Final = 2_000
NOTHING_KNOWN: Final = -1
ALERTS_MAX: Final = 200

encode_trace = msgspec.msgpack.Encoder().encode
_decode_trace = msgspec.msgpack.Decoder(Decision).decode


class Noted(msgspec.Struct, frozen=True):
    """What an engine noted in memory alone, as of the last commit."""

    counts: Counter[tuple[str, ...]]
    alerts: list[dict[str, Any]]
    news: list[dict[str, Any]]
    heard_at: dict[str, int]
    outgrown: set[str]


class Watched(msgspec.Struct):
    """What a node did last, and when, of what it does now and then."""

    written: dict[str, int] = {}
    """When each source was heard, as this node last wrote it down."""
    written_at: int = 0
    compared_at: int = 0
    attended_at: int = 0
    """When it last looked after other nodes."""


class Engine:
    """One brand at work on one store."""

    def __init__(
        self, store: Store, bundle: Bundle, *, secret: bytes, public_url: str, shadow: bool = False
    ) -> None:
        """Take a store whose states are as recovered as `flows.recover` leaves them.

        Args:
            secret: signs unsubscribe links.
            public_url: where customers reach this server, for links in messages.
            shadow: decide and record, and send nothing.
        """
        self.store = store
        self.secret = secret
        self.public_url = public_url
        self.bundle = bundle
        kind = SharedCustomers if store.is_shared else Customers
        self.customers: Customers = kind(store, bundle.fold_plan)
        self.controls = Controls()
        self.shadow = shadow
        self.heard_through = store.last_sequence()
        """The newest event of the stream, as far as this process took or found it."""
        self.keeps_records = True
        """False where what was recorded before is played again: what is said of consent is in the
        consent log, in the guard and in the notices of tools already."""
        self.is_live = True
        """Whether messages and tools are really reached; otherwise all of it becomes files."""
        self.log_periods: tuple[KeyPeriod, ...] = ()
        """The public keys of the consent log, oldest first; empty until `sign_log.open_log`."""
        self.may_be_due = False
        """Whether a message may be due that the last look at what is due did not see."""
        self.unforgotten: set[tuple[tuple[Identifier, ...], int]] = set()
        """Ways of naming somebody that no tombstone stands for (see `forget`)."""
        self.heard_at: dict[str, int] = {}
        """Source -> when it was last heard."""
        self.stale_sources: list[str] = []
        self.campaign: tuple[Any, list[int]] | None = None
        """The newest campaign and whom it wakes, in order (see `flows.campaign`)."""
        self.watched = Watched()
        self.alerts: list[dict[str, Any]] = []
        """What an operator must hear of, newest last."""
        self.outgrown: set[str] = set()
        """What an operator was told of that outgrew what is remembered of one customer."""
        self.counts: Counter[tuple[str, ...]] = Counter()
        """What happened since the start: ("events", source), ("reasons", code) …; never a customer's data."""
        self.keep_decision: Callable[[Customer, Decision], None] = self._append_decision
        """What is done with each decision that was made."""
        self.news: list[dict[str, Any]] = []
        """What the terminal and the status page show live, newest last; bounded by the reader."""
        self.preparation: Preparation | None = None
        """The brand that is on its way into force at all nodes, where there are several."""
        self.given: dict[str, Given] = {}
        """Version of a brand -> what its actions say of customers, while a breach is searched."""
        self.node_id = NO_NODE
        self.nodes: list[Node] = []
        """Who shares the store, as this node last saw it."""
        self.control_version = NOTHING_KNOWN
        """By which version of what all nodes must know this engine works."""
        self.also_takes_up: list[Callable[[Engine], None]] = []
        """What else works by what all nodes must know, and is told when it changed."""
        self.noted = Noted(self.counts, self.alerts, self.news, self.heard_at, self.outgrown)
        """What people are shown of the above: as of the last commit, where work may be done again."""

    def keep_noted(self) -> None:
        """Let what was noted in memory count: what it tells of is durable."""
        if not self.store.is_shared:
            # Work is never done again: it is shown as it is.
            return
        self.noted = Noted(
            Counter(self.counts),
            list(self.alerts),
            list(self.news),
            dict(self.heard_at),
            set(self.outgrown),
        )

    def drop_noted(self) -> None:
        """Forget what was noted in memory since the last commit: it did not happen."""
        noted = self.noted
        self.counts = Counter(noted.counts)
        self.alerts, self.news = list(noted.alerts), list(noted.news)
        self.heard_at, self.outgrown = dict(noted.heard_at), set(noted.outgrown)
        self.unforgotten.clear()
        self.watched = Watched()
        self.may_be_due = True

    @property
    def plan(self) -> FoldPlan:
        """Return the fold in use: the brand's, and while another is prepared, both."""
        return self.customers.plan

    def look(
        self, customer: Customer, request: Request, now: int, *, decision_id: int = 0
    ) -> Decision:
        """Decide without keeping a trace, to see what comes next; nothing may follow from it."""
        bundle = self.bundle
        restricting = customer.restricting(self.plan)
        facts = read_facts(
            bundle.fact_plan,
            customer.total(self.plan),
            restricting,
            view=customer.view,
            identifiers=customer.identifiers,
            customer_id=customer.customer_id,
            now=now,
        )
        return decide(
            facts,
            request,
            bundle.policy,
            self.controls,
            customer_id=customer.customer_id,
            now=now,
            decision_id=decision_id,
            # With what is claimed more facts may be unknown, so that all is evaluated again.
            findings=self.evaluate(customer, now) if restricting is None else None,
            permissions=customer.view.permissions_for(bundle.policy, request),
        )

    def evaluate(self, customer: Customer, now: int) -> Findings:
        """Return what all conditions come to just now, remembered until something happens."""
        known = customer.findings
        if known is not None and known[0] == now:
            return known[1]
        bundle, view, state = self.bundle, customer.view, customer.total(self.customers.plan)
        plan, policy = bundle.fact_plan, bundle.policy
        values, objects = view.read(plan, state, now)
        zone = view.person(plan, state, customer.identifiers).zone
        changed, before = view.take_unevaluated(), view.evaluated
        if view.unknown or self.controls.stale_facts:
            evaluated = None
        elif before is None or before.policy is not policy or changed < 0 or now < before.at:
            evaluated = evaluate_known(values, objects, policy, now, zone)
        else:
            evaluated = reevaluate(before, values, objects, changed, now)
        view.evaluated = evaluated
        if evaluated is not None:
            findings = evaluated.findings
        else:
            unknown = mask_of(view.unknown, self.controls.stale_facts)
            findings = evaluate(values, objects, policy, unknown, now, zone)
        customer.findings = (now, findings)
        return findings

    def still_stands(self, customer: Customer, now: int) -> bool:
        """Return whether the answer in force would be given again: then nothing is to be done.

        Whatever a decision looks at besides conditions (consents, contacts, controls …) takes the
        answer out of force when it changes.
        """
        standing = customer.standing
        stands = (
            standing is not None
            and standing.findings is not None
            and now < standing.until
            and not (
                customer.messages
                and any(message.expires_at <= now for message in customer.messages.values())
            )
            and are_alike(
                self.evaluate(customer, now),
                standing.findings,
                standing.decision,
                self.bundle.policy,
            )
        )
        if stands:
            self.note_evaluated(customer, now)
        return stands

    def next_turn(self, customer: Customer, now: int) -> int:
        """Return when a condition next turns by the passing of time, not after now if one has.

        Of facts that did not change it is known already; only those that did are looked at again.
        """
        policy, plan, view = self.bundle.policy, self.bundle.fact_plan, customer.view
        turn, findings = customer.turn, customer.findings
        if (
            turn is not None
            and turn[0] is policy
            and findings is not None
            and findings[0] == now
            and not view.has_turned
        ):
            # Everything was read at this very instant.
            return turn[1]
        state = customer.total(self.plan)
        told, objects = view.read(plan, state, now)
        zone = view.person(plan, state, customer.identifiers).zone
        if turn is not None and turn[0] is policy and turn[1] <= now:
            return turn[1]
        changed = view.take_turned()
        if turn is None or turn[0] is not policy:
            turn, changed = (policy, NEVER), -1
        if changed:
            turn_at = find_next_change(policy, told, objects, now, zone, changed=changed)
            turn = (policy, turn_at if changed < 0 else min(turn[1], turn_at))
            customer.turn = turn
        return turn[1]

    def note_evaluated(self, customer: Customer, now: int) -> None:
        """Note that the standing answer rests on what all conditions come to just now."""
        policy, view, findings = self.bundle.policy, customer.view, customer.findings
        evaluated = view.evaluated
        if (
            evaluated is not None
            and evaluated.policy is policy
            and findings is not None
            and findings[0] == now
        ):
            # When they turn was found out together with what they come to.
            customer.turn = (policy, evaluated.turns_at)
            view.take_turned()
            return
        if customer.turn is not None and customer.turn[1] <= now:
            customer.turn = None
        self.next_turn(customer, now)

    def waits_until(self, standing: Standing, now: int) -> int:
        """Return when to look again where nobody is told that what was waited for has ended, else NEVER.

        Those who wait for a brake or a source look each at a moment of its own, so that nothing
        bursts out when it is lifted or back.
        """
        if not standing.is_waiting:
            return NEVER
        spread, draw = self.bundle.resume_over, standing.decision.facts.draw
        return now + spread // 10 + spread * 9 // 10 * draw // DRAWS

    def decide(self, customer: Customer, request: Request, now: int) -> Decision:
        """Decide and keep the trace."""
        decision_id = self.store.next_decision_id()
        decision = self.look(customer, request, now, decision_id=decision_id)
        # Of a customer whom other nodes fold too, memory may know newer events than this node's own.
        heard_through = max(self.heard_through, *customer.applied.values(), 0)
        decision = msgspec.structs.replace(decision, heard_through=heard_through)
        self.keep_decision(customer, decision)
        self.counts["decisions", "silence" if decision.is_silence else "chosen"] += 1
        return decision

    def _append_decision(self, customer: Customer, decision: Decision) -> None:
        """Keep the trace of a decision in the store."""
        self.store.append_decision(
            part_id=customer.customer_id,
            decided_at=decision.decided_at,
            placement=decision.request.placement,
            trace=encode_trace(decision),
            decision_id=decision.decision_id,
        )

    def append_own(
        self,
        customer: Customer,
        part_id: int,
        name: str,
        properties: dict[str, Any],
        now: int,
        *,
        at: int = 0,
    ) -> Event:
        """Add an event of our own to the stream and fold it; it happened now, or at another instant."""
        sequence = self.store.next_sequence()
        event = Event(
            event_key=sequence,
            message_id=f"kept-{sequence}",
            source=SOURCE_SELF,
            name=name,
            type="track",
            occurred_at=at or now,
            received_at=now,
            claim_hour=now // HOUR,
            properties=properties,
        )
        self.fold(customer, part_id, event)
        return event

    def fold(self, customer: Customer, part_id: int, event: Event, *, silent: bool = False) -> None:
        """Add an event to the stream and to its customer; history (`silent`) wakes nobody."""
        plan = self.customers.plan
        sequence = self.heard_through = self.store.append_event(part_id, event)
        speaks_of_consent = event.name in CONSENT_EVENTS or "gpc" in event.context
        says_anew = (
            speaks_of_consent
            and self.keeps_records
            and is_recorded(event, customer.states[part_id].consents)
        )
        if says_anew:
            note_consent(
                self.store,
                customer.parts[part_id],
                event,
                sequence=sequence,
                before=customer.states[part_id].consents,
                brand=self.bundle.brand,
                categories=plan.categories,
            )
        if self.customers.regrouped:
            self.note_regrouped(event.received_at, silent=silent)
        is_news = not silent and self.keeps_records and speaks_of_permission(event)
        before = wishes_of(customer.total(plan)) if is_news else None
        customer.fold(plan, part_id, event, sequence)
        if before is not None:
            after = wishes_of(customer.total(plan))
            if scopes := changed_scopes(before, after, self.bundle):
                self.store.append_notice(part_id, noted_at=event.received_at, scopes=scopes)
        customer.view.note(self.bundle.fact_plan, event)
        customer.findings = None
        standing = customer.standing
        if standing is not None and (
            event.traits
            or event.name in OWN_EVENTS
            # The first sign of life after an import lets out what the import kept to itself.
            or standing.decision.facts.known_since_import
        ):
            customer.standing = None
        if speaks_of_consent:
            customer.standing = None
        if says_anew:
            keep_stop(self.store, plan, part_id, event)
        self.customers.mark_dirty(part_id, sequence)
        noted = self.customers.imported if silent else self.customers.touched
        noted[customer.customer_id] = customer

    def note_regrouped(self, now: int, *, silent: bool = False) -> None:
        """Note what changed for tools outside because customers became one, or several again."""
        if silent or not self.keeps_records:
            self.customers.regrouped = []
        else:
            note_regrouped(self.store, self.customers, self.bundle, now=now)

    def address_of(self, customer: Customer, channel: str) -> str | None:
        """Return where a channel reaches a customer."""
        state = customer.total(self.plan)
        return find_address(self.bundle.fact_plan, channel, state, customer.identifiers)

    def part_reached(self, customer: Customer, channel: str) -> int:
        """Return the part whose address a channel uses, by which a message counts.

        Should the parts turn out to be two people, it counts for the one whom it reached.
        """
        address = self.address_of(customer, channel)
        if address and len(customer.parts) > 1:
            plan = self.bundle.fact_plan
            for part_id, part in sorted(customer.parts.items()):
                known = {part.identifier.namespace: part.identifier.value}
                own = find_address(plan, channel, customer.states[part_id], known)
                if own == address and not part.claimed:
                    return part_id
        return customer.own_part

    def save_message(self, customer: Customer, message: Message) -> None:
        """Keep a message, in memory only as long as it is open."""
        if message.is_open:
            customer.messages[message.message_id] = message
            self.may_be_due |= message.state == "queued"
        else:
            customer.messages.pop(message.message_id, None)
        self.store.save_messages([message])
        self.customers.note_changed(customer)

    def alert(self, code: str, **detail: Any) -> None:
        """Raise something that an operator must hear of."""
        self.alerts.append({"code": code, **detail})
        del self.alerts[:-ALERTS_MAX]
        self.counts["alerts", code] += 1
        self.tell("alert", code=code, **{k: v for k, v in detail.items() if k != "at"})

    def tell(self, kind: str, **detail: Any) -> None:
        """Note something that people watching want to see."""
        self.news.append({"kind": kind, **detail})
        if len(self.news) > NEWS_MAX:
            del self.news[: NEWS_MAX // 2]


def open_messages_of(customer: Customer) -> tuple[OpenMessage, ...]:
    """Return a customer's open messages as far as a decision must know them."""
    return tuple(
        OpenMessage(m.message_id, m.action, m.about, m.channel, m.state in IN_FLIGHT_STATES)
        for m in customer.messages.values()
    )


def standing_of(
    customer: Customer, decision: Decision, reasons: Sequence[Reason], policy: Policy
) -> Standing:
    """Return a decision, which rests on these reasons, as the answer in force."""
    findings = customer.findings[1] if customer.findings is not None else None
    reasons_until = min(
        next_end_of_reasons(reasons, now=decision.decided_at), next_end_of_caps(decision, policy)
    )
    # What rests on claims as well is decided anew by every event, but its offers end like any others.
    found = findings_of(decision, policy) if findings is None else findings
    until = min(decision.valid_until, reasons_until, next_end_of_offers(decision, found, policy))
    wakes_at = min(reasons_until, next_end_of_answer(decision, found, policy))
    return Standing(decision, findings, until, wakes_at, is_waiting(decision, reasons, policy))


def decode_trace(trace: bytes) -> Decision:
    """Return a stored decision."""
    return _decode_trace(trace)
