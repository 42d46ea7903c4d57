"""Mail as a mailbox sees it: leaving with one click, forged names, dead addresses, a clean end."""

import asyncio
import shutil
import signal
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from kept.clock import SystemClock
from kept.core.values import SECOND
from tests.contract.servers import Mailroom, mail_server
from tests.e2e.served import Served, new_id, serve, sign_standard
from tests.tree import ROOT

MANY = 60
"""More than there are senders for one channel."""

PIER = ROOT / "tests" / "crash" / "brand"
KEY = "pier-key"
SECRET = "whsec_" + b64encode(b"pier post" * 4).decode()
OPTIONS = ("--deliver", "providers", "--allow-private-webhooks")


@contextmanager
def serve_pier(folder: Path, mail_port: int, *, brand: Path = PIER) -> Iterator[Served]:
    """Serve a brand that writes a promotion for each order, by SMTP to a real mail server."""
    environment = {
        "PIER_SHOP_KEY": KEY,
        "PIER_MAIL_PORT": str(mail_port),
        "PIER_HOOK_URL": "http://127.0.0.1:9/",
        "PIER_HOOK_SECRET": SECRET,
    }
    with serve(folder, *OPTIONS, brand=brand, environment=environment) as served:
        yield served


@pytest.fixture
def mailroom() -> Mailroom:
    """A mailbox, and the server in front of it."""
    return Mailroom()


@pytest.fixture
def pier(mailroom: Mailroom, tmp_path: Path) -> Iterator[Served]:
    """A server of a test's own, and its mail server."""
    with mail_server(mailroom) as port, serve_pier(tmp_path, port) as served:
        yield served


def welcome(pier: Served, **traits: str) -> str:
    """Let somebody join who allows promotions; return their user id."""
    user = new_id("user")
    told = {"first_name": "Ana", "email": f"{user}@mail.example"} | traits
    batch: list[dict[str, Any]] = [
        {"type": "identify", "traits": told},
        {
            "type": "track",
            "event": "Consent Given",
            "properties": {"entity": "shop", "purpose": "marketing"},
        },
    ]
    body = {"batch": [each | {"userId": user, "messageId": new_id("m")} for each in batch]}
    pier.ok(pier.http.post("/v1/batch", json=body, auth=(KEY, "")))
    return user


def order(pier: Served, user: str) -> Any:
    """Let somebody buy something; a promotion follows if it may."""
    number = new_id("o")
    # Each is dearer than the one before, and so the one answer.
    total = int(number.rpartition("-")[2])
    return pier.track("Order Completed", user, key=KEY, order_id=number, total=total)


def mails(mailroom: Mailroom) -> list[EmailMessage]:
    """Return what reached the mailbox."""
    found = []
    for envelope in list(mailroom.mails):
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        found.append(mail)
    return found


def customer(pier: Served, user: str) -> Any:
    """Return what an operator sees of a customer."""
    wanted = {"identifier": f"user_id:{user}"}
    return pier.ok(pier.admin("POST", "/customers/find", wanted))


def reasons(pier: Served, user: str) -> set[str]:
    """Return why the newest decision about a customer said what it said."""
    newest = customer(pier, user)["decisions"][0]["decision_id"]
    told = pier.ok(pier.admin("GET", f"/decisions/{newest}"))
    return {one.get("code", "") for one in told["considered"]}


def test_one_click_is_in_force_on_the_next_send(pier: Served, mailroom: Mailroom) -> None:
    """A mail program posts to the link in the headers (RFC 8058); looking at it changes nothing."""
    user = welcome(pier)
    order(pier, user)
    (mail,) = pier.wait_for(lambda: mails(mailroom))
    link = mail["List-Unsubscribe"].strip("<>")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert f"<{link}>" == mail["List-Unsubscribe"]
    assert link in mail.get_content()
    assert urlsplit(link).netloc == urlsplit(pier.url).netloc
    # The link alone says who leaves what: no cookie, no key, and no redirect.
    assert httpx.get(link).status_code == 200
    order(pier, user)
    assert len(pier.wait_for(lambda: mails(mailroom) if len(mails(mailroom)) > 1 else None)) == 2

    body = {"List-Unsubscribe": "One-Click"}
    answer = httpx.post(link, data=body, follow_redirects=False)

    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    order(pier, user)
    assert "opted_out" in reasons(pier, user)
    assert customer(pier, user)["messages"] == []
    assert len(mails(mailroom)) == 2
    # Whoever changes a letter of it leaves nothing.
    assert httpx.post(link[:-1] + ("A" if link[-1] != "A" else "B"), data=body).status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        "Ana\r\nBcc: everybody@mail.example",
        "Ana\nContent-Type: text/html\n\n<b>",
        "Ana\u2028X-Forged: yes",
        '"Ana" <x@mail.example>, y@mail.example',
        "\u202eanA\u200b",
    ],
)
def test_a_name_forges_nothing(pier: Served, mailroom: Mailroom, name: str) -> None:
    """Whatever stands in a name, the mail goes to one person and has the headers that we wrote."""
    user = welcome(pier, first_name=name)
    order(pier, user)

    (mail,) = pier.wait_for(lambda: mails(mailroom))

    (envelope,) = mailroom.mails
    assert envelope.rcpt_tos == [f"{user}@mail.example"]
    assert set(mail.keys()) == {
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "Content-Type",
        "Content-Transfer-Encoding",
        "MIME-Version",
    }
    assert len(mail["To"].addresses) == 1
    assert mail.get_content_type() == "text/plain"
    assert mail["Subject"].lower().count("ana") == 1
    assert "\n" not in mail["Subject"]


