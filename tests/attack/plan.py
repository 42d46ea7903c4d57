"""What clients and operators do, made of a seed alone: the same operations in the same order, whatever is answered.

A client has people of its own: only it says what they allow, so that each person's words are in a
row. Everything else (visits, questions) any client may bring about anybody at any moment.
"""

import random  # noqa: TID251  a failure is repeated by its seed
from collections.abc import Iterator
from typing import Any, Final, Literal, TypeAlias

import msgspec

PEOPLE_MAX: Final = 24
"""So many people of one client are active at once; who has had enough makes room for somebody new."""
ORDERS_MAX: Final = 24
BILLS_MAX: Final = 3
LIFE_EVENTS: Final = 70
BATCH_MAX: Final = 120
BRAKE_SHARE: Final = 0.08
"""How often the operator, who is one of the clients, pulls a brake or lets it go."""
QUIET_SHARE: Final = 0.35
"""How many never allow anything: of them every answer at a counter can be foretold."""

Says: TypeAlias = Literal["", "allow", "stop", "open", "resolve"]
Kind: TypeAlias = Literal[
    "send", "ask", "click", "join", "part", "forget", "repeat", "claim", "pause", "resume"
]


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One event to be sent."""

    wire: dict[str, Any]
    person: str
    order: int = 0
    bill: str = ""
    says: Says = ""
    channel: Literal["", "email"] = ""
    case: str = ""
    is_late: bool = False
    """Whether it happened an hour before it is sent."""


class Op(msgspec.Struct, frozen=True, kw_only=True):
    """One request."""

    kind: Kind
    people: tuple[str, ...] = ()
    events: tuple[Planned, ...] = ()
    scope: str = ""
    """What is paused or resumed."""
    pick: float = 0.0
    """Which of the requests before is repeated: a share of how many there were."""


class _Person(msgspec.Struct):
    name: str
    is_quiet: bool
    event_count: int = 0
    orders: int = 0
    bills: int = 0
    cases: int = 0
    is_open: bool = False
    ever_allowed: bool = False
    is_paired: bool = False


class Plan:
    """One client's operations."""

    def __init__(self, seed: int, *, life: str, client: int, clients: int) -> None:
        """Begin with nobody."""
        self._draw = random.Random(f"{seed}/{life}/{client}")
        self._life = life
        self._client = client
        self._clients = clients
        self._people: list[_Person] = []
        self._count = 0
        self._met = 0
        self._pairs: list[tuple[str, str]] = []
        self._paused = ""

    def operations(self) -> Iterator[Op]:
        """Yield one operation after the other, without an end."""
        doings = (
            (44, self._batch), (12, self._single), (14, self._ask), (9, self._word), (3, self._click),
            (5, self._case), (2, self._join), (2, self._part), (1, self._forget), (4, self._repeat),
            (3, self._claim),
        )  # fmt: skip
        weights = [weight for weight, _ in doings]
        while True:
            if len(self._people) < PEOPLE_MAX:
                yield self._meet()
            if self._client == 0 and self._draw.random() < BRAKE_SHARE:
                yield self._brake()
            (doing,) = self._draw.choices([each for _, each in doings], weights)
            op = doing()
            if op is not None:
                yield op

    # -- people

    def _meet(self) -> Op:
        person = _Person(
            name=f"{self._life}c{self._client}p{self._met}",
            is_quiet=self._draw.random() < QUIET_SHARE,
        )
        self._met += 1
        self._people.append(person)
        traits = {"first_name": "Ana", "email": f"{person.name}@mail.example"}
        told = Planned(
            wire=self._wire(person.name) | {"type": "identify", "traits": traits},
            person=person.name,
        )
        events = [told]
        if not person.is_quiet and self._draw.random() < 0.8:
            events.append(self._consent(person, allows=True))
        events += [self._order(person), self._event(person)]
        return Op(kind="send", events=tuple(events))

    def _own(self) -> _Person:
        return self._draw.choice(self._people)

    def _anybody(self) -> str:
        """Return somebody: perhaps another client's, perhaps somebody whom nobody has met yet."""
        if self._draw.random() < 0.5 or not self._met:
            return self._own().name
        client = self._draw.randrange(self._clients)
        number = max(0, self._met - self._draw.randrange(1, PEOPLE_MAX * 2))
        return f"{self._life}c{client}p{number}"

    def _retire(self, person: _Person) -> None:
        if person in self._people and len(self._people) > 2:
            self._people.remove(person)

    # -- requests

    def _batch(self) -> Op:
        count = self._draw.randint(2, BATCH_MAX)
        return Op(kind="send", events=tuple(self._any_event() for _ in range(count)))

    def _single(self) -> Op:
        return Op(kind="send", events=(self._any_event(),))

    def _word(self) -> Op:
        return Op(kind="send", events=(self._consent(self._own(), allows=None),))

    def _ask(self) -> Op:
        count = self._draw.choice((1, 1, 2, 5))
        return Op(kind="ask", people=tuple(self._anybody() for _ in range(count)))

    def _click(self) -> Op:
        return Op(kind="click", people=(self._own().name,))

    def _case(self) -> Op:
        return Op(kind="send", events=(self._matter(self._own()),))

    def _join(self) -> Op | None:
        free = [one for one in self._people if not one.is_paired]
        if len(free) < 2:
            return None
        one, other = self._draw.sample(free, 2)
        one.is_paired = other.is_paired = True
        self._pairs.append((one.name, other.name))
        return Op(kind="join", people=(one.name, other.name))

    def _part(self) -> Op | None:
        if not self._pairs:
            return None
        return Op(kind="part", people=self._pairs.pop(self._draw.randrange(len(self._pairs))))

    def _forget(self) -> Op | None:
        free = [one for one in self._people if not one.is_paired]
        if len(free) < 4:
            return None
        person = self._draw.choice(free)
        self._retire(person)
        return Op(kind="forget", people=(person.name,))

    def _repeat(self) -> Op:
        return Op(kind="repeat", pick=self._draw.random())

    def _claim(self) -> Op:
        """Let somebody at a browser say that they are somebody, who allows everything."""
        person = self._anybody()
        told = {"type": "track", "event": "Consent Given", "properties": ALLOWED}
        wire = self._wire(person) | told | {"anonymousId": f"{person}-tab"}
        return Op(kind="claim", events=(Planned(wire=wire, person=person, says="allow"),))

    def _brake(self) -> Op:
        if self._paused:
            scope, self._paused = self._paused, ""
            return Op(kind="resume", scope=scope)
        self._paused = self._draw.choice(
            ("all", "purpose:marketing", "channel:email", "action:order_tip")
        )
        return Op(kind="pause", scope=self._paused)

    # -- events

    def _any_event(self) -> Planned:
        choice = self._draw.random()
        if choice < 0.02:
            return self._consent(self._own(), allows=None)
        if choice < 0.03:
            return self._matter(self._own())
        if choice < 0.5:
            return self._event(self._own())
        return self._visit(self._anybody())

    def _event(self, person: _Person) -> Planned:
        person.event_count += 1
        if person.event_count > LIFE_EVENTS:
            self._retire(person)
        choice = self._draw.random()
        if choice < 0.25 and person.orders < ORDERS_MAX:
            return self._order(person)
        if choice < 0.35 and person.bills < BILLS_MAX:
            person.bills += 1
            bill = f"b-{person.name}-{person.bills}"
            told = {"bill_id": bill, "amount": 30}
            return self._track("Bill Issued", told, person=person.name, bill=bill)
        return self._visit(person.name)

    def _visit(self, person: str) -> Planned:
        wire = self._wire(person) | {"type": "page", "name": "shelf"}
        return Planned(wire=wire, person=person, is_late=self._draw.random() < 0.05)

    def _order(self, person: _Person) -> Planned:
        person.orders += 1
        # Each is dearer than the one before.
        told = {"order_id": f"o-{person.name}-{person.orders}", "total": person.orders}
        is_late = self._draw.random() < 0.05
        return self._track(
            "Order Completed", told, person=person.name, order=person.orders, is_late=is_late
        )

    def _consent(self, person: _Person, *, allows: bool | None) -> Planned:
        if person.is_quiet:
            allows = False
        elif allows is None:
            allows = self._draw.random() < 0.5
        channel: Literal["", "email"] = "email" if self._draw.random() < 0.2 else ""
        told = ALLOWED | ({"channel": channel} if channel else {})
        return self._track(
            "Consent Given" if allows else "Consent Withdrawn",
            told,
            person=person.name,
            says="allow" if allows else "stop",
            channel=channel,
            is_late=allows and self._draw.random() < 0.1,
        )

    def _matter(self, person: _Person) -> Planned:
        if not person.is_open:
            person.cases += 1
        person.is_open = not person.is_open
        case = f"k-{person.name}-{person.cases}"
        name = "Case Opened" if person.is_open else "Case Resolved"
        says: Says = "open" if person.is_open else "resolve"
        return self._track(name, {"case_id": case}, person=person.name, says=says, case=case)

    def _track(
        self, event: str, properties: dict[str, Any], *, person: str, **rest: Any
    ) -> Planned:
        wire = self._wire(person) | {"type": "track", "event": event, "properties": properties}
        return Planned(wire=wire, person=person, **rest)

    def _wire(self, person: str) -> dict[str, Any]:
        self._count += 1
        return {"userId": person, "messageId": f"{self._life}c{self._client}m{self._count}"}


ALLOWED: Final = {"entity": "shop", "purpose": "marketing"}
