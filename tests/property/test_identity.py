"""Laws of identity: who is who is a pure function of the evidence, and can be undone."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from kept.core.event import Identifier
from kept.core.identity import Evidence, Link, NamespaceRule, Part, group

RULES = {
    "user_id": NamespaceRule(rank=0, limit=1),
    "email": NamespaceRule(rank=1, limit=2),
    "cookie": NamespaceRule(rank=2, limit=3),
}
Name = tuple[Identifier, bool]
"""An identifier, and whether this use of it is only claimed."""
Proof = tuple[Name, Name, Evidence, int]
Partition = set[frozenset[Name]]

identifiers = st.builds(Identifier, st.sampled_from(sorted(RULES)), st.sampled_from("abcd"))


@st.composite
def proofs(draw: st.DrawFn) -> Proof:
    """Draw one piece of evidence, as `flows.resolve` records it."""
    one, other = draw(st.lists(identifiers, min_size=2, max_size=2, unique=True))
    evidence: Evidence = draw(
        st.sampled_from(["vouched", "vouched", "vouched", "alias", "claimed", "apart"])
    )
    claims = (False, False)
    if evidence == "claimed":
        claims = draw(st.sampled_from([(True, False), (False, True), (True, True)]))
    return (one, claims[0]), (other, claims[1]), evidence, draw(st.integers(1, 20))


many = st.lists(proofs(), max_size=14)


def partition(evidence: Sequence[Proof], names: Sequence[Name] | None = None) -> Partition:
    """Return the customers that evidence makes, by identifiers, with parts numbered as they come."""
    numbered: dict[Name, int] = {}
    for name in names or [name for proof in evidence for name in proof[:2]]:
        numbered.setdefault(name, len(numbered) + 1)
    parts = {
        number: Part(part_id=number, customer_id=number, identifier=name[0], claimed=name[1])
        for name, number in numbered.items()
    }
    links: dict[tuple[int, int, str], Link] = {}
    for one, other, kind, at in evidence:
        low, high = sorted((numbered[one], numbered[other]))
        known = links.get((low, high, kind))
        if known is None or at < known.first_at:
            links[low, high, kind] = Link(low, high, kind, at)
    grouped = group(parts, list(links.values()), RULES).groups
    return {
        frozenset((parts[each].identifier, parts[each].claimed) for each in members)
        for members in grouped
    }


def names_in(evidence: Sequence[Proof]) -> list[Name]:
    """Return every use of an identifier in evidence, once."""
    return list(dict.fromkeys(name for proof in evidence for name in proof[:2]))


def proven(people: Partition) -> Partition:
    """Return customers without what is merely claimed."""
    kept = (frozenset(name for name in members if not name[1]) for members in people)
    return {members for members in kept if members}


@given(many, st.data())
def test_the_order_of_evidence_and_the_numbers_of_parts_do_not_matter(
    evidence: list[Proof], data: st.DataObject
) -> None:
    """G10: whatever arrives first, the same evidence makes the same customers."""
    other = data.draw(st.permutations(evidence))
    names = data.draw(st.permutations(names_in(evidence)))
    assert partition(other, names) == partition(evidence)


@given(many, identifiers, identifiers)
def test_apart_wins(evidence: list[Proof], one: Identifier, other: Identifier) -> None:
    """G10: two that an operator separated are never one customer, by no path."""
    if one == other:
        return
    apart: Proof = ((one, False), (other, False), "apart", 1)
    for members in partition([*evidence, apart]):
        assert not {(one, False), (other, False)} <= members


@given(many)
def test_a_claim_never_merges_people(evidence: list[Proof]) -> None:
    """G10: without its claims, the same evidence makes the same proven customers."""
    names = names_in(evidence)
    without = [proof for proof in evidence if proof[2] != "claimed"]
    # A claim may show that an identifier is shared; then it divides, and never joins.
    joined = proven(partition(evidence, names))
    alone = proven(partition(without, names))
    assert all(any(members <= other for other in alone) for members in joined)


@given(many)
def test_limits_hold(evidence: list[Proof]) -> None:
    """G10: no customer holds more of a namespace than it may, but by an explicit merge."""
    for members in partition([proof for proof in evidence if proof[2] != "alias"]):
        for namespace, rule in RULES.items():
            values = {name[0].value for name in members if name[0].namespace == namespace}
            vouched = {
                name[0].value for name in members if name[0].namespace == namespace and not name[1]
            }
            assert len(vouched) <= rule.limit
            if not vouched and not any(not name[1] for name in members):
                assert len(values) <= rule.limit


@given(st.integers(2, 6))
def test_a_family_tablet_joins_nobody(count: int) -> None:
    """G10: a cookie on which several people signed in makes no two of them one."""
    tablet = (Identifier("cookie", "tablet"), False)
    evidence: list[Proof] = [
        (tablet, (Identifier("user_id", str(number)), False), "vouched", number)
        for number in range(count)
    ]
    assert len(partition(evidence)) == count + 1


@given(many)
def test_everybody_is_somebody_exactly_once(evidence: list[Proof]) -> None:
    """G10: customers are a partition of the parts."""
    members = [name for people in partition(evidence) for name in people]
    assert sorted(members) == sorted(names_in(evidence))
