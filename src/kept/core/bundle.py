"""A brand in force: everything compiled from one checked version of its folder."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from kept.core.brand.model import Brand
from kept.core.facts import FactPlan, stale_fact_indexes
from kept.core.fold.fold import FoldPlan
from kept.core.generate import PolicyCode
from kept.core.identity import NamespaceRule
from kept.core.rules import Policy
from kept.core.template.render import Line, Templates
from kept.core.touchpoint import Touchpoint


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """What the flows need of a brand; a running server exchanges it whole."""

    brand: Brand
    policy: Policy
    code: PolicyCode
    """The checked expressions that the policy was generated from."""
    fact_plan: FactPlan
    fold_plan: FoldPlan
    namespaces: Mapping[str, NamespaceRule]
    touchpoints: Mapping[str, Touchpoint]
    templates: Templates
    stale_after: Mapping[str, int]
    """Source -> µs of silence after which its facts are unknown."""
    action_values: Mapping[str, Mapping[str, Any]]
    """Action -> what its texts may say besides the customer: `entity`, `terms`, `product`."""
    schemas: Mapping[tuple[str, str], Mapping[str, str]]
    """(action, kind of the object in play) -> the types of the names that its texts may use."""
    headlines: Mapping[tuple[str, str], Line]
    """(action, locale) -> what a placement shows."""
    says: Mapping[tuple[str, str], Line]
    """(action, locale) -> what staff may say."""
    becauses: Mapping[str, Line]
    customer_becauses: Mapping[str, Line]
    resume_over: int

    def stale_facts(self, silent: Iterable[str]) -> tuple[int, ...]:
        """Return the facts and kinds of objects that are unknown while these sources are silent."""
        known = [self.touchpoints[source] for source in silent if source in self.touchpoints]
        return stale_fact_indexes(self.fact_plan, known)

    def template_schema(self, action: str, about: str) -> Mapping[str, str]:
        """Return the types of the names that a text about an action and an object may use."""
        return self.schemas.get((action, about)) or self.schemas["", about]
