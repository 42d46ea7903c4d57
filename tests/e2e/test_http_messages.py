"""Messages over HTTP: leaving by a link, the customer's inbox, the dialler's call list."""

import re
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.served import COUNTER_KEY, SHOP_KEY, SITE_KEY, Served, bearer, new_id, problem

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
OFFER = "tea_club"


def find(server: Served, user: str) -> Any:
    """Return what operators see of a customer."""
    return server.ok(server.admin("POST", "/customers/find", {"identifier": f"user_id:{user}"}))


def offered(server: Served) -> tuple[str, Any]:
    """Return a customer whose inbox holds an offer, and the offer."""
    user = server.introduce()
    server.make_regular(user)
    server.track("Consent Given", user, entity="shop", purpose="marketing")
    (item,) = server.inbox(user)
    return user, item


def link_in(item: Any) -> str:
    """Return the path of the link by which a message is left."""
    found = re.search(r"http\S+/u/\S+", item["text"])
    assert found
    return urlsplit(found[0]).path


# -- leaving


def test_one_click_is_in_force_before_it_is_answered(kept_server: Served) -> None:
    """RFC 8058: a posted form, no cookies, no redirect; what was shown is gone at the next look."""
    user, item = offered(kept_server)
    answer = kept_server.http.post(link_in(item), data=ONE_CLICK)
    assert kept_server.ok(answer) == {"unsubscribed": True}
    assert "set-cookie" not in answer.headers
    assert kept_server.inbox(user) == []
    question = {"identifiers": {"user_id": user}, "entity": "shop", "purpose": "marketing"}
    answer = kept_server.http.post(
        "/v1/may-i", json=question | {"channel": "inbox"}, headers=bearer(SHOP_KEY)
    )
    assert kept_server.ok(answer)["refused"]["code"] == "opted_out"


def test_looking_at_the_link_changes_nothing(kept_server: Served) -> None:
    """Mail servers look at every link; a page with one button is all they get."""
    user, item = offered(kept_server)
    path = link_in(item)
    for method in ("GET", "HEAD"):
        page = kept_server.http.request(method, path, headers={"accept-language": "pt-PT,pt;q=0.9"})
        assert page.status_code == 200
    page = kept_server.http.get(path, headers={"accept-language": "pt-PT,pt;q=0.9"})
    assert page.text.count("<button>") == 1
    assert "Sim, parem" in page.text
    assert "Harbour Tea Lda." in page.text
    assert "News and offers" in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert [each["action"] for each in kept_server.inbox(user)] == [OFFER]


