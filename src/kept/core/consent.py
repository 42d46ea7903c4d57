"""Permission: what a customer allowed, and what an action may therefore do (guarantee G2).

Consents are kept under scope keys: `p|entity|purpose|channel` for a purpose (an empty channel
stands for every one), `c|channel` for a whole channel, `t|topic` for a topic, `gpc` for a
Sec-GPC signal, `restricted` while the data is kept and not used (GDPR, article 18), and
`preferred_channel`. Within one part the latest word counts. Between parts the
most restrictive one does, unless the customer opted in again after the parts had become one.
Unknown means no.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from kept.core.event import (
    CONSENT_UPDATED,
    RESTRICTED,
    RESTRICTION_LIFTED,
    SOURCE_SELF,
    Event,
)
from kept.core.reason import GlobalPrivacyControl, NoBasis, OptedOut, Reason, Restricted
from kept.core.state import Stamped

CONSENT_GIVEN: Final = "Consent Given"
CONSENT_WITHDRAWN: Final = "Consent Withdrawn"
SUBSCRIBED: Final = "Subscribed"
UNSUBSCRIBED: Final = "Unsubscribed"
PREFERENCE_UPDATED: Final = "Preference Updated"
MARKED_AS_SPAM: Final = "Email Marked as Spam"

CONSENT_EVENTS: Final = frozenset(
    {
        CONSENT_UPDATED,
        CONSENT_GIVEN,
        CONSENT_WITHDRAWN,
        SUBSCRIBED,
        UNSUBSCRIBED,
        PREFERENCE_UPDATED,
        MARKED_AS_SPAM,
        RESTRICTED,
        RESTRICTION_LIFTED,
    }
)

PREFERRED_CHANNEL: Final = "preferred_channel"
GPC: Final = "gpc"
RESTRICTION: Final = "restricted"
_SAID_TO_RESTRICT: Final = frozenset({GPC, RESTRICTION})
"""Scopes in which yes is the word that restricts."""
ANY_ENTITY: Final = "*"
"""Stands in a scope for every legal entity."""
_TOPIC: Final = "t|"
_PURPOSE: Final = "p|"

Categories = Mapping[str, tuple[str, str]]


class PurposeRule(msgspec.Struct, frozen=True, kw_only=True):
    """What permission needs to know of a purpose."""

    purpose: str
    basis: str
    sale_or_sharing: bool = False
    channels: frozenset[str] = frozenset()
    during_restriction: bool = False
    """Whether a law obliges to it even while the customer's data is restricted."""


def purpose_key(entity: str, purpose: str, channel: str = "") -> str:
    """Return the scope key of a purpose of a legal entity on a channel (or on every one)."""
    return f"p|{entity}|{purpose}|{channel}"


def channel_key(channel: str) -> str:
    """Return the scope key of a whole channel."""
    return f"c|{channel}"


def topic_key(topic: str) -> str:
    """Return the scope key of a topic."""
    return f"{_TOPIC}{topic}"


def is_topic(scope: str) -> bool:
    """Return whether a scope key is that of a topic."""
    return scope.startswith(_TOPIC)


def read_consents(event: Event, categories: Categories) -> list[tuple[str, Stamped]]:
    """Return what an event says about consent, as (scope key, stamped word) pairs."""
    said = dict(_SAID[event.name](event, categories)) if event.name in _SAID else {}
    if event.context.get("gpc") is True:
        said[GPC] = True
    wording = read_wording(event)
    source = f"{event.source}#{wording}" if wording else event.source
    return [
        (key, Stamped(value, event.occurred_at, event.event_key, source))
        for key, value in said.items()
    ]


def read_wording(event: Event) -> str:
    """Return the name of the wording that was shown, empty where the event does not say it."""
    return _text(event.properties, "wording")


def _read_categories(event: Event, categories: Categories) -> Iterable[tuple[str, Any]]:
    consent = event.context.get("consent")
    told = consent.get("categoryPreferences") if isinstance(consent, dict) else None
    if not isinstance(told, dict):
        return
    for category, (entity, purpose) in categories.items():
        # An empty object refuses everything; a category that is not named stays as it was.
        if category in told or not told:
            yield purpose_key(entity, purpose), told.get(category) is True


