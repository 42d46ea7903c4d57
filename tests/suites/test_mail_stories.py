"""Stories of the example brand that end in a real mailbox."""

from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from tests.contract.servers import Desk, Mailroom, http_server, mail_server
from tests.e2e.ferrowen import DAYTIME, NIGHT, Ferrowen, instant, serve_ferrowen, zone_where_it_is
from tests.e2e.served import new_id


@pytest.fixture(scope="module")
def mailroom() -> Mailroom:
    """A mailbox, and the server in front of it."""
    return Mailroom()


@pytest.fixture(scope="module")
def ferrowen(mailroom: Mailroom, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ferrowen]:
    """The example brand, really sending: mail by SMTP, the rest to a provider's address."""
    with mail_server(mailroom) as mail_port, http_server(Desk()) as hook_port:
        folder = tmp_path_factory.mktemp("ferrowen")
        options = ("--deliver", "providers", "--allow-private-webhooks")
        hook_url = f"http://127.0.0.1:{hook_port}/"
        with serve_ferrowen(folder, *options, mail_port=mail_port, hook_url=hook_url) as running:
            yield running


def mails_to(mailroom: Mailroom, user: str) -> list[EmailMessage]:
    """Return the mails that reached a customer."""
    found = []
    for envelope in list(mailroom.mails):
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        if f"{user}@mail.example" in envelope.rcpt_tos:
            found.append(mail)
    return found


def test_story_1_the_grace_offer_reaches_the_mailbox(
    ferrowen: Ferrowen, mailroom: Mailroom
) -> None:
    """A day after the due date, to the second, a loyal customer reads of grace, by name, once."""
    user = new_id("marta")
    ferrowen.know(user, zone=zone_where_it_is(DAYTIME), locale="pt")
    ferrowen.remember(*paid_bills(user))
    due = {
        "bill_id": f"B-{user}",
        "service": "fibre",
        "amount": 42.90,
        "due_at": instant(-1, seconds=3),
    }
    ferrowen.remember(
        {"userId": user, "event": "Bill Issued", "timestamp": instant(-16), "properties": due}
    )
    assert mails_to(mailroom, user) == []

    (mail,) = ferrowen.served.wait_for(lambda: mails_to(mailroom, user))

    text = mail.get_content()
    assert "Marta" in text
    assert f"https://pay.ferrowen.example/B-{user}" in text
    # A service message is no promotion: there is nothing to unsubscribe from.
    assert mail["List-Unsubscribe"] is None
    refused = ferrowen.ask("billing", "billing", actions=("late_fee",), bill=f"B-{user}")["refused"]
    assert refused[0]["code"] == "held"


def paid_bills(user: str) -> list[dict[str, object]]:
    """Return two years of bills, each paid five days after it came."""
    events: list[dict[str, object]] = []
    for number in range(24):
        bill = {"bill_id": f"{user}-{number}", "amount": 42.90}
        issued = -750 + 30 * number
        events += [
            {"userId": user, "event": name, "timestamp": instant(at), "properties": bill}
            for name, at in (("Bill Issued", issued), ("Bill Paid", issued + 5))
        ]
    return events


@pytest.mark.parametrize("hour", [NIGHT, DAYTIME], ids=["night", "day"])
def test_story_6_renewed_in_the_store(ferrowen: Ferrowen, mailroom: Mailroom, hour: int) -> None:
    """At night four contacts wait, and are gone with the till's answer; by day the thank-you comes."""
    user = new_id("mehmet")
    number = user.rpartition("-")[2].zfill(7)
    allows = ("connections_marketing",)
    zone = zone_where_it_is(hour)
    ferrowen.know(user, zone=zone, allows=allows, phone=f"+491510{number}", locale="de")
    plan = {"subscription_id": f"S-{user}", "plan": "mobile 20", "yearly_price": 359.88}
    # By day they would leave at once, so that there it is too early for any of them.
    ends = {"ends_at": instant(9 if hour == NIGHT else 90)}
    started = {"userId": user, "event": "Subscription Started", "timestamp": instant(-356)}
    ferrowen.remember(started | {"properties": plan | ends})
    ferrowen.say("app_backend", "Signed In", user)
    waiting = {
        "renewal_offer": "email",
        "renewal_notice": "sms",
        "renewal_chat": "whatsapp",
        "renewal_call": "call_list",
    }
    assert ferrowen.waiting(user) == (waiting if hour == NIGHT else {})

    told = {"subscription_id": f"S-{user}", "ends_at": instant(374)}
    answer = ferrowen.say("till", "Subscription Renewed", card=f"LC-{user}", **told)

    assert answer["withdrawn"] == (len(waiting) if hour == NIGHT else 0)
    assert answer["in_flight"] == []
    if hour == NIGHT:
        assert ferrowen.waiting(user) == {"renewal_thanks": "email"}
        assert mails_to(mailroom, user) == []
    else:
        (mail,) = ferrowen.served.wait_for(lambda: mails_to(mailroom, user))
        assert "Mehmet" in mail.get_content()
        assert "danke" in mail.get_content().lower()


def test_story_17_the_parcel_that_never_came(ferrowen: Ferrowen, mailroom: Mailroom) -> None:
    """The carrier says delivered, she says it is not: two mails, no survey, no promotion."""
    user = new_id("sofia")
    ferrowen.know(user, zone=zone_where_it_is(DAYTIME), allows=("shop_marketing",), locale="en")
    order = {"order_id": f"O-{user}", "total": 64.00, "category": "garden"}
    ferrowen.remember(
        {"userId": user, "event": "Order Completed", "timestamp": instant(-2), "properties": order}
    )
    parcel = {"order_id": f"O-{user}", "tracking_number": f"T-{user}", "promised_at": instant(1)}
    ferrowen.say("warehouse", "Order Shipped", user, **parcel)
    delivered = {
        "event_id": new_id("c"),
        "status": "delivered",
        "tracking_number": f"T-{user}",
        "happened_at": instant(),
        "left_with": "door",
    }
    assert ferrowen.hook("carrier", delivered)["success"]
    ferrowen.served.wait_for(lambda: mails_to(mailroom, user))

    conversation = {
        "id": f"K-{user}",
        "subject": "Nothing came",
        "custom": {
            "topic": "not_received",
            "order_id": f"O-{user}",
            "tracking_number": f"T-{user}",
        },
    }
    opened = {
        "event": "conversation_created",
        "id": new_id("w"),
        "created_at": instant(),
        "meta": {"sender": {"email": f"{user}@mail.example"}},
        "conversation": conversation,
    }
    ferrowen.hook("helpdesk", opened)

    mails = ferrowen.served.wait_for(
        lambda: found if len(found := mails_to(mailroom, user)) > 1 else None
    )
    assert len(mails) == 2
    assert "We are looking for it" in mails[1].get_content()
    assert ferrowen.customer(user)["holds"] == ["unhappy"]
    answer = ferrowen.ask("app_backend", "web", user_id=user)
    assert answer["silence"]
    assert "held" in {refusal["code"] for refusal in answer.get("refused", [{"code": "held"}])}
