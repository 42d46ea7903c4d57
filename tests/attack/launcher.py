"""What a process under test is given before it starts: shorter waits, and perhaps a sabotage.

This is loaded by the tests' own launcher in a process that the tests forked; nothing in `kept`
knows of it, and no setting or variable of `kept` can switch anything of it on.
"""

import os
import time
from typing import Any

from kept import clock, settings
from kept.core.values import SECOND
from kept.flows import deliver, react
from kept.runtime import senders
from tests.attack.sabotage import SABOTAGES

SABOTAGE = "ATTACK_SABOTAGE"
CLOCK = "ATTACK_CLOCK_OFF_SECONDS"


class WrongClock:
    """The module `time`, as a machine sees it whose clock is wrong by so many seconds."""

    def __init__(self, seconds: float) -> None:
        """Take by how much."""
        self._off = int(seconds * 1_000_000_000)

    def time_ns(self) -> int:
        """Return the wrong time."""
        return time.time_ns() + self._off  # noqa: TID251 - the clock that is made wrong

    def __getattr__(self, name: str) -> Any:
        """Return whatever else the module has; it never dates anything."""
        return getattr(time, name)


def prepare() -> None:
    """Shorten waits, so that a run meets in minutes what takes hours; then sabotage, if that is asked for."""
    for module, name, value in (
        (deliver, "RETRY_FIRST", SECOND),
        (deliver, "RETRY_LONGEST", 4 * SECOND),
        (deliver, "CALLED_WITHIN", SECOND),
        (deliver, "LEASE", 8 * SECOND),
        (react, "LOOK_AGAIN", SECOND),
        (senders, "REST", SECOND),
        (settings, "SEND_TIMEOUT_SECONDS", 2.5),
    ):
        setattr(module, name, value)
    if seconds := float(os.environ.get(CLOCK, "0")):
        # `kept.clock` is the only reader of the clock.
        vars(clock)["time"] = WrongClock(seconds)
    name = os.environ.get(SABOTAGE, "")
    if name:
        SABOTAGES[name].apply()
