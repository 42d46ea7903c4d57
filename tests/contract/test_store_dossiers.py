"""Every store keeps dossiers: by number, by part, by state, and forgets them with their part."""

import pytest

from kept.core.dossier import Dossier
from kept.core.event import Identifier
from tests.contract.conftest import Stores
from tests.contract.values import NOW

pytestmark = pytest.mark.store


def finding(number: int, part_id: int, *, state: str = "due") -> Dossier:
    """Return what was found of one part in one breach."""
    body = f"{number}/{part_id}".encode()
    return Dossier(
        kind="finding", number=number, part_id=part_id, state=state, at=NOW + number, body=body
    )


def test_dossiers_come_back_in_order_from_where_one_stopped(stores: Stores) -> None:
    """By (number, part), as many as asked for, also after the store was opened again."""
    store = stores.open()
    whole = [finding(1, 3), finding(1, 7, state="told"), finding(2, 0), finding(2, 3)]
    with store.transaction():
        for one in reversed(whole):
            store.save_dossier(one)
    store = stores.open()
    assert store.load_dossiers("finding", limit=9) == whole
    assert store.load_dossiers("finding", after=(1, 3), limit=2) == whole[1:3]
    assert store.load_dossiers("finding", after=(1, 7), limit=9) == whole[2:]
    assert store.load_dossiers("finding", states=("due",), limit=9) == [
        whole[0],
        whole[2],
        whole[3],
    ]
    assert store.load_dossiers("finding", states=("none",), limit=9) == []
    assert store.load_dossiers("breach", limit=9) == []
    assert store.load_part_dossiers("finding", [3]) == [whole[0], whole[3]]
    assert store.load_part_dossiers("finding", [7, 0]) == whole[1:3]
    assert store.load_dossier("finding", 1) == whole[0]
    assert store.load_dossier("finding", 3) is None
    assert store.load_dossier("approval", 1) is None
    assert store.count_dossiers("finding", 1) == {"due": 1, "told": 1}
    assert store.count_dossiers("finding", 9) == {}


def test_a_dossier_is_replaced_by_what_became_of_it(stores: Stores) -> None:
    """One of a kind, number and part; a transaction that fails changes nothing."""
    store = stores.open()
    with store.transaction():
        store.save_dossier(finding(1, 3))

    def fail_after_writing() -> None:
        with store.transaction():
            store.save_dossier(finding(1, 3, state="lost"))
            store.next_dossier_number("finding")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_writing()
    assert store.load_dossiers("finding", limit=9) == [finding(1, 3)]
    assert store.last_dossier_number("finding") == 0
    with store.transaction():
        store.save_dossier(finding(1, 3, state="told"))
    assert stores.open().load_dossiers("finding", limit=9) == [finding(1, 3, state="told")]


def test_numbers_grow_for_each_kind_and_none_is_given_twice(stores: Stores) -> None:
    """Not even after the dossier that had it is gone with its part."""
    store = stores.open()
    with store.transaction():
        part = store.add_part(Identifier("user_id", "ana"), claimed=False, customer_id=None)
        assert [store.next_dossier_number("approval") for _ in range(2)] == [1, 2]
        assert store.next_dossier_number("breach") == 1
        store.save_dossier(
            Dossier(
                kind="approval", number=2, part_id=part.part_id, state="open", at=NOW, body=b"x"
            )
        )
        store.save_dossier(
            Dossier(kind="breach", number=1, part_id=0, state="open", at=NOW, body=b"y")
        )
    with store.transaction():
        store.erase_parts([part.part_id])
    store = stores.open()
    assert store.load_dossiers("approval", limit=9) == []
    assert len(store.load_dossiers("breach", limit=9)) == 1
    assert store.last_dossier_number("approval") == 2
    with store.transaction():
        assert store.next_dossier_number("approval") == 3
