"""Which changes can only worsen what customers meet, told from the folders alone (story 36).

A change is named here if it makes room for more contacts, takes grace or a hold away, adds or widens
a step of legal weight, lets somebody be spoken to who did not agree, or moves a limit of these very
checks. So is one of a fact that any of these rests on. How much some of them do shows on a record;
without one, each of them waits for an approval.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final, Literal, TypeAlias

import msgspec

from kept.core.brand.model import Action, Brand, Cap, Hold, QuietHours
from kept.core.brand.units import parse_duration
from kept.core.data_map.readers import Reader, hushed_by
from kept.core.diff.changes import show
from kept.core.diff.redeclared import find_redeclared

Worsening: TypeAlias = Literal["pressure", "hardship", "bias", "limits"]
_DAY: Final = 24 * 60
_AMOUNT: Final = re.compile(r"money\s+'(-?[\d.]+) [A-Z]{3}'|(-?\d+(?:\.\d+)?)")
KINDS: Final[tuple[Worsening, ...]] = ("pressure", "hardship", "bias", "limits")


class Finding(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One way in which the new version is worse."""

    kind: Worsening
    what: str
    before: str
    after: str
    limit: str = ""
    """What it may be at most, where a record was counted."""
    is_counted: bool = False
    """Whether figures of a record show what it does; else it is approved whatever they say."""


def find_worsenings(before: Brand, after: Brand) -> list[Finding]:
    """Return what gets worse by the folders alone."""
    return [
        *_caps(before, after),
        *_quiet(before, after),
        *_holds(before, after),
        *_rests(before, after),
        *_pressure(before, after),
        *_purposes(before, after),
        *_actions(before, after),
        *_facts(before, after),
        *_cohorts(before, after),
        *_limits(before, after),
    ]


def _caps(before: Brand, after: Brand) -> Iterator[Finding]:
    for name, cap in before.contact.caps.items():
        now = after.contact.caps.get(name)
        if now is None or _allows_more(cap, now):
            yield Finding(
                kind="pressure",
                what=f"cap {name}",
                before=_cap(cap),
                after="gone" if now is None else _cap(now),
                is_counted=True,
            )


def _allows_more(cap: Cap, now: Cap) -> bool:
    return (
        now.count > cap.count
        or parse_duration(now.window) < parse_duration(cap.window)
        or now.covers != cap.covers
    )


def _cap(cap: Cap) -> str:
    return f"{cap.count} in {cap.window}"


def _quiet(before: Brand, after: Brand) -> Iterator[Finding]:
    for name, quiet in before.contact.quiet_hours.items():
        now = after.contact.quiet_hours.get(name)
        if now is None or now.covers != quiet.covers or _minutes(quiet) - _minutes(now):
            yield Finding(
                kind="pressure",
                what=f"quiet hours {name}",
                before=_quiet_hours(quiet),
                after="gone" if now is None else _quiet_hours(now),
            )


def _quiet_hours(quiet: QuietHours) -> str:
    return f"{quiet.start} to {quiet.end} for {show(msgspec.to_builtins(quiet.covers))}"


def _minutes(quiet: QuietHours) -> set[int]:
    """Return the minutes of the day that are quiet."""
    first, last = (
        int(hours) * 60 + int(minutes)
        for hours, minutes in (text.split(":")[:2] for text in (quiet.start, quiet.end))
    )
    return {minute % _DAY for minute in range(first, last if last >= first else last + _DAY)}


def _holds(before: Brand, after: Brand) -> Iterator[Finding]:
    for name, hold in before.contact.holds.items():
        now = after.contact.holds.get(name)
        kind: Worsening = "hardship" if _protects(hold, before) else "pressure"
        if now is None:
            yield Finding(kind=kind, what=f"hold {name}", before=show(hold.while_), after="gone")
        elif (now.hushes, now.while_, now.about) != (hold.hushes, hold.while_, hold.about):
            yield Finding(kind=kind, what=f"hold {name}", before=_hold(hold), after=_hold(now))


def _hold(hold: Hold) -> str:
    about = f" about its {hold.about}" if hold.about else ""
    return f"while {show(hold.while_)} hushes {show(msgspec.to_builtins(hold.hushes))}{about}"


