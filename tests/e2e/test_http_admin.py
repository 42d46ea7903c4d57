"""What operators do over HTTP: with the token only, at once, and on record."""

import json
import sqlite3
from typing import Any

import pytest

from kept.settings import UNMASKINGS_AT_ONCE
from kept.web.routes import ENDPOINTS
from tests.e2e.served import SHOP_KEY, Served, bearer, new_id, problem

ADMIN = [each for each in ENDPOINTS if each.who == "operator"]


def find(server: Served, user: str) -> Any:
    """Return what operators see of a customer."""
    return server.ok(server.admin("POST", "/customers/find", {"identifier": f"user_id:{user}"}))


def audit(server: Served, verb: str) -> list[Any]:
    """Return what operators did of one kind, newest first."""
    entries = server.ok(server.admin("GET", "/audit?newest=1000"))["entries"]
    return [entry for entry in entries if entry["verb"] == verb]


@pytest.mark.parametrize("endpoint", ADMIN, ids=lambda each: each.name)
def test_every_admin_route_needs_the_token(kept_server: Served, endpoint: Any) -> None:
    """Neither nobody, nor a source, nor a token that is nearly right."""
    path = endpoint.path.replace("{", "").replace("}", "")
    for headers in (
        {},
        bearer(SHOP_KEY),
        bearer(kept_server.token[:-1]),
        {"authorization": "Bearer"},
    ):
        answer = kept_server.http.request(endpoint.method, path, headers=headers)
        problem(answer, 401, "unknown_caller")


def test_a_token_that_a_browser_remembers_changes_nothing(kept_server: Served) -> None:
    """A page elsewhere could make the browser send it along."""
    for user, password in ((kept_server.token, ""), ("admin", kept_server.token)):
        answer = kept_server.http.post(
            "/v1/admin/brakes", json={"scope": "all"}, auth=(user, password)
        )
        problem(answer, 401, "unknown_caller")


def test_a_brake_is_in_force_when_it_is_answered_and_on_record(own_server: Served) -> None:
    """Paused, nothing of it leaves; lifted, it goes on; both with who and why."""
    user = own_server.introduce()
    own_server.track("Bill Issued", user, bill_id="1", amount=5)
    put = own_server.admin("POST", "/brakes", {"scope": "action:bill_note", "because": "a typo"})
    assert own_server.ok(put)["scope"] == "action:bill_note"
    assert own_server.inbox(user) == []
    (brake,) = own_server.ok(own_server.admin("GET", "/brakes"))["brakes"]
    assert (brake["actor"], brake["because"]) == ("admin:test", "a typo")
    assert own_server.metric("kept_brakes") == 1
    assert own_server.metric('kept_stop_seconds_count{by="brake"}') == 1
    assert own_server.ok(own_server.admin("DELETE", "/brakes/action:bill_note"))
    assert own_server.ok(own_server.admin("GET", "/brakes"))["brakes"] == []
    assert audit(own_server, "pause")[0]["actor"] == "admin:test"
    assert audit(own_server, "resume")[0]["detail"] == {"scope": "action:bill_note"}


@pytest.mark.parametrize(
    ("scope", "status", "code"),
    [("moon", 400, "input"), ("action:moon", 404, "not_found"), ("all:x", 400, "input")],
)
def test_what_cannot_be_paused_is_refused(
    kept_server: Served, scope: str, status: int, code: str
) -> None:
    """With what can be."""
    problem(kept_server.admin("POST", "/brakes", {"scope": scope}), status, code)


def test_lifting_what_is_not_paused_is_404(kept_server: Served) -> None:
    """It says what is paused."""
    problem(kept_server.admin("DELETE", "/brakes/channel:email"), 404, "not_found")
    problem(kept_server.admin("POST", "/brakes", {"scop": "all"}), 400, "input")


