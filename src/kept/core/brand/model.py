"""The brand folder as values: one struct for each file, one field for each key of the format.

These structs are the published format: JSON Schemas for editors are generated from them, the
loader fills them from YAML, and a key that is not here is an error with a suggestion. Texts that
hold a condition or a value stay texts here; `check` types them and `compile` turns them into code.
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

# `x-reads` tells the loader by which rule a text is read; published schemas do without it.
ExpressionText: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        description="a SQL expression",
        examples=["days_until(about.ends_at) BETWEEN 0 AND 30 AND NOT about.renewed"],
        extra_json_schema={"x-reads": "expression"},
    ),
]
DurationText: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        description="a duration such as `7 days`",
        pattern=r"^\d+ (second|minute|hour|day|week)s?$",
        examples=["7 days"],
        extra_json_schema={"x-reads": "duration"},
    ),
]
MoneyText: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        description="an amount such as `9.99 EUR`",
        pattern=r"^-?\d+(\.\d+)? [A-Z]{3}$",
        examples=["9.99 EUR"],
        extra_json_schema={"x-reads": "money"},
    ),
]
DecimalText: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        description="a decimal number such as `0.6`",
        pattern=r"^-?\d+(\.\d{1,6})?$",
        examples=["0.6"],
        extra_json_schema={"x-reads": "decimal"},
    ),
]
ClockText: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        description="a time of day such as `21:00`",
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        examples=["21:00"],
    ),
]
DateText: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        description="a date such as `2026-11-22`",
        pattern=r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$",
        examples=["2026-11-22"],
    ),
]
TypeText: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        description="a type: bool, int, decimal, text, date, timestamp or money(EUR)",
        pattern=r"^(bool|int|decimal|text|date|timestamp|money\([A-Z]{3}\))$",
        examples=["text", "money(EUR)"],
    ),
]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all parts of a brand have in common: frozen, and no unknown keys.

    msgspec does not inherit `kw_only`, and type checkers want `frozen` said again.
    """


# -- brand.yaml ---------------------------------------------------------------------------------


class LegalEntity(_Part, frozen=True, kw_only=True):
    """A company of the group; consent given to one does not cover another."""

    name: str
    address: str
    contact: str
    lawful_basis_notice: str = ""


class Placement(_Part, frozen=True, kw_only=True):
    """A place where a decision is asked: a web banner, a till, a desk, billing, or outbound."""

    kind: Literal["inbound", "gate", "outbound"]
    channel: str = ""
    """The channel whose consent it needs; empty where showing is not contacting."""
    shows: int = 1
    reveals: Literal["proven", "never"] = "proven"
    asks: tuple[str, ...] = ()
    """The traits that this placement may ask the customer for, best first (a web form, a till)."""


class BrandFile(_Part, frozen=True, kw_only=True):
    """`brand.yaml`: who the brand is."""

    brand: str
    currency: str
    time_zone: str
    locales: tuple[str, ...]
    legal_entities: dict[str, LegalEntity]
    placements: dict[str, Placement]
    region: str = ""
    """The trait that names a customer's region, for brakes by region."""
    locale: str = ""
    """The trait that names a customer's language."""
    zone: str = ""
    """The trait that names a customer's IANA time zone."""
    name: str = ""
    """The trait that says how a customer wishes to be called."""
    universal_control_percent: int = 0
    history: DurationText = "1095 days"


# -- sources.yaml -------------------------------------------------------------------------------


class Namespace(_Part, frozen=True, kw_only=True):
    """A kind of identifier and how far it may be trusted."""

    strength: Literal["strong", "medium", "weak"]
    limit: int
    """At most this many values belong to one customer; evidence for more joins nobody."""
    reveals: bool = False
    """Whether knowing a value proves who somebody is once a source vouches for it."""
    blocked: tuple[str, ...] = ()
    """Regular expressions of values that identify nobody, besides the built-in ones."""
    trait: str = ""
    """A trait that carries this identifier, such as `email`."""
    object: str = ""
    """The kind of object that it names; it finds the owner of events that name no one."""


