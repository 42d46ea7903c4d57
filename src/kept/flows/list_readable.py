"""Whom an analysis of the files of history may read: for a purpose whose basis holds right now."""

from typing import Final

import msgspec

from kept.core.consent import is_restricted
from kept.core.lawful_basis import Bases
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_operator
from kept.flows.read_history import entity_of

CUSTOMERS_A_PAGE: Final = 500
"""So many customers are looked at in one page, so that nobody else waits."""


class ReadableWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For what history is read."""

    purpose: str
    """A purpose of consent.yaml; rows without a basis for it are absent."""
    entity: str = ""
    """The legal entity for which it is read; may be left out where there is only one."""
    after: int = 0
    """Go on after this customer, as the page before said."""


class ReadablePage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of those who may be read, and where to go on."""

    parts: tuple[tuple[int, int], ...]
    """Pairs of a part and its customer."""
    after: int
    is_last: bool


class QueryRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That a query was answered."""

    purpose: str
    entity: str = ""
    count: int
    """How many rows it returned."""


def list_readable(engine: Engine, wanted: ReadableWanted, *, actor: str, now: int) -> ReadablePage:
    """Return the next customers for whom a basis holds; every page is audited with its count.

    What is merely claimed to be a customer's is left out, and whoever is restricted.

    Raises:
        NotFoundError: there is no such purpose or legal entity.
    """
    entity = entity_of(engine.bundle.brand, purpose=wanted.purpose, entity=wanted.entity)
    bases = Bases(engine.bundle.brand)
    ids = engine.store.list_customers(after=wanted.after, limit=CUSTOMERS_A_PAGE)
    found: list[tuple[int, int]] = []
    count = 0
    for customer_id in ids:
        customer = engine.customers.look_at(customer_id)
        consents = customer.total(engine.plan).consents
        if is_restricted(consents) or not bases.hold(entity, wanted.purpose, consents):
            continue
        proven = [part.part_id for part in customer.parts.values() if not part.claimed]
        count += 1
        found += [(part_id, customer_id) for part_id in sorted(proven or customer.parts)]
    detail = {
        "purpose": wanted.purpose,
        "entity": entity,
        "after": wanted.after,
        "customers": count,
    }
    note_operator(
        engine.store, "staff_access", actor=actor, verb="list_readable", detail=detail, now=now
    )
    return ReadablePage(
        parts=tuple(found),
        after=ids[-1] if ids else wanted.after,
        is_last=len(ids) < CUSTOMERS_A_PAGE,
    )


def note_query(engine: Engine, run: QueryRun, *, actor: str, now: int) -> None:
    """Audit that a query over the files of history was answered, and with how many rows."""
    entity = entity_of(engine.bundle.brand, purpose=run.purpose, entity=run.entity)
    detail = {"purpose": run.purpose, "entity": entity, "count": run.count}
    note_operator(
        engine.store, "staff_access", actor=actor, verb="query_history", detail=detail, now=now
    )
