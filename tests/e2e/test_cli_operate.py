"""What an operator does from the command line to a server that runs, and when it is in force."""

import json
import re
from pathlib import Path
from typing import Final

from tests.e2e.command import ok, run_kept
from tests.e2e.ferrowen import EXAMPLE, environment
from tests.e2e.served import SHOP_KEY, Served, bearer, new_id, serve, stop

PROVIDERS: Final = ("SMS", "WHATSAPP", "PUSH", "MAIL_SERVICE")


def test_a_start_names_all_that_is_missing_at_once(tmp_path: Path) -> None:
    """Every key, secret and setting that the example refers to, each with who needs it."""
    command = ("serve", "--brand", EXAMPLE, "--data", tmp_path, "--deliver", "providers")

    done = run_kept(*command)

    assert done.code != 0
    named = re.findall(
        r"^(source|channel|recipient) (\w+): `[\w.]+`: the environment variable (\w+) is not set$",
        done.err,
        re.MULTILINE,
    )
    assert {variable for _, _, variable in named} == environment().keys()
    assert ("channel", "email", "FERROWEN_SMTP_HOST") in named
    assert ("source", "till", "FERROWEN_TILL_KEY") in named
    assert ("source", "carrier", "FERROWEN_CARRIER_SECRET") in named


def test_the_example_serves_by_its_providers_with_nothing_but_variables(tmp_path: Path) -> None:
    """No file of it needs to be changed."""
    urls = {f"FERROWEN_{name}_URL": "https://provider.example/" for name in PROVIDERS}
    with serve(
        tmp_path,
        "--deliver",
        "providers",
        brand=EXAMPLE,
        environment=environment(**urls),
    ) as served:
        served.ok(served.http.get("/ready"))
    assert stop(served.process) == 0


def test_a_decision_is_asked_for_and_explained(kept_server: Served) -> None:
    """`kept decide` asks as a touchpoint would; `kept explain` says why, and makes it again."""
    user = kept_server.introduce()
    kept_server.make_regular(user)
    kept_server.track("Consent Given", user, entity="shop", purpose="marketing")

    options = ("--data", kept_server.data, "--source", "shop", "--key", SHOP_KEY)
    answer = json.loads(ok("decide", "till", f"user_id:{user}", *options))

    assert answer["shown"][0]["action"] == "tea_club"
    assert answer["name"] == "Ana"
    told = ok("explain", answer["decision_id"], "--data", kept_server.data)
    assert told.startswith(f"Decision {answer['decision_id']} at ")
    assert "Made again from the same facts it comes out the same." in told
    refused = run_kept("explain", 10**9, "--data", kept_server.data)
    assert refused.code == 1
    assert "decision" in refused.err


def test_what_a_tool_was_refused_is_listed_and_counted(kept_server: Served) -> None:
    """`kept refused` says when, what and why, and names nobody; the metric says how often."""
    user = kept_server.introduce()
    body = {"identifiers": {"user_id": user}, "entity": "shop", "purpose": "marketing"}
    action = new_id("newsletter")
    told = kept_server.ok(
        kept_server.http.post(
            "/v1/may-i",
            json=body | {"channel": "email", "action": action, "reported": True},
            headers=bearer(SHOP_KEY),
        )
    )
    before = str(int(told["decision_id"]) - 1)
    shown = ok("refused", "--data", kept_server.data, "--after", before)
    (line,) = [one for one in shown.splitlines() if action in one]
    assert line.startswith(f"{told['decision_id']}  ")
    assert line.endswith(f"shop: {action} (shop, marketing, email): no_basis")
    assert user not in shown
    assert "no_basis 1" in shown
    other = ok("refused", "--data", kept_server.data, "--source", "till")
    assert other.startswith("0 contact(s) refused. What comes from now on is after decision ")
    metric = 'kept_outside_refused_total{reason="no_basis",source="shop"}'
    assert kept_server.metric(metric) >= 1


def test_a_pause_is_in_force_as_soon_as_the_command_ends(own_server: Served) -> None:
    """Nothing of it is said from then on; lifted, it is said again; both stand in the audit."""
    user = own_server.introduce()
    own_server.make_regular(user)
    own_server.track("Consent Given", user, entity="shop", purpose="marketing")
    assert own_server.ask("till", user)["shown"][0]["action"] == "tea_club"

    ok("pause", "action:tea_club", "--because", "a wrong price", "--data", own_server.data)

    assert own_server.ask("till", user)["silence"]
    ok("resume", "action:tea_club", "--data", own_server.data)
    assert own_server.ask("till", user)["shown"][0]["action"] == "tea_club"
    entries = own_server.ok(own_server.admin("GET", "/audit"))["entries"]
    assert [entry["verb"] for entry in entries][:2] == ["resume", "pause"]
    # Within the server, from the request to its being in force: under a second.
    buckets = own_server.metric('kept_stop_seconds_bucket{by="brake",le="1.0"}')
    assert buckets == own_server.metric('kept_stop_seconds_count{by="brake"}') == 1


def test_what_cannot_be_paused_is_said(kept_server: Served) -> None:
    """A name that the brand does not have, and a brake that is not on."""
    unknown = run_kept("pause", "action:tea_clbu", "--data", kept_server.data)
    assert unknown.code == 1
    assert "tea_clbu" in unknown.err
    lifted = run_kept("resume", "channel:email", "--data", kept_server.data)
    assert lifted.code == 1
    assert "not paused" in lifted.err


def test_a_write_key_is_shown_once_and_ends_when_it_is_revoked(own_server: Served) -> None:
    """The key works at once, its text is nowhere in the data folder, and revoked it opens nothing."""
    key = ok("key", "add", "counter", "--data", own_server.data).strip()
    user = new_id("user")
    own_server.track("Order Completed", user, key=key, total=3)
    kept = b"".join(path.read_bytes() for path in own_server.data.rglob("*") if path.is_file())
    assert key.encode() not in kept

    assert "lost 1 key(s)" in ok("key", "revoke", "counter", "--data", own_server.data)

    body = {"userId": user, "event": "Order Completed", "messageId": new_id("m")}
    assert own_server.http.post("/v1/track", json=body, auth=(key, "")).status_code == 401


def test_a_command_without_a_server_says_how_to_start_one(own_server: Served) -> None:
    """Neither a folder that no server was started on nor a server that is gone is a riddle."""
    own_server.process.terminate()
    assert own_server.process.wait(30) == 0
    for folder in (own_server.data, own_server.data / "nothing"):
        done = run_kept("pause", "all", "--data", folder)
        assert done.code == 1
        assert re.search(r"is it running|kept serve", done.err), done.err


def test_two_identifiers_are_parted(own_server: Served) -> None:
    """`kept unmerge` says that they are two people."""
    user = own_server.introduce()
    email = f"{user}@mail.example"

    ok("unmerge", f"user_id:{user}", f"email:{email}", "--data", own_server.data)

    found = own_server.ok(
        own_server.admin("POST", "/customers/find", {"identifier": f"user_id:{user}"})
    )
    assert [part["namespace"] for part in found["parts"]] == ["user_id"]
    wrong = run_kept("unmerge", user, email, "--data", own_server.data)
    assert "namespace:value" in wrong.err