class Rhythm(_Part, frozen=True, kw_only=True):
    """How often a source is expected to be heard, and when its silence makes its facts unknown."""

    every: DurationText
    stale_after: DurationText


class Signature(_Part, frozen=True, kw_only=True):
    """How a webhook proves who sent it; secrets are references (`env:NAME`, `file:PATH`)."""

    scheme: Literal["standard_webhooks", "hmac_sha256", "hmac_sha1", "token"]
    secret: str
    header: str = ""
    prefix: str = ""


class Mapping(_Part, frozen=True, kw_only=True):
    """How one kind of foreign payload becomes an event; paths are dotted: `body.data.id`."""

    event: str
    when: dict[str, str | int | bool | tuple[str, ...]] = {}
    """Path -> what must stand there: a value, one of several, or `~PATTERN`.

    A pattern is a regular expression to be found in the text, in upper or lower case. The first
    mapping of a source whose `when` holds makes the event.
    """
    message_id: str = ""
    occurred_at: str = ""
    identifiers: dict[str, str] = {}
    properties: dict[str, str] = {}
    constants: dict[str, str | int | bool] = {}


class Source(_Part, frozen=True, kw_only=True):
    """A touchpoint: which event names it may send and which identifiers it may vouch for."""

    kind: Literal["browser", "server", "webhook", "import"]
    events: tuple[str, ...] = ()
    """Event names; `*` at the end of a name stands for any rest."""
    vouches: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    """Namespaces that this source may name at all; empty means every one."""
    traits: tuple[str, ...] = ()
    """Traits that it may tell; a browser tells none that are not listed here."""
    key: str = ""
    origins: tuple[str, ...] = ()
    rhythm: Rhythm | None = None
    signature: Signature | None = None
    mappings: tuple[Mapping, ...] = ()


class SourcesFile(_Part, frozen=True, kw_only=True):
    """`sources.yaml`: the touchpoints and the identifiers that they speak of."""

    namespaces: dict[str, Namespace]
    sources: dict[str, Source]


# -- facts.yaml ---------------------------------------------------------------------------------

Match: TypeAlias = dict[str, str | int | bool | tuple[str | int | bool, ...]]


class ObjectEvent(_Part, frozen=True, kw_only=True):
    """What one event does to an object: which fields it sets, from which property or constant."""

    set: dict[str, str | int | bool] = {}
    """Field -> constant, or a path such as `properties.due_at` or `occurred_at`."""
    where: Match = {}


class ObjectKind(_Part, frozen=True, kw_only=True):
    """Something with a state that a customer has: a bill, a parcel, a subscription, a case."""

    key: str
    """The property that carries the object's key."""
    fields: dict[str, TypeText]
    events: dict[str, ObjectEvent]
    personal: tuple[str, ...] = ()
    offers: str = ""


class Feature(_Part, frozen=True, kw_only=True):
    """A derived fact: one aggregate over events, all time or within a sliding window.

    Exactly one of `count`, `sum`, `min`, `max`, `first`, `last`, `distinct`, `top` or `dwell` is
    given. It names the event (or events); `of` names the property it works on.
    """

    count: str | tuple[str, ...] = ()
    sum: str | tuple[str, ...] = ()
    min: str | tuple[str, ...] = ()
    max: str | tuple[str, ...] = ()
    first: str | tuple[str, ...] = ()
    last: str | tuple[str, ...] = ()
    distinct: str | tuple[str, ...] = ()
    top: str | tuple[str, ...] = ()
    dwell: str | tuple[str, ...] = ()
    """Time spent on the top value of `of`: gaps between events, each at most `gap`, in seconds."""
    of: str = ""
    """A property; `occurred_at` (the default of first and last) is the event's own time."""
    by: str = ""
    """dwell only: the value whose time is wanted (`top` for the leading one's time in seconds)."""
    type: TypeText = ""
    window: DurationText = ""
    grain: DurationText = ""
    gap: DurationText = "5 minutes"
    where: Match = {}
    personal: bool = False


