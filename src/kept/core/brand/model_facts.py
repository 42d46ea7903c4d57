"""`sources.yaml` and `facts.yaml` as values: who tells us something, and what follows from it."""

# ruff: noqa: RUF012 - msgspec copies an empty default for each struct

from typing import Final, Literal, TypeAlias

from kept.core.brand.entry import DurationText, Entry, TypeText

NOBODY: Final = ("", "")
"""Stands where no explicit consent is named."""

# -- sources.yaml -------------------------------------------------------------------------------


class Namespace(Entry, frozen=True, kw_only=True):
    """A kind of identifier and how far it may be trusted."""

    strength: Literal["strong", "medium", "weak"]
    """How much a shared value says about two being one person."""
    limit: int
    """At most this many values belong to one customer, 5,000 at the most; evidence for more joins nobody."""
    reveals: bool = False
    """Whether knowing a value proves who somebody is once a source vouches for it."""
    blocked: tuple[str, ...] = ()
    """Regular expressions of values that identify nobody, besides the built-in ones."""
    trait: str = ""
    """A trait that carries this identifier, such as `email`."""
    object: str = ""
    """The kind of object that it names; it finds the owner of events that name no one."""


class Rhythm(Entry, frozen=True, kw_only=True):
    """How often a source is expected to be heard, and when its silence makes its facts unknown."""

    every: DurationText
    """How often it is usually heard."""
    stale_after: DurationText
    """After this much silence, what rests on it is unknown."""


class Signature(Entry, frozen=True, kw_only=True):
    """How a webhook proves who sent it; secrets are references (`env:NAME`, `file:PATH`)."""

    scheme: Literal["standard_webhooks", "hmac_sha256", "hmac_sha1", "token"]
    """How the signature is made."""
    secret: str
    """The secret's name: `env:NAME` or `file:PATH`."""
    header: str = ""
    """The header that carries it: `X-Signature` if none is named; a `token` then comes as Bearer or `?token=`."""
    prefix: str = ""
    """What stands before the signature in the header, such as `sha256=`."""


class Mapping(Entry, frozen=True, kw_only=True):
    """How one kind of foreign payload becomes an event; paths are dotted: `body.data.id`."""

    event: str
    """The name of the event that it makes."""
    when: dict[str, str | int | bool | tuple[str, ...]] = {}
    """Path -> what must stand there: a value, one of several, or `~PATTERN`.

    A pattern is a regular expression to be found in the text, in upper or lower case. The first
    mapping of a source whose `when` holds makes the event.
    """
    message_id: str = ""
    """Where the payload's own id stands, by which repetitions are known."""
    occurred_at: str = ""
    """Where the time of the event stands; without it, the time of arrival counts."""
    identifiers: dict[str, str] = {}
    """Namespace -> where its value stands."""
    properties: dict[str, str] = {}
    """Property -> where its value stands."""
    constants: dict[str, str | int | bool] = {}
    """Property -> its value, for what the payload does not say."""


class Suppressions(Entry, frozen=True, kw_only=True):
    """How a tool outside Kept is told whom it may not contact any more, or may again."""

    url: str = ""
    """Where it is called, or the name of that: `env:NAME`; empty where it fetches by itself."""
    secret: str = ""
    """What signs the calls, as Standard Webhooks has it: `env:NAME` or `file:PATH`."""
    identifiers: tuple[str, ...] = ()
    """Namespaces by which it knows customers; empty means the `identifiers` of the source."""
    purposes: tuple[str, ...] = ()
    """Purposes that it contacts for; empty means every one."""
    channels: tuple[str, ...] = ()
    """Channels that it contacts on; empty means every one."""


class Source(Entry, frozen=True, kw_only=True):
    """A touchpoint: which event names it may send and which identifiers it may vouch for."""

    kind: Literal["browser", "server", "webhook", "import"]
    """What it is; a `browser` has a public key, which anybody can read."""
    events: tuple[str, ...] = ()
    """Event names; `*` at the end of a name stands for any rest."""
    vouches: tuple[str, ...] = ()
    """Namespaces whose values it has checked, so that they prove who somebody is."""
    identifiers: tuple[str, ...] = ()
    """Namespaces that this source may name at all; empty means every one."""
    traits: tuple[str, ...] = ()
    """Traits that it may tell; a browser tells none that are not listed here."""
    key: str = ""
    """The name of its write key: `env:NAME` or `file:PATH`; empty where a command makes it."""
    origins: tuple[str, ...] = ()
    """Web origins from which a browser may send, each in full: `https://www.example.com`."""
    pulls: tuple[str, ...] = ()
    """Channels whose messages it may fetch, for a server: inboxes, and call lists with their
    telephone numbers; empty means none."""
    rhythm: Rhythm | None = None
    """How often it is expected to be heard; without it, silence is no alarm."""
    signature: Signature | None = None
    """How a webhook proves who calls."""
    mappings: tuple[Mapping, ...] = ()
    """How a webhook's payloads become events."""
    suppressions: Suppressions | None = None
    """How a tool that contacts customers by itself is told of whom it may not."""
    recipient: str = ""
    """The recipient of consent.yaml that runs it; empty where the brand runs it itself."""

    @property
    def told_namespaces(self) -> tuple[str, ...]:
        """Return the namespaces in which a tool is told of suppressions."""
        told = self.suppressions
        return (told.identifiers or self.identifiers) if told is not None else ()