def _protects(hold: Hold, brand: Brand) -> bool:
    """Return whether a hold keeps hard steps away, and not only contacts."""
    return any(
        _is_hard(brand.actions[name]) and hold.about in ("", brand.actions[name].about)
        for name in hushed_by(brand, hold)
    )


def _is_hard(action: Action) -> bool:
    return action.kind == "measure" or action.legal_weight


def _rests(before: Brand, after: Brand) -> Iterator[Finding]:
    for key, words in (
        ("decline_rest", "rest after a no"),
        ("refusal_rest", "rest after a refusal"),
    ):
        one, other = getattr(before.contact, key), getattr(after.contact, key)
        if parse_duration(other) < parse_duration(one):
            yield Finding(kind="pressure", what=words, before=one, after=other, is_counted=True)


def _pressure(before: Brand, after: Brand) -> Iterator[Finding]:
    one, other = before.contact.pressure, after.contact.pressure
    was, now = _amount(one), _amount(other)
    # Of anything but two amounts nobody can tell which is less.
    is_lower = now < was if was is not None and now is not None else one.split() != other.split()
    if is_lower:
        yield Finding(
            kind="pressure",
            what="what one more contact costs the customer's patience",
            before=show(one),
            after=show(other),
            is_counted=True,
        )


def _amount(text: str) -> Decimal | None:
    """Return the amount that an expression is, in the brand's currency; None for any other one."""
    found = _AMOUNT.fullmatch(text.strip())
    return Decimal(found[1] or found[2]) if found else None


def _purposes(before: Brand, after: Brand) -> Iterator[Finding]:
    for name, purpose in before.consent.purposes.items():
        now = after.consent.purposes.get(name)
        if now is None:
            # Whatever was for it is for another purpose now, or gone.
            continue
        if purpose.basis == "consent" and now.basis != "consent":
            yield Finding(
                kind="pressure",
                what=f"basis of purpose {name}",
                before=purpose.basis,
                after=now.basis,
            )
        if purpose.promotional and not now.promotional:
            yield Finding(
                kind="pressure", what=f"purpose {name} is promotional", before="yes", after="no"
            )


def _actions(before: Brand, after: Brand) -> Iterator[Finding]:
    grace = grace_fields_of(before)
    for name, action in before.actions.items():
        now = after.actions.get(name)
        given = {field: text for field, text in action.sets.items() if field in grace}
        if given and now is not None:
            yield from _giving(name, action, now)
        for field, text in given.items():
            again = now.sets.get(field) if now is not None else None
            if again != text:
                yield Finding(
                    kind="hardship",
                    what=f"grace that {name} gives ({field})",
                    before=show(text),
                    after=show(again) if again else "gone",
                )
        if now is None:
            if action.kind == "service" and not given:
                yield Finding(
                    kind="hardship", what=f"service message {name}", before="said", after="gone"
                )
            continue
        yield from _action(name, action, now)
        yield from _moved(name, action, now)
    for name, action in after.actions.items():
        if name not in before.actions and _is_hard(action):
            yield Finding(
                kind="hardship", what=f"hard step {name}", before="none", after=show(action.when)
            )


def grace_fields_of(brand: Brand) -> set[str]:
    """Return the fields of objects that say until when a hold lasts, such as a grace date."""
    return {
        hold.until.removeprefix("about.")
        for hold in brand.contact.holds.values()
        if hold.until.startswith("about.")
    }


def _giving(name: str, action: Action, now: Action) -> Iterator[Finding]:
    """Yield what may keep an action that gives grace from those who had it."""
    if now.when != action.when:
        yield Finding(
            kind="hardship",
            what=f"when {name} gives grace",
            before=show(action.when),
            after=show(now.when),
        )
    if set(action.channels) - set(now.channels):
        yield Finding(
            kind="hardship",
            what=f"channels by which {name} gives grace",
            before=show(action.channels),
            after=show(now.channels),
        )


def _moved(name: str, action: Action, now: Action) -> Iterator[Finding]:
    """Yield what takes an action out of what limits it: scopes, and what customers refused."""
    for key in ("purpose", "topic", "kind"):
        one, other = getattr(action, key), getattr(now, key)
        if one != other:
            kind: Worsening = "hardship" if _is_hard(action) else "pressure"
            yield Finding(
                kind=kind, what=f"{key} of {name}", before=one or "none", after=other or "none"
            )


