"""Customers whom a breach touched hear of it before anything promotional: the hold that is built in."""

from typing import Final

from kept.core.decision import Controls, Facts
from kept.core.reason import BreachNoticeDue, Reason
from kept.core.rules import Candidate, Policy
from kept.core.state import Stamped

BREACH_PREFIX: Final = "breach/"
"""What a notice is about: `breach/NUMBER`; no brand has a kind of object of this name."""
DUE: Final = "due"
TOLD: Final = "told"


def breach_of(about: str) -> int:
    """Return the breach that a message is about, 0 if it is about none."""
    number = about.removeprefix(BREACH_PREFIX)
    return int(number) if number != about and number.isdigit() else 0


def notices_due(breaches: dict[str, Stamped]) -> tuple[int, ...]:
    """Return the breaches of which a customer was not told yet."""
    return tuple(sorted(int(number) for number, said in breaches.items() if said.value == DUE))


def check_notices(controls: Controls, facts: Facts) -> Reason | None:
    """Return that a notice comes first, for anything promotional.

    While it is still being found out whom a breach touched, it may be anybody.
    """
    for breach in controls.breaches:
        if breach.number in facts.notices_due:
            return BreachNoticeDue(breach=breach.number)
        if not breach.is_found:
            return BreachNoticeDue(breach=breach.number, is_searching=True)
    return None


def take_up_notices(
    candidates: list[Candidate], policy: Policy, controls: Controls, facts: Facts
) -> list[Candidate]:
    """Return candidates with one notice for each breach that is released and due, and no other."""
    released = [
        f"{BREACH_PREFIX}{breach.number}"
        for breach in controls.breaches
        if breach.is_released and breach.number in facts.notices_due
    ]
    if not released:
        return [one for one in candidates if one.action not in policy.notices]
    taken = []
    for one in candidates:
        if one.action not in policy.notices:
            taken.append(one)
        else:
            taken += [
                Candidate(one.action, about, one.value, one.p_accept, one.benefit, 0, one.sets)
                for about in released
            ]
    return taken
