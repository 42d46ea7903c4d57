"""A brand on its way into force: what is folded again before it may decide."""

import msgspec

from kept.core.bundle import Bundle
from kept.core.fold.fold import FoldPlan


class Preparation(msgspec.Struct):
    """A brand on its way into force."""

    bundle: Bundle
    texts: dict[str, str]
    slots: dict[str, str]
    """Definition of a feature, kind or trait -> the slot that it is folded into."""
    plan: FoldPlan
    """What is folded again from the stream."""
    until: int
    """Events after this one are folded live."""
    done: int = 0

    @property
    def is_filled(self) -> bool:
        """Return whether every stored event has been folded again."""
        return self.done >= self.until
