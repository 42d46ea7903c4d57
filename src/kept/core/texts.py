"""What the texts of a brand may name, and what they say besides the customer.

The checker and the compiler share this, so that a text that was checked can be written.
"""

from typing import Any, Final

import msgspec

from kept.core.brand.model import Action, Brand
from kept.core.brand.offers import terms_of
from kept.core.scopes import policy_scope
from kept.core.terms import headline, headline_types

_ALWAYS: Final = {"name": "text", "unsubscribe_url": "text", "brand.name": "text"}
"""What every text may say of the customer and the brand, beside facts."""
_OF_BREACH: Final = {
    "breach.since": "timestamp",
    "breach.fields": "text",
    "breach.what_we_did": "text",
    "breach.contact": "text",
}
"""What a notice of a breach may say of it."""
_OF_ENTITY: Final = ("entity.name", "entity.address", "entity.contact")


def text_schema(brand: Brand, action: Action | None, *, about: str = "") -> dict[str, str]:
    """Return the types of the names that a text may use.

    Args:
        brand: whose facts, objects and products they are.
        action: what is sent or shown; None for a text about the customer alone.
        about: the kind of the object in play, where there is no action to name it.
    """
    facts = policy_scope(brand.facts, brand.cohorts).facts
    schema = _ALWAYS | {name: str(fact.type) for name, fact in facts.items()}
    about = action.about if action is not None else about
    if about:
        fields = brand.facts.objects[about].fields
        schema["about.key"] = "text"
        schema |= {f"about.{field}": kind for field, kind in fields.items()}
    if action is not None:
        schema |= dict.fromkeys(_OF_ENTITY, "text")
        if action.notice_of:
            schema |= _OF_BREACH
        if action.needs_approval or action.legal_weight:
            schema["contest_url"] = "text"
        terms = terms_of(brand, action)
        if terms is not None:
            schema |= {f"terms.{name}": kind for name, kind in headline_types(terms).items()}
        if action.terms_from in brand.products:
            schema["product"] = "any"
    return schema


def text_values(brand: Brand, action: Action) -> dict[str, Any]:
    """Return the values that depend on the action alone: who speaks, the terms, the product."""
    entity = brand.brand.legal_entities[action.entity]
    values: dict[str, Any] = {"entity": msgspec.to_builtins(entity)}
    terms = terms_of(brand, action)
    if terms is not None:
        values["terms"] = headline(terms)
    product = brand.products.get(action.terms_from)
    if product is not None:
        values["product"] = {"name": product.name, **product.details}
    return values
