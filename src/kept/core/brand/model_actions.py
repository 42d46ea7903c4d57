"""`actions/*.yaml` and `catalog/*.yaml` as values: what the brand may do, and what it offers."""

# ruff: noqa: RUF012 - msgspec copies an empty default for each struct

from typing import Any, Literal, TypeAlias

from kept.core.brand.entry import (
    CurrencyText,
    DecimalText,
    DurationText,
    Entry,
    ExpressionText,
    MoneyText,
)

# -- actions/*.yaml -----------------------------------------------------------------------------

Kind: TypeAlias = Literal[
    "offer", "experience", "greeting", "survey", "service", "call_task", "measure"
]


class Terms(Entry, frozen=True, kw_only=True):
    """The terms of an offer as data, from which every headline is generated."""

    kind: Literal["price", "subscription", "credit", "bundle", "free"]
    """What kind of price it is."""
    currency: CurrencyText | None = None
    """The currency of the amounts; the brand's own where it is left out."""
    price: MoneyText | None = None
    """What is paid once, or each month of a subscription."""
    fee: MoneyText | None = None
    """What is paid once, at the beginning."""
    intro_price: MoneyText | None = None
    """The price of each of the first months."""
    intro_months: int | None = None
    """How many months the introductory price holds."""
    renews: bool | None = None
    """Whether it goes on by itself after `min_months`."""
    min_months: int | None = None
    """For how many months it binds; 0 for none."""
    rate_percent: DecimalText | None = None
    """The nominal rate of a credit."""
    rate_period: Literal["day", "month", "year"] | None = None
    """What the nominal rate is for."""
    compounding: Literal["daily", "monthly", "yearly"] | None = None
    """How often interest itself begins to bear interest."""
    example_amount: MoneyText | None = None
    """The amount of the loan whose cost is stated."""
    example_months: int | None = None
    """The months in which that loan is repaid, in equal instalments."""
    parts: tuple[str, ...] = ()
    """The products of a bundle."""
    limited_to: ExpressionText | None = None
    """A fact behind any scarcity that the offer claims; without one, none may be claimed."""


class Action(Entry, frozen=True, kw_only=True):
    """Something the brand may do: an offer, an experience, a greeting, a survey, a message, a call.

    `measure` is a step of another system (a late fee, a suspension) that asks before it is taken.
    """

    action: str
    """Its name."""
    kind: Kind
    """What it is: kinds that promote compete for one answer, services go out when they are due."""
    entity: str
    """The legal entity that speaks."""
    purpose: str
    """The purpose, and with it the lawful basis."""
    topic: str = ""
    """What it is about, so that a customer can mute it."""
    about: str = ""
    """The kind of object that it is about: one candidate for each that the customer has."""
    when: ExpressionText
    """The condition under which it may be done."""
    value: ExpressionText = "0"
    """What it is worth to the brand if it is accepted, in the brand's currency."""
    p_accept: ExpressionText = "1.0"
    """How likely it is to be accepted, from 0 to 1."""
    customer_benefit: ExpressionText = ""
    """What the customer has of it; below 0 it is never done."""
    cost: MoneyText | None = None
    """What it costs beside the channel."""
    category: str = ""
    """What it is one of; two of one category are not shown side by side."""
    terms: Terms | None = None
    """The terms of an offer."""
    terms_from: str = ""
    """A product of the catalog whose terms these are."""
    channels: tuple[str, ...] = ()
    """The channels by which it may be sent."""
    placements: tuple[str, ...] = ()
    """The placements where it may be shown, or asked about."""
    template: str = ""
    """The first part of the names of its texts; the action's own name where empty.

    They are `templates/NAME.CHANNEL.LOCALE.liquid`, or `templates/NAME.LOCALE.liquid` for the
    channels that have no text of their own. A first line `Subject: …` with an empty line after it
    is the subject of an e-mail and no part of the body.
    """
    expires: ExpressionText = ""
    """The instant after which it has lost its meaning and is dropped."""
    valid_for: DurationText = "7 days"
    """How long a message waits at most before it is dropped."""
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
    """Actions whose queued messages about the same object it takes back."""
    holdout_percent: int = 0
    """The share of customers who do not get it, to see what it brings."""
    needs_approval: bool = False
    """Whether a person approves each one."""
    notice_of: Literal["breach", ""] = ""
    """`breach`: the service message that tells whom a breach touched; its text may say `breach`."""
    legal_weight: bool = False
    """Whether it affects the customer's rights, so that no machine decides alone."""
    reads: tuple[str, ...] = ()
    """Facts that a placement may show with this action, beyond those in the template."""
    headline: dict[str, str] = {}
    """What a placement shows, by locale: a Liquid line that may use `terms`."""
    say: dict[str, str] = {}
    """What staff may say, by locale."""
    description: str = ""
    """What it is for, in words."""


# -- catalog/*.yaml -----------------------------------------------------------------------------


class Product(Entry, frozen=True, kw_only=True):
    """A product, place or plan that offers are about, as data."""

    product: str
    """Its name."""
    category: str
    """What it is one of."""
    name: dict[str, str]
    """What it is called, by locale."""
    terms: Terms | None = None
    """What it costs."""
    details: dict[str, Any] = {}
    """Anything else that texts may say of it."""
