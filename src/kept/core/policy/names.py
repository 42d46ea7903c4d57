"""Finds what a name in an expression stands for, or says what it might have been meant to be."""

from typing import Any

from kept.core.policy.functions import FUNCTIONS, INSTEAD, forms_of
from kept.core.policy.literals import Wrong
from kept.core.policy.scope import Fact, Scope
from kept.core.policy.tree import FactRef, FieldRef, Node, RowField
from kept.core.policy.types import bounds_of
from kept.core.policy.where import nearest, shown


def find_name(parts: list[str], *, scope: Scope, row: str | None) -> Node | Wrong:
    """Return what a name with its dotted parts stands for.

    Within an aggregate (`row` is its kind of object) a bare name is first a field of the object,
    then a fact.
    """
    name = ".".join(parts)
    space, _, field = name.rpartition(".")
    if row is not None and space in {"", row}:
        found = scope.find_row_field(row, field)
        if found is not None:
            return RowField(object=row, name=field, **_known(found))
    if name in scope.facts:
        return FactRef(name=name, **_known(scope.facts[name]))
    found = scope.find_field(space, field) if space else None
    if found is not None:
        return FieldRef(space=space, name=field, **_known(found))
    return Wrong(message=f"{shown(name)} is not known here", suggestion=_meant(name, scope, row))


def _known(fact: Fact) -> dict[str, Any]:
    return {"type": fact.type, "nullable": fact.nullable, "bounds": bounds_of(fact.type)}


def _meant(name: str, scope: Scope, row: str | None) -> str:
    """Return what may have been meant by an unknown name."""
    space = name.partition(".")[0]
    if name in scope.objects:
        return f"it is a kind of object; write exists({name}, ...) or count({name}, ...)"
    function = FUNCTIONS.get(name.lower())
    if function is not None:
        return f"it is a function; write {' or '.join(forms_of(function))}"
    if name.lower() in INSTEAD:
        return INSTEAD[name.lower()]
    if name in scope.more or (name == "about" and scope.about is not None):
        return f"write one of its fields: {_fields(name, scope)}"
    if space == "about" and scope.about is None:
        return "nothing is in play here; say which kind of object this is about with `about:`"
    if space in scope.objects and space != name:
        return f"a customer may have several; write exists({space}, ...) or another aggregate"
    known = scope.all_names()
    if row is not None:
        known += scope.objects[row]
    return _nearest_of(name, known) or "declare it in facts.yaml, as a trait or a feature"


def _nearest_of(name: str, known: list[str]) -> str:
    """Return the name most like an unknown one; one with a dot is compared with its neighbours."""
    space, dot, field = name.rpartition(".")
    siblings = [other.removeprefix(space + dot) for other in known if other.startswith(space + dot)]
    near = nearest(field, siblings)
    if near:
        return f"did you mean {space}{dot}{near}?"
    if dot and siblings:
        return f"{space} has {', '.join(sorted(siblings)[:10])}"
    near = nearest(name, known)
    return f"did you mean {near}?" if near else ""


def _fields(space: str, scope: Scope) -> str:
    return ", ".join(sorted(scope.fields_of(space))) or "no fields"
