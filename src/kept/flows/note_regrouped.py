"""Note where a wish holds for other identifiers than before, because customers were regrouped.

Whoever becomes one customer shares the more restrictive wish; tools outside Kept know them by
identifiers, and must hear for which of these it holds now. What is folded is noted by `engine`.
"""

from kept.core.bundle import Bundle
from kept.core.suppression import changed_scopes, wishes_of
from kept.flows.customers import Customers
from kept.ports import Store


def note_regrouped(store: Store, customers: Customers, bundle: Bundle, *, now: int) -> None:
    """Keep a notice of each customer for whose vouched identifiers something changed.

    It is to be called before anything else is folded: customers that were share their states with
    those that are.
    """
    regrouped, customers.regrouped = customers.regrouped, []
    noted: set[tuple[int, tuple[str, ...]]] = set()
    for old in regrouped:
        before = wishes_of(old.total(customers.plan))
        for part in old.parts.values():
            if part.claimed:
                continue
            home = customers.home_of(part)
            after = wishes_of(home.total(customers.plan))
            scopes = changed_scopes(before, after, bundle)
            if scopes and (home.customer_id, scopes) not in noted:
                noted.add((home.customer_id, scopes))
                store.append_notice(home.own_part, noted_at=now, scopes=scopes)
