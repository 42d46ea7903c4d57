"""Read what a query says of one customer back as reasons and choices."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from kept.core.decision import Chosen, Considered, Decision
from kept.core.policy_sql.query import PolicyQuery
from kept.core.policy_sql.reasons import NumberedReason
from kept.core.reason import FactUnknown, HoldUnknown, NotEligible, Outranked, Reason
from kept.core.rules import Policy

_AMOUNTS = {
    "declined": "at",
    "contacted": "at",
    "expired": "at",
    "restricted": "at",
    "refused": "at",
    "contested": "at",
    "cap": "count",
    "resting": "at",
    "benefit": "benefit",
    "score": "score",
}


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided for one customer: as much of `Decision` as does not repeat the question."""

    customer_id: int
    cohort: str | None
    holds: tuple[str, ...]
    considered: tuple[Considered, ...]
    """In the order of actions and objects."""
    answer: str
    answer_about: str
    chosen: tuple[Chosen, ...]


def told_of(decision: Decision) -> Told:
    """Return what the engine decided in the form of what a query says."""
    return Told(
        customer_id=decision.customer_id,
        cohort=decision.cohort,
        holds=decision.holds,
        considered=tuple(sorted(decision.considered, key=lambda one: (one.action, one.about))),
        answer=decision.answer,
        answer_about=decision.answer_about,
        chosen=decision.chosen,
    )


def read_told(query: PolicyQuery, policy: Policy, row: Mapping[str, Any]) -> Told:
    """Return what a query with details says of one customer."""
    considered, chosen = [], []
    for one in row["told"]:
        action = query.actions[one["action"] - 1]
        reason = _reason(query, policy, one)
        considered.append(
            Considered(action=action, about=one["about"], score=int(one["score"]), reason=reason)
        )
        if reason is None:
            chosen.append(_chosen(query, policy, one))
    if query.request.placement in policy.placements:
        considered += _never_named(query, policy, considered)
    answer = row["answer"]
    return Told(
        customer_id=row["customer"],
        cohort=row["cohort"],
        holds=tuple(policy.holds[index].hold for index in row["holds"]),
        considered=tuple(sorted(considered, key=lambda one: (one.action, one.about))),
        answer=query.actions[answer - 1] if answer else "",
        answer_about=row["answer_about"] or "",
        chosen=tuple(
            sorted(
                chosen,
                key=lambda one: (
                    policy.by_name[one.action].promotional, -one.score, one.action, one.about,
                ),
            )
        ),
    )  # fmt: skip


def _never_named(
    query: PolicyQuery, policy: Policy, considered: list[Considered]
) -> Iterator[Considered]:
    """Yield what a gate was asked about and what does not hold for the customer."""
    if policy.placements[query.request.placement].kind == "gate":
        named = {one.action for one in considered}
        for action in query.request.actions:
            if action not in named:
                yield Considered(action=action, reason=NotEligible())


def _reason(query: PolicyQuery, policy: Policy, one: Mapping[str, Any]) -> Reason | None:
    if one["reason"] is None:
        return None
    return full_reason(query.reasons[one["reason"] - 1], query, policy, one)


def full_reason(
    numbered: NumberedReason, query: PolicyQuery, policy: Policy, one: Mapping[str, Any]
) -> Reason:
    """Return a reason with what differs from customer to customer."""
    reason = numbered.reason
    more: dict[str, Any] = {"until": one["until"]} if one["until"] else {}
    if isinstance(reason, FactUnknown | HoldUnknown):
        more["facts"] = tuple(policy.fact_names[index] for index in one["facts"])
    elif numbered.detail == "queued":
        more["message_id"] = one["text"]
    elif isinstance(reason, Outranked):
        more |= {"by": one["text"], "score": int(one["amount"])}
    elif numbered.detail in _AMOUNTS:
        more[_AMOUNTS[numbered.detail]] = int(one["amount"])
    return msgspec.structs.replace(reason, **more) if more else reason


def _chosen(query: PolicyQuery, policy: Policy, one: Mapping[str, Any]) -> Chosen:
    rule = policy.by_name[query.actions[one["action"] - 1]]
    sets = {
        field: next((value for value in told.values() if value is not None), None)
        for field, told in zip(rule.sets, one["sets"] or (), strict=True)
    }
    return Chosen(
        action=rule.action,
        about=one["about"],
        channel=query.channels[one["way"] - 1] if one["way"] else "",
        due_at=one["due"] or 0,
        expires_at=one["expires"],
        score=int(one["score"]),
        benefit=one["benefit"],
        sets=sets,
    )