def test_the_button_of_the_page_leaves(kept_server: Served) -> None:
    """The page posts the same form, and says that it is done."""
    user, item = offered(kept_server)
    page = kept_server.http.post(link_in(item), data=ONE_CLICK, headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "We have stopped" in page.text
    assert kept_server.inbox(user) == []


def test_a_multipart_form_leaves_too(kept_server: Served) -> None:
    """The standard allows both kinds of form."""
    user, item = offered(kept_server)
    answer = kept_server.http.post(link_in(item), files={"List-Unsubscribe": (None, "One-Click")})
    assert kept_server.ok(answer) == {"unsubscribed": True}
    assert kept_server.inbox(user) == []


@pytest.mark.parametrize("body", [b"", b"List-Unsubscribe=Two-Clicks", b"\xff\xfe", b"a=b" * 1_000])
def test_a_post_that_is_no_click_leaves_nothing(kept_server: Served, body: bytes) -> None:
    """Whatever else is posted to the link is refused."""
    user, item = offered(kept_server)
    problem(kept_server.http.post(link_in(item), content=body), 400, "input")
    assert kept_server.inbox(user) != []


def test_a_forged_link_is_404(kept_server: Served) -> None:
    """A token that we did not sign, or one letter of which was changed, means nothing."""
    _, item = offered(kept_server)
    path = link_in(item)
    changed = path[:-1] + ("A" if path[-1] != "A" else "B")
    for forged in (changed, path[:-5], "/u/1.abc.def", "/u/" + "x" * 5_000):
        problem(kept_server.http.post(forged, data=ONE_CLICK), 404, "not_found")
        problem(kept_server.http.get(forged), 404, "not_found")


def test_global_privacy_control_is_announced(kept_server: Served) -> None:
    """As the specification spells it."""
    answer = kept_server.http.get("/.well-known/gpc.json")
    told = kept_server.ok(answer)
    assert told["gpc"] is True
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", told["lastUpdate"])
    assert answer.headers["content-type"] == "application/json"


# -- the inbox


def test_the_pull_is_the_hand_over(kept_server: Served) -> None:
    """Nothing leaves before the customer looks; what was seen once is seen again, and counts once."""
    user = kept_server.introduce()
    kept_server.track("Bill Issued", user, bill_id="7", amount=12)
    assert [each["state"] for each in find(kept_server, user)["messages"]] == ["queued"]
    (item,) = kept_server.inbox(user)
    assert item["title"] == "Your bill 7"
    assert "€12.00" in item["text"]
    assert kept_server.inbox(user) == [item]
    found = find(kept_server, user)
    assert [one["outcome"] for one in found["contacts"]] == ["delivered"]
    assert found["messages"] == []


def test_what_is_no_longer_right_is_not_handed_over(kept_server: Served) -> None:
    """It is decided again at the pull: a bill that was paid meanwhile is not mentioned."""
    user = kept_server.introduce()
    kept_server.track("Bill Issued", user, bill_id="8", amount=12)
    told = kept_server.track("Bill Paid", user, bill_id="8")
    assert told["withdrawn"] == 1
    assert kept_server.inbox(user) == []


def mark(server: Served, user: str, message_id: str, how: str) -> httpx.Response:
    """Mark a message as the shop's server does."""
    body = {"mark": how, "identifier": f"user_id:{user}"}
    return server.http.post(f"/v1/inbox/{message_id}", json=body, headers=bearer(SHOP_KEY))


def test_read_dismissed_and_declined_are_kept(kept_server: Served) -> None:
    """Read stays and says so; dismissed goes; declined goes everywhere."""
    user, item = offered(kept_server)
    message_id = item["message_id"]
    kept_server.ok(mark(kept_server, user, message_id, "read"))
    assert [each["is_read"] for each in kept_server.inbox(user)] == [True]
    kept_server.ok(mark(kept_server, user, message_id, "declined"))
    assert kept_server.inbox(user) == []
    told = kept_server.ask("till", user, actions=[OFFER])
    assert told["refused"][0]["code"] == "declined"
    other, note = offered(kept_server)
    kept_server.ok(mark(kept_server, other, note["message_id"], "dismissed"))
    assert kept_server.inbox(other) == []


def test_nobody_marks_what_is_not_theirs(kept_server: Served) -> None:
    """Another customer's message does not exist for them."""
    _, item = offered(kept_server)
    stranger = kept_server.introduce()
    problem(mark(kept_server, stranger, item["message_id"], "read"), 404, "not_found")
    problem(mark(kept_server, stranger, "m1-nothing", "read"), 404, "not_found")
    problem(mark(kept_server, stranger, item["message_id"], "eaten"), 400, "input")


def test_a_pass_opens_one_inbox_for_a_page(kept_server: Served) -> None:
    """The site's server asks for it, the page uses it, and no key of the site's reaches the page."""
    user, item = offered(kept_server)
    body = {"identifier": f"user_id:{user}"}
    answer = kept_server.http.post("/v1/inbox/passes", json=body, headers=bearer(SHOP_KEY))
    granted = kept_server.ok(answer)["inbox_pass"]
    page = bearer(granted) | {"origin": "https://www.harbour.example"}
    answer = kept_server.http.get("/v1/inbox", headers=page)
    assert kept_server.ok(answer)["items"] == [item]
    assert answer.headers["access-control-allow-origin"] == "*"
    path = f"/v1/inbox/{item['message_id']}"
    assert kept_server.http.post(path, json={"mark": "dismissed"}, headers=page).is_success
    assert kept_server.inbox(user) == []


def test_a_pass_stays_with_whom_it_names_when_two_people_are_told_apart(
    kept_server: Served,
) -> None:
    """They were taken for one when it was given; it opens nobody else's inbox."""
    first, item = offered(kept_server)
    second, other = offered(kept_server)
    pair = {"one": f"user_id:{first}", "other": f"user_id:{second}"}
    kept_server.ok(kept_server.admin("POST", "/customers/merge", pair))
    body = {"identifier": f"user_id:{second}"}
    answer = kept_server.http.post("/v1/inbox/passes", json=body, headers=bearer(SHOP_KEY))
    page = bearer(kept_server.ok(answer)["inbox_pass"])
    kept_server.ok(kept_server.admin("POST", "/customers/unmerge", pair))
    shown = kept_server.ok(kept_server.http.get("/v1/inbox", headers=page))["items"]
    assert [one["message_id"] for one in shown] == [other["message_id"]]
    assert item["message_id"] != other["message_id"]


@pytest.mark.parametrize("forged", ["p1.abc.def", "p1..", "x" * 500, "p2.kqZwYXNz.aaaa"])
def test_a_forged_pass_opens_nothing(kept_server: Served, forged: str) -> None:
    """Only what we signed counts, and only for its time."""
    problem(kept_server.http.get("/v1/inbox", headers=bearer(forged)), 401, "unknown_caller")


def test_a_changed_pass_opens_nothing(kept_server: Served) -> None:
    """One letter is enough."""
    user, _ = offered(kept_server)
    body = {"identifier": f"user_id:{user}", "seconds": 5}
    answer = kept_server.http.post("/v1/inbox/passes", json=body, headers=bearer(SHOP_KEY))
    granted = kept_server.ok(answer)["inbox_pass"]
    head, content, mac = granted.split(".")
    changed = f"{head}.{content[:-1]}{'A' if content[-1] != 'A' else 'B'}.{mac}"
    problem(kept_server.http.get("/v1/inbox", headers=bearer(changed)), 401, "unknown_caller")


def test_an_inbox_opens_only_to_whom_a_server_proves(kept_server: Served) -> None:
    """A browser's key, an identifier that proves nothing, and one that nobody vouches for, do not."""
    user, _ = offered(kept_server)
    path, who = "/v1/inbox", {"identifier": f"user_id:{user}"}
    problem(kept_server.http.get(path, params=who), 401, "unknown_caller")
    answer = kept_server.http.get(path, params=who, headers=bearer(SITE_KEY))
    problem(answer, 403, "not_allowed")
    email = {"identifier": f"email:{user}@mail.example"}
    for key in (SHOP_KEY, COUNTER_KEY):
        answer = kept_server.http.get(path, params=email, headers=bearer(key))
        problem(answer, 403, "not_allowed")
    answer = kept_server.http.get(path, params={"identifier": "nobody"}, headers=bearer(SHOP_KEY))
    problem(answer, 400, "input")
    stranger = {"identifier": f"user_id:{new_id('user')}"}
    answer = kept_server.http.get(path, params=stranger, headers=bearer(SHOP_KEY))
    problem(answer, 403, "not_allowed")


def test_an_inbox_shows_a_source_only_what_it_may_fetch(kept_server: Served) -> None:
    """The counter proves customers too; it may fetch what waits at its door, and nothing else."""
    user, item = offered(kept_server)
    who = {"identifier": f"user_id:{user}"}
    counter = bearer(COUNTER_KEY)
    answer = kept_server.http.get("/v1/inbox", params=who, headers=counter)
    assert kept_server.ok(answer) == {"items": []}
    body = {"mark": "dismissed", **who}
    path = f"/v1/inbox/{item['message_id']}"
    problem(kept_server.http.post(path, json=body, headers=counter), 404, "not_found")
    answer = kept_server.http.post("/v1/inbox/passes", json=who, headers=counter)
    page = bearer(kept_server.ok(answer)["inbox_pass"])
    assert kept_server.ok(kept_server.http.get("/v1/inbox", headers=page)) == {"items": []}
    problem(kept_server.http.post(path, json={"mark": "dismissed"}, headers=page), 404, "not_found")
    answer = kept_server.http.get("/v1/inbox", params=who, headers=bearer(SHOP_KEY))
    assert [one["message_id"] for one in kept_server.ok(answer)["items"]] == [item["message_id"]]


def test_a_source_that_fetches_nothing_is_refused(own_server: Served) -> None:
    """Taken from it by a new folder, a right is gone at once, and with it the passes it gave."""
    user, item = offered(own_server)
    who = {"identifier": f"user_id:{user}"}
    shop = bearer(SHOP_KEY)
    granted = own_server.ok(own_server.http.post("/v1/inbox/passes", json=who, headers=shop))
    page = bearer(granted["inbox_pass"])
    own_server.ok(own_server.http.get("/v1/inbox", headers=page))
    sources = own_server.brand / "sources.yaml"
    sources.write_text(sources.read_text().replace("    pulls: [inbox, calls]\n", ""))
    own_server.ok(own_server.admin("POST", "/reload"))
    http = own_server.http
    for answer in (
        http.get("/v1/inbox", params=who, headers=shop),
        http.get("/v1/inbox", headers=page),
        http.post("/v1/inbox/passes", json=who, headers=shop),
        http.post(f"/v1/inbox/{item['message_id']}", json={"mark": "read", **who}, headers=shop),
    ):
        told = problem(answer, 403, "not_allowed")
        assert "shop may fetch from no inbox" in told["detail"]
        assert "`pulls` in sources.yaml" in told["detail"]


# -- the call list


def next_call(server: Served, user: str) -> Any:
    """Let the dialler take calls until the customer's comes; others are put back by an outcome."""
    for _ in range(50):
        answer = server.http.post("/v1/calls/next", headers=bearer(SHOP_KEY))
        card = server.ok(answer)["card"]
        if card is None:
            return None
        if find(server, user)["messages"] and any(
            one["message_id"] == card["message_id"] for one in find(server, user)["messages"]
        ):
            return card
        end_call(server, card["message_id"], "reached")
    raise AssertionError("the call did not come")


def end_call(server: Served, message_id: str, outcome: str) -> httpx.Response:
    """Report how a call went."""
    path = f"/v1/calls/{message_id}/outcome"
    return server.http.post(path, json={"outcome": outcome}, headers=bearer(SHOP_KEY))


def test_a_call_says_whom_what_and_why(kept_server: Served) -> None:
    """One card, in flight from then on, settled by its outcome, and settled only once."""
    user = kept_server.introduce(phone="+351912345678")
    kept_server.track("Call Wanted", user)
    card = next_call(kept_server, user)
    assert (card["to"], card["name"], card["action"]) == ("+351912345678", "Ana", "call_back")
    assert card["say"].strip() == "Ana asked us to call. Listen first."
    assert "Somebody asked to be called." in card["why"]
    assert [one["state"] for one in find(kept_server, user)["messages"]] == ["leaving"]
    told = kept_server.track("Order Completed", user, total=1)
    assert [each["message_id"] for each in told["in_flight"]] == [card["message_id"]]
    kept_server.ok(end_call(kept_server, card["message_id"], "reached"))
    found = find(kept_server, user)
    assert [one["outcome"] for one in found["contacts"]] == ["delivered"]
    problem(end_call(kept_server, card["message_id"], "reached"), 409, "conflict")


def test_a_call_that_nobody_answers_comes_again_later(kept_server: Served) -> None:
    """It was no contact, and it waits."""
    user = kept_server.introduce(phone="+351912345679")
    kept_server.track("Call Wanted", user)
    card = next_call(kept_server, user)
    kept_server.ok(end_call(kept_server, card["message_id"], "no_answer"))
    (waiting,) = find(kept_server, user)["messages"]
    assert (waiting["message_id"], waiting["state"]) == (card["message_id"], "queued")
    assert next_call(kept_server, user) is None


def test_a_wrong_number_is_called_no_more(kept_server: Served) -> None:
    """Its address is closed."""
    user = kept_server.introduce(phone="+351912345680")
    kept_server.track("Call Wanted", user)
    card = next_call(kept_server, user)
    kept_server.ok(end_call(kept_server, card["message_id"], "wrong_number"))
    assert find(kept_server, user)["closed"] == {"calls": "refused"}


def test_whoever_says_do_not_call_is_not_called(kept_server: Served) -> None:
    """The word on the phone counts like the click on a link."""
    user = kept_server.introduce(phone="+351912345681")
    kept_server.track("Call Wanted", user)
    card = next_call(kept_server, user)
    kept_server.ok(end_call(kept_server, card["message_id"], "do_not_call"))
    assert any(value is False for value in find(kept_server, user)["consents"].values())


def test_do_not_call_is_kept_before_it_is_refused(kept_server: Served) -> None:
    """The call waits for no outcome any more, which is told; the customer left all the same."""
    user = kept_server.introduce(phone="+351912345682")
    kept_server.track("Call Wanted", user)
    card = next_call(kept_server, user)
    kept_server.ok(end_call(kept_server, card["message_id"], "reached"))
    assert all(find(kept_server, user)["consents"].values())
    told = problem(end_call(kept_server, card["message_id"], "do_not_call"), 409, "conflict")
    assert told["detail"].endswith("the customer is opted out all the same")
    assert any(value is False for value in find(kept_server, user)["consents"].values())


def test_the_call_list_is_for_servers(kept_server: Served) -> None:
    """It holds names and numbers."""
    problem(kept_server.http.post("/v1/calls/next"), 401, "unknown_caller")
    answer = kept_server.http.post("/v1/calls/next", headers=bearer(SITE_KEY))
    problem(answer, 403, "not_allowed")
    answer = kept_server.http.post("/v1/calls/next", headers=bearer(COUNTER_KEY))
    told = problem(answer, 403, "not_allowed")
    assert "counter may fetch from no call list" in told["detail"]
    assert "`pulls` in sources.yaml" in told["detail"]
    body = {"outcome": "reached"}
    path = "/v1/calls/m1-nothing/outcome"
    answer = kept_server.http.post(path, json=body, headers=bearer(COUNTER_KEY))
    problem(answer, 403, "not_allowed")
    problem(end_call(kept_server, "m1-nothing", "reached"), 404, "not_found")
    problem(end_call(kept_server, "m1-nothing", "shouted"), 400, "input")