def test_a_key_is_shown_once_and_works_until_it_is_revoked(own_server: Served) -> None:
    """Only its hash is kept: no file of the store holds the key."""
    made = own_server.ok(own_server.admin("POST", "/keys", {"source": "shop"}))["key"]
    body = {"userId": new_id("user"), "event": "Account Opened"}
    assert own_server.http.post("/v1/track", json=body, headers=bearer(made)).is_success
    listed = own_server.admin("GET", "/keys")
    assert made not in listed.text
    told = own_server.ok(listed)
    shop = {"source": "shop", "kind": "server", "count": 1, "is_declared": True}
    assert shop in told["sources"]
    assert told["keys"][0]["made_by"] == "admin:test"
    assert told["keys"][0]["used_at"]
    for file in own_server.data.rglob("*"):
        assert not file.is_file() or made.encode() not in file.read_bytes()
    assert own_server.ok(own_server.admin("DELETE", "/keys/shop"))["count"] == 1
    answer = own_server.http.post("/v1/track", json=body, headers=bearer(made))
    problem(answer, 401, "unknown_caller")
    assert own_server.http.post("/v1/track", json=body, headers=bearer(SHOP_KEY)).is_success
    assert audit(own_server, "add_key")[0]["detail"]["source"] == "shop"
    assert audit(own_server, "revoke_keys")[0]["detail"]["count"] == 1
    problem(own_server.admin("POST", "/keys", {"source": "nobody"}), 404, "not_found")


# -- quarantine


def put_aside(server: Served) -> Any:
    """Let an event be quarantined and return how operators see it."""
    user = new_id("user")
    bad = {"type": "track", "event": "Nobody Knows", "userId": user, "messageId": new_id("m")}
    answer = server.http.post("/v1/batch", json={"batch": [bad]}, headers=bearer(SHOP_KEY))
    assert server.ok(answer)["quarantined"] == 1
    listed = server.admin("GET", "/quarantine?limit=200")
    assert user not in listed.text
    item = server.ok(listed)["items"][-1]
    assert "Nobody Knows" in item["payload"]
    return item


def test_a_bad_event_is_seen_mended_and_taken(kept_server: Served) -> None:
    """As it came, with the reason; mended it counts as if it had come right at first."""
    item = put_aside(kept_server)
    assert (item["source"], item["code"]) == ("shop", "event.not_allowed")
    path = f"/quarantine/{item['quarantine_id']}"
    assert kept_server.ok(kept_server.admin("GET", path)) == item
    problem(kept_server.admin("POST", f"{path}/replay", {}), 400, "event.invalid")
    masked = {"payload": item["payload"]}
    problem(kept_server.admin("POST", f"{path}/replay", masked), 400, "input")
    problem(kept_server.admin("POST", f"{path}/unmask", {"reason": "why"}), 400, "input")
    shown = kept_server.admin("POST", f"{path}/unmask", {"reason": "to mend what the shop sent"})
    noted = audit(kept_server, "unmask")[0]
    assert noted["detail"]["fields"] == ["payload"]
    mended = kept_server.ok(shown)["payload"].replace("Nobody Knows", "Account Opened")
    answer = kept_server.admin("POST", f"{path}/replay", {"payload": mended})
    assert kept_server.ok(answer)["accepted"] == 1
    user = json.loads(mended)["batch"][0]["userId"]
    assert find(kept_server, user)["customer_id"]
    problem(kept_server.admin("POST", f"{path}/replay", {"payload": mended}), 409, "conflict")
    problem(kept_server.admin("POST", f"{path}/drop"), 409, "conflict")
    assert kept_server.ok(kept_server.admin("GET", path))["state"] == "replayed"
    assert audit(kept_server, "replay")[0]["actor"] == "admin:test"


def test_a_bad_event_may_be_dropped(kept_server: Served) -> None:
    """It stays visible, and leaves the list of what waits."""
    item = put_aside(kept_server)
    kept_server.ok(kept_server.admin("POST", f"/quarantine/{item['quarantine_id']}/drop"))
    dropped = kept_server.ok(kept_server.admin("GET", "/quarantine?state=dropped&limit=200"))
    assert item["quarantine_id"] in [each["quarantine_id"] for each in dropped["items"]]
    held = kept_server.ok(kept_server.admin("GET", "/quarantine?limit=200"))
    assert item["quarantine_id"] not in [each["quarantine_id"] for each in held["items"]]


def test_the_list_of_bad_events_comes_in_parts(kept_server: Served) -> None:
    """Each part says where the next begins."""
    for _ in range(3):
        put_aside(kept_server)
    first = kept_server.ok(kept_server.admin("GET", "/quarantine?limit=2&state="))
    assert len(first["items"]) == 2
    after = first["next_after"]
    second = kept_server.ok(kept_server.admin("GET", f"/quarantine?limit=2&after={after}&state="))
    assert second["items"][0]["quarantine_id"] > first["items"][1]["quarantine_id"]
    problem(kept_server.admin("GET", "/quarantine?limit=many"), 400, "input")
    problem(kept_server.admin("GET", "/quarantine/999999"), 404, "not_found")
    problem(kept_server.admin("GET", "/quarantine/x"), 400, "input")


