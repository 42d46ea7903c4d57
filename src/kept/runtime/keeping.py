"""The thread that sees to it that nothing is kept longer than needed, a small piece at a time.

The limits of a brand are worked out here, beside the writer; each piece is done on the writer, in a
transaction of its own, with a pause after it, so that no event waits for more than one piece.
"""

import threading
from collections.abc import Callable
from typing import Final

from kept.core.brand.model import Brand
from kept.core.data_map import map_data
from kept.core.retention import Limits, limits_of
from kept.flows.retain import Retaining, retain
from kept.runtime.rounds import Rounds, Submit

PAUSE_SECONDS: Final = 0.1
LOOK_SECONDS: Final = 60.0
FIRST_SECONDS: Final = 10.0


class Keeping(Rounds):
    """Removes what is past its time while the server works."""

    def __init__(self, submit: Submit, brand_of: Callable[[], Brand]) -> None:
        """Take the way to the writer, and the brand in force."""
        self._submit = submit
        self._brand_of = brand_of
        self._retaining: Retaining | None = None
        self._lock = threading.Lock()
        super().__init__(
            "keeping", self.work, every=LOOK_SECONDS, pause=PAUSE_SECONDS, first=FIRST_SECONDS
        )

    def limits(self) -> Limits:
        """Return the limits of the brand in force, worked out once a version."""
        brand = self._brand_of()
        with self._lock:
            known = self._retaining
            if known is None or known.limits.version != brand.version:
                known = self._retaining = Retaining(limits_of(brand, map_data(brand)))
            return known.limits

    def work(self) -> bool:
        """Do one piece; return whether more is to be done."""
        self.limits()
        retaining = self._retaining
        if retaining is None:
            raise AssertionError("limits were just worked out")
        return bool(self._submit(lambda engine, now: retain(engine, retaining, now)).result())