def _read_opt(event: Event, *, opted_in: bool) -> Iterable[tuple[str, Any]]:
    told = {
        name: _text(event.properties, name) for name in ("entity", "purpose", "channel", "topic")
    }
    if told["topic"]:
        yield topic_key(told["topic"]), opted_in
    elif told["purpose"]:
        # An opt-in must name the entity that it is given to; an opt-out without one is for all.
        entity = told["entity"] or ("" if opted_in else ANY_ENTITY)
        if entity:
            yield purpose_key(entity, told["purpose"], told["channel"]), opted_in
    elif told["channel"]:
        yield channel_key(told["channel"]), opted_in


def _read_preferences(event: Event, categories: Categories) -> Iterable[tuple[str, Any]]:
    preferred = event.properties.get(PREFERRED_CHANNEL)
    if isinstance(preferred, str):
        yield PREFERRED_CHANNEL, preferred
    for name, key_of in (("topics", topic_key), ("channels", channel_key)):
        told = event.properties.get(name)
        for scope, wanted in told.items() if isinstance(told, dict) else ():
            if isinstance(wanted, bool):
                yield key_of(scope), wanted


def _read_restriction(event: Event, *, is_on: bool) -> Iterable[tuple[str, Any]]:
    # Only we say so: it takes a person who made sure who asks.
    if event.source == SOURCE_SELF:
        yield RESTRICTION, is_on


def _text(properties: Mapping[str, Any], name: str) -> str:
    value = properties.get(name)
    return value if isinstance(value, str) else ""


_SAID: Final[dict[str, Callable[[Event, Categories], Iterable[tuple[str, Any]]]]] = {
    CONSENT_UPDATED: _read_categories,
    CONSENT_GIVEN: lambda event, _: _read_opt(event, opted_in=True),
    SUBSCRIBED: lambda event, _: _read_opt(event, opted_in=True),
    CONSENT_WITHDRAWN: lambda event, _: _read_opt(event, opted_in=False),
    UNSUBSCRIBED: lambda event, _: _read_opt(event, opted_in=False),
    PREFERENCE_UPDATED: _read_preferences,
    MARKED_AS_SPAM: lambda event, _: [(channel_key("email"), False)],
    RESTRICTED: lambda event, _: _read_restriction(event, is_on=True),
    RESTRICTION_LIFTED: lambda event, _: _read_restriction(event, is_on=False),
}


def combine_consents(
    parts: Iterable[Mapping[str, Stamped]],
    attached: Iterable[Mapping[str, Stamped]],
    *,
    joined_at: int,
) -> dict[str, Stamped]:
    """Return one customer's consents: the most restrictive of its parts' (guarantee G10).

    An opt-in wins over another part's opt-out only if it is later, and was given after the parts
    had become one customer (`joined_at`, µs), for only then does it speak for all of them.
    Attached parts are claims: their opt-outs count, their opt-ins never do.
    """
    combined: dict[str, Stamped] = {}
    own, claimed = list(parts), list(attached)
    for consents in own:
        for key, said in consents.items():
            mine = combined.get(key)
            combined[key] = said if mine is None else _stricter(key, mine, said, joined_at)
    for consents in claimed:
        for key, said in consents.items():
            if restricts(key, said):
                mine = combined.get(key)
                speaks_for_all = mine is not None and (mine.at >= joined_at or restricts(key, mine))
                if mine is None or not mine.is_later_than(said) or not speaks_for_all:
                    combined[key] = said
    if len(own) + len(claimed) > 1:
        _drop_overruled(combined, [*own, *claimed], joined_at=joined_at)
    return combined


def _drop_overruled(
    combined: dict[str, Stamped], parts: Sequence[Mapping[str, Stamped]], *, joined_at: int
) -> None:
    """Drop opt-ins that do not speak for all and that another part refuses in a wider scope.

    Within one part the later and narrower word wins; that of another part, who was somebody else
    when it was said, lifts nothing.
    """
    for key, said in list(combined.items()):
        if not key.startswith(_PURPOSE) or said.value is not True or said.at >= joined_at:
            continue
        entity, _, rest = key.removeprefix(_PURPOSE).partition("|")
        purpose, _, channel = rest.rpartition("|")
        wide = purpose_key(entity, purpose)
        wider = {wide, purpose_key(ANY_ENTITY, purpose, channel), purpose_key(ANY_ENTITY, purpose)}
        for consents in parts:
            opted_in_at = _latest(consents, (key, wide))
            if any(
                _says(consents, scope, wanted=False) and consents[scope].at >= opted_in_at
                for scope in wider - {key}
            ):
                del combined[key]
                break