class Trait(_Part, frozen=True, kw_only=True):
    """Something a customer or a source told us: a name, a birthday, an address."""

    type: TypeText
    personal: bool = True
    sensitive: bool = False
    ask: dict[str, str] = {}
    """How to ask for it, by locale; a trait without a question is never asked for."""


class FactsFile(_Part, frozen=True, kw_only=True):
    """`facts.yaml`: what is known of a customer, and how it follows from events."""

    traits: dict[str, Trait] = {}
    objects: dict[str, ObjectKind] = {}
    features: dict[str, Feature] = {}


# -- cohorts.yaml -------------------------------------------------------------------------------


class Cohort(_Part, frozen=True, kw_only=True):
    """A group of customers; a customer is in the first cohort whose condition holds."""

    when: ExpressionText
    description: str = ""


class CohortsFile(_Part, frozen=True, kw_only=True):
    """`cohorts.yaml`: cohorts in order of precedence, and segments that may overlap."""

    cohorts: dict[str, Cohort]
    otherwise: str = "ordinary"
    segments: dict[str, Cohort] = {}


# -- consent.yaml -------------------------------------------------------------------------------


class Purpose(_Part, frozen=True, kw_only=True):
    """Why a customer may be contacted, and on which lawful basis."""

    basis: Literal[
        "consent", "contract", "legal_obligation", "vital_interest", "legitimate_interest"
    ]
    promotional: bool
    description: str
    sale_or_sharing: bool = False
    """Whether the purpose sells or shares data, which a Sec-GPC signal opts out of."""
    channels: tuple[str, ...] = ()
    """Channels that the basis covers; empty means every one."""


class Channel(_Part, frozen=True, kw_only=True):
    """A way to reach a customer, what it costs and which trait holds the address."""

    adapter: Literal["files", "smtp", "webhook", "inbox", "call_list"]
    cost: MoneyText
    address: str = ""
    """The namespace or trait that holds the address; empty for an inbox."""
    sender: dict[str, str] = {}
    settings: dict[str, str] = {}
    """References such as `url: env:KEPT_SMS_URL`; never secrets themselves."""


class Topic(_Part, frozen=True, kw_only=True):
    """What a message is about, so that a customer can mute one without leaving."""

    description: str


class Wording(_Part, frozen=True, kw_only=True):
    """A version of the text that a customer agreed to."""

    purpose: str
    since: DateText
    text: dict[str, str]


class ConsentFile(_Part, frozen=True, kw_only=True):
    """`consent.yaml`: purposes, topics, wordings and channels."""

    purposes: dict[str, Purpose]
    topics: dict[str, Topic] = {}
    wordings: dict[str, Wording] = {}
    channels: dict[str, Channel]
    categories: dict[str, tuple[str, str]] = {}
    """Category of a consent event -> (legal entity, purpose) that it speaks of."""


# -- contact.yaml -------------------------------------------------------------------------------


class Scope(_Part, frozen=True, kw_only=True):
    """Which actions a hold, cap or quiet time is about; every part given must match."""

    purposes: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    promotional: bool | None = None


class Hold(_Part, frozen=True, kw_only=True):
    """A rule that hushes while its condition holds; unknown counts as on."""

    while_: ExpressionText = msgspec.field(name="while")
    hushes: Scope
    because: str
    """A Liquid sentence for staff."""
    customer_because: str = ""
    until: ExpressionText = ""
    about: str = ""
    """The kind of object whose own condition hushes only what is about that object."""


class Cap(_Part, frozen=True, kw_only=True):
    """At most `count` contacts in any window of this length."""

    count: int
    window: DurationText
    covers: Scope


class QuietHours(_Part, frozen=True, kw_only=True):
    """A part of the customer's own day in which nothing covered leaves."""

    start: ClockText
    end: ClockText
    covers: Scope


