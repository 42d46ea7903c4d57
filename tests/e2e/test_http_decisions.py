"""Questions over HTTP: what a placement may show, and whether a tool may contact somebody."""

from typing import Any

import pytest

from tests.e2e.served import COUNTER_KEY, SHOP_KEY, SITE_KEY, Served, bearer, new_id, problem

ORIGIN = {"origin": "https://www.harbour.example"}
OFFER = "tea_club"


def consenting_regular(server: Served) -> str:
    """Return a customer who is offered the tea club."""
    user = server.introduce()
    server.make_regular(user)
    server.track("Consent Given", user, entity="shop", purpose="marketing")
    return user


def test_a_till_shows_the_offer_by_name_and_a_browser_never(kept_server: Served) -> None:
    """What a server proves may be shown; what a page claims is only recognised."""
    user = consenting_regular(kept_server)
    told = kept_server.ask("till", user)
    assert [shown["action"] for shown in told["shown"]] == [OFFER]
    assert told["shown"][0]["say"] == "Ana, would you like tea every month?"
    assert (told["name"], told["is_proven"]) == ("Ana", True)
    guessed = kept_server.ask("banner", user, SITE_KEY)
    assert guessed["silence"] is True
    for revealing in ("shown", "name", "prefill", "refused", "is_proven"):
        assert not guessed.get(revealing)


def test_a_browser_that_says_it_is_proven_is_not_believed(kept_server: Served) -> None:
    """Whatever a page says of its visitor proves nothing."""
    user = consenting_regular(kept_server)
    told = kept_server.ask("banner", user, SITE_KEY, proven=True, actions=[OFFER])
    assert "is_proven" not in told
    assert "refused" not in told


def test_many_placements_are_answered_at_one_moment_in_their_order(kept_server: Served) -> None:
    """One call, one instant, the answers as the questions."""
    user = consenting_regular(kept_server)
    who = {"identifiers": {"user_id": user}}
    questions = [{"placement": place, **who} for place in ("till", "banner", "till")]
    body = {"questions": questions}
    answer = kept_server.http.post("/v1/decide", json=body, headers=bearer(SHOP_KEY))
    answers = kept_server.ok(answer)["answers"]
    assert [each["placement"] for each in answers] == ["till", "banner", "till"]
    assert {each["shown"][0]["action"] for each in answers} == {OFFER}


def test_billing_asks_before_it_charges(kept_server: Served) -> None:
    """A gate says which of the actions asked for may go ahead, and why not the others."""
    user = kept_server.introduce()
    kept_server.track("Bill Issued", user, bill_id=new_id("bill"), amount=12)
    told = kept_server.ask("billing", user, actions=["late_fee"])
    assert told["allowed"] == ["late_fee"]
    stranger = kept_server.ask("billing", new_id("user"), actions=["late_fee"])
    assert "allowed" not in stranger
    assert stranger["refused"][0]["action"] == "late_fee"
    assert stranger["refused"][0]["code"] == "not_eligible"
    assert stranger["refused"][0]["sentence"]


def test_a_page_asks_for_what_pages_show_and_for_nothing_else(kept_server: Served) -> None:
    """A gate answers for systems that act; no page may sound it out."""
    for placement in ("billing", "outbound"):
        body = {"placement": placement, "identifiers": {"anonymous_id": new_id("anon")}}
        answer = kept_server.http.post("/v1/decide", json=body, headers=bearer(SITE_KEY) | ORIGIN)
        problem(answer, 403, "not_allowed")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"placement": "moon", "identifiers": {"user_id": "u"}}, 404, "not_found"),
        ({"placement": "till", "identifiers": {}}, 400, "event.invalid"),
        ({"placement": "till", "identifiers": {"user_id": "null"}}, 400, "event.invalid"),
        ({"placement": "till", "identifiers": {"shoe_size": "44"}}, 400, "event.invalid"),
        ({"placement": "till"}, 400, "input"),
        ({"identifiers": {"user_id": "u"}}, 400, "input"),
        ({"placement": 1, "identifiers": {"user_id": "u"}}, 400, "input"),
        ({"questions": []}, 400, "input"),
        (
            {"questions": [{"placement": "till", "identifiers": {"user_id": "u"}}] * 51},
            400,
            "input",
        ),
        ({"questions": "till"}, 400, "input"),
        ([], 400, "input"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused_with_the_reason(
    kept_server: Served, body: Any, status: int, code: str
) -> None:
    """What is wrong, and where."""
    answer = kept_server.http.post("/v1/decide", json=body, headers=bearer(SHOP_KEY))
    problem(answer, status, code)


@pytest.mark.parametrize("path", ["/v1/decide", "/v1/may-i"])
def test_questions_need_a_known_key_and_a_readable_body(kept_server: Served, path: str) -> None:
    """Unknown callers, broken JSON, and bodies without measure."""
    problem(kept_server.http.post(path, json={}), 401, "unknown_caller")
    for broken in (b"", b"{", b"\xff", b"[" * 20_000):
        answer = kept_server.http.post(path, content=broken, headers=bearer(SHOP_KEY))
        problem(answer, 400, "input")
    long = b'{"placement":"' + b"x" * 70_000 + b'"}'
    answer = kept_server.http.post(path, content=long, headers=bearer(SHOP_KEY))
    assert answer.status_code == 413


def contact(user: str, **rest: Any) -> dict[str, Any]:
    """Return a question whether a tool may write to somebody."""
    told = {"entity": "shop", "purpose": "marketing", "channel": "email"}
    return {"identifiers": {"user_id": user}, **told, **rest}


def test_a_tool_outside_asks_first_and_its_contact_counts(kept_server: Served) -> None:
    """No consent, no contact; with consent yes, and the contact stands in the profile."""
    user = kept_server.introduce()
    headers = bearer(SHOP_KEY)
    told = kept_server.ok(kept_server.http.post("/v1/may-i", json=contact(user), headers=headers))
    assert told["allowed"] is False
    assert told["refused"]["code"] == "no_basis"
    kept_server.track("Consent Given", user, entity="shop", purpose="marketing")
    for _ in range(2):
        # The same contact reported twice is one.
        body = contact(user, reported=True, contact_id="c-1", action="their_campaign")
        answer = kept_server.http.post("/v1/may-i", json=body, headers=headers)
        assert kept_server.ok(answer)["allowed"] is True
    found = kept_server.ok(
        kept_server.admin("POST", "/customers/find", {"identifier": f"user_id:{user}"})
    )
    assert [one["action"] for one in found["contacts"]] == ["their_campaign"]


def test_a_page_may_not_ask_whom_to_contact(kept_server: Served) -> None:
    """That is a question of systems, and its answer tells of a customer."""
    answer = kept_server.http.post(
        "/v1/may-i", json=contact("u"), headers=bearer(SITE_KEY) | ORIGIN
    )
    problem(answer, 403, "not_allowed")


def test_an_answer_survives_until_it_is_explained(kept_server: Served) -> None:
    """Every decision can be asked why, for staff and for the customer, and comes out the same again."""
    user = consenting_regular(kept_server)
    told = kept_server.ask("till", user, COUNTER_KEY)
    explained = kept_server.ok(kept_server.admin("GET", f"/decisions/{told['decision_id']}"))
    assert explained["replays_alike"] is True
    assert explained["placement"] == "till"
    assert explained["chosen"] == [OFFER]
    assert OFFER in explained["explained"]["outcome"]