class SourcesFile(Entry, frozen=True, kw_only=True):
    """`sources.yaml`: the touchpoints and the identifiers that they speak of."""

    namespaces: dict[str, Namespace]
    """The kinds of identifiers, by name."""
    sources: dict[str, Source]
    """The touchpoints, by name."""


# -- facts.yaml ---------------------------------------------------------------------------------

Match: TypeAlias = dict[str, str | int | bool | tuple[str | int | bool, ...]]


class ObjectEvent(Entry, frozen=True, kw_only=True):
    """What one event does to an object: which fields it sets, from which property or constant."""

    set: dict[str, str | int | bool] = {}
    """Field -> constant, or a path such as `properties.due_at` or `occurred_at`."""
    where: Match = {}
    """Property -> the value, or one of several, that it must have."""


class ObjectKind(Entry, frozen=True, kw_only=True):
    """Something with a state that a customer has: a bill, a parcel, a subscription, a case."""

    key: str
    """The property that carries the object's key."""
    fields: dict[str, TypeText]
    """Field -> its type."""
    events: dict[str, ObjectEvent]
    """Event name -> what it does to the object."""
    not_personal: tuple[str, ...] = ()
    """Fields that say nothing of a person, such as the map of a place; every other is personal."""
    sensitive: tuple[str, ...] = ()
    """Fields of a special category, such as health (GDPR, article 9)."""
    processed_for: tuple[str, str] = NOBODY
    """[legal entity, purpose] of the explicit consent under which its sensitive fields are read."""


class Feature(Entry, frozen=True, kw_only=True):
    """A derived fact: one aggregate over events, all time or within a sliding window.

    Exactly one of `count`, `sum`, `min`, `max`, `first`, `last`, `distinct`, `top` or `dwell` is
    given. It names the event (or events); `of` names the property it works on.
    """

    count: str | tuple[str, ...] = ()
    """How many events there were."""
    sum: str | tuple[str, ...] = ()
    """The sum of `of`."""
    min: str | tuple[str, ...] = ()
    """The least `of`."""
    max: str | tuple[str, ...] = ()
    """The greatest `of`."""
    first: str | tuple[str, ...] = ()
    """The `of` of the earliest event; without `of`, its time."""
    last: str | tuple[str, ...] = ()
    """The `of` of the latest event; without `of`, its time."""
    distinct: str | tuple[str, ...] = ()
    """How many different values `of` had."""
    top: str | tuple[str, ...] = ()
    """The most frequent value of `of`."""
    dwell: str | tuple[str, ...] = ()
    """Time spent on the top value of `of`: gaps between events, each at most `gap`, in seconds."""
    of: str = ""
    """A property; `occurred_at` (the default of first and last) is the event's own time."""
    by: str = ""
    """dwell only: the value whose time is wanted (`top` for the leading one's time in seconds)."""
    type: TypeText = ""
    """The type of the value, where it does not follow from the aggregate."""
    window: DurationText = ""
    """Only events of this last stretch of time count; empty means all time."""
    grain: DurationText = ""
    """In which steps the window moves; the window is a multiple of it."""
    gap: DurationText = "5 minutes"
    """dwell only: the longest time that one event can stand for."""
    where: Match = {}
    """Property -> the value, or one of several, that it must have."""
    personal: bool = True
    """Whether it is personal data; it is unless this says otherwise."""
    sensitive: bool = False
    """Whether it is of a special category, such as health (GDPR, article 9)."""
    processed_for: tuple[str, str] = NOBODY
    """[legal entity, purpose] of the explicit consent without which it reads as never told."""


class Trait(Entry, frozen=True, kw_only=True):
    """Something a customer or a source told us: a name, a birthday, an address."""

    type: TypeText
    """The type of its value."""
    personal: bool = True
    """Whether it is personal data; it is unless this says otherwise."""
    sensitive: bool = False
    """Whether it is of a special category, such as health (GDPR, article 9)."""
    processed_for: tuple[str, str] = NOBODY
    """[legal entity, purpose] of the explicit consent without which it reads as never told."""
    ask: dict[str, str] = {}
    """How to ask for it, by locale; a trait without a question is never asked for."""


class FactsFile(Entry, frozen=True, kw_only=True):
    """`facts.yaml`: what is known of a customer, and how it follows from events."""

    traits: dict[str, Trait] = {}
    """What customers and sources tell, by name."""
    objects: dict[str, ObjectKind] = {}
    """Kinds of things that customers have, by name."""
    features: dict[str, Feature] = {}
    """What follows from events, by name."""
    words: dict[str, dict[str, str]] = {}
    """What a field, or a kind of object, is called when a customer reads of it, by locale.

    Such as `trait.email` or `bill`; a field without words is called by its name.
    """
