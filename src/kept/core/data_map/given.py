"""What the actions of a brand say of a customer, to whoever is shown or sent them."""

from kept.core.brand.model import Brand
from kept.core.data_map.readers import Texts, cohort_readers, derived_facts


class Given:
    """What each action says of a customer, under one version of the brand.

    An action is looked at when it is first asked about, and remembered: whoever asks holds locks,
    and to read all texts of a large brand takes longer than anybody should wait for them.
    """

    def __init__(self, brand: Brand) -> None:
        """Take a checked brand."""
        self.called = brand.brand.name or "first_name"
        """The trait by which customers are called."""
        self._actions = brand.actions
        self._texts = Texts(brand)
        self._derived = derived_facts(brand, cohort_readers(brand))
        self._known: dict[str, dict[str, frozenset[str]]] = {}

    def by(self, action: str, channel: str) -> frozenset[str]:
        """Return the fields in the texts of an action on a channel, or (empty) at placements.

        Cohorts and segments are what they are made of.
        """
        said = self._known.get(action)
        if said is None:
            declared = self._actions.get(action)
            texts = self._texts.of(declared) if declared is not None else ()
            said = self._known[action] = {
                text.channel: frozenset(
                    inner
                    for name in text.names
                    for inner in self._derived.get(name, frozenset({name}))
                )
                for text in texts
            }
        return said.get(channel, frozenset())
