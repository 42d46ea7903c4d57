"""Breaches and findings as the store keeps them, and how they count in decisions."""

from typing import Any, Final

import msgspec

from kept.core.breach import BreachRecord, BreachState, Finding, words_of
from kept.core.decision import OpenBreach
from kept.core.dossier import Dossier
from kept.core.event import BREACH_FOUND
from kept.core.notices import DUE, TOLD
from kept.errors import NotFoundError
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.ports import HOUSE, Store

BREACHES_MAX: Final = 1_000
_encode: Final = msgspec.msgpack.Encoder().encode
_decode_breach: Final = msgspec.msgpack.Decoder(BreachRecord).decode
_decode_finding: Final = msgspec.msgpack.Decoder(Finding).decode


def load_breach(store: Store, number: int) -> tuple[Dossier, BreachRecord]:
    """Return a breach.

    Raises:
        NotFoundError: there is none of this number.
    """
    dossier = store.load_dossier("breach", number)
    if dossier is None:
        raise NotFoundError(f"there is no breach {number}; `kept breach list` shows them")
    return dossier, read_breach(dossier)


def read_breach(dossier: Dossier) -> BreachRecord:
    """Return a breach as it was kept."""
    return _decode_breach(dossier.body)


def read_finding(dossier: Dossier) -> Finding:
    """Return what was found of one customer."""
    return _decode_finding(dossier.body)


def save_breach(
    engine: Engine, number: int, record: BreachRecord, *, state: BreachState
) -> Dossier:
    """Keep how far a breach has come; what changes for decisions is in force at once."""
    dossier = Dossier(
        kind="breach",
        number=number,
        part_id=HOUSE,
        state=state,
        at=record.declared_at,
        body=_encode(record),
    )
    engine.store.save_dossier(dossier)
    breaches = _read_open_breaches(engine)
    if breaches != engine.controls.breaches:
        # First: where other nodes are at work, all of this is done again.
        engine.store.change_control()
        _heed(engine, breaches)
    return dossier


def load_open_breaches(engine: Engine) -> None:
    """Let decisions heed every breach that is not closed."""
    _heed(engine, _read_open_breaches(engine))


def _read_open_breaches(engine: Engine) -> tuple[OpenBreach, ...]:
    rows = engine.store.load_dossiers("breach", limit=BREACHES_MAX)
    return tuple(
        OpenBreach(
            number=row.number,
            is_found=row.state != "searching",
            is_released=row.state in ("releasing", "released"),
        )
        for row in rows
        if row.state not in ("closing", "closed")
    )


def _heed(engine: Engine, breaches: tuple[OpenBreach, ...]) -> None:
    if breaches != engine.controls.breaches:
        engine.controls = msgspec.structs.replace(engine.controls, breaches=breaches)
        engine.customers.forget_standing()


def note_finding(
    engine: Engine, customer: Customer, number: int, finding: Finding, now: int
) -> None:
    """Keep what was found of a customer; from the first on, a notice is due to them."""
    part_id = customer.own_part
    _save_finding(engine.store, number, part_id, finding, state=DUE, at=now)
    state = customer.total(engine.plan)
    if str(number) not in state.breaches:
        engine.append_own(customer, part_id, BREACH_FOUND, {"breach": number}, now)


def find_findings(engine: Engine, customer: Customer, number: int) -> list[tuple[Dossier, Finding]]:
    """Return what was found of a customer in one breach, part by part."""
    rows = engine.store.load_part_dossiers("finding", sorted(customer.parts))
    return [(row, read_finding(row)) for row in rows if row.number == number]


def note_told(engine: Engine, customer: Customer, number: int, message_id: str, now: int) -> None:
    """Note that a customer's notice of a breach was handed over."""
    for row, finding in find_findings(engine, customer, number):
        told = msgspec.structs.replace(finding, told_at=now, message_id=message_id)
        _save_finding(engine.store, number, row.part_id, told, state=TOLD, at=row.at)


def _save_finding(
    store: Store, number: int, part_id: int, finding: Finding, *, state: str, at: int
) -> None:
    store.save_dossier(
        Dossier(
            kind="finding",
            number=number,
            part_id=part_id,
            state=state,
            at=at,
            body=_encode(finding),
        )
    )


def breach_values(
    engine: Engine, customer: Customer, number: int, *, contact: str, locale: str
) -> dict[str, Any]:
    """Return what a notice says of a breach to one customer."""
    dossier = engine.store.load_dossier("breach", number)
    if dossier is None:
        return {}
    record = read_breach(dossier)
    fields = {
        field for _, finding in find_findings(engine, customer, number) for field in finding.fields
    }
    brand = engine.bundle.brand
    did = record.what_we_did
    said = did.get(locale) or did.get(locale.partition("-")[0]) or did.get(brand.brand.locales[0])
    return {
        "since": record.since,
        "fields": words_of(brand, sorted(fields), locale) or None,
        "what_we_did": said,
        "contact": contact,
    }
