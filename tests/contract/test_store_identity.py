"""Every store finds parts by identifier, and keeps customers and evidence."""

import pytest

from kept.core.event import Identifier
from kept.core.identity import Link, Part
from kept.ports import Store
from tests.contract.conftest import Stores
from tests.contract.values import NOW, ODD_TEXTS

pytestmark = pytest.mark.store

EMAIL = Identifier("email", "ada@example.org")
MANY = 300_000
"""More ids than a statement may have variables in SQLite; PostgreSQL has fewer."""
MANY_IN_POSTGRES = 70_000


def add(store: Store, *names: str, customer_id: int | None = None) -> list[Part]:
    """Commit a part for each user id."""
    with store.transaction():
        return [
            store.add_part(Identifier("user_id", name), claimed=False, customer_id=customer_id)
            for name in names
        ]


def test_an_identifier_begins_a_part_and_a_customer(stores: Stores) -> None:
    """The customer's id is the id of the part that began it."""
    store = stores.open()
    with store.transaction():
        part = store.add_part(EMAIL, claimed=False, customer_id=None)
        assert store.find_parts([(EMAIL, False)]) == [part]
    assert part == Part(part_id=1, customer_id=1, identifier=EMAIL)
    store = stores.open()
    assert store.find_parts([(EMAIL, False)]) == [part]
    assert store.load_customer(1) == [part]
    (second,) = add(store, "next", customer_id=1)
    assert second.part_id == 2
    assert store.load_customer(1) == [part, second]


def test_a_claimed_use_of_an_identifier_is_another_part(store: Store) -> None:
    """What nobody vouched for is never found where a vouched part is wanted."""
    with store.transaction():
        claimed = store.add_part(EMAIL, claimed=True, customer_id=None)
    assert store.find_parts([(EMAIL, True), (EMAIL, False)]) == [claimed, None]
    assert claimed.claimed
    assert store.load_parts([claimed.part_id]) == [claimed]


def test_identifiers_are_told_apart_whatever_they_contain(stores: Stores) -> None:
    """No namespace and value can be mistaken for another pair."""
    pairs = [(first, second) for first in ODD_TEXTS for second in ODD_TEXTS]
    pairs += [("a", "b:c"), ("a:b", "c"), ("a:", "b:c"), ("1:a", "b"), ("", "1:ab"), ("é", "e")]
    wanted = [
        (Identifier(namespace, value), claimed)
        for namespace, value in dict.fromkeys(pairs)
        for claimed in (False, True)
    ]
    store = stores.open()
    with store.transaction():
        parts = [
            store.add_part(identifier, claimed=claimed, customer_id=None)
            for identifier, claimed in wanted
        ]
    store = stores.open()
    assert store.find_parts(wanted) == parts
    assert store.load_parts([part.part_id for part in parts]) == parts
    assert store.find_parts([]) == []


def test_a_part_is_found_by_its_lookup_key(stores: Stores) -> None:
    """The key is all that is kept of an identifier where its value must not stand."""
    store = stores.open()
    with store.transaction():
        for claimed in (False, True):
            store.add_part(EMAIL, claimed=claimed, customer_id=None)
    keys = [store.lookup_key(EMAIL, claimed=claimed) for claimed in (False, True)]
    store = stores.open()
    assert [store.find_part_by_key(key) for key in keys] == store.load_parts([1, 2])
    other = store.lookup_key(Identifier("email", "bob@example.org"), claimed=False)
    assert store.find_part_by_key(other) is None


def test_parts_are_found_in_the_order_in_which_they_were_wanted(store: Store) -> None:
    """Also twice, and also with gaps."""
    ada, bob = add(store, "ada", "bob")
    wanted = [(Identifier("user_id", name), False) for name in ("bob", "eve", "ada", "bob")]
    assert store.find_parts(wanted) == [bob, None, ada, bob]


def test_unknown_and_repeated_ids_do_no_harm(store: Store) -> None:
    """Parts come in the order of their ids, once each."""
    ada, bob = add(store, "ada", "bob")
    assert store.load_parts([2, 99, 1, 2]) == [ada, bob]
    assert store.load_parts([99]) == store.load_parts([]) == []
    assert store.load_customer(99) == []


def test_any_number_of_ids_may_be_asked_for(store: Store) -> None:
    """The limits of the database below are not the caller's business."""
    ada, bob = add(store, "ada", "bob")
    ids = range(1, MANY_IN_POSTGRES if store.is_shared else MANY)
    with store.transaction():
        store.save_link(Link(1, 2, "vouched", NOW))
        store.move_parts(ids, customer_id=2)
    assert [part.part_id for part in store.load_parts(ids)] == [ada.part_id, bob.part_id]
    assert len(store.load_links(ids)) == 1
    assert store.load_states(ids) == []
    assert store.load_open_messages(ids) == []
    assert store.load_part_events(ids) == []
    assert store.read_decisions(ids, newest=5) == []
    assert [part.part_id for part in store.load_customer(2)] == [1, 2]


def test_the_earliest_evidence_stays(stores: Stores) -> None:
    """Saving a link again changes nothing, unless the new evidence is older."""
    store = stores.open()
    add(store, "a", "b", "c", "d")
    late, early = Link(1, 2, "vouched", NOW), Link(1, 2, "vouched", NOW - 5)
    other, apart = Link(2, 3, "claimed", -1), Link(1, 2, "apart", NOW + 1)
    alias = Link(1, 4, "alias", NOW)
    for link in (late, early, late, other, other, apart, alias):
        with store.transaction():
            store.save_link(link)
    store = stores.open()
    assert sorted(store.load_links([1])) == sorted([early, apart, alias])
    assert sorted(store.load_links([2])) == sorted([early, apart, other])
    assert sorted(store.load_links([1, 2, 3])) == sorted([early, apart, other, alias])
    assert store.load_links([99]) == store.load_links([]) == []


def test_regrouping_moves_parts_and_counts_customers(stores: Stores) -> None:
    """Merging and unmerging is moving parts; the count of customers follows."""
    store = stores.open()
    add(store, "a", "b", "c", "d")
    add(store, "e", customer_id=4)

    def customers() -> list[list[int]]:
        return [[part.part_id for part in store.load_customer(n)] for n in range(1, 6)]

    assert customers() == [[1], [2], [3], [4, 5], []]
    assert store.read_counts()["customers"] == 4
    with store.transaction():
        store.move_parts([2, 4, 1], customer_id=1)
    assert customers() == [[1, 2, 4], [], [3], [5], []]
    assert store.read_counts()["customers"] == 3
    with store.transaction():
        store.move_parts([5, 3], customer_id=3)
        store.move_parts([2], customer_id=2)
        store.move_parts([], customer_id=9)
    store = stores.open()
    assert customers() == [[1, 4], [2], [3, 5], [], []]
    assert store.read_counts()["customers"] == 3
    assert store.read_counts()["parts"] == 5
