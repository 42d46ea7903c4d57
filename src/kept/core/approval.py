"""What a person approved, refused, or was asked to look at again: read from what was folded.

An approval permits one action about one object, once, as the brand wrote the action when it was
asked for, and until it lapses. Nothing else is permitted by it: all other layers still apply.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from kept.core.reason import ApprovalRefused, Contested, NeedsApproval, Reason
from kept.core.state import Stamped
from kept.core.values import MINUTE

GATE_ANSWER_STANDS: Final = 10 * MINUTE
"""How long a gate that was told yes is told so again, since the system that asked may retry."""

ApprovalOutcome: TypeAlias = Literal["approved", "refused", "used", "withdrawn", "contested"]


class Approval(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The newest word about one action and object, as an event of our own carries it."""

    outcome: ApprovalOutcome
    number: int
    """The approval's dossier."""
    action: str
    about: str = ""
    until: int = 0
    """When an approval lapses, or a refusal's rest ends (µs)."""
    fingerprint: str = ""
    """The action as it was approved (see `ActionRule.fingerprint`)."""
    message_id: str = ""
    """By which message it was used; empty at a gate."""


def approval_key(action: str, about: str) -> str:
    """Return the name under which a state keeps what was said of an action and object."""
    return f"{action}|{about}"


def read_approval(said: Stamped) -> Approval:
    """Return what a state keeps as a value."""
    return msgspec.convert(said.value, Approval)


def check_approved(
    approvals: Mapping[str, Stamped],
    action: str,
    about: str,
    *,
    fingerprint: str,
    message_id: str,
    now: int,
) -> Reason | None:
    """Return why an action that needs a person's approval may not go ahead, None if it may.

    Args:
        approvals: what a customer's state keeps.
        action: the action.
        about: its object, or empty.
        fingerprint: the action as the brand in force has it.
        message_id: the message that is decided again, if it is one.
        now: the present instant.
    """
    said = approvals.get(approval_key(action, about))
    if said is None:
        return NeedsApproval()
    approval = read_approval(said)
    match approval.outcome:
        case "approved" if now < approval.until and approval.fingerprint == fingerprint:
            return None
        case "refused" if now < approval.until:
            return ApprovalRefused(at=said.at, until=approval.until)
        case "contested":
            return Contested(at=said.at)
        case "used" if approval.message_id == message_id and (
            message_id or now < said.at + GATE_ANSWER_STANDS
        ):
            # The same message once more, or the same answer to a system that asks again.
            return None
    return NeedsApproval()