# -- customers and decisions


def test_a_customer_is_shown_masked(kept_server: Served) -> None:
    """Whoever knows the person recognises them, and nobody else learns anything."""
    user = kept_server.introduce(first_name="Benedita", phone="+351912345699")
    kept_server.track("Account Opened", user)
    answer = kept_server.admin("POST", "/customers/find", {"identifier": f"user_id:{user}"})
    found = kept_server.ok(answer)
    for value in (user, "Benedita", "+351912345699", "mail.example"):
        assert value not in answer.text
    assert found["traits"]["first_name"] == "B•••a"
    assert {part["namespace"] for part in found["parts"]} == {"user_id", "email", "phone"}
    assert found["decisions"][0]["placement"] == "outbound"
    problem(
        kept_server.admin("POST", "/customers/find", {"identifier": "user_id:nobody-at-all"}),
        404,
        "not_found",
    )
    problem(kept_server.admin("POST", "/customers/find", {"identifier": "x"}), 400, "input")


REASON = "she asked us on the phone to read it back"


def test_values_are_shown_for_a_reason_and_it_is_kept_who_saw_them(own_server: Served) -> None:
    """Those that were asked for, and no other; the record holds no value."""
    user = own_server.introduce(first_name="Benedita", phone="+351912345699")
    wanted = {"identifier": f"user_id:{user}", "fields": ["first_name", "identifier.phone"]}
    for reason in ("", "test", " " * 40, "x" * 501):
        answer = own_server.admin("POST", "/customers/unmask", wanted | {"reason": reason})
        problem(answer, 400, "input")
    shown = own_server.ok(
        own_server.admin("POST", "/customers/unmask", wanted | {"reason": REASON})
    )
    assert shown["values"] == {"first_name": "Benedita", "identifier.phone": ["+351912345699"]}
    (noted,) = audit(own_server, "unmask")
    assert noted["actor"] == "admin:test"
    assert noted["detail"].pop("part")
    assert noted["detail"] == {
        "what": "customer", "fields": ["first_name", "identifier.phone"], "reason": REASON,
    }  # fmt: skip
    email = {"identifier": f"email:{user}@mail.example"}
    told = own_server.ok(own_server.admin("POST", "/customers/accesses", email))
    (access,) = told["accesses"]
    assert (access["entry_id"], access["reason"]) == (shown["entry_id"], REASON)
    unknown = wanted | {"fields": ["shoe_size"], "reason": REASON}
    problem(own_server.admin("POST", "/customers/unmask", unknown), 404, "not_found")
    nobody = wanted | {"identifier": "user_id:nobody-at-all", "reason": REASON}
    problem(own_server.admin("POST", "/customers/unmask", nobody), 404, "not_found")
    assert len(audit(own_server, "unmask")) == 1


def test_nobody_unmasks_a_customer_base(own_server: Served) -> None:
    """Who asks too often is told when to come back."""
    user = own_server.introduce()
    wanted = {"identifier": f"user_id:{user}", "fields": ["first_name"], "reason": REASON}
    codes = [
        own_server.admin("POST", "/customers/unmask", wanted).status_code
        for _ in range(UNMASKINGS_AT_ONCE + 1)
    ]
    assert codes == [200] * UNMASKINGS_AT_ONCE + [429]
    refused = own_server.admin("POST", "/customers/unmask", wanted)
    assert int(refused.headers["retry-after"]) >= 1


def test_an_explanation_names_nobody_unless_it_is_unmasked(own_server: Served) -> None:
    """Neither the keys of their objects nor their values; it comes out the same either way."""
    user = own_server.introduce(first_name="Benedita")
    own_server.track("Bill Issued", user, bill_id="BILL-4711", amount=5)
    newest = find(own_server, user)["decisions"][0]["decision_id"]
    masked = own_server.admin("GET", f"/decisions/{newest}")
    assert "BILL-4711" not in masked.text
    full = own_server.admin("POST", f"/decisions/{newest}/unmask", {"reason": REASON})
    assert "BILL-4711" in full.text
    assert own_server.ok(masked)["replays_alike"] is own_server.ok(full)["replays_alike"] is True
    (noted,) = audit(own_server, "unmask")
    assert noted["detail"]["what"] == f"decision/{newest}"


# -- write keys


