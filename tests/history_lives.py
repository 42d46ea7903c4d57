"""Lives that are exported, and go on after the process died at any step."""

from pathlib import Path

from kept.core.event import Identifier
from kept.core.values import MINUTE
from kept.flows.forget import Wish, forget
from kept.flows.history_list import is_gone, load_progress
from tests.history import World
from tests.scenario.larkmead import compile_larkmead

SECRET = "Quillon-Ashgrove"


def lived(world: World) -> World:
    """Let two customers live a little."""
    for user in ("ana", "ben"):
        traits = {"email": f"{user}@example.com", "first_name": SECRET, "zone": "Europe/Lisbon"}
        world.tell("Identified", user, traits=traits)
        world.tell("Consent Given", user, entity="shop", purpose="marketing")
        world.tell("Order Completed", user, total=30, note=SECRET)
        world.tell("Page Viewed", user, path="/lamps")
    world.stage.advance(world.stage.now + MINUTE)
    return world


def forget_ana(world: World) -> None:
    """Forget one of them."""
    with world.stage.store.transaction():
        wish = Wish(request_id="r-1", actor="test", confirmed_by="came in person")
        forget(world.stage.engine, Identifier("user_id", "ana"), wish, world.stage.now)


def lives_through_death(folder: Path, step: int) -> bool:
    """Export, forget and export again, dying at a step of either; return whether it died at all.

    Afterwards each row is there once, nobody forgotten is, and nothing is left lying about.
    """
    world = lived(World(compile_larkmead(), folder))
    is_killed = world.look_and_die(step, is_all=True)
    once = world.ids("events")
    assert len(once) == len(set(once)), f"doubled at step {step}"
    world.tell("Page Viewed", "ben", path="/on")
    forget_ana(world)
    is_killed |= world.look_and_die(step, is_all=True)
    world.look(is_all=True)
    for kind in ("events", "decisions"):
        assert world.ids(kind) == world.stored_ids(kind), f"step {step}"
    assert len(world.ids("outcomes")) == len(set(world.ids("outcomes")))
    assert is_gone(world.stage.store, "r-1"), f"step {step}"
    assert b"ana@" not in world.content()
    assert world.history.list_names()[1] == []
    progress = load_progress(world.stage.store)
    assert progress.unsettled == ()
    found = [folder / name for name in world.history.list_names()[0]]
    assert (progress.files, progress.size) == (
        len(found),
        sum(path.stat().st_size for path in found),
    )
    return is_killed
