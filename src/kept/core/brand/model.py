"""The brand folder as values: one struct for each file, one field for each key of the format.

These structs are the published format: JSON Schemas for editors are generated from them, the
loader fills them from YAML, and a key that is not here is an error with a suggestion. Texts that
hold a condition or a value stay texts here; `check` types them and `compile` turns them into code.

What sources and facts are stands in `model_facts`, what actions and products are in
`model_actions`, who else is given data and what a law keeps in `model_privacy`; all of it is
imported from here.
"""

# ruff: noqa: RUF012 - msgspec copies an empty default for each struct

from typing import Literal

import msgspec

from kept.core.brand.entry import (
    ClockText,
    DateText,
    DurationText,
    Entry,
    ExpressionText,
    MoneyText,
)
from kept.core.brand.model_actions import Action, Kind, Product, Terms
from kept.core.brand.model_facts import (
    FactsFile,
    Feature,
    Mapping,
    Match,
    Namespace,
    ObjectEvent,
    ObjectKind,
    Rhythm,
    Signature,
    Source,
    SourcesFile,
    Suppressions,
    Trait,
)
from kept.core.brand.model_privacy import Erasure, LegalHold, Recipient, Records

__all__ = [
    "Action",
    "Brand",
    "BrandFile",
    "Cap",
    "Channel",
    "Cohort",
    "CohortsFile",
    "ConsentFile",
    "ContactFile",
    "Erasure",
    "FactsFile",
    "Feature",
    "Hold",
    "Kind",
    "LegalEntity",
    "LegalHold",
    "Limits",
    "Mapping",
    "Match",
    "Namespace",
    "ObjectEvent",
    "ObjectKind",
    "Placement",
    "Product",
    "Purpose",
    "QuietHours",
    "Recipient",
    "Records",
    "Rhythm",
    "Scope",
    "Signature",
    "Source",
    "SourcesFile",
    "Suppressions",
    "Terms",
    "Topic",
    "Trait",
    "Wording",
]

# -- brand.yaml ---------------------------------------------------------------------------------


class LegalEntity(Entry, frozen=True, kw_only=True):
    """A company of the group; consent given to one does not cover another."""

    name: str
    """The company's full name."""
    address: str
    """Where it can be written to; texts may print it."""
    contact: str
    """An e-mail address or telephone number that a person answers."""
    lawful_basis_notice: str = ""
    """Where customers read how their data is used; receipts of consent name it."""
    privacy_contact: str = ""
    """Who answers questions about data, such as a data protection officer; by default `contact`."""


class Placement(Entry, frozen=True, kw_only=True):
    """A place where a decision is asked: a web banner, a till, a desk, billing, or outbound."""

    kind: Literal["inbound", "gate", "outbound"]
    """`inbound` shows something to whoever came; a `gate` is asked before another system acts.

    `outbound` stands for what is sent; it need not be declared.
    """
    channel: str = ""
    """The channel whose consent it needs and whose brakes and holds apply; empty where showing is not contacting."""
    shows: int = 1
    """At most this many actions are shown at once."""
    reveals: Literal["proven", "never"] = "proven"
    """Whether it may show a name or details to a customer who is proven, or never."""
    asks: tuple[str, ...] = ()
    """The traits that this placement may ask the customer for, best first (a web form, a till)."""


class BrandFile(Entry, frozen=True, kw_only=True):
    """`brand.yaml`: who the brand is."""

    brand: str
    """The brand's name."""
    currency: str
    """The currency of all amounts, by its ISO 4217 code."""
    time_zone: str
    """The IANA time zone of the brand, where a customer's own is not known."""
    locales: tuple[str, ...]
    """The languages in which the brand speaks; the first is the default."""
    legal_entities: dict[str, LegalEntity]
    """The companies of the group, by name."""
    placements: dict[str, Placement]
    """The places where a decision is asked, by name."""
    region: str = ""
    """The trait that names a customer's region, for brakes by region."""
    locale: str = ""
    """The trait that names a customer's language."""
    zone: str = ""
    """The trait that names a customer's IANA time zone."""
    name: str = ""
    """The trait that says how a customer wishes to be called."""
    universal_control_percent: int = 0
    """The share of customers to whom nothing promotional is ever said, to see what Kept brings."""
    history: DurationText = "1095 days"
    """How far back events are kept and taken: the outer limit of everything below."""
    retention: dict[str, DurationText] = {}
    """Event -> how long after it happened it is kept, where that is shorter than `history`."""
    records: Records = Records()
    """How long what Kept itself writes down is kept."""
    legal_holds: dict[str, LegalHold] = {}
    """What a law obliges to keep although it would be erased, by name."""


