"""A living customer base: people who browse, buy, wait for parcels, pay late, complain and answer back.

It speaks to a running server over HTTP only, from every touchpoint, with the write keys and webhook
signatures that these would use; the server cannot tell it from the real thing.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import yaml

from kept.clock import Chance, Clock
from kept.core.values import DAY, MINUTE, SECOND, format_instant

SCENE_SECONDS: Final = 0.2
HEARTBEAT_SECONDS: Final = 60
TIMEOUT_SECONDS: Final = 10.0
PLACES: Final = ("Lisbon", "Porto", "Madeira", "Berlin", "Azores")
PRODUCTS: Final = ("kettle", "headphones", "winter_coat", "reading_lamp", "city_bike", "tent")

Tell = Callable[[str, str], None]


class Person(msgspec.Struct, kw_only=True):
    """Somebody who lives in the example brand."""

    person: str
    identifiers: dict[str, str]
    traits: dict[str, Any]
    allows: list[str] = []
    history: list[dict[str, Any]] = []
    habits: dict[str, float] = {}
    about: str = ""
    name: str = ""
    prefers: str = ""

    @property
    def user_id(self) -> str:
        """Return the id that the app knows them by."""
        return self.identifiers["user_id"]


class _People(msgspec.Struct, kw_only=True):
    people: list[Person]


def read_people(path: Path) -> list[Person]:
    """Return the people of the example brand."""
    loaded = msgspec.to_builtins(yaml.safe_load(path.read_text(encoding="utf-8")))
    return msgspec.convert(loaded, _People, strict=False, str_keys=True).people


def invent_people(count: int, chance: Chance) -> list[Person]:
    """Return ordinary customers besides those with a name."""
    # All around the world, so that it is day for somebody whenever this runs.
    zones = (
        ("pt", "Europe/Lisbon"),
        ("de", "Europe/Berlin"),
        ("en", "America/New_York"),
        ("en", "America/Los_Angeles"),
        ("en", "Pacific/Auckland"),
        ("en", "Asia/Singapore"),
        ("en", "Asia/Kolkata"),
        ("pt", "America/Sao_Paulo"),
    )
    people = []
    for number in range(1, count + 1):
        locale, zone = chance.choice(zones)
        called = chance.choice(("Ana", "Ben", "Clara", "Diogo", "Eva", "Felix", "Greta", "Hugo"))
        people.append(
            Person(
                person=f"c{number}",
                identifiers={
                    "user_id": f"c{number}",
                    "email": f"c{number}@mail.example",
                    "phone": f"+3519200{number:05d}",
                    "loyalty_card": f"LC-C{number}",
                    "account_no": f"A-C{number}",
                },
                traits={"first_name": called, "called": called, "locale": locale, "zone": zone},
                allows=["shop_marketing"] if chance.random() < 0.6 else [],
                history=[
                    {"event": "Account Opened", "occurred": f"-{chance.randint(5, 900)} days"}
                ],
            )
        )
    return people


class Living:
    """Plays scenes of people's lives against a server."""

    def __init__(
        self,
        url: str,
        people: list[Person],
        *,
        keys: Mapping[str, str],
        secrets: Mapping[str, str],
        clock: Clock,
        chance: Chance,
        tell: Tell,
        take_history: Callable[[list[dict[str, Any]]], object],
    ) -> None:
        """Take the server's address, each source's write key, and each webhook's secret."""
        self._take_history = take_history
        self._url = url
        self._people = people
        self._keys = keys
        self._secrets = secrets
        self._clock = clock
        self._chance = chance
        self._tell = tell
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS)
        self._count = 0
        self._pending: list[tuple[int, Callable[[], None]]] = []
        self._heartbeat_at = 0

    def close(self) -> None:
        """Give up the connection."""
        self._http.close()

    def move_in(self) -> int:
        """Send everybody's history, which says nothing to anybody; return how many events."""
        events = [event for person in self._people for event in self._history_of(person)]
        for start in range(0, len(events), 200):
            self._take_history(events[start : start + 200])
        return len(events)

    def _history_of(self, person: Person) -> Iterator[dict[str, Any]]:
        now = self._clock.now()
        named = [
            {"id": value, "type": kind}
            for kind, value in person.identifiers.items()
            if kind != "user_id"
        ]
        first = now - 1000 * DAY
        yield self._event(
            person, "identify", first, traits=person.traits, context={"externalIds": named}
        )
        preferences = dict.fromkeys(person.allows, True)
        consent = {"consent": {"categoryPreferences": preferences}}
        if preferences:
            name = "Segment Consent Preference Updated"
            yield self._event(person, "track", first + MINUTE, event=name, context=consent)
        for told in person.history:
            ago = int(told["occurred"].removesuffix(" days"))
            every = int(told.get("every", "0 days").removesuffix(" days"))
            for number in range(1, told.get("times", 1) + 1):
                at = now + (ago + (number - 1) * every) * DAY
                properties = {
                    key: value.replace("{n}", str(number)) if isinstance(value, str) else value
                    for key, value in told.get("properties", {}).items()
                }
                if told["event"] == "Subscription Started":
                    properties["ends_at"] = format_instant(at + 365 * DAY)
                if at < now:
                    yield self._event(
                        person, "track", at, event=told["event"], properties=properties
                    )

    def _event(self, person: Person, kind: str, at: int, **rest: Any) -> dict[str, Any]:
        self._count += 1
        return {
            "type": kind,
            "userId": person.user_id,
            "messageId": f"live-{self._clock.now()}-{self._count}",
            "timestamp": format_instant(at),
            **rest,
        }

    # -- the passage of time

    def live(self) -> None:
        """Play what has fallen due, and one more scene."""
        now = self._clock.now()
        if now >= self._heartbeat_at:
            self._heartbeat_at = now + HEARTBEAT_SECONDS * SECOND
            for source in ("till", "billing"):
                self._say(source, "Heartbeat", anonymousId=f"{source}-1")
        for due, begun in [one for one in self._pending if one[0] <= now]:
            self._pending.remove((due, begun))
            begun()
        person = self._chance.choice(self._people)
        scene = self._chance.choices(
            [
                self._browse,
                self._buy,
                self._owe,
                self._complain,
                self._visit,
                self._ask,
                self._reply,
            ],
            weights=[40, 14, 10, 8, 10, 16, 2],
        )[0]
        scene(person)

    def _later(self, seconds: float, scene: Callable[[], None]) -> None:
        self._pending.append((self._clock.now() + int(seconds * SECOND), scene))

    # -- scenes

    def _browse(self, person: Person) -> None:
        cookie = f"cookie-{person.person}"
        self._say("web", "Page Viewed", anonymousId=cookie, properties={"name": "Home"})
        if self._chance.random() < 0.5:
            self._say("app_backend", "Signed In", userId=person.user_id, anonymousId=cookie)
        if self._chance.random() < 0.4:
            place = self._chance.choice(PLACES)
            told = {"destination": place}
            self._say("app_backend", "Place Viewed", userId=person.user_id, properties=told)
        else:
            told = {"product_id": self._chance.choice(PRODUCTS), "category": "home"}
            self._say("app_backend", "Product Viewed", userId=person.user_id, properties=told)

    def _buy(self, person: Person) -> None:
        self._count += 1
        order, parcel = f"O-{person.person}-{self._count}", f"P-{person.person}-{self._count}"
        told = {"order_id": order, "total": self._chance.randint(10, 120), "category": "home"}
        self._say("app_backend", "Order Completed", userId=person.user_id, properties=told)

        def ship() -> None:
            promised = format_instant(self._clock.now() + DAY)
            told = {"order_id": order, "tracking_number": parcel, "promised_at": promised}
            self._say("warehouse", "Order Shipped", userId=person.user_id, properties=told)

        def deliver() -> None:
            self._carry(parcel, "delivered" if self._chance.random() < 0.85 else "failed")

        self._later(self._chance.uniform(3, 10), ship)
        self._later(self._chance.uniform(12, 30), deliver)

    def _carry(self, parcel: str, status: str) -> None:
        self._count += 1
        body = {
            "event_id": f"carrier-{self._clock.now()}-{self._count}",
            "status": status,
            "tracking_number": parcel,
            "happened_at": format_instant(self._clock.now()),
        }
        self._hook("carrier", body, f"parcel {status}")

    def _owe(self, person: Person) -> None:
        account = person.identifiers.get("account_no")
        if account is None:
            return
        self._count += 1
        bill = f"B-{person.person}-{self._count}"
        due_at = self._clock.now() - DAY + 20 * SECOND
        told = {
            "bill_id": bill,
            "service": "fibre",
            "amount": self._chance.randint(15, 60),
            "due_at": format_instant(due_at),
        }
        self._say("billing", "Bill Issued", userId=person.user_id, properties=told)

        def pay() -> None:
            body = {
                "id": f"pay-{bill}",
                "type": "payment.succeeded",
                "created": format_instant(self._clock.now()),
                "data": {"reference": bill, "account": account, "amount": told["amount"]},
            }
            self._hook("payments", body, "bill paid")

        def remind() -> None:
            question = {
                "placement": "billing",
                "identifiers": {"bill": bill},
                "about": f"bill/{bill}",
                "actions": ["late_fee"],
            }
            self._decide("billing", question)

        self._later(25, remind)
        self._later(self._chance.uniform(5, 90), pay)

    def _complain(self, person: Person) -> None:
        self._count += 1
        case = f"K-{person.person}-{self._count}"

        def tell(event: str, status: str) -> None:
            body = {
                "id": f"{case}-{status}",
                "event": event,
                "created_at": format_instant(self._clock.now()),
                "meta": {"sender": {"email": person.identifiers["email"]}},
                "conversation": {
                    "id": case,
                    "status": status,
                    "subject": "Something is wrong",
                    "custom": {"topic": "order"},
                },
            }
            self._hook("helpdesk", body, f"matter {status}")

        tell("conversation_created", "open")
        self._later(
            self._chance.uniform(20, 120),
            lambda: tell("conversation_status_changed", "resolved"),
        )

    def _visit(self, person: Person) -> None:
        card = person.identifiers.get("loyalty_card")
        if card is None:
            return
        named = {"externalIds": [{"id": card, "type": "loyalty_card"}]}
        self._decide("till", {"placement": "till", "identifiers": {"loyalty_card": card}})
        if self._chance.random() < 0.2:
            told = {
                "subscription_id": f"S-{person.person}",
                "ends_at": format_instant(self._clock.now() + 365 * DAY),
            }
            self._say("till", "Subscription Renewed", context=named, properties=told)

    def _ask(self, person: Person) -> None:
        if self._chance.random() < 0.7:
            question = {"placement": "web", "identifiers": {"user_id": person.user_id}}
            self._decide("app_backend", question)
            return
        body = {
            "identifiers": {"user_id": person.user_id},
            "entity": "shop",
            "purpose": "marketing",
            "channel": "email",
            "action": "newsletter",
            "reported": True,
        }
        answer = self._post("app_backend", "/v1/may-i", body)
        verdict = (
            "yes" if answer.get("allowed") else (answer.get("refused") or {}).get("code", "no")
        )
        self._tell("asked", f"newsletter tool: may I write to them? {verdict}")

    def _reply(self, person: Person) -> None:
        self._count += 1
        text = self._chance.choice(("STOP", "When does my parcel come?", "Thank you!"))
        body = {
            "id": f"sms-{self._clock.now()}-{self._count}",
            "from": person.identifiers["phone"],
            "text": text,
            "received_at": format_instant(self._clock.now()),
        }
        self._hook("sms_replies", body, f"answered: {text}")

    # -- on the wire

    def _say(self, source: str, event: str, **rest: Any) -> None:
        self._count += 1
        body = {
            "event": event,
            "messageId": f"live-{self._clock.now()}-{self._count}",
            "timestamp": format_instant(self._clock.now()),
            **rest,
        }
        self._post(source, "/v1/track", body)
        if event != "Heartbeat":
            self._tell("heard", f"{source}: {event}")

    def _decide(self, source: str, question: dict[str, Any]) -> None:
        answer = self._post(source, "/v1/decide", question)
        shown = [one["action"] for one in answer.get("shown", ())] or answer.get("allowed", [])
        refused = [f"{one['action']} no: {one['code']}" for one in answer.get("refused", ())]
        told = ", ".join((*shown[:1], *refused)) or "silence"
        self._tell("asked", f"{question['placement']}: {told}")

    def _post(self, source: str, path: str, body: Any) -> dict[str, Any]:
        answer = self._http.post(path, json=body, auth=(self._keys[source], ""))
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told

    def _hook(self, source: str, body: dict[str, Any], sentence: str) -> None:
        content = msgspec.json.encode(body)
        headers = sign(source, content, secret=self._secrets[source], clock=self._clock)
        headers["content-type"] = "application/json"
        answer = self._http.post(f"/v1/hooks/{source}", content=content, headers=headers)
        answer.raise_for_status()
        self._tell("heard", f"{source}: {sentence}")


def sign(source: str, content: bytes, *, secret: str, clock: Clock) -> dict[str, str]:
    """Return the headers by which the example brand's other systems prove who they are."""
    if source in ("helpdesk", "mail_replies"):
        stamp = str(clock.now() // SECOND)
        name = hashlib.sha256(content).hexdigest()[:24]
        key = base64.b64decode(secret.removeprefix("whsec_"))
        told = f"{name}.{stamp}.".encode() + content
        digest = base64.b64encode(hmac.digest(key, told, "sha256")).decode()
        return {
            "webhook-id": name,
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,{digest}",
        }
    header, prefix, method = {
        "carrier": ("X-Carrier-Signature", "", "sha256"),
        "payments": ("X-Payment-Signature", "sha256=", "sha256"),
        "sms_replies": ("X-Sms-Signature", "", "sha1"),
    }[source]
    return {header: prefix + hmac.digest(secret.encode(), content, method).hex()}
