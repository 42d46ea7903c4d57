"""Everybody at once: a running server takes a base and answers in counts, on the command line."""

import json
import re

from tests.e2e.command import ok, run_kept
from tests.e2e.served import Served


def _tell_of_three(server: Served) -> None:
    for number in range(3):
        user = server.introduce()
        server.make_regular(user)
        if number:
            server.track("Consent Given", user, entity="shop", purpose="marketing")


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


def test_whom_it_holds_may_be_forgotten(own_server: Served) -> None:
    """An erasure lets go of the base, for it knows more than may be known from now on."""
    user = own_server.introduce()
    data = ("--data", own_server.data)
    ok("base", "prepare", *data)
    ok("forget", f"user_id:{user}", "--confirmed-by", "came in person", *data)
    own_server.wait_for(lambda: ok("base", "show", *data).strip() == "There is no base.")