def test_a_hard_bounce_closes_the_address(pier: Served, mailroom: Mailroom) -> None:
    """Once a server says that nobody is there, nothing is sent there again."""
    user = welcome(pier)
    mailroom.answers["rcpt"] = "550 5.1.1 no such user"
    order(pier, user)
    pier.wait_for(lambda: customer(pier, user)["closed"])
    mailroom.answers.clear()
    order(pier, user)

    # Somebody else's mail leaves after it: had another been sent to the first, it would be there.
    other = welcome(pier)
    order(pier, other)
    (mail,) = pier.wait_for(lambda: mails(mailroom))

    assert mail["To"].addresses[0].addr_spec == f"{other}@mail.example"
    assert customer(pier, user)["messages"] == []
    assert len(customer(pier, user)["contacts"]) == 1


def test_a_report_counts_where_it_came_back_to_the_messages_own_return_path(
    mailroom: Mailroom, tmp_path: Path
) -> None:
    """Anybody can write a report and guess what it is about; the return path nobody can."""
    brand = tmp_path / "brand"
    shutil.copytree(PIER, brand)
    consent = brand / "consent.yaml"
    told = consent.read_text().replace(
        "security: none}",
        'security: none, return_path: back@pier.example, feedback_secret: "env:PIER_HOOK_SECRET"}',
    )
    consent.write_text(told)
    with mail_server(mailroom) as port, serve_pier(tmp_path, port, brand=brand) as pier:
        user = welcome(pier)
        order(pier, user)
        (envelope,) = pier.wait_for(lambda: list(mailroom.mails))
        (mail,) = mails(mailroom)
        report = (
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n"
            "To: <{to}>\r\n\r\n"
            "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
            "Final-Recipient: rfc822; x@mail.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
            f"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: {mail['Message-ID']}\r\n\r\n.\r\n--b--\r\n"
        )
        learnt = []
        for to in ("back@pier.example", str(envelope.mail_from)):
            body = report.format(to=to).encode()
            headers = sign_standard(SECRET, body, at=SystemClock().now() // SECOND) | {
                "content-type": "message/rfc822"
            }
            answer = pier.http.post("/v1/feedback/email", content=body, headers=headers)
            learnt.append(pier.ok(answer)["learnt"])
        assert learnt == [0, 1]
        assert customer(pier, user)["closed"] == {"email": "bounced"}


class SlowRoom(Mailroom):
    """Takes its time over each mail."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        super().__init__()
        self.is_busy = False

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a mail after a while."""
        self.is_busy = True
        await asyncio.sleep(1.5)
        return await super().handle_DATA(server, session, envelope)


def test_a_server_that_is_told_to_stop_ends_what_it_began(tmp_path: Path) -> None:
    """It says that it is not ready, lets the mail that is leaving arrive, records it, and ends well."""
    mailroom = SlowRoom()
    with mail_server(mailroom) as port:
        with serve_pier(tmp_path, port) as pier:
            assert pier.ok(pier.http.get("/health"))["alive"]
            assert pier.ok(pier.http.get("/ready"))["ready"]
            user = welcome(pier)
            order(pier, user)
            pier.wait_for(lambda: mailroom.is_busy)
            pier.process.send_signal(signal.SIGTERM)
            assert pier.process.wait(30) == 0
        (mail,) = mails(mailroom)
        assert mail["To"].addresses[0].addr_spec == f"{user}@mail.example"
        with serve_pier(tmp_path, port) as pier:
            (contact,) = customer(pier, user)["contacts"]
            assert contact["outcome"] == "delivered"
        assert len(mailroom.mails) == 1


def test_a_server_that_stops_while_much_is_due_strands_nothing(tmp_path: Path) -> None:
    """What waited for a sender waits for the next start, and every promotion arrives once."""
    mailroom = SlowRoom()
    with mail_server(mailroom) as port:
        with serve_pier(tmp_path, port) as pier:
            users = [welcome(pier) for _ in range(MANY)]
            for user in users:
                order(pier, user)
            pier.wait_for(lambda: mailroom.is_busy)
            pier.process.send_signal(signal.SIGTERM)
            assert pier.process.wait(30) == 0
        assert len(mailroom.mails) < MANY
        with serve_pier(tmp_path, port) as pier:
            pier.wait_for(lambda: len(mailroom.mails) >= MANY)
            pier.wait_for(
                lambda: all(
                    [one["outcome"] for one in customer(pier, user)["contacts"]] == ["delivered"]
                    for user in users
                )
            )
        arrived = {mail["To"].addresses[0].addr_spec for mail in mails(mailroom)}
        assert arrived == {f"{user}@mail.example" for user in users}
        assert len(mailroom.mails) == MANY
