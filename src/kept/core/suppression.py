"""What a tool outside Kept is told when what it may do for a customer changes.

A *notice* says of whom something changed, by the scopes of consent that it changed in, and never
how: what holds is read when it is told, so that the newest word always comes last. Scopes are those
of `consent`, and `a|channel` for addresses that take no more.

Whoever is told keeps three lists for each identifier: of purposes (for a legal entity, on a
channel), of channels, of topics. Each suppression sets all that its scope covers in its list, an
empty name covering every one; a contact is suppressed while one of the three forbids it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from kept.core.brand.model import Source
from kept.core.bundle import Bundle
from kept.core.consent import (
    ANY_ENTITY,
    CONSENT_EVENTS,
    GPC,
    RESTRICTION,
    channel_key,
    check_permission,
    is_restricted,
    purpose_key,
    topic_key,
)
from kept.core.event import CHANNEL_CLOSED, Event
from kept.core.reason import GlobalPrivacyControl, OptedOut, Restricted
from kept.core.state import Stamped, State
from kept.core.values import format_instant

_SPEAKING: Final = CONSENT_EVENTS | {CHANNEL_CLOSED}


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """What holds of a customer's wish from now on; an empty name stands for every one."""

    id: str
    """The same whenever it is told again."""
    identifiers: dict[str, tuple[str, ...]]
    """Namespace -> the values that name the customer, in the namespaces that the tool is told."""
    entity: str = ""
    purpose: str = ""
    channel: str = ""
    topic: str = ""
    allowed: bool
    """False forbids; True says that what was forbidden before is so no more, and permits nothing."""
    at: str
    """When the customer (or whoever closed the address) said so."""


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """What holds in one scope, before it is said of whom."""

    scope: str
    entity: str = ""
    purpose: str = ""
    channel: str = ""
    topic: str = ""
    allowed: bool
    at: int
    addresses: tuple[str, ...] = ()
    """The addresses that are closed; empty where the word is about the customer."""


class Wishes(msgspec.Struct, frozen=True):
    """All that a customer said of being contacted, and the addresses that take no more."""

    consents: dict[str, Stamped]
    closed: frozenset[str]


def speaks_of_permission(event: Event) -> bool:
    """Return whether an event may change what tools may do."""
    return event.name in _SPEAKING or "gpc" in event.context


def wishes_of(state: State) -> Wishes:
    """Return what a customer said, as it is now; the state may go on changing."""
    consents = dict(state.consents)
    if GPC in consents:
        # It comes with every page, and when it came last makes no difference.
        consents[GPC] = Stamped(consents[GPC].value, 0, 0)
    return Wishes(consents, frozenset(state.closed_addresses))


def changed_scopes(before: Wishes, after: Wishes, bundle: Bundle) -> tuple[str, ...]:
    """Return the scopes in which contacts are forbidden now and were not, or the reverse.

    Only scopes that the brand knows: no event's own words get further.
    """
    was, now = before.consents, after.consents
    if before == after:
        return ()
    purposes = _purpose_scopes(was, bundle) | _purpose_scopes(now, bundle)
    changed = {
        scope
        for scope in purposes
        if _is_allowed(scope, was, bundle) != _is_allowed(scope, now, bundle)
    }
    changed |= {
        scope
        for scope in was.keys() | now.keys()
        if scope[:2] in ("c|", "t|")
        and _is_known(scope, bundle)
        and _is_refusal(was.get(scope)) != _is_refusal(now.get(scope))
    }
    changed |= {f"a|{key.partition('|')[0]}" for key in before.closed ^ after.closed}
    return tuple(sorted(changed))


def read_words(
    scopes: Iterable[str], state: State, bundle: Bundle, *, noted_at: int
) -> Iterator[Word]:
    """Yield what holds now in these scopes, and in narrower ones that setting them would cover.

    Wide scopes come before narrow ones, so that whoever sets each in turn ends up right.
    """
    consents = state.consents
    wanted = set(scopes)
    changed = {scope for scope in wanted if scope.startswith("p|") and _is_known(scope, bundle)}
    covered = {
        scope
        for scope in _purpose_scopes(consents, bundle)
        if any(_covers(wide, scope) for wide in changed)
    }
    for scope in sorted(changed | covered, key=lambda scope: (_narrowness(scope), scope)):
        _, entity, purpose, channel = scope.split("|")
        yield Word(
            scope=scope,
            entity="" if entity == ANY_ENTITY else entity,
            purpose=purpose,
            channel=channel,
            allowed=_is_allowed(scope, consents, bundle),
            at=_latest_said(scope, consents, default=noted_at),
        )
    for scope in sorted(s for s in wanted if s[:2] in ("c|", "t|") and _is_known(s, bundle)):
        said = consents.get(scope)
        name = scope[2:]
        yield Word(
            scope=scope,
            channel=name if scope == channel_key(name) else "",
            topic=name if scope == topic_key(name) else "",
            allowed=not _is_refusal(said),
            at=said.at if said is not None else noted_at,
        )
    yield from _closed_words(wanted, state, bundle)


