"""Scopes of holds, caps and quiet times: every part that is given must match."""

import msgspec
import pytest

from kept.core.brand.model import Purpose, Scope
from kept.core.compile_policy import scope_rule

PURPOSES = {
    "marketing": Purpose(basis="consent", promotional=True, description="why"),
    "greeting": Purpose(basis="consent", promotional=True, description="why"),
    "contract": Purpose(basis="contract", promotional=False, description="why"),
    "survey": Purpose(basis="legitimate_interest", promotional=False, description="why"),
}
QUIET = {name: purpose for name, purpose in PURPOSES.items() if not purpose.promotional}
LOUD = {name: purpose for name, purpose in PURPOSES.items() if purpose.promotional}


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a scope looks at."""

    purpose: str
    kind: str = "service"
    action: str = "welcome"
    topic: str = "help"


def covered(scope: Scope, purposes: dict[str, Purpose], *, kind: str = "service") -> set[str]:
    """Return the purposes of which a scope covers an action of this kind."""
    rule = scope_rule(scope, purposes)
    return {name for name in PURPOSES if rule.covers(Said(purpose=name, kind=kind), "email")}


def test_a_scope_that_names_nothing_covers_everything() -> None:
    """No part given, none to match."""
    assert covered(Scope(), PURPOSES) == set(PURPOSES)


@pytest.mark.parametrize("kind", ["service", "offer", "survey"])
def test_promotional_goes_by_the_purpose_and_not_by_the_kind(kind: str) -> None:
    """A survey for a purpose that promotes nothing is not promotional."""
    assert covered(Scope(promotional=True), PURPOSES, kind=kind) == {"marketing", "greeting"}
    assert covered(Scope(promotional=False), PURPOSES, kind=kind) == {"contract", "survey"}


def test_promotional_narrows_the_purposes_that_are_named() -> None:
    """Both parts must match."""
    named = ("greeting", "contract")
    assert covered(Scope(purposes=named, promotional=True), PURPOSES) == {"greeting"}
    assert covered(Scope(purposes=named, promotional=False), PURPOSES) == {"contract"}
    assert covered(Scope(purposes=("survey",), promotional=True), PURPOSES) == set()


def test_promotional_covers_nothing_where_no_purpose_is() -> None:
    """A brand that promotes nothing is not hushed altogether by a hold on promotion."""
    assert covered(Scope(promotional=True), QUIET) == set()
    assert covered(Scope(promotional=False), LOUD) == set()


def test_kinds_narrow_what_is_promotional() -> None:
    """A kind beside it is one more part that must match."""
    scope = Scope(promotional=False, kinds=("survey",))
    assert covered(scope, PURPOSES, kind="survey") == {"contract", "survey"}
    assert covered(scope, PURPOSES, kind="service") == set()
