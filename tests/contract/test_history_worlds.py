"""Whatever happens in whatever order, and whenever the process dies, files hold what the store holds."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kept.core.event import Identifier
from kept.core.history_columns import KINDS
from kept.core.values import MINUTE
from kept.flows.forget import Wish, forget
from kept.flows.history_list import load_gone, load_progress
from tests.history import World
from tests.scenario.larkmead import compile_larkmead

USERS = ("ana", "ben", "cleo")
HAPPENINGS = st.one_of(
    st.tuples(st.just("tell"), st.sampled_from(USERS)),
    st.tuples(st.just("forget"), st.sampled_from(USERS)),
    st.tuples(st.just("pass"), st.sampled_from((1, 20, 70, 200))),
    st.tuples(st.just("look"), st.integers(min_value=0, max_value=120)),
    st.tuples(st.just("look at all"), st.integers(min_value=0, max_value=120)),
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(HAPPENINGS, min_size=3, max_size=14))
def test_files_hold_each_row_of_the_store_once(happenings: list[tuple[str, str | int]]) -> None:
    """A step of 0 is one at which nobody dies."""
    with TemporaryDirectory() as folder:
        world = World(compile_larkmead(), Path(folder))
        for number, (what, told) in enumerate(happenings):
            happen(world, what, told, number)
            for kind in KINDS:
                ids = world.ids(kind)
                assert len(ids) == len(set(ids))
        world.close_hour()
        world.look()
        assert world.ids("events") == world.stored_ids("events")
        assert world.ids("decisions") == world.stored_ids("decisions")
        hours = [(str(row["date"]), int(row["hour"])) for row in world.rows("events")]
        assert hours == sorted(hours)
        assert load_gone(world.stage.store) == ()
        assert load_progress(world.stage.store).unsettled == ()
        assert world.history.list_names()[1] == []


def happen(world: World, what: str, told: str | int, number: int) -> None:
    """Let one thing happen."""
    if what == "tell":
        world.tell("Page Viewed", str(told), path=f"/{number}")
    elif what == "forget":
        with world.stage.store.transaction():
            wish = Wish(request_id=f"r-{number}", actor="test", confirmed_by="came in person")
            wanted = Identifier("user_id", str(told))
            forget(world.stage.engine, wanted, wish, world.stage.now)
    elif what == "pass":
        world.stage.advance(world.stage.now + int(told) * MINUTE)
    else:
        world.look_and_die(int(told), is_all=what == "look at all")
