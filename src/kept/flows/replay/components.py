"""Who must be played together: parts that any evidence connects, and all that is known of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from kept.core.dossier import Dossier
from kept.core.event import SOURCE_SELF, Identifier
from kept.core.identity import Evidence, Link, Part
from kept.core.message import Message
from kept.flows.replay.occasions import Join, find_operators_links, order_occasions, read_traces
from kept.flows.replay.played import Component
from kept.ports import DecisionRow, StoredEvent
from kept.ports_access import AuditEntry
from kept.recorded_port import Recorded

T = TypeVar("T", DecisionRow, Message, Dossier)

NOBODY: Final = 0
"""The part under which stands what was decided about people whom nobody knew."""


class Connected(msgspec.Struct, frozen=True, kw_only=True):
    """Parts that evidence connects, and that evidence."""

    parts: tuple[Part, ...]
    links: tuple[Link, ...]


def connect(parts: Iterable[Part], links: Iterable[Link]) -> list[Connected]:
    """Return parts in sets that no evidence crosses, in order of their lowest ids."""
    known = {part.part_id: part for part in parts}
    roots = {part_id: part_id for part_id in known}

    def root_of(part_id: int) -> int:
        while roots[part_id] != part_id:
            roots[part_id] = roots[roots[part_id]]
            part_id = roots[part_id]
        return part_id

    def join(one: int, other: int) -> None:
        low, high = sorted((root_of(one), root_of(other)))
        roots[high] = low

    inside = [link for link in links if link.part_a in known and link.part_b in known]
    for link in inside:
        join(link.part_a, link.part_b)
    named: dict[Identifier, int] = {}
    for part in known.values():
        # What was vouched for and what was only claimed belong together without any link.
        join(named.setdefault(part.identifier, part.part_id), part.part_id)
    members: dict[int, list[Part]] = {}
    for part_id in sorted(known):
        members.setdefault(root_of(part_id), []).append(known[part_id])
    evidence: dict[int, list[Link]] = {root: [] for root in members}
    for link in inside:
        evidence[root_of(link.part_a)].append(link)
    return [
        Connected(parts=tuple(members[root]), links=tuple(sorted(evidence[root])))
        for root in sorted(members)
    ]


def find_joins(acts: Iterable[AuditEntry]) -> list[Join]:
    """Return what operators said of who is who, oldest first."""
    found = []
    for act in acts:
        parts = act.detail.get("parts", ())
        if act.verb in ("merge", "unmerge") and len(parts) == 2:
            low, high = sorted(parts)
            evidence: Evidence = "alias" if act.verb == "merge" else "apart"
            before = act.detail.get("before_decision", 0)
            found.append(Join(link=Link(low, high, evidence, act.at), before_id=before))
    return found


def load_components(
    recorded: Recorded,
    connected: Sequence[Connected],
    joins: Sequence[Join],
) -> Iterator[Component]:
    """Yield connected customers with all that the record has of them."""
    home = {part.part_id: i for i, one in enumerate(connected) for part in one.parts}
    if not home:
        return
    events: list[list[StoredEvent]] = [[] for _ in connected]
    for stored in recorded.read_events(home):
        events[home[stored.part_id]].append(stored)
    decided = _split(recorded.read_decisions(home), home, len(connected))
    messages = _split(recorded.read_messages(home), home, len(connected))
    dossiers = _split(recorded.read_dossiers(home), home, len(connected))
    breaches = recorded.read_breaches()
    for i, one in enumerate(connected):
        traces = read_traces(decided[i])
        ours = [join for join in joins if home.get(join.link.part_a) == i]
        yield Component(
            parts=one.parts,
            occasions=order_occasions(
                events[i],
                traces,
                find_operators_links(one.links, ours, events[i]),
                is_shared=recorded.is_shared,
            ),
            messages={message.message_id: message for message in messages[i]},
            dossiers=[*dossiers[i], *breaches],
            own_events=[
                (stored.sequence, stored.event.name)
                for stored in events[i]
                if stored.event.source == SOURCE_SELF
            ],
            traces={row.decision_id: row.trace for row in decided[i]},
        )


def _split(rows: Iterable[T], home: Mapping[int, int], count: int) -> list[list[T]]:
    split: list[list[T]] = [[] for _ in range(count)]
    for row in rows:
        split[home[row.part_id]].append(row)
    return split


def load_nobody(recorded: Recorded) -> Component:
    """Return the questions about people whom nobody knew."""
    rows = recorded.read_decisions([NOBODY])
    return Component(
        parts=(),
        occasions=order_occasions([], read_traces(rows), []),
        messages={},
        dossiers=(),
        own_events=(),
        traces={row.decision_id: row.trace for row in rows},
    )
