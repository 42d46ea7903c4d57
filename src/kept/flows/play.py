"""Play a story and say, step by step, where what happened differs from what must happen."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kept.core import story as st
from kept.core.brand.units import parse_duration
from kept.core.bundle import Bundle
from kept.core.decision import Decision, Request
from kept.core.event import Identifier
from kept.core.facts import View, read_facts
from kept.core.message import Message
from kept.core.reason import NotEligible, code_of
from kept.core.touchpoint_item import WireItem
from kept.core.values import format_instant, parse_instant
from kept.errors import InputError
from kept.flows.ask import Answer, ContactAnswer, ContactQuestion, Question, Refusal
from kept.flows.engine import decode_trace
from kept.flows.import_events import settle_import
from kept.flows.ingest import Ingested
from kept.flows.play_people import approve, compare_people, contest_decision, do_breach
from kept.flows.stage import HandedOver, Stage
from kept.ports import Store


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One expectation that was not met."""

    step: int
    at: str
    what: str
    expected: str
    seen: str

    def __str__(self) -> str:
        """Return the difference as two lines under a heading."""
        return (
            f"step {self.step} ({self.at}): {self.what}\n"
            f"    expected {self.expected}\n    seen     {self.seen}"
        )


def play(
    story: st.Story, bundle: Bundle, store: Store, *others: Store
) -> tuple[list[Difference], Stage]:
    """Play a story on an empty store; return what differs (nothing, if it holds) and the stage.

    `others` are what further nodes see the same store through: they hear and are asked in turn.
    """
    now = parse_instant(story.clock)
    if now is None:
        message = (
            f"the story's clock {story.clock!r} is not an instant such as 2026-03-02T09:00:00Z"
        )
        raise InputError(message)
    stage = Stage(bundle, store, *others, now=now, shadow=story.shadow, watched=story.watched)
    player = _Player(stage)
    for number, step in enumerate(story.steps, start=1):
        player.take(number, step)
    player.check_never(story.never)
    return player.differences, player.stage


