"""A decision in plain sentences: for staff all of it, for the customer less, but never false.

Also what would have changed the outcome: the decision is made again with one obstacle out of the
way at a time, by the same code that decided.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from kept.core import reason as why
from kept.core.approval import Approval, approval_key
from kept.core.customer_words import customer_words
from kept.core.decide import decide
from kept.core.decision import Controls, Decision, Facts
from kept.core.policy.zones import find_zone
from kept.core.reason import Reason, code_of
from kept.core.rules import Policy
from kept.core.state import Stamped
from kept.core.values import moment_of


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """A decision explained."""

    outcome: str
    reasons: tuple[str, ...]
    holds: tuple[str, ...]
    would_change: tuple[str, ...]
    """What, if it were otherwise, would have led to another outcome."""


def format_local(instant: int, zone: str | None) -> str:
    """Return an instant on the customer's own clock, in UTC where the zone is unknown."""
    known = find_zone(zone) if zone else None
    if known is None:
        return f"{moment_of(instant):%Y-%m-%d %H:%M} UTC"
    return f"{moment_of(instant + known.offset_at(instant)):%Y-%m-%d %H:%M} ({known.name})"


def explain_reason(reason: Reason, *, zone: str | None) -> str:
    """Return a reason as a sentence for staff."""
    sentence = _STAFF[type(reason)](reason, lambda instant: format_local(instant, zone))
    if reason.until and not isinstance(reason, _TIMED):
        sentence += f" This ends at {format_local(reason.until, zone)}."
    return sentence


def explain_reason_to_customer(reason: Reason, locale: str = "en") -> str:
    """Return a reason as the customer may read it: true, and without the brand's inner workings."""
    words = customer_words(locale)
    return words.get(code_of(reason), words["otherwise"])


def explain(decision: Decision, policy: Policy, *, sentences: dict[str, str]) -> Explained:
    """Explain a stored decision to staff.

    Args:
        sentences: hold -> the sentence that the brand wrote for it, already rendered.
    """
    zone = decision.facts.zone
    return Explained(
        outcome=describe_outcome(decision),
        reasons=tuple(
            f"{_subject(one.action, one.about)}: {explain_reason(one.reason, zone=zone)}"
            for one in decision.considered
            if one.reason is not None
        ),
        holds=tuple(f"{hold}: {sentences.get(hold, '')}".rstrip(": ") for hold in decision.holds),
        would_change=tuple(find_changes(decision, policy)),
    )


def explain_to_customer(
    decision: Decision, *, sentences: dict[str, str], locale: str = "en"
) -> tuple[str, ...]:
    """Return what a customer may read of a decision: each reason once, most telling first."""
    words = customer_words(locale)
    told = [] if decision.is_silence else [words["chosen"]]
    told += [sentences[hold] for hold in decision.holds if sentences.get(hold)]
    told += [
        explain_reason_to_customer(one.reason, locale)
        for one in decision.considered
        if one.reason is not None and code_of(one.reason) in words
    ]
    return tuple(dict.fromkeys(told)) or (words["nothing"],)


def describe_outcome(decision: Decision) -> str:
    """Return what was decided, as one sentence."""
    if decision.is_silence:
        return f"Silence at {decision.request.placement}: nothing beat saying nothing."
    parts = []
    for chosen in decision.chosen:
        how = f" by {chosen.channel}" if chosen.channel else ""
        later = chosen.due_at > decision.decided_at
        due = f", not before {format_local(chosen.due_at, decision.facts.zone)}" if later else ""
        parts.append(f"{_subject(chosen.action, chosen.about)}{how}{due}")
    return f"Chosen at {decision.request.placement}: {'; '.join(parts)}."


def _subject(action: str, about: str) -> str:
    return f"{action} ({about})" if about else action


def replays_alike(decision: Decision, policy: Policy) -> bool:
    """Return whether the same inputs still give the same decision (guarantee G7)."""
    again = decide(
        decision.facts,
        decision.request,
        policy,
        decision.controls,
        customer_id=decision.customer_id,
        now=decision.decided_at,
        decision_id=decision.decision_id,
    )
    again = msgspec.structs.replace(again, heard_through=decision.heard_through)
    return _ENCODE(again) == _ENCODE(decision)


