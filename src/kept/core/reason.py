"""Why not: the closed enumeration of reasons, each with its typed details.

A reason is an ordinary answer, stored and counted, never an error. The layer is the place in the
decision that said no; `until` is the instant from which this reason alone would no longer say so
(0 where no instant is known). `explain` turns reasons into sentences.
"""

from typing import ClassVar, TypeAlias

import msgspec


class _Reason(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="code", gc=False
):
    """What all reasons have in common."""

    layer: ClassVar[str]
    until: int = 0


class NotOfferedHere(_Reason, frozen=True, kw_only=True, tag="not_offered_here"):
    """The action is not made for this placement."""

    layer = "relevant"
    placement: str


class AlreadyContacted(_Reason, frozen=True, kw_only=True, tag="already_contacted"):
    """The same action reached the customer already and may not come again yet."""

    layer = "relevant"
    at: int


class AlreadyQueued(_Reason, frozen=True, kw_only=True, tag="already_queued"):
    """A message of this action is on its way already."""

    layer = "relevant"
    message_id: str


class KnownSinceImport(_Reason, frozen=True, kw_only=True, tag="known_since_import"):
    """It held already when the customer's history was imported, and an import says nothing."""

    layer = "relevant"


class Declined(_Reason, frozen=True, kw_only=True, tag="declined"):
    """The customer said no to it lately."""

    layer = "relevant"
    at: int


class NotEligible(_Reason, frozen=True, kw_only=True, tag="not_eligible"):
    """Its condition does not hold for this customer."""

    layer = "eligible"


class FactUnknown(_Reason, frozen=True, kw_only=True, tag="fact_unknown"):
    """A fact that its condition reads is unknown just now, and unknown means no."""

    layer = "eligible"
    facts: tuple[str, ...]


class HeldOut(_Reason, frozen=True, kw_only=True, tag="held_out"):
    """The customer is in a control group that does not get it."""

    layer = "eligible"
    group: str


class Expired(_Reason, frozen=True, kw_only=True, tag="expired"):
    """Its meaning has passed, and it is never sent late."""

    layer = "eligible"
    at: int


class NoBasis(_Reason, frozen=True, kw_only=True, tag="no_basis"):
    """No recorded basis covers this legal entity, purpose and channel."""

    layer = "permitted"
    entity: str
    purpose: str
    channel: str = ""


class OptedOut(_Reason, frozen=True, kw_only=True, tag="opted_out"):
    """The customer said no to this purpose, channel or topic."""

    layer = "permitted"
    scope: str


class GlobalPrivacyControl(_Reason, frozen=True, kw_only=True, tag="global_privacy_control"):
    """The customer's browser opts out of selling and sharing."""

    layer = "permitted"
    purpose: str


class Restricted(_Reason, frozen=True, kw_only=True, tag="restricted"):
    """The customer's data is kept and not used, but for what a law obliges (GDPR, article 18)."""

    layer = "permitted"
    at: int


class NoAddress(_Reason, frozen=True, kw_only=True, tag="no_address"):
    """There is no address for any channel of the action."""

    layer = "permitted"
    channel: str


class AddressClosed(_Reason, frozen=True, kw_only=True, tag="address_closed"):
    """The address bounced for good, or its owner complained."""

    layer = "permitted"
    channel: str


class NotProven(_Reason, frozen=True, kw_only=True, tag="not_proven"):
    """The customer is recognised but not proven, and this may be shown only on proof."""

    layer = "permitted"


class Held(_Reason, frozen=True, kw_only=True, tag="held"):
    """A hold hushes it while its condition holds."""

    layer = "held"
    hold: str
    because: str = ""


class HoldUnknown(_Reason, frozen=True, kw_only=True, tag="hold_unknown"):
    """A hold reads a fact that is unknown just now, and so counts as on."""

    layer = "held"
    hold: str
    facts: tuple[str, ...]


class Braked(_Reason, frozen=True, kw_only=True, tag="braked"):
    """An operator stopped it."""

    layer = "held"
    brake: str


class NeedsApproval(_Reason, frozen=True, kw_only=True, tag="needs_approval"):
    """It waits for a person's approval."""

    layer = "held"


