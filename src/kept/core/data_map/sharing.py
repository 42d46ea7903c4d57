"""Who else is given which field: providers of channels, tools, and whoever asks or fetches."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from kept.core.brand.model import Brand, Source
from kept.core.data_map.readers import (
    CONSENTS,
    IDENTIFIER_PREFIX,
    Text,
    address_fields,
)
from kept.core.data_map.record import Share
from kept.core.scopes import TRAIT_PREFIX

PULLED: Final = frozenset({"inbox", "call_list"})
ASKING: Final = frozenset({"browser", "server"})
"""Kinds of sources that may ask at a placement."""

Shares = dict[str, dict[tuple[str, str, str], set[str]]]
"""Field -> (recipient, through, what) -> purposes."""


def shares_of(
    brand: Brand, texts: Iterable[Text], derived: Mapping[str, frozenset[str]]
) -> dict[str, tuple[Share, ...]]:
    """Return who is given each field."""
    found: Shares = {}
    for text in texts:
        _share_text(brand, text, found, derived)
    for name, placement in brand.brand.placements.items():
        purposes = {
            _purpose(brand, action)
            for action, declared in brand.actions.items()
            if name in declared.placements
        }
        for trait in placement.asks:
            for recipient, through in _asking(brand, name):
                _add(found, f"{TRAIT_PREFIX}{trait}", (recipient, through, "answers"), purposes)
    for name, source in brand.sources.sources.items():
        _share_tool(brand, name, source, found)
    return {
        field: tuple(
            sorted(
                Share(recipient=who, through=through, what=what, purposes=tuple(sorted(purposes)))
                for (who, through, what), purposes in given.items()
            )
        )
        for field, given in found.items()
    }


def _share_text(
    brand: Brand, text: Text, found: Shares, derived: Mapping[str, frozenset[str]]
) -> None:
    """Add what a text gives to the channel that carries it, or to the placements that show it."""
    action = brand.actions[text.action]
    purpose = {_purpose(brand, text.action)}
    names = {inner for name in text.names for inner in _opened(name, derived)}
    if not text.channel:
        for placement in action.placements:
            for recipient, through in _asking(brand, placement):
                for field in names:
                    _add(found, field, (recipient, through, "answers"), purpose)
        return
    channel = brand.consent.channels[text.channel]
    ways = [(channel.recipient, f"channel {text.channel}", "text")]
    if channel.adapter in PULLED:
        ways = [
            (source.recipient, f"source {name}", "pull")
            for name, source in brand.sources.sources.items()
            if text.channel in source.pulls
        ]
    for recipient, through, what in ways:
        for field in names:
            _add(found, field, (recipient, through, what), purpose)
        for field in address_fields(brand, channel.address):
            how = "address" if what == "text" else what
            _add(found, field, (recipient, through, how), purpose)
        if action.about:
            _add(found, f"{action.about}.key", (recipient, through, "object"), purpose)


def _opened(name: str, derived: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """Yield the fields that a name gives away: what a cohort is says something of each."""
    for inner in derived.get(name, ()):
        yield from _opened(inner, derived)
    if name not in derived:
        yield name


def _asking(brand: Brand, placement: str) -> Iterator[tuple[str, str]]:
    """Yield (recipient, through) of what may ask at a placement: our own faces, and outsiders."""
    yield "", f"placement {placement}"
    for name, source in brand.sources.sources.items():
        if source.recipient and source.kind in ASKING:
            yield source.recipient, f"source {name}"


def _share_tool(brand: Brand, name: str, source: Source, found: Shares) -> None:
    told = source.suppressions
    if told is not None:
        covered = told.purposes or tuple(brand.consent.purposes)
        purposes = {
            f"{action.entity}/{action.purpose}"
            for action in brand.actions.values()
            if action.purpose in covered
        } | {f"*/{purpose}" for purpose in covered}
        for namespace in source.told_namespaces:
            way = (source.recipient, f"source {name}", "suppressions")
            _add(found, f"{IDENTIFIER_PREFIX}{namespace}", way, purposes)
            _add(found, CONSENTS, way, purposes)
    elif source.recipient and source.kind == "server":
        every = {_purpose(brand, action) for action in brand.actions}
        _add(found, CONSENTS, (source.recipient, f"source {name}", "answers"), every)


def _purpose(brand: Brand, action: str) -> str:
    declared = brand.actions[action]
    return f"{declared.entity}/{declared.purpose}"


def _add(found: Shares, field: str, way: tuple[str, str, str], purposes: set[str]) -> None:
    found.setdefault(field, {}).setdefault(way, set()).update(purposes)
