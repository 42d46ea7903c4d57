"""What a process under test is given before it starts: shorter waits, and perhaps a sabotage.

This is loaded by the tests' own launcher in a process that the tests forked; nothing in `kept`
knows of it, and no setting or variable of `kept` can switch anything of it on.
"""

import os

from kept import settings
from kept.core.values import SECOND
from kept.flows import deliver, react
from kept.runtime import senders
from tests.attack.sabotage import SABOTAGES

SABOTAGE = "ATTACK_SABOTAGE"


def prepare() -> None:
    """Shorten waits, so that a run meets in minutes what takes hours; then sabotage, if that is asked for."""
    for module, name, value in (
        (deliver, "RETRY_FIRST", SECOND),
        (deliver, "RETRY_LONGEST", 4 * SECOND),
        (react, "LOOK_AGAIN", SECOND),
        (senders, "REST", SECOND),
        (settings, "SEND_TIMEOUT_SECONDS", 2.5),
    ):
        setattr(module, name, value)
    name = os.environ.get(SABOTAGE, "")
    if name:
        SABOTAGES[name].apply()