class ContactFile(_Part, frozen=True, kw_only=True):
    """`contact.yaml`: holds, caps, quiet hours, and how much choice is too much."""

    holds: dict[str, Hold] = {}
    caps: dict[str, Cap] = {}
    quiet_hours: dict[str, QuietHours] = {}
    choice_limit: int = 3
    pressure: ExpressionText = "0"
    """What one more contact costs the customer's patience, in the brand's currency."""
    decline_rest: DurationText = "60 days"
    answer_stable: DurationText = "1 day"
    resume_over: DurationText = "10 minutes"
    """After a brake is lifted, the customers concerned are decided again spread over this time."""


# -- actions/*.yaml -----------------------------------------------------------------------------

Kind: TypeAlias = Literal[
    "offer", "experience", "greeting", "survey", "service", "call_task", "measure"
]


class Terms(_Part, frozen=True, kw_only=True):
    """The terms of an offer as data, from which every headline is generated."""

    kind: Literal["price", "subscription", "credit", "bundle", "free"]
    currency: str = ""
    price: MoneyText | None = None
    fee: MoneyText | None = None
    intro_price: MoneyText | None = None
    intro_months: int | None = None
    renews: bool | None = None
    min_months: int | None = None
    rate_percent: DecimalText | None = None
    rate_period: Literal["day", "month", "year"] | None = None
    compounding: Literal["daily", "monthly", "yearly"] | None = None
    example_amount: MoneyText | None = None
    example_months: int | None = None
    parts: tuple[str, ...] = ()
    limited_to: ExpressionText | None = None
    """A fact behind any scarcity that the offer claims; without one, none may be claimed."""


class Action(_Part, frozen=True, kw_only=True):
    """Something the brand may do: an offer, an experience, a greeting, a survey, a message, a call.

    `measure` is a step of another system (a late fee, a suspension) that asks before it is taken.
    """

    action: str
    kind: Kind
    entity: str
    purpose: str
    topic: str = ""
    about: str = ""
    when: ExpressionText
    value: ExpressionText = "0"
    p_accept: ExpressionText = "1.0"
    customer_benefit: ExpressionText = ""
    cost: MoneyText | None = None
    category: str = ""
    terms: Terms | None = None
    terms_from: str = ""
    """A product of the catalog whose terms these are."""
    channels: tuple[str, ...] = ()
    placements: tuple[str, ...] = ()
    template: str = ""
    """The first part of the names of its texts: `templates/NAME.CHANNEL.LOCALE.liquid`, or
    `templates/NAME.LOCALE.liquid` for the channels that have no text of their own. A first line
    `Subject: …` with an empty line after it is the subject of an e-mail and no part of the body."""
    expires: ExpressionText = ""
    valid_for: DurationText = "7 days"
    repeat: DurationText = ""
    """How long after a contact the same action, about the same object, may come again.

    Empty: never.
    """
    rest: DurationText = ""
    """How long after any contact of the same kind this one waits."""
    urgent: bool = False
    """Whether quiet hours do not apply (a safety notice, a table in fifteen minutes)."""
    sets: dict[str, ExpressionText] = {}
    """Fields of the object that become true once the message leaves, such as a grace date."""
    withdraws: tuple[str, ...] = ()
    holdout_percent: int = 0
    needs_approval: bool = False
    legal_weight: bool = False
    reads: tuple[str, ...] = ()
    """Facts that a placement may show with this action, beyond those in the template."""
    headline: dict[str, str] = {}
    """What a placement shows, by locale: a Liquid line that may use `terms`."""
    say: dict[str, str] = {}
    """What staff may say, by locale."""
    description: str = ""


# -- catalog/*.yaml -----------------------------------------------------------------------------


class Product(_Part, frozen=True, kw_only=True):
    """A product, place or plan that offers are about, as data."""

    product: str
    category: str
    name: dict[str, str]
    terms: Terms | None = None
    details: dict[str, Any] = {}


class BrandTexts(_Part, frozen=True, kw_only=True):
    """A brand folder as texts: path within the folder -> content."""

    files: dict[str, str]


class Brand(_Part, frozen=True, kw_only=True):
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
