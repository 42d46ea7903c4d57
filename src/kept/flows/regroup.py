"""An operator's word on who is who: two identifiers are one person, or they are two."""

from kept.core.event import Identifier
from kept.core.identity import Link, Part
from kept.errors import ConflictError, InputError, NotFoundError
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.flows.note_in_log import note_operator
from kept.flows.react import react
from kept.flows.resolve import separate, take_evidence


def parse_identifier(text: str) -> Identifier:
    """Return the identifier in a text such as `email:ana@example.com`.

    Raises:
        InputError: the text is none.
    """
    namespace, colon, value = text.partition(":")
    if not (namespace and colon and value.strip()):
        raise InputError(f"{text[:100]!r} is no identifier; write NAMESPACE:VALUE")
    return Identifier(namespace, value.strip())


def merge(
    engine: Engine, one: Identifier, other: Identifier, *, actor: str, now: int
) -> list[Customer]:
    """Say that two identifiers are one person; return the customers that this made.

    Raises:
        NotFoundError: one of them was never seen, or nobody ever vouched for it.
        ConflictError: they are one person already, or were separated on purpose.
    """
    parts = _find_both(engine, one, other)
    homes = [engine.customers.home_of(part) for part in parts]
    if homes[0] is homes[1]:
        raise ConflictError(f"{one.namespace} and {other.namespace} are one customer already")
    low, high = sorted(part.part_id for part in parts)
    links = engine.store.load_links([low, high])
    if any((link.part_a, link.part_b, link.evidence) == (low, high, "apart") for link in links):
        raise ConflictError("the two were separated on purpose, and stay apart")
    link = Link(low, high, "alias", now)
    changed = take_evidence(engine.customers, engine.store, [link], engine.bundle.namespaces)
    _follow(engine, changed, verb="merge", parts=parts, actor=actor, now=now)
    return changed


def unmerge(
    engine: Engine, one: Identifier, other: Identifier, *, actor: str, now: int
) -> list[Customer]:
    """Say that two identifiers are two people; return the customers that this made.

    Raises:
        NotFoundError: one of them was never seen, or nobody ever vouched for it.
        InputError: they are one and the same.
    """
    parts = _find_both(engine, one, other)
    if parts[0].part_id == parts[1].part_id:
        raise InputError("an identifier cannot be separated from itself")
    changed = separate(engine.customers, engine.store, parts, engine.bundle.namespaces, now=now)
    _follow(engine, changed, verb="unmerge", parts=parts, actor=actor, now=now)
    return changed


def _find_both(engine: Engine, one: Identifier, other: Identifier) -> tuple[Part, Part]:
    first = engine.customers.find_part(one, claimed=False)
    second = engine.customers.find_part(other, claimed=False)
    if first is None or second is None:
        unknown = one if first is None else other
        raise NotFoundError(f"no source ever vouched for this {unknown.namespace}")
    return first, second


def _follow(
    engine: Engine,
    changed: list[Customer],
    *,
    verb: str,
    parts: tuple[Part, Part],
    actor: str,
    now: int,
) -> None:
    """Let the consequences follow at once, and keep who said so; parts are named by id alone."""
    engine.note_regrouped(now)
    # A replay must know between which two decisions they became one, or two.
    before = engine.store.next_decision_id()
    for customer in changed:
        react(engine, customer, now)
    detail = {
        "parts": sorted(part.part_id for part in parts),
        "changed": len(changed),
        "before_decision": before,
    }
    note_operator(engine.store, "approval", actor=actor, verb=verb, detail=detail, now=now)
