"""The thread that sees to it that nothing is kept longer than needed, a small piece at a time.

The limits of a brand are worked out here, beside the writer; each piece is done on the writer, in a
transaction of its own, with a pause after it, so that no event waits for more than one piece.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from kept.channels.files import FilesChannel
from kept.clock import read_monotonic
from kept.core.brand.model import Brand
from kept.core.data_map import map_data
from kept.core.retention import Limits, limits_of
from kept.core.values import DAY
from kept.errors import KeptError
from kept.flows.list_gone_messages import kept_since, list_gone
from kept.flows.retain import Retaining, retain
from kept.runtime.rounds import Rounds, Submit

PAUSE_SECONDS: Final = 0.1
LOOK_SECONDS: Final = 60.0
FIRST_SECONDS: Final = 10.0
_FILES_A_PIECE: Final = 200
_log = logging.getLogger("kept.keeping")


class Keeping(Rounds):
    """Removes what is past its time while the server works."""

    def __init__(
        self, submit: Submit, brand_of: Callable[[], Brand], *, files: FilesChannel
    ) -> None:
        """Take the way to the writer, the brand in force, and where messages are written as files."""
        self._submit = submit
        self._brand_of = brand_of
        self._files = files
        self._files_looked_at = 0
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
        if self._submit(lambda engine, now: retain(engine, retaining, now)).result():
            return True
        looked_at = self._files_looked_at
        if not looked_at or read_monotonic() - looked_at >= DAY:
            self._erase_files(retaining.limits)
        return False

    def _erase_files(self, limits: Limits) -> None:
        """Erase the files of messages that are past their time and were let go of."""
        try:
            since = self._submit(lambda engine, now: kept_since(engine, limits, now)).result()
            old = self._files.list_before(since)
            for start in range(0, len(old), _FILES_A_PIECE):
                piece = old[start : start + _FILES_A_PIECE]
                gone = self._submit(lambda engine, now: list_gone(engine, piece)).result()  # noqa: B023
                if gone:
                    self._files.erase(gone)
            self._files_looked_at = read_monotonic()
        except (KeptError, OSError) as error:
            _log.warning("files of old messages are erased later: %s", error)
