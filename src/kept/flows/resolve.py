"""Find (or begin) the customer that an event belongs to, and take up the evidence in it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from kept.core.event import ALIASED, Event, Identifier
from kept.core.identity import (
    LINKS_MAX,
    Evidence,
    Link,
    NamespaceRule,
    Part,
    find_shared,
    group,
    links_max,
)
from kept.flows.customers import Customer, Customers
from kept.ports import Store

COMPONENT_MAX: Final = 2_000
"""How far evidence is followed from an event, beyond what the brand's limits allow one customer."""


def resolve(
    customers: Customers, store: Store, event: Event, rules: Mapping[str, NamespaceRule]
) -> tuple[Customer, int]:
    """Return the customer, and the part (the event's first identifier) that the event falls to."""
    identifiers = event.identifiers
    # Most events come from people who were named in the same way before.
    named = (identifiers, event.vouched_count)
    known = customers.named.get(named)
    if known is not None and event.occurred_at >= known[1]:
        return customers.home_of(known[0]), known[0].part_id
    begun: set[int] = set()
    anchor = _part_of(customers, identifiers[0], claimed=event.vouched_count == 0, begun=begun)
    customer = customers.home_of(anchor)
    new_links = []
    newest_at = 0
    for position in range(1, len(identifiers)):
        claimed = position >= event.vouched_count
        other = _part_of(customers, identifiers[position], claimed=claimed, begun=begun)
        evidence = _evidence(event, anchor, other, claimed=claimed)
        link = _link_between(anchor, other, evidence, event.occurred_at)
        known_at = customer.links.get((link.part_a, link.part_b, evidence))
        if known_at is None or event.occurred_at < known_at:
            new_links.append(link)
        else:
            newest_at = max(newest_at, known_at)
    if new_links or begun:
        take_evidence(customers, store, new_links, rules, begun=begun)
        customer = customers.home_of(anchor)
    else:
        customers.remember_name(named, anchor, newest_at)
    return customer, anchor.part_id


def _part_of(
    customers: Customers, identifier: Identifier, *, claimed: bool, begun: set[int]
) -> Part:
    part = customers.find_part(identifier, claimed=claimed)
    if part is None:
        part = customers.add_part(identifier, claimed=claimed)
        # Its counterpart may be known: then the two belong together without any link.
        if customers.find_part(identifier, claimed=not claimed) is not None:
            begun.add(part.part_id)
    return part


def _evidence(event: Event, anchor: Part, other: Part, *, claimed: bool) -> Evidence:
    if claimed or anchor.claimed:
        return "claimed"
    is_alias = event.name == ALIASED and anchor.identifier.namespace == other.identifier.namespace
    return "alias" if is_alias else "vouched"


def _link_between(part: Part, other: Part, evidence: Evidence, at: int) -> Link:
    low, high = sorted((part.part_id, other.part_id))
    return Link(low, high, evidence, at)


def find_customer(
    customers: Customers, wanted: Sequence[tuple[Identifier, bool]]
) -> Customer | None:
    """Return the customer that the first known of these (identifier, claimed) leads to."""
    for identifier, claimed in wanted:
        part = customers.find_part(identifier, claimed=claimed)
        if part is not None:
            return customers.home_of(part)
    return None


def take_evidence(
    customers: Customers,
    store: Store,
    links: Sequence[Link],
    rules: Mapping[str, NamespaceRule],
    *,
    begun: Collection[int] = (),
) -> list[Customer]:
    """Remember links and regroup everybody whom they (or parts just begun) may concern.

    Returns the customers that changed.
    """
    seeds: set[int] = set(begun)
    customers.own_parts(seeds.union(*((link.part_a, link.part_b) for link in links)))
    for link in links:
        if link.part_a == link.part_b or _is_full(store, link, rules):
            continue
        store.save_link(link)
        seeds.update((link.part_a, link.part_b))
    if not seeds:
        return []
    near = _load_near(store, seeds, rules)
    while customers.own_parts(near.followed):
        # Evidence counts as it is under the locks of all whom it is about.
        near = _load_near(store, seeds, rules)
    if not near.is_whole:
        # Where something is left out, people who are one would be taken for several.
        customers.unfollowed_count += 1
        return []
    # Everybody concerned must be in memory, for their states move with them.
    for customer_id in {near.parts[part_id].customer_id for part_id in near.followed}:
        customers.get(customer_id)
    known = set(near.parts)
    inside = [link for link in near.links if link.part_a in known and link.part_b in known]
    groups = group(near.parts, inside, rules).groups
    return customers.regroup([one for one in groups if one <= near.followed], inside)


