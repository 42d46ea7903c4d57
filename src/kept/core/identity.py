"""Who is who: grouping parts into customers, a pure function of the evidence.

A part is one identifier that was the anchor of an event, or was seen beside one. A link says that
two parts were named together by one event. Grouping looks at the set of links only, never at the
order in which they arrived, so it can be computed again at any time, and taking evidence away
takes its consequences away (unmerge is regrouping).

Rules, in this order:

1. `apart` wins: two parts that an operator separated are never joined, by no path.
2. A *shared* identifier joins nobody: one that is linked with more values of a stronger namespace
   than one customer may have (a cookie with two user ids is a family's tablet).
3. Aliases (an explicit merge by a source that vouches for both) join without limits.
4. The other vouched links join in order of strength, then age, as long as no namespace then holds
   more values than its limit. What is refused stays evidence and may join later.
5. A claimed part is attached to the customer of its vouched twin, or to the one customer that its
   claims point to; if they point to several, to none. Attached parts restrict, and never permit.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from kept.core.event import Identifier

Evidence: TypeAlias = Literal["alias", "vouched", "claimed", "apart"]

STRENGTH_RANK: Final[Mapping[str, int]] = {"strong": 0, "medium": 1, "weak": 2}


class Part(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one first-seen identifier began; `claimed` if this use of it was never vouched for."""

    part_id: int
    customer_id: int
    identifier: Identifier
    claimed: bool = False


class Link(msgspec.Struct, frozen=True, order=True, gc=False):
    """Evidence about two parts, `part_a < part_b`; `first_at` is the earliest event time (µs)."""

    part_a: int
    part_b: int
    evidence: Evidence
    first_at: int


class NamespaceRule(msgspec.Struct, frozen=True, kw_only=True):
    """What grouping needs to know of a namespace."""

    rank: int
    """0 is the strongest."""
    limit: int


class Grouping(msgspec.Struct, frozen=True, kw_only=True):
    """Customers as sets of part ids, attached claimed parts included, and how they came about."""

    groups: tuple[frozenset[int], ...]
    shared: frozenset[int]
    """Parts whose identifier joins nobody."""
    refused: tuple[Link, ...]
    """Vouched links that a limit or a separation kept from joining."""


DEFAULT_RULE: Final = NamespaceRule(rank=2, limit=5)
LIMIT_MAX: Final = 5_000
"""The highest limit a namespace may have: all of a customer's evidence is looked at in one go."""
LINKS_MAX: Final = 100
"""How many links with one namespace a part keeps at least, for what joined too many to be telling."""


def links_max(rules: Mapping[str, NamespaceRule], namespace: str) -> int:
    """Return how many links with values of a namespace one part keeps.

    One more than a customer may have of it, so that it is seen when they are too many.
    """
    return max(LINKS_MAX, _rule(rules, namespace).limit + 1)


def group(
    parts: Mapping[int, Part], links: Collection[Link], rules: Mapping[str, NamespaceRule]
) -> Grouping:
    """Return the customers that these parts form. Every link's ends must be among the parts."""
    shared = find_shared(parts, links, rules)
    sets = _Sets(parts, rules, apart=[link for link in links if link.evidence == "apart"])
    refused: list[Link] = []
    for link in sorted(
        (link for link in links if link.evidence in ("alias", "vouched")),
        key=lambda link: _link_order(link, parts, rules),
    ):
        if link.evidence == "vouched" and (link.part_a in shared or link.part_b in shared):
            continue
        if not sets.join(link.part_a, link.part_b, limited=link.evidence == "vouched"):
            refused.append(link)
    _attach_claimed(parts, links, rules, sets)
    return Grouping(groups=sets.groups(), shared=shared, refused=tuple(refused))


def find_shared(
    parts: Mapping[int, Part],
    links: Iterable[Link],
    rules: Mapping[str, NamespaceRule],
    *,
    by: Evidence = "vouched",
) -> frozenset[int]:
    """Return the parts linked with more values of a stronger namespace than one customer may have."""
    neighbours: dict[tuple[int, str], set[str]] = {}
    for link in links:
        # What is claimed says nothing of what is vouched for: a claim neither joins nor divides.
        if link.evidence != by:
            continue
        for here, there in ((link.part_a, link.part_b), (link.part_b, link.part_a)):
            other = parts[there].identifier
            if (
                _rule(rules, other.namespace).rank
                < _rule(rules, parts[here].identifier.namespace).rank
            ):
                neighbours.setdefault((here, other.namespace), set()).add(other.value)
    return frozenset(
        part_id
        for (part_id, namespace), values in neighbours.items()
        if len(values) > _rule(rules, namespace).limit
    )


def _rule(rules: Mapping[str, NamespaceRule], namespace: str) -> NamespaceRule:
    return rules.get(namespace, DEFAULT_RULE)


