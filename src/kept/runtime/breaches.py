"""Works on breaches in small pieces, each one job of the writer, with everybody else's in between."""

from typing import Final

from kept.flows.breach import work_on_breaches
from kept.runtime.rounds import Rounds, Submit

LOOK_SECONDS: Final = 2.0


def work_on_breaches_of(submit: Submit) -> Rounds:
    """Return what searches, and looks again at those who were found."""
    return Rounds("breaches", lambda: bool(submit(work_on_breaches).result()), every=LOOK_SECONDS)
