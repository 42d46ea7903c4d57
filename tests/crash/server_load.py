"""Clients of a server that is going to be killed: they note what they sent and what was answered."""

import random  # noqa: TID251  a failure is repeated by its seed
import threading
from itertools import count
from typing import Any

import httpx

KEY = "pier-key"
TIMEOUT_SECONDS = 20.0
BATCH_MAX = 40
CUSTOMERS_MAX = 60
NEWCOMER_SHARE = 0.3


class Ledger:
    """What one client sent, and what it was told is safe; it outlives every server."""

    def __init__(self, name: str) -> None:
        """Begin with nothing sent."""
        self.name = name
        self.sent: dict[str, dict[str, Any]] = {}
        self.acknowledged: set[str] = set()
        self.decided: set[int] = set()
        self.numbers = count(1)
        self.customers: list[str] = []

    def unanswered(self) -> list[dict[str, Any]]:
        """Return what was sent and never answered: an SDK would send it again."""
        return [event for name, event in self.sent.items() if name not in self.acknowledged]


class Client(threading.Thread):
    """Sends events, alone and in batches, and asks, until the server is gone."""

    def __init__(self, url: str, ledger: Ledger, draw: random.Random) -> None:
        """Take where to send, and what was sent before."""
        super().__init__(name=f"client-{ledger.name}")
        self._url = url
        self._ledger = ledger
        self._draw = draw
        self.stopping = threading.Event()
        self.failed: str = ""

    def run(self) -> None:
        """Send what was not answered last time, then go on."""
        with httpx.Client(base_url=self._url, auth=(KEY, ""), timeout=TIMEOUT_SECONDS) as http:
            try:
                self.resend(http)
                while not self.stopping.is_set():
                    self._act(http)
            except httpx.TransportError:
                # The server is gone; what was not answered is sent again next time.
                return
            except AssertionError as error:
                self.failed = str(error) or "an answer was refused"

    def resend(self, http: httpx.Client) -> None:
        """Send again what was never answered, under the same ids."""
        events = self._ledger.unanswered()
        for start in range(0, len(events), BATCH_MAX):
            self._send(http, "/v1/batch", events[start : start + BATCH_MAX])

    def _act(self, http: httpx.Client) -> None:
        choice = self._draw.random()
        if not self._ledger.customers or choice < NEWCOMER_SHARE:
            self._send(http, "/v1/batch", self._newcomer())
        elif choice < 0.5:
            self._send(http, "/v1/track", [self._event()])
        elif choice < 0.8:
            events = [self._event() for _ in range(self._draw.randint(2, BATCH_MAX))]
            self._send(http, "/v1/batch", events)
        else:
            self._ask(http)

    def _send(self, http: httpx.Client, path: str, events: list[dict[str, Any]]) -> None:
        self._ledger.sent |= {event["messageId"]: event for event in events}
        body: dict[str, Any] = events[0] if path == "/v1/track" else {"batch": events}
        answer = http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["quarantined"] == 0
        self._ledger.acknowledged |= {event["messageId"] for event in events}

    def _ask(self, http: httpx.Client) -> None:
        who = {"user_id": self._draw.choice(self._ledger.customers)}
        answer = http.post("/v1/decide", json={"placement": "till", "identifiers": who})
        assert answer.status_code == 200, answer.text
        self._ledger.decided.add(answer.json()["decision_id"])

    # -- what is sent

    def _newcomer(self) -> list[dict[str, Any]]:
        ledger = self._ledger
        user = f"{ledger.name}-{len(ledger.customers)}"
        traits = {"first_name": "Ana", "email": f"{user}@mail.example"}
        told = self._base(user) | {"type": "identify", "traits": traits}
        allows = {"entity": "shop", "purpose": "marketing"}
        agreed = self._base(user) | {
            "type": "track",
            "event": "Consent Given",
            "properties": allows,
        }
        if len(ledger.customers) < CUSTOMERS_MAX:
            ledger.customers.append(user)
        return [told, agreed, self._event(user), self._event(user)]

    def _event(self, user: str = "") -> dict[str, Any]:
        told = self._base(user or self._draw.choice(self._ledger.customers))
        number = told["messageId"]
        if self._draw.random() < 0.5:
            bought = {"order_id": f"o-{number}", "total": int(number.rpartition("m")[2])}
            return told | {"type": "track", "event": "Order Completed", "properties": bought}
        owed = {"bill_id": f"b-{number}", "amount": 30}
        return told | {"type": "track", "event": "Bill Issued", "properties": owed}

    def _base(self, user: str) -> dict[str, Any]:
        return {"userId": user, "messageId": f"{self._ledger.name}-m{next(self._ledger.numbers)}"}
