"""Stories of the example brand, driven over HTTP into a real process with a real clock."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kept.clock import read_monotonic
from kept.core.values import SECOND
from tests.e2e.command import ok
from tests.e2e.ferrowen import DAYTIME, NIGHT, Ferrowen, instant, serve_ferrowen, zone_where_it_is
from tests.e2e.served import bearer, new_id


@pytest.fixture(scope="module")
def ferrowen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ferrowen]:
    """The example brand; its messages go into files."""
    with serve_ferrowen(tmp_path_factory.mktemp("ferrowen")) as running:
        yield running


def a_buyer(
    ferrowen: Ferrowen,
    name: str,
    *,
    hour: int,
    entities: tuple[str, ...] = ("shop",),
    phone: str = "",
) -> str:
    """Return somebody who bought something a while ago and allows these companies promotions."""
    user = new_id(name)
    allows = tuple(f"{entity}_marketing" for entity in entities)
    traits = {"locale": "de"} | ({"phone": phone} if phone else {})
    ferrowen.know(user, zone=zone_where_it_is(hour), allows=allows, **traits)
    bought = {"order_id": f"O-{user}", "total": 64.00, "category": "garden"}
    ferrowen.remember(
        {
            "userId": user,
            "event": "Order Completed",
            "timestamp": instant(-75),
            "properties": bought,
        }
    )
    return user


def best(answer: dict[str, list[dict[str, str]]]) -> str:
    """Return what a placement shows first."""
    return answer["shown"][0]["action"] if answer.get("shown") else ""


def test_story_1_grace_is_known_to_whoever_asks(ferrowen: Ferrowen) -> None:
    """One text on the preferred channel; billing is refused with the date; and all of it is explained."""
    user, phone = new_id("marta"), "+351910000001"
    ferrowen.know(user, zone=zone_where_it_is(DAYTIME), locale="en", phone=phone)
    who = {"userId": user}
    ferrowen.remember(
        who
        | {
            "event": "Preference Updated",
            "timestamp": instant(-900),
            "properties": {"preferred_channel": "sms"},
        },
        *(
            who | {"event": name, "timestamp": instant(at - 30 * number), "properties": bill}
            for number in range(1, 25)
            for bill in [{"bill_id": f"{user}-{number}", "amount": 42.90}]
            for name, at in (("Bill Issued", 0), ("Bill Paid", 5))
        ),
    )
    bill = f"B-{user}"
    due: dict[str, Any] = {
        "bill_id": bill,
        "service": "fibre",
        "amount": 42.90,
        "due_at": instant(-1, seconds=4),
    }
    ferrowen.say("billing", "Bill Issued", user, **due)
    before = ferrowen.ask("billing", "billing", actions=("late_fee",), bill=bill)
    assert "held" not in {refusal["code"] for refusal in before["refused"]}

    entries = ferrowen.served.wait_for(lambda: ferrowen.sent_to(phone))

    (entry,) = entries
    assert (entry["action"], entry["channel"]) == ("grace_offer", "sms")
    assert f"https://pay.ferrowen.example/{bill}" in ferrowen.text_of(entry)
    refused = ferrowen.ask(
        "billing", "billing", actions=("reminder_letter", "late_fee", "suspend_service"), bill=bill
    )
    assert refused.get("allowed", []) == []
    assert {refusal["code"] for refusal in refused["refused"]} == {"held"}
    told = ok("explain", refused["decision_id"], "--data", ferrowen.served.data)
    assert "grace" in told
    assert "Made again from the same facts it comes out the same." in told


def test_story_22_one_answer(ferrowen: Ferrowen) -> None:
    """Web, app and desk ask in the same second, and a mail is due: one thing is said, once."""
    user = a_buyer(ferrowen, "jonas", hour=DAYTIME)
    ferrowen.say("app_backend", "Signed In", user)
    faces = [("app_backend", "web"), ("app_backend", "app"), ("call_centre", "desk")] * 4

    with ThreadPoolExecutor(len(faces)) as pool:
        answers = list(pool.map(lambda face: ferrowen.ask(*face, user_id=user), faces))

    assert {best(answer) for answer in answers} == {"shop_pick"}
    (entry,) = ferrowen.served.wait_for(lambda: ferrowen.sent_to(f"{user}@mail.example"))
    assert (entry["action"], entry["channel"]) == ("shop_pick", "email")
    assert best(ferrowen.ask("app_backend", "web", user_id=user)) == "shop_pick"
    # What he buys is a signal: the answer follows, and the mail is not sent again.
    coffee: dict[str, Any] = {"order_id": f"J-{user}", "total": 209.00, "category": "coffee"}
    ferrowen.say("app_backend", "Order Completed", user, **coffee)
    assert best(ferrowen.ask("app_backend", "web", user_id=user)) != "shop_pick"
    assert len(ferrowen.sent_to(f"{user}@mail.example")) == 1


def test_story_29_they_answer_back(ferrowen: Ferrowen) -> None:
    """STOP takes the text back before its answer; a question opens a case and stops the offers."""
    phone = "+4915100000029"
    entities = ("connections", "shop")
    user = a_buyer(ferrowen, "mehmet", hour=NIGHT, entities=entities, phone=phone)
    plan = {"subscription_id": f"S-{user}", "plan": "mobile 20", "yearly_price": 359.88}
    started = {"userId": user, "event": "Subscription Started", "timestamp": instant(-350)}
    ferrowen.remember(started | {"properties": plan | {"ends_at": instant(17)}})
    ferrowen.say("app_backend", "Signed In", user)
    waiting = ferrowen.waiting(user)
    assert waiting["renewal_offer"] == "email"
    assert waiting["renewal_notice"] == "sms"

    stop = {"id": new_id("sms"), "from": phone, "text": " Stop! ", "received_at": instant()}
    answer = ferrowen.hook("sms_replies", stop)

    assert answer["withdrawn"] == 1
    assert answer["in_flight"] == []
    assert "renewal_notice" not in ferrowen.waiting(user)
    assert "renewal_offer" in ferrowen.waiting(user)

    mail = {
        "id": new_id("mail"),
        "from": f"{user}@mail.example",
        "subject": "Frage zum Vertrag",
        "text": "Was passiert, wenn ich nichts tue?",
        "received_at": instant(),
    }
    ferrowen.hook("mail_replies", mail)

    assert ferrowen.customer(user)["holds"] == ["unhappy"]
    assert set(ferrowen.waiting(user)) == {"case_received"}
    assert ferrowen.ask("app_backend", "web", user_id=user)["silence"]
    assert ferrowen.sent_to(phone) == []


def test_story_35_stop_everything(ferrowen: Ferrowen) -> None:
    """One command stops an action within a second; resumed, it comes back spread, not at once."""
    data = ferrowen.served.data
    users = [a_buyer(ferrowen, "brandt", hour=DAYTIME) for _ in range(5)]
    ok("pause", "action:shop_pick", "--because", "a wrong price", "--data", data)
    try:
        for user in users:
            ferrowen.say("app_backend", "Signed In", user)
        assert all("shop_pick" not in ferrowen.waiting(user) for user in users)
        answer = ferrowen.ask("app_backend", "web", user_id=users[0])
        assert best(answer) != "shop_pick"
        told = ferrowen.served.ok(
            ferrowen.served.admin("GET", f"/decisions/{answer['decision_id']}")
        )
        codes = {one["action"]: one.get("code", "") for one in told["considered"]}
        assert codes["shop_pick"] == "braked"
        # Everything: not even a service message leaves.
        ok("pause", "all", "--data", data)
        owed: dict[str, Any] = {"bill_id": f"R-{users[1]}", "amount": 35.00, "due_at": instant(-2)}
        ferrowen.say("billing", "Bill Issued", users[1], **owed)
        gate = ferrowen.ask("billing", "billing", actions=("late_fee",), bill=f"R-{users[1]}")
        assert {refusal["code"] for refusal in gate["refused"]} == {"braked"}
    finally:
        brakes = ferrowen.served.ok(ferrowen.served.admin("GET", "/brakes"))["brakes"]
        for brake in brakes:
            ok("resume", brake["scope"], "--data", data)
    assert {brake["scope"] for brake in brakes} == {"action:shop_pick", "all"}
    sent = [user for user in users if ferrowen.sent_to(f"{user}@mail.example")]
    assert sent == []
    audit = ferrowen.served.ok(ferrowen.served.admin("GET", "/audit"))["entries"]
    # Who looked at a reason stands there, too.
    verbs = [line["verb"] for line in audit if line["verb"] in ("pause", "resume")]
    assert verbs[:4] == ["resume", "resume", "pause", "pause"]
    # A new sign of life is answered at once, for that one customer.
    ferrowen.say("app_backend", "Signed In", users[0])
    ferrowen.served.wait_for(lambda: ferrowen.sent_to(f"{users[0]}@mail.example"))


def test_story_38_the_other_tool_asks_first(ferrowen: Ferrowen) -> None:
    """A mail service asks, its mails count in the caps, and an opt-out reaches it unasked within five seconds."""
    user = a_buyer(ferrowen, "sofia", hour=DAYTIME)
    address = f"{user}@mail.example"
    folder = ferrowen.served.data / "outbox" / "suppressions" / "mail_service"

    def may_i(action: str) -> Any:
        body: dict[str, Any] = {"identifiers": {"email": address}, "entity": "shop"}
        body |= {"purpose": "marketing", "channel": "email", "action": action}
        body |= {"reported": True, "contact_id": action}
        headers = bearer("ferrowen_mail_service_key")
        answer = ferrowen.served.http.post("/v1/may-i", json=body, headers=headers)
        return ferrowen.served.ok(answer)

    def told() -> list[str]:
        return [path.read_text() for path in folder.glob("*.json") if address in path.read_text()]

    assert [may_i(name)["allowed"] for name in ("letter_1", "letter_2")] == [True, True]
    assert may_i("letter_3")["refused"]["code"] == "cap_reached"
    assert told() == []
    ferrowen.say("app_backend", "Unsubscribed", user, entity="shop", purpose="marketing")
    answered_at = read_monotonic()

    ferrowen.served.wait_for(told)

    assert read_monotonic() - answered_at < 5 * SECOND
    assert may_i("letter_4")["refused"]["code"] == "opted_out"