# -- cohorts.yaml -------------------------------------------------------------------------------


class Cohort(Entry, frozen=True, kw_only=True):
    """A group of customers; a customer is in the first cohort whose condition holds."""

    when: ExpressionText
    """The condition for being in it."""
    description: str = ""
    """What it is for, in words."""


class CohortsFile(Entry, frozen=True, kw_only=True):
    """`cohorts.yaml`: cohorts in order of precedence, and segments that may overlap."""

    cohorts: dict[str, Cohort]
    """In order of precedence: the first that holds is the customer's one cohort."""
    otherwise: str = "ordinary"
    """The cohort of those in none of them."""
    segments: dict[str, Cohort] = {}
    """Further groups, which may overlap; conditions ask for `segment.NAME`."""


# -- consent.yaml -------------------------------------------------------------------------------


class Purpose(Entry, frozen=True, kw_only=True):
    """Why a customer may be contacted, and on which lawful basis."""

    basis: Literal[
        "consent", "contract", "legal_obligation", "vital_interest", "legitimate_interest"
    ]
    """The lawful basis (GDPR, article 6)."""
    promotional: bool
    """Whether it promotes something; `true` needs consent or a legitimate interest."""
    description: str
    """What it is for, in words that a customer understands."""
    sale_or_sharing: bool = False
    """Whether the purpose sells or shares data, which a Sec-GPC signal opts out of."""
    channels: tuple[str, ...] = ()
    """Channels that the basis covers; empty means every one."""
    explicit: bool = False
    """Whether the consent is explicit (GDPR, article 9(2)(a)): it counts only with its wording."""
    covers: tuple[str, ...] = ()
    """For an explicit consent: other purposes for which the fields processed for it are read."""
    during_restriction: bool = False
    """Whether a law obliges to it even for customers whose data is restricted (GDPR, article 18)."""
    keep: DurationText = ""
    """How long what serves this purpose alone is kept; empty means as long as its events."""
    uses: tuple[str, ...] = ()
    """What personal data it uses, in words that a customer understands; receipts list them."""


class Channel(Entry, frozen=True, kw_only=True):
    """A way to reach a customer, what it costs and which trait holds the address."""

    adapter: Literal["files", "smtp", "webhook", "inbox", "call_list"]
    """What carries it; `files` writes messages into a folder and sends nothing."""
    cost: MoneyText
    """What one message costs."""
    address: str = ""
    """The namespace or trait that holds the address; empty for an inbox."""
    sender: dict[str, str] = {}
    """Legal entity -> the sender's name and address."""
    settings: dict[str, str] = {}
    """References such as `url: env:KEPT_SMS_URL`; never secrets themselves."""
    recipient: str = ""
    """The recipient that carries it; empty where the brand does so itself."""


class Topic(Entry, frozen=True, kw_only=True):
    """What a message is about, so that a customer can mute one without leaving."""

    description: str
    """What it is about, in words that a customer understands."""


class Wording(Entry, frozen=True, kw_only=True):
    """A version of the text that a customer agreed to."""

    purpose: str
    """The purpose that was agreed to."""
    since: DateText
    """From when on it was shown."""
    text: dict[str, str]
    """The words, by locale."""


class ConsentFile(Entry, frozen=True, kw_only=True):
    """`consent.yaml`: purposes, topics, wordings and channels."""

    purposes: dict[str, Purpose]
    """By name."""
    topics: dict[str, Topic] = {}
    """By name."""
    wordings: dict[str, Wording] = {}
    """By name; a consent event says which one was shown."""
    channels: dict[str, Channel]
    """By name."""
    categories: dict[str, tuple[str, str]] = {}
    """Category of a consent event -> (legal entity, purpose) that it speaks of."""
    recipients: dict[str, Recipient] = {}
    """Companies outside of the group that are given personal data, by name."""
    how_to_withdraw: str = ""
    """How a customer withdraws, in words that a customer understands; receipts say so."""


