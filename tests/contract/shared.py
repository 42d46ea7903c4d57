"""What tests of several nodes do again and again."""

from kept.core.event import Identifier
from kept.ports import Store

ADA, BOB = Identifier("email", "ada@example.org"), Identifier("email", "bob@example.org")


def add(store: Store, *identifiers: Identifier) -> list[int]:
    """Commit a customer for each identifier, and return their ids."""
    with store.transaction():
        return [
            store.add_part(each, claimed=False, customer_id=None).customer_id
            for each in identifiers
        ]


def lock_alone(store: Store, *customers: int) -> dict[int, int]:
    """Take locks in a transaction of their own, and return the versions."""
    with store.transaction():
        return store.lock_customers(customers)