class ApprovalRefused(_Reason, frozen=True, kw_only=True, tag="approval_refused"):
    """A person looked at it and said no."""

    layer = "held"
    at: int


class Contested(_Reason, frozen=True, kw_only=True, tag="contested"):
    """The customer contests it, and a person looks at it again."""

    layer = "held"
    at: int


class BreachNoticeDue(_Reason, frozen=True, kw_only=True, tag="breach_notice_due"):
    """A breach touched the customer, or may have, and they hear of that first."""

    layer = "held"
    breach: int
    is_searching: bool = False
    """Whether it is still being found out whom it touched."""


class CapReached(_Reason, frozen=True, kw_only=True, tag="cap_reached"):
    """As many contacts as this cap allows are within its window."""

    layer = "pressure"
    cap: str
    count: int


class Resting(_Reason, frozen=True, kw_only=True, tag="resting"):
    """The customer was contacted in this way lately and is left in peace."""

    layer = "pressure"
    at: int


class QuietNow(_Reason, frozen=True, kw_only=True, tag="quiet_now"):
    """It is the customer's quiet time."""

    layer = "pressure"
    quiet_hours: str


class ZoneUnknown(_Reason, frozen=True, kw_only=True, tag="zone_unknown"):
    """The customer's time zone is unknown, so that quiet time cannot be told: not now."""

    layer = "pressure"
    quiet_hours: str


class ContactsUnknown(_Reason, frozen=True, kw_only=True, tag="contacts_unknown"):
    """More contacts were made lately than are remembered, so that a limit cannot be told: not now."""

    layer = "pressure"
    cap: str = ""
    """The cap that cannot be told; empty for the action's own `repeat` or `rest`."""


class TermsMissing(_Reason, frozen=True, kw_only=True, tag="terms_missing"):
    """It has no terms that it could be compared by."""

    layer = "honest"
    detail: str


class ChoiceLimited(_Reason, frozen=True, kw_only=True, tag="choice_limited"):
    """Enough is shown already, or another of its category is."""

    layer = "honest"
    limit: int
    category: str = ""


class NegativeBenefit(_Reason, frozen=True, kw_only=True, tag="negative_benefit"):
    """It would not be to this customer's benefit."""

    layer = "worth_it"
    benefit: int


class NotWorthIt(_Reason, frozen=True, kw_only=True, tag="not_worth_it"):
    """Its worth does not beat silence after its cost and the pressure of one more contact."""

    layer = "worth_it"
    score: int


class Outranked(_Reason, frozen=True, kw_only=True, tag="outranked"):
    """Another action is the better answer."""

    layer = "worth_it"
    by: str
    score: int


class MissingValue(_Reason, frozen=True, kw_only=True, tag="missing_value"):
    """Its text needs a value that is not known, and is never sent with a gap."""

    layer = "hand_over"
    names: tuple[str, ...]


class Readdressed(_Reason, frozen=True, kw_only=True, tag="readdressed"):
    """It was queued for another address of the customer's; it is decided again for this one."""

    layer = "hand_over"


class ProviderRefused(_Reason, frozen=True, kw_only=True, tag="provider_refused"):
    """The provider refused it for good."""

    layer = "hand_over"
    detail: str


class Shadowed(_Reason, frozen=True, kw_only=True, tag="shadowed"):
    """Kept runs in shadow: it decides and records, and sends nothing."""

    layer = "hand_over"


Reason: TypeAlias = (
    NotOfferedHere | AlreadyContacted | AlreadyQueued | KnownSinceImport | Declined
    | NotEligible | FactUnknown | HeldOut | Expired
    | NoBasis | OptedOut | GlobalPrivacyControl | Restricted | NoAddress | AddressClosed | NotProven
    | Held | HoldUnknown | Braked | NeedsApproval | ApprovalRefused | Contested | BreachNoticeDue
    | CapReached | Resting | QuietNow | ZoneUnknown | ContactsUnknown
    | TermsMissing | ChoiceLimited
    | NegativeBenefit | NotWorthIt | Outranked
    | MissingValue | Readdressed | ProviderRefused | Shadowed
)  # fmt: skip


def code_of(reason: Reason) -> str:
    """Return a reason's code, such as `cap_reached`."""
    return str(reason.__struct_config__.tag)
