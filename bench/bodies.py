"""What the load consists of: events of 600 to 700 bytes in Segment's form, made beforehand.

Each event is a template whose message id, customer and time have fixed width, so that the load
generator makes a new event by writing over these bytes and need not encode anything.
"""

import random
from collections.abc import Callable, Sequence

import msgspec

ID_WIDTH = 20
CUSTOMER_WIDTH = 9
INSTANT = "2026-01-01T00:00:00.000Z"

MESSAGE_MARK = "#" * ID_WIDTH
CUSTOMER_MARK = "%" * CUSTOMER_WIDTH
SIZE_MIN, SIZE_MAX = 600, 700

SENT_AT = f',"sentAt":"{INSTANT}"'
"""What a single event carries beyond its form in a batch; there it stands once for all."""


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A body with the places that are written over before each use."""

    content: bytes
    type: str = ""
    """Of a single event: its path names it, as SDKs do."""
    message_ids: tuple[int, ...]
    customers: tuple[int, ...]
    """Places of customer numbers; those of one event follow each other."""
    customers_per_event: tuple[int, ...]
    instants: tuple[int, ...]


def make_events(count: int, *, seed: int) -> list[Template]:
    """Return templates of single events in the mix of a shop with bills and a help desk."""
    chance = random.Random(seed)
    kinds, weights = zip(*MIX.items(), strict=True)
    chosen = chance.choices(kinds, weights=weights, k=count)
    return [_to_template([_pad(kind(chance), chance)]) for kind in chosen]


def make_batches(count: int, *, size: int, seed: int) -> list[Template]:
    """Return templates of Segment batches of `size` events each."""
    chance = random.Random(seed)
    kinds, weights = zip(*MIX.items(), strict=True)
    return [
        _to_template(
            [_pad(kind(chance), chance) for kind in chance.choices(kinds, weights=weights, k=size)],
            is_batch=True,
        )
        for _ in range(count)
    ]


def make_first_events(count: int, *, size: int, seed: int) -> list[Template]:
    """Return batches that only introduce customers: one `identify` about each."""
    chance = random.Random(seed)
    return [
        _to_template([_pad(_identify(chance), chance) for _ in range(size)], is_batch=True)
        for _ in range(count)
    ]


def make_one(event: str, properties: dict[str, object]) -> Template:
    """Return the template of one given track event."""
    return _to_template([_track(event, properties)])


def make_raw(content: str) -> Template:
    """Return the template of any text in which message ids, customers and instants are marked."""
    return _mark(content.encode())


def _identify(chance: random.Random) -> dict[str, object]:
    return {
        "type": "identify",
        "traits": {
            "first_name": chance.choice(("Ada", "Björn", "Chiara", "Dev", "Elif", "Fatima")),
            "email": f"customer-{CUSTOMER_MARK}@example.org",
            "locale": chance.choice(("en", "de", "es")),
            "zone": chance.choice(("Europe/Berlin", "America/Chicago", "Asia/Tokyo")),
            "plan": chance.choice(("basic", "plus", "family")),
            "region": chance.choice(("north", "south", "east", "west")),
        },
    }


def _page(chance: random.Random) -> dict[str, object]:
    path = chance.choice(("/", "/shop", "/returns", "/help", "/account", "/travel/lisbon"))
    return {"type": "page", "name": path, "properties": {"path": path, "title": f"Page {path}"}}


def _product_viewed(chance: random.Random) -> dict[str, object]:
    return _track("Product Viewed", _product(chance))


def _product_added(chance: random.Random) -> dict[str, object]:
    return _track("Product Added", {**_product(chance), "quantity": chance.randint(1, 3)})


def _order_completed(chance: random.Random) -> dict[str, object]:
    order = {
        "order_id": f"o-{chance.getrandbits(48):012x}",
        "total": chance.randint(500, 50_000) / 100,
        "currency": "EUR",
    }
    return _track("Order Completed", order)


def _bill_issued(chance: random.Random) -> dict[str, object]:
    bill = {
        "bill_id": f"b-{chance.getrandbits(48):012x}",
        "amount": chance.randint(1_000, 9_000) / 100,
        "due_at": "2027-01-01T00:00:00Z",
    }
    return _track("Bill Issued", bill)


def _case_opened(chance: random.Random) -> dict[str, object]:
    return _track("Case Opened", {"case_id": f"c-{chance.randint(1, 50)}", "subject": "Delivery"})


def _case_resolved(chance: random.Random) -> dict[str, object]:
    return _track("Case Resolved", {"case_id": f"c-{chance.randint(1, 50)}"})


def _consent(chance: random.Random) -> dict[str, object]:
    """A customer says yes or no to offers."""
    consent = {"categoryPreferences": {"marketing": chance.random() < 0.7}}
    return _track("Segment Consent Preference Updated", {}) | {"context": {"consent": consent}}


def _signed_in(chance: random.Random) -> dict[str, object]:
    return _track("Signed In", {"method": chance.choice(("password", "link", "passkey"))})


MIX: dict[Callable[[random.Random], dict[str, object]], int] = {
    _page: 39,
    _product_viewed: 25,
    _product_added: 9,
    _signed_in: 8,
    _identify: 7,
    _order_completed: 5,
    _bill_issued: 3,
    _case_opened: 2,
    _case_resolved: 1,
    _consent: 1,
}
"""How often each kind of event comes, of a hundred."""


def _track(event: str, properties: dict[str, object]) -> dict[str, object]:
    return {"type": "track", "event": event, "properties": properties}


def _product(chance: random.Random) -> dict[str, object]:
    return {
        "product_id": f"p-{chance.randint(1, 5_000)}",
        "category": chance.choice(("books", "garden", "audio", "kitchen", "travel")),
        "price": chance.randint(99, 90_000) / 100,
        "currency": "EUR",
    }


def _pad(event: dict[str, object], chance: random.Random) -> dict[str, object]:
    """Return the event as an SDK sends it, with context of the length that fits the wanted size."""
    full: dict[str, object] = {
        "messageId": MESSAGE_MARK,
        "timestamp": INSTANT,
        "userId": f"u-{CUSTOMER_MARK}",
        **event,
        "context": {
            **event.get("context", {}),  # type: ignore[dict-item]
            "library": {"name": "analytics-python", "version": "2.4.0"},
            "ip": f"203.0.113.{chance.randint(1, 254)}",
            "locale": "en-GB",
            "timezone": "Europe/Berlin",
            "userAgent": "",
        },
        "integrations": {},
    }
    size = chance.randint(SIZE_MIN, SIZE_MAX - len(SENT_AT))
    missing = size - len(msgspec.json.encode(full))
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    full["context"]["userAgent"] = (agent * 8)[: max(missing, 0)]  # type: ignore[index]
    return full


def _to_template(events: Sequence[dict[str, object]], *, is_batch: bool = False) -> Template:
    """Encode events and note the places that change from use to use."""
    if is_batch:
        content = msgspec.json.encode({"batch": events, "sentAt": INSTANT})
    else:
        event = {"messageId": MESSAGE_MARK, "timestamp": INSTANT, "userId": f"u-{CUSTOMER_MARK}"}
        content = msgspec.json.encode({**event, **events[0], "sentAt": INSTANT})
    return _mark(content, type="" if is_batch else str(events[0]["type"]))


def _mark(content: bytes, *, type: str = "") -> Template:  # noqa: A002 - the field's own word
    """Return the template of a body, with the places of all marks."""
    customers = _find_all(content, CUSTOMER_MARK.encode())
    message_ids = _find_all(content, MESSAGE_MARK.encode())
    ends = [*message_ids[1:], len(content)]
    per_event, start = [], 0
    for end in ends:
        per_event.append(sum(start <= place < end for place in customers))
        start = end
    return Template(
        content=content,
        type=type,
        message_ids=message_ids,
        customers=customers,
        customers_per_event=tuple(per_event),
        instants=_find_all(content, INSTANT.encode()),
    )


def _find_all(content: bytes, mark: bytes) -> tuple[int, ...]:
    """Return the places of a mark."""
    places, at = [], content.find(mark)
    while at >= 0:
        places.append(at)
        at = content.find(mark, at + len(mark))
    return tuple(places)