# -- contact.yaml -------------------------------------------------------------------------------


class Scope(Entry, frozen=True, kw_only=True):
    """Which actions a hold, cap or quiet time is about; every part given must match."""

    purposes: tuple[str, ...] = ()
    """Only actions for these purposes."""
    topics: tuple[str, ...] = ()
    """Only actions on these topics."""
    kinds: tuple[str, ...] = ()
    """Only actions of these kinds."""
    actions: tuple[str, ...] = ()
    """Only these actions."""
    channels: tuple[str, ...] = ()
    """Only what goes by these channels."""
    promotional: bool | None = None
    """Only actions whose purpose is promotional, or only those whose purpose is not."""


class Hold(Entry, frozen=True, kw_only=True):
    """A rule that hushes while its condition holds; unknown counts as on."""

    while_: ExpressionText = msgspec.field(name="while")
    """The condition while which it holds."""
    hushes: Scope
    """What it keeps from being said or done."""
    because: str
    """A Liquid sentence for staff."""
    customer_because: str = ""
    """A Liquid sentence for the customer; empty where nothing is said."""
    until: ExpressionText = ""
    """When it ends, as far as that is known."""
    about: str = ""
    """The kind of object whose own condition hushes only what is about that object."""


class Cap(Entry, frozen=True, kw_only=True):
    """At most `count` contacts in any window of this length."""

    count: int
    """How many contacts there may be."""
    window: DurationText
    """In any stretch of time of this length."""
    covers: Scope
    """Which contacts count."""


class QuietHours(Entry, frozen=True, kw_only=True):
    """A part of the customer's own day in which nothing covered leaves."""

    start: ClockText
    """From this time of the customer's own day."""
    end: ClockText
    """Until this time, perhaps of the next day."""
    covers: Scope
    """What does not leave in it."""


class Limits(Entry, frozen=True, kw_only=True):
    """How far a new version may worsen before a person must approve it (`kept diff`)."""

    pressure_rise_percent: int = 10
    """By how much contacts a customer and week may rise, over all customers and in any cohort."""
    hardship_rise_percent: int = 0
    """By how much the share of customers who meet a hard step may rise, likewise."""
    bias_least_percent: int = 80
    """How much of the best group's rate every other group has at least (the four-fifths rule)."""
    groups: tuple[str, ...] = ("cohort",)
    """Between which groups bias is looked for: `cohort`, or traits."""
    customers_least: int = 30
    """Groups and cohorts of fewer customers are shown and not judged."""


class ContactFile(Entry, frozen=True, kw_only=True):
    """`contact.yaml`: holds, caps, quiet hours, and how much choice is too much."""

    holds: dict[str, Hold] = {}
    """Rules that hush, by name."""
    caps: dict[str, Cap] = {}
    """Limits on contacts, by name."""
    quiet_hours: dict[str, QuietHours] = {}
    """Quiet times, by name."""
    choice_limit: int = 3
    """At most this many offers are shown side by side."""
    pressure: ExpressionText = "0"
    """What one more contact costs the customer's patience, in the brand's currency."""
    decline_rest: DurationText = "60 days"
    """How long an offer that was declined stays away, on every channel and by every action of its `terms_from`."""
    answer_stable: DurationText = "1 day"
    """How long the one answer stays the same unless something happens."""
    approval_valid: DurationText = "3 days"
    """How long a person's approval may be acted on before it lapses."""
    refusal_rest: DurationText = "30 days"
    """How long what a person refused is not put before anybody again."""
    limits: Limits = Limits()
    """How far a new version may worsen before a person must approve it."""
    resume_over: DurationText = "10 minutes"
    """After a brake is lifted, the customers concerned are decided again spread over this time."""


class Brand(Entry, frozen=True, kw_only=True):
    """A whole brand folder, parsed and well-formed but not yet checked or compiled."""

    brand: BrandFile
    sources: SourcesFile
    facts: FactsFile
    cohorts: CohortsFile
    consent: ConsentFile
    contact: ContactFile
    actions: dict[str, Action]
    products: dict[str, Product]
    templates: dict[str, str]
    version: str
    """SHA-256 of the folder's content, the first 16 hexadecimal digits."""
