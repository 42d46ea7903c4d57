"""Stories 2 and 37 over HTTP: what has legal weight waits for a person, and can be contested."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.command import ok, run_kept
from tests.e2e.ferrowen import DAYTIME, NIGHT, Ferrowen, instant, serve_ferrowen, zone_where_it_is
from tests.e2e.people import PASSWORD, Browser, signed_in
from tests.e2e.served import new_id, problem

WHY = "Three reminders and two calls without an answer."


@pytest.fixture(scope="module")
def ferrowen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ferrowen]:
    """The example brand behind one server; each test speaks of customers of its own."""
    with serve_ferrowen(tmp_path_factory.mktemp("ferrowen")) as running:
        yield running


def admin(ferrowen: Ferrowen, method: str, path: str, body: Any = None) -> Any:
    """Return what the admin API answers."""
    return ferrowen.served.ok(ferrowen.served.admin(method, path, body))


@pytest.fixture(scope="module")
def ines(ferrowen: Ferrowen) -> Browser:
    """A supervisor, who may approve."""
    return signed_in(ferrowen.served, "supervisor")


@pytest.fixture(scope="module")
def rui(ferrowen: Ferrowen) -> Browser:
    """Another one."""
    return signed_in(ferrowen.served, "supervisor")


def decide(who: Browser, number: int, verb: str, because: str = WHY) -> Any:
    """Let somebody who is signed in decide."""
    return who.call("POST", f"/v1/admin/approvals/{number}/{verb}", {"because": because})


def waiting(ferrowen: Ferrowen, user: str) -> list[Any]:
    """Return what waits for a person about one customer."""
    customer = ferrowen.customer(user)["customer_id"]
    found = admin(ferrowen, "GET", "/approvals")["approvals"]
    return [one for one in found if one["customer"] == customer]


def a_debtor(ferrowen: Ferrowen, name: str, *, costs: float = 0.0, hour: int = DAYTIME) -> str:
    """Return a customer of a year whose bill is overdue."""
    user = new_id(name)
    who = {"userId": user}
    told = {"called": name.title(), "email": f"{user}@mail.example", "locale": "en"}
    ferrowen.remember(
        who
        | {
            "type": "identify",
            "traits": told | {"zone": zone_where_it_is(hour)},
            "timestamp": instant(-365),
        },
        who | {"event": "Account Opened", "timestamp": instant(-365)},
        who
        | {
            "event": "Cost Booked",
            "timestamp": instant(-60),
            "properties": {"handling_cost": costs},
        },
    )
    bill: dict[str, Any] = {"bill_id": f"B-{user}", "amount": 35.0, "due_at": instant(-3)}
    ferrowen.say("billing", "Bill Issued", user, **bill)
    return user


def may_suspend(ferrowen: Ferrowen, user: str) -> Any:
    """Ask as billing whether a line may be stopped."""
    return ferrowen.ask("billing", "billing", actions=("suspend_service",), bill=f"B-{user}")


def code(answer: Any) -> str:
    """Return why not."""
    (refused,) = answer["refused"]
    return str(refused["code"])


def post_link(ferrowen: Ferrowen, link: str) -> Any:
    """Follow a link that contests, with one click."""
    path = "/c/" + link.rpartition("/c/")[2]
    page = ferrowen.served.http.get(path, headers={"accept-language": "en"})
    assert page.status_code == 200
    assert "Do you disagree" in page.text
    return ferrowen.served.ok(ferrowen.served.http.post(path, data={"Contest": "One-Click"}))


def test_story_37_a_person_decides(ferrowen: Ferrowen, ines: Browser, rui: Browser) -> None:
    """Asked, listed with the reasons, approved once, contested with one click, decided by another."""
    user = a_debtor(ferrowen, "tom")
    assert code(may_suspend(ferrowen, user)) == "needs_approval"
    (one,) = waiting(ferrowen, user)
    number = one["approval"]
    assert (one["action"], one["state"], one["legal_weight"]) == ("suspend_service", "open", True)
    assert user not in str(one)
    shown = admin(ferrowen, "GET", f"/approvals/{number}")
    assert any("waits for a person" in line for line in shown["explained"]["explained"]["reasons"])
    # Without a reason there is no decision, and nothing is approved by asking again.
    problem(decide(ines, number, "approve", "ok"), 400, "input")
    # No token may, not even the first one: a person does.
    machine = ferrowen.served.admin("POST", f"/approvals/{number}/approve", {"because": WHY})
    assert machine.status_code == 403
    assert code(may_suspend(ferrowen, user)) == "needs_approval"

    approved = ferrowen.served.ok(decide(ines, number, "approve"))

    assert approved["state"] == "approved"
    answer = may_suspend(ferrowen, user)
    assert answer["allowed"] == ["suspend_service"]
    done = post_link(ferrowen, answer["contest"]["suspend_service"])
    assert done["contested"]
    assert code(may_suspend(ferrowen, user)) == "contested"
    # A case is open: a person is on it, and nothing is sold meanwhile.
    assert "unhappy" in ferrowen.customer(user)["holds"]
    (again,) = waiting(ferrowen, user)
    assert (again["approval"], again["state"]) == (number, "contested")
    assert again["not_by"] == approved["steps"][-1]["by"]
    same = problem(decide(ines, number, "approve"), 409, "conflict")
    assert "another person decides, such as" in same["detail"]
    other = ferrowen.served.ok(decide(rui, number, "refuse", "He had paid at the counter."))
    assert other["state"] == "refused"
    assert code(may_suspend(ferrowen, user)) == "approval_refused"
    assert waiting(ferrowen, user) == []
    entries = admin(ferrowen, "GET", "/audit")["entries"]
    said = [(e["verb"], e["actor"]) for e in entries if e["detail"].get("approval") == number]
    assert said == [
        ("refuse", f"staff:{rui.staff_id}"),
        ("contest", "customer"),
        ("approve", f"staff:{ines.staff_id}"),
    ]


def test_to_ask_for_one_approval_leaves_another_one_as_it_is(
    ferrowen: Ferrowen, ines: Browser
) -> None:
    """One that waits for the morning is still there to be taken back, whatever else needs one."""
    user = a_debtor(ferrowen, "renate", costs=260.0, hour=NIGHT)
    (one,) = waiting(ferrowen, user)
    number = one["approval"]
    ferrowen.served.ok(decide(ines, number, "approve"))
    bill: dict[str, Any] = {"bill_id": f"C-{user}", "amount": 20.0, "due_at": instant(-3)}
    ferrowen.say("billing", "Bill Issued", user, **bill)
    (other,) = waiting(ferrowen, user)
    assert other["approval"] != number
    assert admin(ferrowen, "GET", f"/approvals/{number}")["approval"]["state"] == "approved"
    taken_back = ferrowen.served.ok(decide(ines, number, "refuse", "She will pay on Monday."))
    assert taken_back["state"] == "refused"


def test_story_2_the_strict_policy_by_a_person(ferrowen: Ferrowen, ines: Browser) -> None:
    """Each step approved by a person: by day the letter goes, with the link by which it is contested."""
    user = a_debtor(ferrowen, "renate", costs=260.0)
    data = ferrowen.served.data
    assert ferrowen.customer(user)["cohort"] == "costly"
    address = f"{user}@mail.example"
    assert ferrowen.sent_to(address) == []
    (one,) = waiting(ferrowen, user)
    number = one["approval"]
    assert f"{number}  open" in ok("approvals", "list", "--data", data)
    assert "If approved: one message goes by email" in ok(
        "approvals", "show", number, "--data", data
    )
    asked = ["approvals", "approve", number, "--because", WHY, "--as", ines.name, "--data", data]
    refused = run_kept(*asked, "--password", "a wrong password")
    assert refused.code == 1
    said = ok(*asked, "--password", PASSWORD)
    assert f"Approval {number} is approved until" in said
    (entry,) = ferrowen.served.wait_for(lambda: ferrowen.sent_to(address))
    assert entry["action"] == "strict_reminder"
    assert "/c/1." in ferrowen.text_of(entry)
    ferrowen.served.wait_for(
        lambda: admin(ferrowen, "GET", f"/approvals/{number}")["approval"]["state"] == "used"
    )
    assert waiting(ferrowen, user) == []


def test_an_approval_is_taken_back_with_its_message(ferrowen: Ferrowen, ines: Browser) -> None:
    """At night the letter waits, and goes with the approval."""
    first = a_debtor(ferrowen, "renate", costs=260.0, hour=NIGHT)
    (one,) = waiting(ferrowen, first)
    number = one["approval"]
    ferrowen.served.ok(decide(ines, number, "approve"))
    assert "strict_reminder" in ferrowen.waiting(first)
    taken_back = ferrowen.served.ok(decide(ines, number, "refuse", "A mistake, taken back."))
    assert taken_back["state"] == "refused"
    assert "strict_reminder" not in ferrowen.waiting(first)


def test_a_request_goes_when_nobody_need_decide(ferrowen: Ferrowen, ines: Browser) -> None:
    """A bill that was paid is put before nobody, and cannot be approved."""
    user = a_debtor(ferrowen, "tom")
    may_suspend(ferrowen, user)
    (one,) = waiting(ferrowen, user)
    paid = {"id": new_id("pay"), "type": "payment.succeeded", "created": instant()}
    ferrowen.hook("payments", paid | {"data": {"reference": f"B-{user}", "amount": 35.0}})
    late = decide(ines, one["approval"], "approve")
    problem(late, 409, "conflict")
    assert waiting(ferrowen, user) == []


def test_a_link_that_was_changed_contests_nothing(ferrowen: Ferrowen, ines: Browser) -> None:
    """Nor does one for something else, nor looking at it."""
    user = a_debtor(ferrowen, "tom")
    may_suspend(ferrowen, user)
    (one,) = waiting(ferrowen, user)
    ferrowen.served.ok(decide(ines, one["approval"], "approve"))
    link = may_suspend(ferrowen, user)["contest"]["suspend_service"]
    token = link.rpartition("/c/")[2]
    http = ferrowen.served.http
    for wrong in (re.sub(r"\.(.)", ".A", token, count=1), token[:-3], f"1.{token}"):
        problem(http.post(f"/c/{wrong}", data={"Contest": "One-Click"}), 404, "not_found")
    assert http.get(f"/c/{token}").status_code == 200
    problem(http.post(f"/c/{token}", data={"other": "x"}), 400, "input")
    assert may_suspend(ferrowen, user)["allowed"] == ["suspend_service"]