def restricts(key: str, said: Stamped) -> bool:
    """Return whether a word in a scope restricts what may be done."""
    return (said.value is True) if key in _SAID_TO_RESTRICT else (said.value is False)


def _stricter(key: str, one: Stamped, other: Stamped, joined_at: int) -> Stamped:
    later, earlier = (one, other) if one.is_later_than(other) else (other, one)
    if key == PREFERRED_CHANNEL or later.value == earlier.value or restricts(key, later):
        return later
    return later if later.at >= joined_at or not restricts(key, earlier) else earlier


def check_permission(
    consents: Mapping[str, Stamped], *, entity: str, rule: PurposeRule, channel: str, topic: str
) -> Reason | None:
    """Return why an action of this purpose may not use this channel, or None when it may.

    A refusal stands until the customer opts in again in the same scope, or, later, in a narrower
    one: who refused marketing and then asked for it by e-mail gets it by e-mail.
    """
    if rule.channels and channel not in rule.channels:
        return _no_basis(entity, rule.purpose, channel)
    needs_consent = rule.basis == "consent"
    if not consents:
        # Most customers said nothing yet, and this is asked for every action of every decision.
        return _no_basis(entity, rule.purpose, channel) if needs_consent else None
    restricted = check_restriction(consents, rule)
    if restricted is not None:
        return restricted
    if rule.sale_or_sharing and _says(consents, GPC, wanted=True):
        return GlobalPrivacyControl(purpose=rule.purpose)
    scopes = _scopes_of(entity, rule.purpose, channel, topic)
    for scope in scopes.refusing:
        if _says(consents, scope, wanted=False):
            return OptedOut(scope=scope)
    opted_in_at = _latest(consents, scopes.allowing)
    for scope in scopes.refusing_unless_later:
        if _says(consents, scope, wanted=False) and consents[scope].at >= opted_in_at:
            return OptedOut(scope=scope)
    if needs_consent and opted_in_at < 0:
        return _no_basis(entity, rule.purpose, channel)
    return None


def check_restriction(consents: Mapping[str, Stamped], rule: PurposeRule) -> Reason | None:
    """Return that the customer's data may not be used for this purpose just now, or None."""
    said = consents.get(RESTRICTION)
    if said is None or said.value is not True or rule.during_restriction:
        return None
    return Restricted(at=said.at)


def is_restricted(consents: Mapping[str, Stamped]) -> bool:
    """Return whether a customer's data is kept and not used (GDPR, article 18)."""
    return _says(consents, RESTRICTION, wanted=True)


@lru_cache(maxsize=4096)
def _no_basis(entity: str, purpose: str, channel: str) -> NoBasis:
    """Return the commonest of all reasons, made once: it holds nothing of the customer."""
    return NoBasis(entity=entity, purpose=purpose, channel=channel)


def _latest(consents: Mapping[str, Stamped], allowing: tuple[str, ...]) -> int:
    """Return when the customer last opted in by one of these scopes, -1 if never."""
    latest = -1
    for scope in allowing:
        if _says(consents, scope, wanted=True):
            latest = max(latest, consents[scope].at)
    return latest


class _Scopes(msgspec.Struct, frozen=True):
    """The scope keys that speak of one purpose on one channel."""

    refusing: tuple[str, ...]
    allowing: tuple[str, ...]
    refusing_unless_later: tuple[str, ...]


@lru_cache(maxsize=4096)
def _scopes_of(entity: str, purpose: str, channel: str, topic: str) -> _Scopes:
    narrow = purpose_key(entity, purpose, channel)
    wide = purpose_key(entity, purpose)
    topics = (topic_key(topic),) if topic else ()
    return _Scopes(
        (narrow, channel_key(channel), *topics),
        (narrow, wide),
        (wide, purpose_key(ANY_ENTITY, purpose, channel), purpose_key(ANY_ENTITY, purpose)),
    )


def _says(consents: Mapping[str, Stamped], scope: str, *, wanted: bool) -> bool:
    said = consents.get(scope)
    return said is not None and said.value is wanted