def write_suppressions(
    notice_id: int,
    words: Iterable[Word],
    identifiers: Mapping[str, tuple[str, ...]],
    *,
    tool: Source,
    bundle: Bundle,
) -> Iterator[Suppression]:
    """Yield what one tool is told of the words about one customer.

    Args:
        notice_id: the notice that the words follow from.
        words: what holds now.
        identifiers: the customer's, in the namespaces that the tool is told.
        tool: the source that is the tool.
        bundle: the brand in force.
    """
    told = tool.suppressions
    if told is None:
        return
    for word in words:
        if word.purpose and told.purposes and word.purpose not in told.purposes:
            continue
        if word.channel and told.channels and word.channel not in told.channels:
            continue
        named = dict(identifiers)
        if word.addresses:
            # It is the address that is closed, not the customer, who may have another.
            spaces = [s for s in _address_spaces(word.channel, bundle) if s in tool.told_namespaces]
            named = dict.fromkeys(spaces, word.addresses)
        if named:
            yield Suppression(
                id=f"{notice_id}:{word.scope}",
                identifiers=named,
                entity=word.entity,
                purpose=word.purpose,
                channel=word.channel,
                topic=word.topic,
                allowed=word.allowed,
                at=format_instant(word.at),
            )


def _closed_words(wanted: set[str], state: State, bundle: Bundle) -> Iterator[Word]:
    """Yield the closed addresses of channels that anything is said of."""
    channels = {scope[2:] for scope in wanted if scope[:2] in ("a|", "c|")}
    for channel in sorted(channels & set(bundle.policy.channels)):
        closed = {
            key.partition("|")[2]: said.at
            for key, said in state.closed_addresses.items()
            if key.partition("|")[0] == channel
        }
        if closed:
            yield Word(
                scope=f"a|{channel}",
                channel=channel,
                allowed=False,
                at=max(closed.values()),
                addresses=tuple(sorted(closed)),
            )


def _purpose_scopes(consents: Mapping[str, Stamped], bundle: Bundle) -> set[str]:
    """Return the scopes of purposes that anything was said of, and those in which two of them meet."""
    known = {scope for scope in consents if scope.startswith("p|") and _is_known(scope, bundle)}
    if GPC in consents:
        # A Sec-GPC signal speaks of every purpose that sells or shares, whoever's it is.
        rules = bundle.policy.purposes.items()
        known |= {purpose_key(ANY_ENTITY, name) for name, rule in rules if rule.sale_or_sharing}
    if is_restricted(consents):
        known |= {purpose_key(ANY_ENTITY, name) for name in bundle.policy.purposes}
    split = [scope.split("|") for scope in known]
    met = {
        purpose_key(entity, purpose, channel)
        for _, entity, purpose, nowhere in split
        if entity != ANY_ENTITY and not nowhere
        for _, anybody, same, channel in split
        if anybody == ANY_ENTITY and channel and same == purpose
    }
    return known | met


def _is_refusal(said: Stamped | None) -> bool:
    return said is not None and said.value is False


def _is_known(scope: str, bundle: Bundle) -> bool:
    """Return whether a scope speaks only of what the brand has; no event's own words get further."""
    policy = bundle.policy
    kind, *names = scope.split("|")
    if kind == "p" and len(names) == 3:
        entity, purpose, channel = names
        return (
            (entity == ANY_ENTITY or entity in policy.entities)
            and purpose in policy.purposes
            and (not channel or channel in policy.channels)
        )
    if len(names) != 1:
        return False
    known = {"c": policy.channels, "t": bundle.brand.consent.topics}.get(kind, {})
    return names[0] in known


def _is_allowed(scope: str, consents: Mapping[str, Stamped], bundle: Bundle) -> bool:
    """Return whether no word about purposes forbids one; whether there is a basis is not asked."""
    _, entity, purpose, channel = scope.split("|")
    about_purposes = {
        key: said
        for key, said in consents.items()
        if key in (GPC, RESTRICTION) or key.startswith("p|")
    }
    rule = msgspec.structs.replace(bundle.policy.purposes[purpose], channels=frozenset())
    found = check_permission(about_purposes, entity=entity, rule=rule, channel=channel, topic="")
    return not isinstance(found, OptedOut | GlobalPrivacyControl | Restricted)


def _latest_said(scope: str, consents: Mapping[str, Stamped], *, default: int) -> int:
    """Return when anything was last said that covers a scope of a purpose."""
    spoken = [
        said.at
        for key, said in consents.items()
        if key in (GPC, RESTRICTION) or _covers(key, scope)
    ]
    return max(spoken, default=default)


def _covers(wide: str, narrow: str) -> bool:
    """Return whether setting one scope of a purpose also sets another (or itself)."""
    kind, *names = wide.split("|")
    if kind != "p" or len(names) != 3:
        return False
    _, entity, purpose, channel = narrow.split("|")
    return names[0] in (ANY_ENTITY, entity) and names[1] == purpose and names[2] in ("", channel)


def _narrowness(scope: str) -> int:
    _, entity, _, channel = scope.split("|")
    return (entity != ANY_ENTITY) + (channel != "")


def _address_spaces(channel: str, bundle: Bundle) -> list[str]:
    """Return the namespaces whose values are a channel's addresses."""
    address = bundle.brand.consent.channels[channel].address
    spaces = bundle.brand.sources.namespaces
    return [name for name, space in spaces.items() if address and address in (name, space.trait)]
