"""Two servers on one PostgreSQL: what one is told holds at the other, and one that dies loses nothing."""

import random  # noqa: TID251  a failure is repeated by its seed
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.crash.providers import Providers, run_providers
from tests.postgres import Server
from tests.suites.fleet import Fleet, Member, figures, fleet_on, until

RESUMED_WITHIN = 5.0
BILLS = 120


@pytest.fixture
def providers() -> Iterator[Providers]:
    """Run a mail server and a receiver of webhooks, which are a little slow."""
    with run_providers(random.Random(7)) as running:
        yield running


@pytest.fixture
def fleet(tmp_path: Path, postgres: Server, providers: Providers) -> Iterator[Fleet]:
    """Give a fleet of two nodes."""
    with fleet_on(tmp_path, postgres, providers) as running:
        running.add("one")
        running.add("two")
        yield running


def test_what_one_node_heard_the_other_knows_at_once(fleet: Fleet) -> None:
    """G1, G5: whoever is asked after an event was answered answers by it, wherever it was heard."""
    one, two = fleet.members
    for _ in range(5):
        user, (introduced, agreed) = fleet.newcomer()
        one.send(introduced)
        assert not two.may_write(user)
        one.send(agreed)
        assert two.may_write(user)
        withdrawn = fleet.event(user, "Consent Given", entity="shop", purpose="marketing")
        two.send(withdrawn | {"event": "Consent Withdrawn"})
        assert not one.may_write(user)
    assert figures(one)["kept_customers_reloaded_total"] > 0
    until("one counts the other", lambda: figures(one)["kept_nodes"] == 2)


def test_a_brake_at_one_node_holds_the_other_at_once(fleet: Fleet) -> None:
    """And so does lifting it."""
    one, two = fleet.members
    user, told = fleet.newcomer()
    one.send(*told)
    assert two.may_write(user)
    one.admin("POST", "/brakes", {"scope": "all", "because": "a test"})
    assert not two.may_write(user)
    assert [each["scope"] for each in two.admin("GET", "/brakes")["brakes"]] == ["all"]
    two.admin("DELETE", "/brakes/all")
    assert one.may_write(user)


def test_a_changed_brand_reaches_every_node(fleet: Fleet) -> None:
    """A new feature too, which is filled from what both heard; and a restart with the old folder."""
    one, two = fleet.members
    user, told = fleet.newcomer()
    one.send(*told, fleet.event(user, "Order Completed", order_id=fleet.id("o"), total=30))
    two.send(fleet.event(user, "Order Completed", order_id=fleet.id("o"), total=40))
    facts, brand = one.brand / "facts.yaml", one.brand / "brand.yaml"
    feature = "  owed: {sum: Bill Issued, of: amount, type: money(EUR)}\n"
    facts.write_text(facts.read_text() + feature)
    brand.write_text(brand.read_text().replace("Pier Post\n", "Pier Letters\n"))
    for member in (one, two):
        until("the brand is taken", partial(shows, member, "Pier Letters"))
    assert two.end() == 0
    two.start()
    # Its folder was in force before: the store's brand counts, and nothing flaps.
    two.send(fleet.event(user, "Order Completed", order_id=fleet.id("o"), total=50))
    assert two.status()["brand"] == one.status()["brand"] == "Pier Letters"


def shows(member: Member, brand: str) -> bool:
    """Return whether a node works by a brand."""
    return bool(member.status()["brand"] == brand)


def bills_of(fleet: Fleet, member: Member, count: int) -> None:
    """Let bills be issued to many people at a node."""
    events = []
    for _ in range(count):
        user, told = fleet.newcomer()
        events += [*told, fleet.event(user, "Bill Issued", bill_id=fleet.id("b"), amount=30)]
    for start in range(0, len(events), 60):
        member.send(*events[start : start + 60])


@pytest.mark.parametrize("round_number", range(3))
def test_what_a_killed_node_was_doing_is_done_by_the_other(
    fleet: Fleet, providers: Providers, round_number: int
) -> None:
    """Every note of a bill is handed over within five seconds of the kill."""
    one, two = fleet.members
    providers.begin(is_troubled=False)
    sending = threading.Thread(target=bills_of, args=(fleet, one, BILLS))
    sending.start()
    sending.join()
    one.end(signal.SIGKILL)
    took = until("all notes arrived", lambda: len(providers.hooked) >= BILLS, RESUMED_WITHIN)
    print(f"round {round_number}: resumed within {took:.1f} s")
    until("the dead node is taken out", lambda: figures(two)["kept_nodes"] == 1, 10)
    one.start()
    user, told = fleet.newcomer()
    one.send(*told)
    two.send(fleet.event(user, "Order Completed", order_id=fleet.id("o"), total=30))


def test_a_node_that_is_stopped_and_wakes_hands_nothing_over_twice(
    fleet: Fleet, providers: Providers
) -> None:
    """G4: not by itself, and not because the other went on meanwhile; it takes part again."""
    one, two = fleet.members
    providers.begin(is_troubled=False)
    events = []
    users = []
    for _ in range(60):
        user, told = fleet.newcomer()
        users.append(user)
        order = fleet.event(user, "Order Completed", order_id=fleet.id("o"), total=30)
        events += [*told, order]
    one.send(*events)
    one.signal(signal.SIGSTOP)
    for user in users:
        two.send(fleet.event(user, "Order Completed", order_id=fleet.id("o"), total=50))
    threading.Event().wait(8)
    one.signal(signal.SIGCONT)
    # It says that it is ready until it finds out that the database let go of it.
    until("it takes events again", partial(takes, one, fleet.newcomer()[1]), 20)
    until("nothing is due", lambda: two.status()["stored"].get("messages.queued", 0) == 0)
    names = Counter(name for name, _ in providers.mails)
    assert max(names.values(), default=0) <= 1
    for member in (one, two):
        assert member.end() == 0, member.log()


def test_a_store_that_is_away_is_waited_for(fleet: Fleet, postgres: Server) -> None:
    """A node whose connections end refuses, and goes on by itself."""
    one, two = fleet.members
    postgres.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND datname LIKE 't%'"
    )
    for member in (one, two):
        until("it is ready again", member.is_ready, 20)
        _, told = fleet.newcomer()
        until("it takes events again", partial(takes, member, told), 20)


def takes(member: Member, told: list[dict[str, object]]) -> bool:
    """Return whether a node takes events."""
    try:
        member.send(*told)
    except AssertionError:
        return False
    return True