class _Player:
    """What a story needs to remember between its steps."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.differences: list[Difference] = []
        self._step = 0
        self._who = ""
        self._answers: dict[str, Answer | ContactAnswer] = {}
        self._answer: Answer | ContactAnswer | None = None
        self._asked = ""
        self._ingested: Ingested | None = None
        self._seen_messages = 0
        self._seen_withdrawn: set[str] = set()

    def take(self, number: int, step: st.Step) -> None:
        """Let time pass to a step, let it happen, and compare."""
        self._step = number
        try:
            self._advance(step.at)
            self._do(step)
        except InputError as error:
            self._differ("what happens", "that it is taken", str(error))
        if step.expect is not None:
            self._compare(step.expect)

    def _differ(self, what: str, expected: object, seen: object) -> None:
        self.differences.append(
            Difference(
                step=self._step,
                at=format_instant(self.stage.now),
                what=what,
                expected=str(expected),
                seen=str(seen),
            )
        )

    def _advance(self, at: str) -> None:
        if at:
            until = self._instant(at)
            if until < self.stage.now:
                message = f"the step's time {at} lies before the step before it"
                raise InputError(message)
            self.stage.advance(until)

    def _instant(self, text: str) -> int:
        if text[:1] in "+-":
            sign = -1 if text[0] == "-" else 1
            return self.stage.now + sign * parse_duration(text[1:].strip())
        instant = parse_instant(text)
        if instant is None:
            message = f"{text!r} is neither an instant nor an offset such as `+2 days`"
            raise InputError(message)
        return instant

    # -- what happens

    def _do(self, step: st.Step) -> None:
        if step.history:
            for signal in step.history:
                self._hear(signal, silent=True)
            with self.stage.transaction():
                settle_import(self.stage.engine, self.stage.now)
            self.stage.work()
        for signal in (*((step.signal,) if step.signal else ()), *step.signals):
            self._hear(signal, silent=False)
        if step.ask is not None:
            self._ask(step.ask)
        if step.control is not None:
            self._control(step.control)
        if step.feedback is not None:
            told = step.feedback
            self.stage.feed_back(told.action, told.outcome, machine=told.machine, hard=told.hard)
        if step.approve is not None:
            approve(self.stage, step.approve, self._who)
        if step.contest is not None:
            contest_decision(self.stage, step.contest, self._who)
        if step.breach is not None:
            since = self._instant(step.breach.since) if step.breach.since else self.stage.now
            do_breach(self.stage, step.breach, since)

    def _hear(self, signal: st.Signal, *, silent: bool) -> None:
        every = parse_duration(signal.every) if signal.every else 0
        started = self.stage.now
        occurred = self._instant(signal.occurred) if signal.occurred else None
        for repetition in range(signal.times):
            at = occurred
            if silent and occurred is not None:
                at = occurred + repetition * every
            elif not silent and repetition:
                self.stage.advance(started + repetition * every)
            item = _item_of(signal, at or self.stage.now, repetition + 1)
            self._ingested = self.stage.signal(
                item, source=signal.source, body=_numbered(signal.body, repetition + 1)
            )
        self._who = _who_of(signal) or self._who

    def _ask(self, ask: st.Ask) -> None:
        self._asked = ask.action
        if ask.identifiers:
            self._who = ":".join(next(iter(ask.identifiers.items())))
        source = ask.source
        if ask.may_i:
            self._answer = self.stage.ask_contact(
                ContactQuestion(
                    identifiers=ask.identifiers,
                    entity=ask.entity,
                    purpose=ask.purpose,
                    channel=ask.channel,
                    action=ask.action,
                    kind=ask.kind,
                    reported=ask.reported,
                ),
                source=source,
            )
        else:
            self._answer = self.stage.ask(
                Question(
                    placement=ask.placement,
                    identifiers=ask.identifiers,
                    proven=ask.proven,
                    actions=(ask.action,) if ask.action else (),
                    about=ask.about,
                ),
                source=source,
            )
        if ask.label:
            self._answers[ask.label] = self._answer

    def _control(self, control: st.Control) -> None:
        if control.pause:
            self.stage.pause(control.pause)
        if control.resume:
            self.stage.resume(control.resume)
        if control.unmerge:
            self.stage.unmerge(*(_identifier(text) for text in control.unmerge))
        if control.provider:
            self.stage.providers[control.channel] = control.provider

    # -- what must be true

    def _compare(self, expect: st.Expect) -> None:
        self._compare_messages(expect)
        self._compare_withdrawn(expect)
        if expect.queued is not None:
            queued = self.stage.store.load_messages_in(["queued", "leased"], limit=1000)
            self._match("queued", expect.queued, queued, exact=True)
        if expect.in_flight is not None and self._ingested is not None:
            seen = tuple(one.action for one in self._ingested.in_flight)
            if sorted(seen) != sorted(expect.in_flight):
                self._differ("in flight", list(expect.in_flight), list(seen))
        if expect.answer is not None:
            self._compare_answer(expect.answer)
        who = expect.customer or self._who
        if expect.reasons:
            self._compare_reasons(expect.reasons, who)
        if expect.profile:
            self._compare_profile(expect.profile, who)
        self._compare_people(expect)
        for difference in compare_people(self.stage, expect):
            self._differ(*difference)
        alerts = self.stage.take_alerts()
        if expect.alerts is not None and sorted(alerts) != sorted(expect.alerts):
            self._differ("alerts", list(expect.alerts), alerts)

    def _compare_messages(self, expect: st.Expect) -> None:
        new = self.stage.handed_over[self._seen_messages :]
        self._seen_messages = len(self.stage.handed_over)
        left = list(new)
        for wanted in expect.messages:
            found = [one for one in left if self._is(one, wanted)]
            if len(found) != wanted.count:
                self._differ(
                    "messages", _describe(wanted), [_describe_message(one) for one in new] or "none"
                )
            for one in found:
                left.remove(one)
        if expect.silence and left:
            self._differ(
                "silence", "nothing (else) handed over", [_describe_message(one) for one in left]
            )

    def _is(self, seen: HandedOver, wanted: st.Seen) -> bool:
        outgoing = seen.outgoing
        text = f"{outgoing.subject}\n{outgoing.text}\n{outgoing.html}"
        return (
            self._fits(seen.message, wanted)
            and all(part in text for part in wanted.says)
            and not any(part in text for part in wanted.not_says)
        )

    def _fits(self, message: Message, wanted: st.Seen) -> bool:
        return (
            message.action == wanted.action
            and wanted.channel in ("", message.channel)
            and wanted.about in ("", message.about)
            and (not wanted.reason or (message.reason or {}).get("code") == wanted.reason)
            and (not wanted.customer or self._is_for(message, wanted.customer))
        )

    def _is_for(self, message: Message, who: str) -> bool:
        customer = self.stage.find(_identifier(who))
        return customer is not None and message.part_id in customer.parts

    def _compare_withdrawn(self, expect: st.Expect) -> None:
        gone = self.stage.store.load_messages_in(["withdrawn", "expired"], limit=10_000)
        new = [one for one in gone if one.message_id not in self._seen_withdrawn]
        self._seen_withdrawn |= {one.message_id for one in new}
        self._match("withdrawn", expect.withdrawn, new, exact=False)

    def _match(
        self, what: str, wanted: Sequence[st.Seen], seen: list[Message], *, exact: bool
    ) -> None:
        left = list(seen)
        described = [
            f"{m.action} on {m.channel} ({(m.reason or {}).get('code', m.state)})" for m in seen
        ]
        for one in wanted:
            found = [message for message in left if self._fits(message, one)]
            if len(found) != one.count:
                self._differ(what, _describe(one), described or "none")
            for message in found:
                left.remove(message)
        if exact and left:
            self._differ(what, "no others", [f"{one.action} on {one.channel}" for one in left])

    def _compare_answer(self, wanted: st.Answer) -> None:
        answer = self._answer
        if answer is None:
            self._differ("answer", "that something was asked", "nothing was")
            return
        seen = _seen_in(answer, self._asked)
        for name in ("silence", "allowed", "reason", "because", "until", "action"):
            expected = getattr(wanted, name)
            if expected not in ("", None) and seen.get(name) != expected:
                self._differ(f"answer.{name}", expected, f"{seen.get(name)!r} in {seen}")
        shown = seen["shown"]
        if wanted.shown and tuple(shown) != wanted.shown:
            self._differ("answer.shown", list(wanted.shown), shown)
        if wanted.shown_max is not None and len(shown) > wanted.shown_max:
            self._differ("answer.shown_max", wanted.shown_max, shown)
        if wanted.asks is not None and sorted(seen["asks"]) != sorted(wanted.asks):
            self._differ("answer.asks", list(wanted.asks), seen["asks"])
        self._compare_words(wanted, answer)
        if wanted.same_as:
            other = _seen_in(self._answers[wanted.same_as], self._asked)
            if other.get("action") != seen.get("action"):
                self._differ("answer.same_as", other.get("action"), seen.get("action"))

    def _compare_words(self, wanted: st.Answer, answer: Answer | ContactAnswer) -> None:
        text = msgspec.json.encode(answer).decode()
        for part in wanted.says:
            if part not in text:
                self._differ("answer.says", part, text)
        for part in wanted.not_says:
            if part in text:
                self._differ("answer.not_says", part, text)

    def _compare_reasons(self, wanted: Mapping[str, str], who: str) -> None:
        decision = self._newest_decision(who)
        for action, code in wanted.items():
            seen = _reason_for(decision, action)
            if seen != code:
                self._differ(f"reason for {action}", code, seen)

    def _newest_decision(self, who: str) -> Decision | None:
        customer = self.stage.find(_identifier(who))
        if customer is None:
            return None
        # Looking again about one message is no decision of what comes next.
        for row in self.stage.store.read_decisions(list(customer.parts), newest=50):
            decision = decode_trace(row.trace)
            if not decision.request.message_id and decision.request.outside is None:
                return decision
        return None

    def _compare_profile(self, wanted: Mapping[str, Any], who: str) -> None:
        customer = self.stage.find(_identifier(who))
        if customer is None:
            self._differ("profile", f"that {who} is known", "nobody")
            return
        engine = self.stage.engine
        with self.stage.transaction():
            decision = engine.look(customer, Request(), self.stage.now)
        plan = engine.bundle.fact_plan
        facts = read_facts(
            plan,
            customer.total(engine.plan),
            None,
            view=View(),
            identifiers=customer.identifiers,
            customer_id=customer.customer_id,
            now=self.stage.now,
        )
        known = dict(zip(plan.names, facts.values, strict=True)) | {"cohort": decision.cohort}
        for name, expected in wanted.items():
            seen = known.get(name, "no such fact")
            if seen != expected and not _is_same_instant(seen, expected):
                self._differ(f"profile: {name}", expected, seen)

    def _compare_people(self, expect: st.Expect) -> None:
        same = {who: self.stage.find(_identifier(who)) for who in expect.same_customer}
        ids = {who: found.customer_id if found else None for who, found in same.items()}
        if len(set(ids.values())) > 1 or None in ids.values():
            self._differ("same customer", list(ids), ids)
        others = {who: self.stage.find(_identifier(who)) for who in expect.different_customers}
        other_ids = [found.customer_id if found else None for found in others.values()]
        if len(set(other_ids)) != len(other_ids):
            self._differ("different customers", list(others), other_ids)

    def check_never(self, never: Sequence[st.Seen]) -> None:
        """Compare everything that was handed over with what must never be."""
        self._step = 0
        for unwanted in never:
            for one in self.stage.handed_over:
                if self._is(one, unwanted):
                    self._differ("never", f"not {_describe(unwanted)}", _describe_message(one))


def _item_of(signal: st.Signal, at: int, number: int) -> WireItem:
    context = dict(_numbered(signal.context, number))
    if signal.identifiers:
        context["externalIds"] = [
            {"id": value, "type": namespace}
            for namespace, value in _numbered(signal.identifiers, number).items()
        ]
    is_page = signal.type in ("page", "screen")
    return WireItem(
        type=signal.type,
        event=signal.event or None,
        name=signal.properties.get("name") if is_page else None,
        user_id=signal.user_id or None,
        anonymous_id=signal.anonymous_id or None,
        message_id=f"{signal.message_id}-{number}" if signal.message_id else None,
        timestamp=at / 1_000_000,
        properties=_numbered(signal.properties, number) or None,
        traits=_numbered(signal.traits, number) or None,
        context=context or None,
    )


def _numbered(value: Any, number: int) -> Any:
    if isinstance(value, str):
        return value.replace("{n}", str(number))
    if isinstance(value, dict):
        return {key: _numbered(each, number) for key, each in value.items()}
    if isinstance(value, list):
        return [_numbered(each, number) for each in value]
    return value


def _who_of(signal: st.Signal) -> str:
    if signal.user_id:
        return f"user_id:{signal.user_id}"
    for namespace, value in signal.identifiers.items():
        return f"{namespace}:{value}"
    return f"anonymous_id:{signal.anonymous_id}" if signal.anonymous_id else ""


def _identifier(text: str) -> Identifier:
    namespace, _, value = text.partition(":")
    return Identifier(namespace, value)


def _describe(wanted: st.Seen) -> str:
    told = {key: value for key, value in msgspec.structs.asdict(wanted).items() if value}
    return ", ".join(f"{key} {value!r}" for key, value in told.items())


def _describe_message(seen: HandedOver) -> str:
    outgoing = seen.outgoing
    return (
        f"{outgoing.action} on {outgoing.channel} at {format_instant(seen.at)}: "
        f"{outgoing.subject} | {outgoing.text}"
    )


def _seen_in(answer: Answer | ContactAnswer, asked: str) -> dict[str, Any]:
    if isinstance(answer, ContactAnswer):
        refusals: tuple[Refusal, ...] = (answer.refused,) if answer.refused else ()
        seen: dict[str, Any] = {"allowed": answer.allowed, "shown": [], "asks": []}
    else:
        refusals = answer.refused
        shown = [one.action for one in answer.shown]
        best = next((one.action for one in answer.shown if one.recommended), None)
        seen = {
            "silence": answer.silence,
            "allowed": asked in answer.allowed,
            "shown": shown,
            "asks": list(answer.asks),
            "action": best or (shown[0] if shown else next(iter(answer.allowed), "")),
        }
        if asked and answer.refused:
            seen["action"] = asked
    for refused in refusals:
        if refused.action == asked or isinstance(answer, ContactAnswer):
            seen |= {"reason": refused.code, "because": refused.because, "until": refused.until}
    return seen


def _reason_for(decision: Decision | None, action: str) -> str:
    if decision is None:
        return "no decision"
    if any(one.action == action for one in decision.chosen):
        return "chosen"
    for one in decision.considered:
        if one.action == action and one.reason is not None:
            return code_of(one.reason)
    return code_of(NotEligible())


def _is_same_instant(seen: object, expected: object) -> bool:
    return isinstance(seen, int) and isinstance(expected, str) and parse_instant(expected) == seen
