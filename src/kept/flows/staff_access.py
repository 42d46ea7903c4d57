"""Note that staff were shown or changed a customer's data: the one place where that is written down."""

from typing import Any

from kept.errors import InputError
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_operator


def note_staff_access(
    engine: Engine, customer: Customer, verb: str, *, actor: str, now: int, **detail: Any
) -> None:
    """Keep who was shown a customer's data and why; the detail names fields, never values."""
    told = {"customer": customer.customer_id} | detail
    note_operator(engine.store, "staff_access", actor=actor, verb=verb, detail=told, now=now)


def note_staff_change(
    engine: Engine, customer: Customer, verb: str, *, actor: str, now: int, **detail: Any
) -> None:
    """Keep who changed what of a customer and why, in the same way."""
    told = {"customer": customer.customer_id} | detail
    note_operator(engine.store, "approval", actor=actor, verb=verb, detail=told, now=now)


def require_words(**given: str) -> None:
    """Refuse a request of a customer that lacks what must be on record about it.

    Raises:
        InputError: one of the texts is empty.
    """
    for name, text in given.items():
        if not text.strip():
            raise InputError(f"say `{name}`; it is written into the audit")