_ENCODE: Final = msgspec.msgpack.Encoder(order="sorted").encode


def find_changes(decision: Decision, policy: Policy) -> list[str]:
    """Return which single obstacles, taken away, would have led to another choice."""
    changes = []
    chosen = [(one.action, one.about) for one in decision.chosen]
    for description, facts, controls in _counterfactuals(decision, policy):
        again = decide(
            facts,
            decision.request,
            policy,
            controls,
            customer_id=decision.customer_id,
            now=decision.decided_at,
            decision_id=decision.decision_id,
        )
        other = [(one.action, one.about) for one in again.chosen]
        if other != chosen:
            then = ", ".join(_subject(*one) for one in other) or "silence"
            changes.append(f"{description}: {then}.")
    return changes


def _counterfactuals(decision: Decision, policy: Policy) -> list[tuple[str, Facts, Controls]]:
    facts, controls = decision.facts, decision.controls
    found = [
        (
            f"Without the brake on {brake.brake}",
            facts,
            msgspec.structs.replace(
                controls, brakes=tuple(other for other in controls.brakes if other != brake)
            ),
        )
        for brake in controls.brakes
    ]
    if controls.stale_facts:
        heard = msgspec.structs.replace(controls, stale_facts=())
        found.append(("If the silent sources had been heard", facts, heard))
    reasons = {code_of(one.reason) for one in decision.considered if one.reason is not None}
    if reasons & {"cap_reached", "resting", "already_contacted", "contacts_unknown"}:
        rested = msgspec.structs.replace(facts, contacts=[], contacts_known_after=0, said={})
        found.append(("If the customer had not been contacted lately", rested, controls))
    if "declined" in reasons:
        undeclined = msgspec.structs.replace(facts, declines={})
        found.append(("If the customer had not declined", undeclined, controls))
    if reasons & {"needs_approval", "approval_refused", "contested"}:
        approved = msgspec.structs.replace(facts, approvals=_approve_all(decision, policy))
        found.append(("If a person had approved it", approved, controls))
    if "breach_notice_due" in reasons:
        told = msgspec.structs.replace(controls, breaches=())
        found.append(("If the customer had been told of the breach", facts, told))
    if "zone_unknown" in reasons:
        placed = msgspec.structs.replace(facts, zone="UTC")
        found.append(("If the customer's time zone were known", placed, controls))
    for kind_index, kind in enumerate(policy.object_kinds):
        if decision.holds and facts.objects[kind_index]:
            rows = [[] if i == kind_index else rows for i, rows in enumerate(facts.objects)]
            without = msgspec.structs.replace(facts, objects=rows)
            found.append((f"If the customer had no {kind}", without, controls))
    return found


def _approve_all(decision: Decision, policy: Policy) -> dict[str, Stamped]:
    """Return an approval of whatever was considered and needs one."""
    at = decision.decided_at
    found = {}
    for one in decision.considered:
        rule = policy.by_name.get(one.action)
        if rule is not None and rule.needs_approval:
            approval = Approval(
                outcome="approved",
                number=0,
                action=one.action,
                about=one.about,
                until=at + 1,
                fingerprint=rule.fingerprint,
            )
            told = msgspec.to_builtins(approval)
            found[approval_key(one.action, one.about)] = Stamped(told, at, 0)
    return found


_TIMED: Final = (
    why.ApprovalRefused,
    why.QuietNow,
    why.AlreadyContacted,
    why.CapReached,
    why.Resting,
    why.Declined,
)

Clock = Callable[[int], str]

