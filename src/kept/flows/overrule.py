"""Mark what an event tells again although a person put it right, before it is folded."""

from collections.abc import Iterator

from kept.core.correction import is_rejected, mark_overruled, object_field
from kept.core.event import Event
from kept.core.fold.fold import FoldPlan
from kept.core.readers import UNREADABLE
from kept.core.scopes import TRAIT_PREFIX
from kept.core.state import Stamped
from kept.flows.customers import Customer


def overrule(plan: FoldPlan, customer: Customer, event: Event) -> Event:
    """Return an event of a customer with what is not taken from it marked."""
    rejected: dict[str, Stamped] = {}
    for state in customer.states.values():
        if state.rejected:
            rejected = customer.total(plan).rejected
            break
    return mark_overruled(event, set(_overruled(plan, event, rejected))) if rejected else event


def _overruled(plan: FoldPlan, event: Event, rejected: dict[str, Stamped]) -> Iterator[str]:
    for name, raw in event.traits.items():
        field = f"{TRAIT_PREFIX}{name}"
        for trait in plan.traits.get(name, ()) if field in rejected else ():
            value = trait.read_value(raw)
            if value is not UNREADABLE and is_rejected(rejected, field, value):
                yield field
    for step in plan.objects.get(event.name, ()):
        key = event.properties.get(step.key_property)
        for assignment in step.fields:
            field = object_field(step.kind, str(key), assignment.field)
            if field in rejected:
                value = assignment.read_value(assignment.get(event))
                if value is not UNREADABLE and is_rejected(rejected, field, value):
                    yield field
