"""Whether a customer's basis for a purpose is in force right now, apart from any single message.

A consent holds where it was given and not withdrawn, for at least one of the ways that the purpose
covers; an explicit one only with its wording. Any other basis holds until the customer objects to
the purpose. Unknown means no.
"""

from collections.abc import Mapping

from kept.core.brand.model import Brand
from kept.core.consent import PurposeRule, check_permission
from kept.core.explicit_consent import Guard, is_given
from kept.core.state import Stamped


class Bases:
    """The purposes of a brand, ready to be asked whether they hold for somebody."""

    def __init__(self, brand: Brand) -> None:
        """Take the purposes of a checked brand."""
        self._explicit = {
            name: frozenset(
                wording
                for wording, declared in brand.consent.wordings.items()
                if declared.purpose == name
            )
            for name, purpose in brand.consent.purposes.items()
            if purpose.explicit
        }
        self._rules = {
            name: PurposeRule(
                purpose=name,
                basis=purpose.basis,
                sale_or_sharing=purpose.sale_or_sharing,
                channels=frozenset(purpose.channels),
                during_restriction=purpose.during_restriction,
            )
            for name, purpose in brand.consent.purposes.items()
        }
        self._channels = tuple(sorted(brand.consent.channels))

    def hold(self, entity: str, purpose: str, consents: Mapping[str, Stamped]) -> bool:
        """Return whether the basis of a purpose of a legal entity holds for these consents."""
        rule = self._rules.get(purpose)
        if rule is None:
            return False
        if purpose in self._explicit:
            guard = Guard(
                entity=entity, rule=rule, wordings=self._explicit[purpose], facts=frozenset()
            )
            return is_given(guard, consents)
        ways = ("", *self._channels) if not rule.channels else tuple(sorted(rule.channels))
        # An objection to the purpose as a whole ends it, whatever is left of its channels.
        asked = ways if rule.basis == "consent" else ways[:1]
        return any(
            check_permission(consents, entity=entity, rule=rule, channel=way, topic="") is None
            for way in asked
        )
