"""The garbage collector, told what it need not look at."""

import gc

from kept import settings as limits


def spare_collector() -> None:
    """Keep what is loaded by now out of the collector's sight, and let it look rarely at the rest.

    States, events and decisions hold no cycles (their structs say so by `gc=False`), and a look at
    all of them takes long.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*limits.COLLECTOR_THRESHOLDS)
