"""Decide what to do next for one customer: seven named layers, one reason for each no.

`decide` is a pure function of facts, a request, a policy, the operator's controls and now. What
it returns holds all of its inputs but the policy (named by version), so that it can be run again
years later to the same result (guarantee G7). Nothing else in Kept disposes; everything asks here.

The ranking is made once per customer, free of placement and channel: it is the one answer (G5).
A placement shows that answer if the action is offered there, or silence. Service messages do not
compete; each goes out on its own if every other layer says yes.
"""

from typing import Final

import msgspec

from kept.core.reason import Reason
from kept.core.rules import Rows, Values
from kept.core.state import Contact, Stamped

SEMANTICS: Final = 1
"""Raised whenever the same inputs would be decided otherwise; a replay holds within one number."""

OUTBOUND: Final = "outbound"
OUTSIDE: Final = "outside"
"""The kind of a contact of which nobody says what kind it is of."""


class Facts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a decision may read of one customer, as plain values; a trace keeps all of it.

    `restricting_values` and `restricting_objects` also hold what attached (merely claimed) parts
    add; holds are judged by them as well, so that a weak match may hush. None without such parts.
    """

    values: Values
    objects: Rows
    restricting_values: Values | None
    restricting_objects: Rows | None
    unknown: tuple[int, ...]
    """Indexes of facts that are unknown just now (a stale source, an overflow)."""
    zone: str | None
    region: str | None
    consents: dict[str, Stamped]
    contacts: list[Contact]
    declines: dict[str, Stamped]
    addresses: dict[str, str]
    """Channel -> `ok` or `closed`; a channel without an address is left out."""
    draw: int
    """A stable number of the customer's from 0 to 9,999, for control groups."""
    known_since_import: tuple[str, ...] = ()
    """`action|about` of what held already when history came in, until the customer is heard of."""
    contacts_known_after: int = 0
    """Of `contacts`, those up to this instant may be missing; 0 where all are there."""
    said: dict[str, int] | None = {}
    """`action|about` of what was said by contacts that may be missing -> when it was first said;
    None where even that is not known any more."""
    approvals: dict[str, Stamped] = {}
    """`action|about` -> what a person said of it last."""
    notices_due: tuple[int, ...] = ()
    """Numbers of the breaches that touched the customer and that they were not told of."""


class OpenMessage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message that is queued or on its way, as far as a decision must know."""

    message_id: str
    action: str
    about: str
    channel: str
    in_flight: bool


class OutsideContact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A contact that a tool outside Kept wants to make (`/v1/may-i`)."""

    entity: str
    purpose: str
    channel: str
    kind: str = OUTSIDE
    topic: str = ""
    action: str = ""


class Request(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """What is asked: where, whether the customer is proven, and (for a gate) about what."""

    placement: str = OUTBOUND
    is_proven: bool = True
    actions: tuple[str, ...] = ()
    """Only these actions; empty means all."""
    about: str = ""
    channel: str = ""
    open_messages: tuple[OpenMessage, ...] = ()
    message_id: str = ""
    """At hand-over: the message that is to leave; of a tool outside: the contact that it asks about, if
    it names one. It does not stand in its own way."""
    outside: OutsideContact | None = None
    source: str = ""
    """Who asked; empty where nobody did, and in traces of before this was kept."""
    revealed: tuple[str, ...] = ()
    """Traits that the answer filled in, and `name` where it said one."""


class Brake(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An operator's stop: of everything, of one action, channel, purpose, region or cohort, or of several."""

    brake: str
    scope: str
    """`all`, `action`, `channel`, `purpose`, `region` or `cohort`."""
    name: str = ""
    also: tuple[tuple[str, str], ...] = ()
    """Further scopes with their names: the brake stops only what is within all of them."""
    since: int
    actor: str = ""
    because: str = ""


def parts_of(brake: Brake) -> tuple[tuple[str, str], ...]:
    """Return the scopes of a brake, each with its name."""
    return ((brake.scope, brake.name), *brake.also)


class OpenBreach(msgspec.Struct, frozen=True, kw_only=True):
    """A breach that is not closed: whom it touched hears of it before anything promotional."""

    number: int
    is_found: bool
    """Whether it is known whom it touched; until then it may be anybody."""
    is_released: bool
    """Whether a person looked at the notices and let them go."""


class Controls(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What operators and the state of the sources add to a decision."""

    brakes: tuple[Brake, ...] = ()
    stale_facts: tuple[int, ...] = ()
    """Indexes of facts whose sources have fallen silent."""
    breaches: tuple[OpenBreach, ...] = ()


class Considered(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """One action that was looked at, for one object, and the first layer's no (None for yes).

    Actions that are not listed were not eligible.
    """

    action: str
    about: str = ""
    score: int = 0
    reason: Reason | None = None


class Chosen(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """An action that may go ahead: shown at the placement, or sent on the channel."""

    action: str
    about: str = ""
    channel: str = ""
    due_at: int = 0
    expires_at: int = 0
    score: int = 0
    benefit: int | None = None
    sets: dict[str, bool | int | str | None] = {}


class Decision(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """An answer with everything that it rests on. `chosen` is empty for silence, which scores 0."""

    decision_id: int
    decided_at: int
    semantics: int
    brand_version: str
    customer_id: int
    request: Request
    controls: Controls
    facts: Facts
    cohort: str | None
    holds: tuple[str, ...] = ()
    considered: tuple[Considered, ...] = ()
    answer: str = ""
    """The top of the ranking, whatever the placement: the customer's one answer."""
    answer_about: str = ""
    chosen: tuple[Chosen, ...] = ()
    valid_until: int = 0
    heard_through: int = 0
    """The newest event of the stream that it could know; 0 in traces of before this was kept."""

    @property
    def is_silence(self) -> bool:
        """Return whether nothing was chosen."""
        return not self.chosen
