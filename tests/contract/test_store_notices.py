"""Every store keeps in their order the notices of what tools outside must be told."""

import pytest

from kept.ports import Notice
from tests.contract.conftest import Stores
from tests.contract.values import NOW, ODD_TEXTS

pytestmark = pytest.mark.store


def test_notices_come_back_in_order_from_where_one_stopped(stores: Stores) -> None:
    """As many as asked for, also after the store was opened again."""
    store = stores.open()
    assert store.last_notice() == 0
    assert store.load_notices(after=0, limit=9) == []
    with store.transaction():
        for number, text in enumerate(ODD_TEXTS, start=1):
            kept = store.append_notice(number * 7, noted_at=NOW + number, scopes=["c|sms", text])
            assert kept == store.last_notice() == number
    store = stores.open()
    whole = store.load_notices(after=0, limit=999)
    assert whole == [
        Notice(notice_id=n, part_id=n * 7, noted_at=NOW + n, scopes=("c|sms", text))
        for n, text in enumerate(ODD_TEXTS, start=1)
    ]
    assert store.load_notices(after=2, limit=3) == whole[2:5]
    assert store.load_notices(after=store.last_notice(), limit=9) == []
    assert store.load_notices(after=10**6, limit=9) == []


def test_a_notice_goes_with_the_transaction_that_it_belongs_to(stores: Stores) -> None:
    """What did not happen is told to nobody; whether its id is given again is the store's business."""
    store = stores.open()

    def fail_after_noting() -> None:
        with store.transaction():
            store.append_notice(1, noted_at=NOW, scopes=["c|sms"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_noting()
    assert store.last_notice() == 0
    with store.transaction():
        kept = store.append_notice(1, noted_at=NOW, scopes=[])
    assert kept == store.last_notice() > 0