def test_a_rotated_key_gives_way_to_the_new_one(own_server: Served) -> None:
    """The old one is good for the grace that was given, with the same restrictions as the new."""
    wanted = {"source": "shop", "events": ["Account Opened"], "asks": False}
    old = own_server.ok(own_server.admin("POST", "/keys", wanted))
    path = f"/keys/{old['key_id']}/rotate"
    new = own_server.ok(own_server.admin("POST", path, {"grace_seconds": 3600}))
    assert new["key"] != old["key"]
    for made in (old, new):
        body = {"userId": new_id("user"), "event": "Account Opened"}
        taken = own_server.http.post("/v1/track", json=body, headers=bearer(made["key"]))
        assert own_server.ok(taken)["quarantined"] == 0
        other = own_server.http.post(
            "/v1/track", json=body | {"event": "Order Completed"}, headers=bearer(made["key"])
        )
        assert own_server.ok(other)["quarantined"] == 1
    gone = own_server.ok(
        own_server.admin("POST", f"/keys/{new['key_id']}/rotate", {"grace_seconds": 0})
    )
    body = {"userId": new_id("user"), "event": "Account Opened"}
    answer = own_server.http.post("/v1/track", json=body, headers=bearer(new["key"]))
    problem(answer, 401, "unknown_caller")
    assert own_server.http.post("/v1/track", json=body, headers=bearer(gone["key"])).is_success
    dead = own_server.ok(own_server.admin("GET", "/keys"))["keys"]
    assert [each["is_dead"] for each in dead].count(True) == 1
    own_server.ok(own_server.admin("POST", f"/keys/{gone['key_id']}/revoke"))
    answer = own_server.http.post("/v1/track", json=body, headers=bearer(gone["key"]))
    problem(answer, 401, "unknown_caller")


def test_a_restricted_key_is_refused_wherever_a_key_is_shown(own_server: Served) -> None:
    """By page, by network, and for anything that is no event."""
    http, ok = own_server.http, own_server.ok
    elsewhere = {"source": "shop", "networks": ["10.0.0.0/8"]}
    far = ok(own_server.admin("POST", "/keys", elsewhere))["key"]
    event = {"userId": new_id("user"), "event": "Account Opened"}
    question = {"placement": "till", "identifiers": {"user_id": "u"}}
    for answer in (
        http.post("/v1/track", json=event, headers=bearer(far)),
        http.post("/v1/batch", json={"batch": [event | {"type": "track"}], "writeKey": far}),
        http.post("/v1/decide", json=question, headers=bearer(far)),
        http.get("/v1/suppressions", headers=bearer(far)),
        http.get("/sourceConfig", params={"writeKey": far}),
        http.get(f"/v1/projects/{far}/settings"),
        http.get("/v1/pixel/track", params={"writeKey": far, "data": ""}),
    ):
        problem(answer, 403, "not_allowed")
    pages = {"source": "site", "origins": ["https://one.example"]}
    page = ok(own_server.admin("POST", "/keys", pages))["key"]
    foreign = bearer(page) | {"origin": "https://two.example"}
    problem(http.post("/v1/page", json={"anonymousId": "a"}, headers=foreign), 403, "not_allowed")
    silent = ok(own_server.admin("POST", "/keys", {"source": "shop", "asks": False}))["key"]
    problem(http.post("/v1/decide", json=question, headers=bearer(silent)), 403, "not_allowed")
    assert http.post("/v1/track", json=event, headers=bearer(silent)).is_success
    for wrong in ({"origins": ["one.example"]}, {"events": ["Moon Landed"]}, {"networks": ["x"]}):
        problem(own_server.admin("POST", "/keys", {"source": "shop"} | wrong), 400, "input")
    problem(own_server.admin("POST", "/keys/nothing/rotate", {}), 404, "not_found")


def test_two_people_are_told_apart_and_joined_again(kept_server: Served) -> None:
    """Everything re-splits by itself; what was separated on purpose is not joined by accident."""
    user = kept_server.introduce()
    kept_server.track("Order Completed", user, total=5)
    pair = {"one": f"user_id:{user}", "other": f"email:{user}@mail.example"}
    assert len(find(kept_server, user)["parts"]) == 2
    problem(kept_server.admin("POST", "/customers/merge", pair), 409, "conflict")
    changed = kept_server.ok(kept_server.admin("POST", "/customers/unmerge", pair))
    assert len(changed["customers"]) == 2
    assert len(find(kept_server, user)["parts"]) == 1
    problem(kept_server.admin("POST", "/customers/merge", pair), 409, "conflict")
    other = kept_server.introduce()
    joined = {"one": f"user_id:{user}", "other": f"user_id:{other}"}
    assert (
        len(kept_server.ok(kept_server.admin("POST", "/customers/merge", joined))["customers"]) == 1
    )
    assert len(find(kept_server, user)["parts"]) == 3
    assert audit(kept_server, "merge")[0]["detail"]["parts"]
    unknown = {"one": f"user_id:{user}", "other": "user_id:nobody-at-all"}
    problem(kept_server.admin("POST", "/customers/merge", unknown), 404, "not_found")
    same = {"one": f"user_id:{user}", "other": f"user_id:{user}"}
    problem(kept_server.admin("POST", "/customers/unmerge", same), 400, "input")