def _action(name: str, action: Action, now: Action) -> Iterator[Finding]:
    is_new = now.kind == "measure" and not _is_hard(action)
    if is_new or ((_is_hard(action) or _is_hard(now)) and now.when != action.when):
        yield Finding(
            kind="hardship",
            what=f"hard step {name}",
            before="none" if is_new else show(action.when),
            after=show(now.when),
        )
    for flag, words in (
        ("needs_approval", "a person approves"),
        ("legal_weight", "has legal weight"),
    ):
        if getattr(action, flag) and not getattr(now, flag):
            yield Finding(kind="hardship", what=f"{name}: {words}", before="yes", after="no")
    for key in ("repeat", "rest"):
        one, other = getattr(action, key), getattr(now, key)
        if one != other and _is_shorter(key, one, other):
            yield Finding(
                kind="pressure",
                what=f"{key} of {name}",
                before=one or _NOTHING[key],
                after=other or _NOTHING[key],
                is_counted=True,
            )
    if now.urgent and not action.urgent:
        yield Finding(kind="pressure", what=f"{name} heeds quiet hours", before="yes", after="no")


_NOTHING: Final = {"repeat": "never again", "rest": "none"}


def _is_shorter(key: str, before: str, after: str) -> bool:
    if key == "repeat":
        # An empty one means never again.
        return bool(after) and (not before or parse_duration(after) < parse_duration(before))
    return bool(before) and (not after or parse_duration(after) < parse_duration(before))


def _cohorts(before: Brand, after: Brand) -> Iterator[Finding]:
    one, other = before.cohorts.cohorts, after.cohorts.cohorts
    for name in [*one, *(name for name in other if name not in one)]:
        was = one[name].when if name in one else None
        now = other[name].when if name in other else None
        if was != now:
            yield Finding(
                kind="bias",
                what=f"cohort {name}",
                before=show(was) if was else "none",
                after=show(now) if now else "gone",
                is_counted=True,
            )
    if list(one) != list(other) and set(one) == set(other):
        yield Finding(
            kind="bias",
            what="order of the cohorts",
            before=", ".join(one),
            after=", ".join(other),
            is_counted=True,
        )


def _facts(before: Brand, after: Brand) -> Iterator[Finding]:
    """Yield the facts, declared otherwise, that holds, cohorts, grace and hard steps rest on."""
    for one in find_redeclared(before, after):
        kind = _rests_on(one.reader, before)
        if kind is not None:
            yield Finding(
                kind=kind,
                what=f"{one.fact}, which {one.reader.named()} reads",
                before=one.before,
                after=one.after,
                is_counted=kind == "bias",
            )


def _rests_on(reader: Reader, brand: Brand) -> Worsening | None:
    """Return what may worsen where a reader comes to another answer; None where nothing does."""
    word, _, name = reader.what.partition(" ")
    if word == "hold" and reader.part != "because":
        return "hardship" if _protects(brand.contact.holds[name], brand) else "pressure"
    if word == "cohort":
        return "bias"
    if word == "action" and _decides_hardship(
        brand.actions[name], reader.part, grace_fields_of(brand)
    ):
        return "hardship"
    return None


def _decides_hardship(action: Action, part: str, grace: set[str]) -> bool:
    """Return whether a part of an action says who meets a hard step, or who is given grace."""
    if part == "when":
        return _is_hard(action) or not grace.isdisjoint(action.sets)
    return part in {f"sets {field}" for field in grace}


def _limits(before: Brand, after: Brand) -> Iterator[Finding]:
    one, other = before.contact.limits, after.contact.limits
    for key in ("pressure_rise_percent", "hardship_rise_percent", "customers_least"):
        if getattr(other, key) > getattr(one, key):
            yield _limit(key, getattr(one, key), getattr(other, key))
    if other.bias_least_percent < one.bias_least_percent:
        yield _limit("bias_least_percent", one.bias_least_percent, other.bias_least_percent)
    if set(one.groups) - set(other.groups):
        yield _limit("groups", ", ".join(one.groups), ", ".join(other.groups))


def _limit(key: str, before: object, after: object) -> Finding:
    return Finding(kind="limits", what=f"limit {key}", before=str(before), after=str(after))