def _is_full(store: Store, link: Link, rules: Mapping[str, NamespaceRule]) -> bool:
    """Return whether one of the ends has joined too many already, so that one more says nothing."""
    if link.evidence == "apart":
        return False
    linked: dict[int, set[int]] = {link.part_a: set(), link.part_b: set()}
    for other in store.load_links([link.part_a, link.part_b]):
        for here, there in ((other.part_a, other.part_b), (other.part_b, other.part_a)):
            if here in linked and other.evidence != "apart":
                linked[here].add(there)
    for here, there in ((link.part_a, link.part_b), (link.part_b, link.part_a)):
        if there in linked[here] or len(linked[here]) < LINKS_MAX:
            continue
        known = {part.part_id: part for part in store.load_parts(sorted({there, *linked[here]}))}
        namespace = known[there].identifier.namespace
        alike = sum(known[each].identifier.namespace == namespace for each in linked[here])
        if alike >= links_max(rules, namespace):
            return True
    return False


class _Near(msgspec.Struct):
    """Everything that evidence leads to from some parts."""

    parts: dict[int, Part] = {}
    links: list[Link] = []
    followed: set[int] = set()
    """Parts of which all links are here, with all parts of their customers. The others only show who
    is shared by too many: what evidence there is of them is not known."""
    is_whole: bool = True
    """Whether there was no more than may be followed."""


def _load_near(store: Store, seeds: set[int], rules: Mapping[str, NamespaceRule]) -> _Near:
    """Return everything that evidence leads to, not going on through identifiers that join nobody."""
    parts: dict[int, Part] = {part.part_id: part for part in store.load_parts(sorted(seeds))}
    links: dict[tuple[int, int, str], Link] = {}
    frontier = set(parts)
    followed: set[int] = set()
    homes: set[int] = set()
    # A customer may have as many parts as the limits allow, each also as a mere claim.
    parts_max = COMPONENT_MAX + 2 * sum(rule.limit for rule in rules.values())
    while frontier and len(followed) < parts_max:
        found = store.load_links(sorted(frontier))
        links |= {(link.part_a, link.part_b, link.evidence): link for link in found}
        ends = {end for link in found for end in (link.part_a, link.part_b)}
        parts |= {part.part_id: part for part in store.load_parts(sorted(ends - set(parts)))}
        # Whoever is one customer now must be looked at whole, or it would be torn.
        for customer_id in {parts[part_id].customer_id for part_id in frontier} - homes:
            homes.add(customer_id)
            parts |= {part.part_id: part for part in store.load_customer(customer_id)}
        parts |= _load_twins(store, parts)
        followed |= frontier
        frontier = _find_next(parts, links.values(), rules, followed=followed)
        frontier |= {part.part_id for part in parts.values() if part.customer_id in homes}
        frontier -= followed
    return _Near(parts, list(links.values()), followed, is_whole=not frontier)


def _find_next(
    parts: Mapping[int, Part],
    links: Collection[Link],
    rules: Mapping[str, NamespaceRule],
    *,
    followed: Collection[int],
) -> set[int]:
    """Return what evidence leads to, but for what lies beyond what is shared by too many."""
    shared = find_shared(parts, links, rules)
    # A claimed part has claims only, and where they contradict each other they lead nowhere.
    contradicted = find_shared(parts, links, rules, by="claimed")
    silent = {
        "vouched": shared,
        "claimed": {part_id for part_id in contradicted if parts[part_id].claimed},
    }
    reached = {
        there
        for link in links
        for here, there in ((link.part_a, link.part_b), (link.part_b, link.part_a))
        if here in followed and here not in silent.get(link.evidence, ())
    }
    named = {parts[part_id].identifier for part_id in followed}
    return reached | {part.part_id for part in parts.values() if part.identifier in named}


def _load_twins(store: Store, parts: Mapping[int, Part]) -> dict[int, Part]:
    """Return the claimed and vouched counterparts of these parts."""
    wanted = [(part.identifier, not part.claimed) for part in parts.values()]
    found = store.find_parts(wanted)
    return {part.part_id: part for part in found if part is not None}


def separate(
    customers: Customers,
    store: Store,
    parts: tuple[Part, Part],
    rules: Mapping[str, NamespaceRule],
    *,
    now: int,
) -> list[Customer]:
    """Unmerge: record that two parts are different people, and regroup."""
    return take_evidence(customers, store, [_link_between(parts[0], parts[1], "apart", now)], rules)
