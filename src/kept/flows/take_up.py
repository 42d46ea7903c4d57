"""Take up what all nodes must know: brakes, breaches, silent sources, and which brand is in force.

A transaction knows at its beginning by which version of it to work, and takes everything up before
it does anything else. The version cannot change while it is open.
"""

from kept.flows.brake import load_brakes
from kept.flows.breach_records import load_open_breaches
from kept.flows.engine import Engine
from kept.flows.prepare_brand import check_current
from kept.flows.sign_log import load_log_keys
from kept.flows.sources import load_silent


def take_up(engine: Engine) -> None:
    """Work by what is stored from here on.

    Raises:
        OutdatedError: another brand is in force, which must be compiled first.
    """
    check_current(engine)
    load_brakes(engine)
    load_open_breaches(engine)
    load_silent(engine)
    keys = load_log_keys(engine.store)
    engine.log_periods = () if keys is None else keys.periods
    engine.unforgotten.clear()
    engine.customers.forget_standing()
    for also in engine.also_takes_up:
        also(engine)
