"""Everybody at once: a running server takes a base and answers in counts, on the command line."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.command import ok, run_kept
from tests.e2e.served import Served, serve


@pytest.fixture(params=["sqlite", "postgres"])
def own_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    """Give a server on either store."""
    if request.param == "sqlite":
        with serve(tmp_path) as served:
            yield served
        return
    address = request.getfixturevalue("postgres").make().url
    environment = {"EVERYBODY_AT": address}
    with serve(tmp_path, "--database", "env:EVERYBODY_AT", environment=environment) as served:
        yield served


def _tell_of_three(server: Served) -> list[str]:
    users = [server.introduce() for _ in range(3)]
    for number, user in enumerate(users):
        server.make_regular(user)
        if number:
            server.track("Consent Given", user, entity="shop", purpose="marketing")
    return users


def test_who_is_meant_is_counted(own_server: Served) -> None:
    """A condition is checked as the brand's are, and counted among all there are."""
    _tell_of_three(own_server)
    data = ("--data", own_server.data)

    told = ok("base", "prepare", *data)

    assert re.match(r"The base is ready: 3 customers, ", told)
    everybody = json.loads(ok("audience", "TRUE", "--json", *data))
    assert (everybody["customers"], everybody["members"], everybody["unknown"]) == (3, 3, 0)
    assert ok("audience", "FALSE", *data).startswith("0 of 3 customers, as of ")
    wrong = run_kept("audience", "nonsense > 1 AND other", *data)
    assert wrong.code == 1
    assert "nonsense" in wrong.err
    assert "other" in wrong.err
    entries = own_server.ok(own_server.admin("GET", "/audit"))["entries"]
    assert entries[0]["verb"] == "audience counted"
    assert ok("base", "drop", *data).strip() == "There is no base."


def test_what_would_be_said_is_counted_with_what_stops_it(own_server: Served) -> None:
    """Two of three allowed it; a hold that is tried hushes them, and the brake stops all."""
    _tell_of_three(own_server)
    data = ("--data", own_server.data)
    options = ("--placement", "till", "--action", "tea_club", "--json", *data)

    (action,) = json.loads(ok("reach", *options))["actions"]

    assert action["chosen"] == 2
    assert [(why["layer"], why["count"]) for why in action["refused"]] == [("permitted", 1)]
    (tried,) = json.loads(ok("reach", "--with-hold", "TRUE", *options))["actions"]
    assert (tried["chosen"], tried["chosen_before"]) == (0, 2)
    assert ("held", "held", "new_hold", 2) in [tuple(why.values()) for why in tried["refused"]]
    ok("pause", "action:tea_club", *data)
    (braked,) = json.loads(ok("reach", *options))["actions"]
    assert braked["chosen"] == 0
    refused = run_kept("reach", "--action", "unheard_of", *data)
    assert refused.code == 1
    assert "unheard_of" in refused.err


def test_a_campaign_is_begun_shown_and_stopped(own_server: Served) -> None:
    """Of whom nothing is to be said is nobody woken; what cannot be one is refused with a reason."""
    _tell_of_three(own_server)
    data = ("--data", own_server.data)

    assert ok("campaign", "show", *data).strip() == "There was no campaign yet."
    refused = run_kept("campaign", "begin", "unheard_of", "--pace", 60, *data)
    assert refused.code == 1
    assert "unheard_of" in refused.err
    (action,) = [
        one["action"]
        for one in json.loads(ok("reach", "--json", *data))["actions"]
        if one["channels"] or any(why["layer"] != "relevant" for why in one["refused"])
    ][:1]
    told = ok("campaign", "begin", action, "--pace", 60, "--dry-run", *data)
    assert re.match(rf"{action} is chosen for \d+ customers; nothing was begun.", told)


def test_a_campaign_wakes_whom_it_is_about(own_server: Served) -> None:
    """Each is decided anew when it is their turn, and what comes out leaves as always."""
    data = ("--data", own_server.data)
    ok("pause", "action:tea_club", *data)
    users = _tell_of_three(own_server)
    ok("base", "prepare", *data)
    ok("resume", "action:tea_club", *data)

    told = ok("campaign", "begin", "tea_club", "--pace", 6_000, *data)

    assert "of 2 looked at" in told

    own_server.wait_for(lambda: "done" in ok("campaign", "show", *data))

    def said_to(user: str) -> list[str]:
        identifier = {"identifier": f"user_id:{user}"}
        profile = own_server.ok(own_server.admin("POST", "/customers/find", identifier))
        return [message["action"] for message in profile["messages"]]

    # By night it waits for the morning, so that it may be queued or have left.
    own_server.wait_for(lambda: all("tea_club" in said_to(user) for user in users[1:]))
    assert "tea_club" not in said_to(users[0])


def test_whom_it_holds_may_be_forgotten(own_server: Served) -> None:
    """An erasure lets go of the base, for it knows more than may be known from now on."""
    user = own_server.introduce()
    data = ("--data", own_server.data)
    ok("base", "prepare", *data)
    ok("forget", f"user_id:{user}", "--confirmed-by", "came in person", *data)
    own_server.wait_for(lambda: ok("base", "show", *data).strip() == "There is no base.")


def test_an_engine_that_cannot_be_asked_costs_nobody_the_base(own_server: Served) -> None:
    """Without a cluster Spark is refused with what to set; a name that is none, with those that are."""
    own_server.introduce()
    data = ("--data", own_server.data)
    ok("base", "prepare", *data)
    for command in (("base", "prepare"), ("audience", "TRUE"), ("reach",)):
        refused = run_kept(*command, "--engine", "spark", *data)
        assert (refused.code, refused.out) == (1, "")
        assert "KEPT_SPARK_MASTER" in refused.err
        wrong = run_kept(*command, "--engine", "sprak", *data)
        assert wrong.code == 2
        assert "duckdb, spark" in wrong.err
    assert ok("base", "show", *data).startswith("The base is ready: 1 customers, ")


def test_a_folder_of_the_cluster_must_be_there(tmp_path: Path) -> None:
    """It is never made by mistake on this machine alone."""
    folder = tmp_path / "nowhere"
    options = ("--spark-master", "spark://127.0.0.1:1", "--spark-folder", str(folder))
    with serve(tmp_path, *options) as served:
        refused = run_kept("base", "prepare", "--engine", "spark", "--data", served.data)
    assert refused.code == 1
    assert "KEPT_SPARK_FOLDER" in refused.err
    assert not folder.exists()
