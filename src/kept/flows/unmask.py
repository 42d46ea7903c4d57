"""Values of a person shown to staff: only those asked for, with a reason, and on record."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from kept.core.event import Identifier
from kept.core.fold.told import told_traits
from kept.core.plain_text import clean_line
from kept.errors import InputError, NotFoundError
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_operator
from kept.flows.resolve import find_customer
from kept.ports import HOUSE

REASON_LENGTH_MIN: Final = 10
"""Characters of a reason: `test` is none."""
REASON_LENGTH_MAX: Final = 500
FIELDS_MAX: Final = 50
IDENTIFIERS: Final = "identifier."
"""Stands before a namespace where a field is an identifier and not a trait."""


class Unmasked(msgspec.Struct, frozen=True, kw_only=True):
    """Values of a customer, by the fields that were asked for."""

    customer_id: int
    entry_id: int
    """Where the audit says who saw them, and why."""
    values: dict[str, Any]
    """A trait has one value, an identifier (`identifier.NAMESPACE`) a list of them."""


def unmask_customer(
    engine: Engine,
    identifier: Identifier,
    fields: Sequence[str],
    *,
    reason: str,
    actor: str,
    now: int,
) -> Unmasked:
    """Return values of the customer that an identifier leads to, and note who sees them.

    Raises:
        InputError: there is no reason, or no field, or too many.
        NotFoundError: nobody has this identifier, or nothing is known of a field.
    """
    because = read_reason(reason)
    if not 0 < len(fields) <= FIELDS_MAX:
        raise InputError(f"name 1 to {FIELDS_MAX} fields, and no more than you need")
    customer = find_customer(engine.customers, [(identifier, False), (identifier, True)])
    if customer is None:
        raise NotFoundError(f"nobody is known by this {identifier.namespace}")
    known = _values_of(engine, customer)
    unknown = [field for field in fields if field not in known]
    if unknown:
        raise NotFoundError(
            f"nothing is known of {', '.join(field[:60] for field in unknown)}; known are "
            f"{', '.join(sorted(known))}"
        )
    parts = [part for part in customer.parts.values() if part.identifier == identifier]
    entry_id = note_staff_access(
        engine,
        [part.part_id for part in parts],
        what="customer",
        fields=fields,
        reason=because,
        actor=actor,
        now=now,
    )
    return Unmasked(
        customer_id=customer.customer_id,
        entry_id=entry_id,
        values={field: known[field] for field in fields},
    )


def note_staff_access(
    engine: Engine,
    part_ids: Iterable[int],
    *,
    what: str,
    fields: Sequence[str],
    reason: str,
    actor: str,
    now: int,
) -> int:
    """Note that somebody saw values of a person; return the id of the audit's entry.

    Every way by which staff see such values passes here, before they see them.

    Args:
        engine: the engine.
        part_ids: the parts of the person, as far as it is known whose values they are.
        what: what was looked at: `customer`, `decision/4711`, `quarantine/12`.
        fields: which values; never the values themselves.
        reason: why, in the words of whoever looked.
        actor: who.
        now: the present instant.
    """
    detail = {"what": what, "fields": sorted(set(fields)), "reason": reason}
    parts = list(part_ids)
    note_operator(
        engine.store,
        "staff_access",
        actor=actor,
        verb="unmask",
        detail=detail,
        now=now,
        part_id=parts[0] if parts else HOUSE,
    )
    entry_id = engine.store.read_audit(newest=1)[0].entry_id
    for part_id in parts:
        engine.store.append_access(entry_id, part_id)
    return entry_id


def find_parts_of(engine: Engine, identifier: Identifier) -> list[int]:
    """Return the parts of the customer that an identifier leads to.

    Raises:
        NotFoundError: nobody has this identifier.
    """
    customer = find_customer(engine.customers, [(identifier, False), (identifier, True)])
    if customer is None:
        raise NotFoundError(f"nobody is known by this {identifier.namespace}")
    return sorted(customer.parts)


def read_reason(text: str) -> str:
    """Return a reason as it is kept.

    Raises:
        InputError: it is too short to be one, or too long.
    """
    reason = clean_line(text)
    if not REASON_LENGTH_MIN <= len(reason) <= REASON_LENGTH_MAX:
        raise InputError(
            f"say why in {REASON_LENGTH_MIN} to {REASON_LENGTH_MAX} characters; the reason is kept "
            "with your name, and the customer may read it"
        )
    return reason


def _values_of(engine: Engine, customer: Customer) -> dict[str, Any]:
    state = customer.total(engine.plan)
    told = told_traits(engine.plan, state)
    values: dict[str, Any] = {name: said.value for name, said in told.items()}
    for part in customer.parts.values():
        name = IDENTIFIERS + part.identifier.namespace
        values.setdefault(name, []).append(part.identifier.value)
    return values