_STAFF: Final[dict[type, Callable[[Any, Clock], str]]] = {
    why.NotOfferedHere: lambda r, at: f"It is not offered at {r.placement}.",
    why.AlreadyContacted: lambda r, at: (
        f"The customer got it at {at(r.at)}"
        + (f" and may get it again from {at(r.until)}." if r.until else ", and it comes only once.")
    ),
    why.AlreadyQueued: lambda r, at: f"It is on its way already (message {r.message_id}).",
    why.KnownSinceImport: lambda r, at: (
        "It held already when the customer's history was imported; it waits until they are heard of."
    ),
    why.Declined: lambda r, at: (
        f"The customer declined this offer at {at(r.at)}; it returns by no action before {at(r.until)}."
    ),
    why.NotEligible: lambda r, at: "Its condition does not hold for this customer.",
    why.FactUnknown: lambda r, at: (
        f"It rests on what is unknown just now ({', '.join(r.facts) or 'a value out of range'})."
    ),
    why.HeldOut: lambda r, at: f"The customer is in the control group {r.group!r}.",
    why.Expired: lambda r, at: f"Its time passed at {at(r.at)}; it is never sent late.",
    why.NoBasis: lambda r, at: (
        f"No recorded basis lets {r.entity} use {r.purpose}"
        + (f" on {r.channel}." if r.channel else ".")
    ),
    why.OptedOut: lambda r, at: f"The customer said no to it ({r.scope}).",
    why.GlobalPrivacyControl: lambda r, at: (
        f"The customer's browser opts out of selling and sharing, which {r.purpose} is."
    ),
    why.Restricted: lambda r, at: (
        f"The customer's data has been restricted since {at(r.at)}: it is kept and not used."
    ),
    why.NoAddress: lambda r, at: f"There is no address for {r.channel}.",
    why.AddressClosed: lambda r, at: f"The address for {r.channel} is closed.",
    why.NotProven: lambda r, at: "The customer is recognised, but has not proven who they are.",
    why.Held: lambda r, at: f"It is held by {r.hold!r}.",
    why.HoldUnknown: lambda r, at: (
        f"The hold {r.hold!r} rests on what is unknown just now "
        f"({', '.join(r.facts) or 'a source that fell silent'}), and so counts as on."
    ),
    why.Braked: lambda r, at: f"An operator paused {r.brake}.",
    why.NeedsApproval: lambda r, at: "It waits for a person's approval.",
    why.ApprovalRefused: lambda r, at: (
        f"A person refused it at {at(r.at)}; it is not asked again before {at(r.until)}."
    ),
    why.Contested: lambda r, at: (
        f"The customer contested it at {at(r.at)}; a person looks at it again."
    ),
    why.BreachNoticeDue: lambda r, at: (
        f"It is still being found out whom breach {r.breach} touched; nobody is promoted to before."
        if r.is_searching
        else f"Breach {r.breach} touched the customer, and they hear of that first."
    ),
    why.CapReached: lambda r, at: (
        f"The cap {r.cap!r} is reached with {r.count} contact(s); next free at {at(r.until)}."
    ),
    why.Resting: lambda r, at: (
        f"The customer was contacted in this way at {at(r.at)} and rests until {at(r.until)}."
    ),
    why.QuietNow: lambda r, at: (
        f"It is the customer's quiet time until {at(r.until)}, and then it would be too late."
    ),
    why.ZoneUnknown: lambda r, at: (
        f"The customer's time zone is unknown, so that {r.quiet_hours!r} cannot be told: not now."
    ),
    why.ContactsUnknown: lambda r, at: (
        "More contacts were made than are remembered one by one, so that "
        + (f"the cap {r.cap!r}" if r.cap else "when it was last said")
        + " cannot be told: not now."
    ),
    why.TermsMissing: lambda r, at: f"It cannot be compared: {r.detail}.",
    why.ChoiceLimited: lambda r, at: f"Enough is shown ({r.limit} at most, one of each category).",
    why.NegativeBenefit: lambda r, at: "It would not be to this customer's benefit.",
    why.NotWorthIt: lambda r, at: f"Silence is better: it scores {r.score}.",
    why.Outranked: lambda r, at: f"{r.by} is the better answer (it scores {r.score}).",
    why.MissingValue: lambda r, at: f"Its text lacks {', '.join(r.names)}.",
    why.Readdressed: lambda r, at: "It was meant for another address, and is decided again.",
    why.ProviderRefused: lambda r, at: f"The provider refused it: {r.detail}.",
    why.Shadowed: lambda r, at: "Kept runs in shadow, and sends nothing.",
}