def _link_order(
    link: Link, parts: Mapping[int, Part], rules: Mapping[str, NamespaceRule]
) -> tuple[object, ...]:
    # By content, never by part id: ids depend on the order of arrival.
    ends = sorted((parts[link.part_a].identifier, parts[link.part_b].identifier))
    ranks = sorted(_rule(rules, end.namespace).rank for end in ends)
    return (link.evidence != "alias", ranks, link.first_at, ends)


def _attach_claimed(
    parts: Mapping[int, Part],
    links: Collection[Link],
    rules: Mapping[str, NamespaceRule],
    sets: "_Sets",
) -> None:
    vouched = {part.identifier: part_id for part_id, part in parts.items() if not part.claimed}
    twins = {
        part_id: vouched[part.identifier]
        for part_id, part in parts.items()
        if part.claimed and part.identifier in vouched
    }
    pointed, free = _read_claims(parts, links, twins, sets)
    # Claimed parts that nothing vouched knows may form a customer of their own: a visitor.
    shared = find_shared(parts, free, rules, by="claimed")
    for link in sorted(free, key=lambda link: _link_order(link, parts, rules)):
        ends = (link.part_a, link.part_b)
        if not any(end in shared or end in twins or end in pointed for end in ends):
            sets.join(*ends, limited=True)
    for part_id, target in twins.items():
        sets.attach(part_id, target)
    for part_id, targets in pointed.items():
        if len(targets) == 1:
            sets.attach(part_id, next(iter(targets)))


def _read_claims(
    parts: Mapping[int, Part],
    links: Iterable[Link],
    twins: Mapping[int, int],
    sets: "_Sets",
) -> tuple[dict[int, set[int]], list[Link]]:
    """Return which customers each claimed part points to, and the claims that point to none."""
    pointed: dict[int, set[int]] = {}
    free: list[Link] = []
    for link in links:
        if link.evidence != "claimed":
            continue
        is_free = True
        for here, there in ((link.part_a, link.part_b), (link.part_b, link.part_a)):
            target = twins.get(there, there if not parts[there].claimed else None)
            if parts[here].claimed and here not in twins and target is not None:
                pointed.setdefault(here, set()).add(sets.find(target))
                is_free = False
        if is_free and parts[link.part_a].claimed and parts[link.part_b].claimed:
            free.append(link)
    return pointed, free


class _Sets:
    """Disjoint sets that respect namespace limits and separations."""

    def __init__(
        self,
        parts: Mapping[int, Part],
        rules: Mapping[str, NamespaceRule],
        apart: Sequence[Link],
    ) -> None:
        self._rules = rules
        self._parent = {part_id: part_id for part_id in parts}
        self._members = {part_id: [part_id] for part_id in parts}
        self._values: dict[int, dict[str, int]] = {
            part_id: {part.identifier.namespace: 1} for part_id, part in parts.items()
        }
        self._attached: list[tuple[int, int]] = []
        self._apart: dict[int, set[int]] = {}
        for link in apart:
            self._apart.setdefault(link.part_a, set()).add(link.part_b)
            self._apart.setdefault(link.part_b, set()).add(link.part_a)

    def find(self, part_id: int) -> int:
        while self._parent[part_id] != part_id:
            self._parent[part_id] = self._parent[self._parent[part_id]]
            part_id = self._parent[part_id]
        return part_id

    def join(self, part_a: int, part_b: int, *, limited: bool) -> bool:
        """Unite two sets; False where a separation or (if `limited`) a limit forbids it."""
        root_a, root_b = self.find(part_a), self.find(part_b)
        if root_a == root_b:
            return True
        if self._are_apart(root_a, root_b):
            return False
        counts = dict(self._values[root_a])
        for namespace, count in self._values[root_b].items():
            counts[namespace] = counts.get(namespace, 0) + count
        if limited and any(
            # Only what this very join adds is held against it: an alias may exceed a limit.
            count > _rule(self._rules, namespace).limit
            and count > max(self._values[root].get(namespace, 0) for root in (root_a, root_b))
            for namespace, count in counts.items()
        ):
            return False
        self._parent[root_b] = root_a
        self._members[root_a] += self._members.pop(root_b)
        self._values[root_a] = counts
        return True

    def attach(self, part_id: int, target: int) -> None:
        """Put a claimed part with a customer, unless it was separated from it."""
        if not self._are_apart(self.find(part_id), self.find(target)):
            self._attached.append((part_id, target))

    def groups(self) -> tuple[frozenset[int], ...]:
        home = {part_id: self.find(part_id) for part_id in self._parent}
        for part_id, target in self._attached:
            home[part_id] = self.find(target)
        grouped: dict[int, set[int]] = {}
        for part_id, root in home.items():
            grouped.setdefault(root, set()).add(part_id)
        return tuple(sorted((frozenset(members) for members in grouped.values()), key=min))

    def _are_apart(self, root_a: int, root_b: int) -> bool:
        members_b = set(self._members[root_b])
        return any(self._apart.get(member, set()) & members_b for member in self._members[root_a])