def test_evidence_that_was_not_enough_is_shown_as_a_suggestion(kept_server: Served) -> None:
    """An e-mail address of two people joins nobody, and an operator may look at it."""
    shared = f"{new_id('family')}@mail.example"
    one, other = kept_server.introduce(email=shared), kept_server.introduce(email=shared)
    suggested = [each for user in (one, other) for each in find(kept_server, user)["suggestions"]]
    assert suggested
    assert {each["evidence"] for each in suggested} <= {"vouched", "claimed"}


def test_an_unknown_decision_is_404(kept_server: Served) -> None:
    """And one whose id is no number 400."""
    problem(kept_server.admin("GET", "/decisions/999999999"), 404, "not_found")
    problem(kept_server.admin("GET", "/decisions/first"), 400, "input")
    problem(kept_server.admin("GET", "/decisions/" + "9" * 400), 400, "input")


# -- the brand folder, backups, history


def test_a_changed_folder_is_taken_up_or_refused_as_a_whole(own_server: Served) -> None:
    """Refused, the old one decides; taken up, an old decision is explained by the brand that made it."""
    user = own_server.introduce()
    told = own_server.ask("till", user)
    before = own_server.ok(own_server.http.get("/status.json"))["version"]
    welcome = own_server.brand / "actions" / "welcome.yaml"
    text = welcome.read_text()
    welcome.write_text(text.replace("orders = 0", "ordres = 0"))
    refused = own_server.ok(own_server.admin("POST", "/reload"))
    assert refused["is_in_force"] is False
    assert refused["problems"][0]["file"] == "actions/welcome.yaml"
    status = own_server.ok(own_server.http.get("/status.json"))
    assert status["version"] == before
    assert status["problems"]
    welcome.write_text(text.replace("< 3", "< 4"))
    taken = own_server.ok(own_server.admin("POST", "/reload"))
    assert taken["is_in_force"] is True
    assert taken["version"] != before
    explained = own_server.ok(own_server.admin("GET", f"/decisions/{told['decision_id']}"))
    assert explained["brand_version"] == before
    assert explained["replays_alike"] is True
    assert audit(own_server, "reload")[0]["detail"]["version"] == taken["version"]


def test_a_backup_is_made_while_the_server_works(own_server: Served) -> None:
    """Whole, verified, within the data folder and nowhere else."""
    own_server.introduce()
    made = own_server.ok(own_server.admin("POST", "/backups", {"name": "monday"}))
    path = own_server.data / made["file"]
    assert path.stat().st_size == made["size"]
    with sqlite3.connect(path) as copy:
        assert copy.execute("SELECT count(*) FROM events").fetchone()[0] >= 1
    copy.close()
    problem(own_server.admin("POST", "/backups", {"name": "monday"}), 409, "conflict")
    for outside in ("../monday", "/monday", "a/b", ".hidden", "x" * 200):
        problem(own_server.admin("POST", "/backups", {"name": outside}), 400, "input")
    assert audit(own_server, "backup")[0]["detail"] == {"file": "monday.sqlite"}


def test_history_is_taken_and_nothing_is_sent_because_of_it(own_server: Served) -> None:
    """Story 39: what was not taken is answered item by item."""
    user = new_id("user")
    good = {"type": "track", "event": "Account Opened", "userId": user, "messageId": "h1"}
    bad = {"type": "track", "event": "Unheard Of", "userId": user, "messageId": "h2"}
    answer = own_server.admin("POST", "/import/old_shop", {"batch": [good, bad, 7]})
    told = own_server.ok(answer)
    assert told["accepted"] == 1
    assert [each["position"] for each in told["rejected"]] == [1, 2]
    found = find(own_server, user)
    assert (found["messages"], found["contacts"]) == ([], [])
    problem(own_server.admin("POST", "/import/shop", {"batch": []}), 403, "not_allowed")
    problem(own_server.admin("POST", "/import/moon", {"batch": []}), 404, "not_found")
