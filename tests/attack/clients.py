"""Clients that carry a plan out over HTTP: whatever is not answered is sent again, as an SDK would."""

import random  # noqa: TID251  a failure is repeated by its seed
import threading
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from kept.clock import read_monotonic
from kept.core.values import HOUR, format_instant
from tests.attack.evidence import Asked, Brake, Case, Erasure, Run, Said, Tie, Word
from tests.attack.plan import Op, Plan, Planned
from tests.attack.providers import Desk

SHOP_KEY: Final = "quay-shop-key"
SITE_KEY: Final = "quay-site-key"
ORIGIN: Final = "https://quayside.example"
TIMEOUT_SECONDS: Final = 20.0
AGAIN_SECONDS: Final = 0.03
REMEMBERED: Final = 200
"""Of how many requests of the past one may be repeated."""
ONE_CLICK: Final = "List-Unsubscribe=One-Click"
PLACEMENTS: Final = ("till", "web")


class GivenUpError(Exception):
    """The run ends, and an answer is not waited for any more."""


class Where:
    """Where clients find the servers, and what they are told meanwhile."""

    def __init__(self, urls: Callable[[], list[str]], token: Callable[[], str], desk: Desk) -> None:
        """Take how to find the addresses of all nodes, and the operator's token."""
        self.urls = urls
        self.token = token
        self.desk = desk
        self.stopping = threading.Event()
        self.wall_offset = 0
        """What makes an instant of the wall clock of one of the monotonic clock (µs)."""


class Client(threading.Thread):
    """One client: carries out so many operations of its plan, and notes what was answered."""

    def __init__(
        self, name: str, plan: Plan, where: Where, *, run: Run, draw: random.Random, operations: int
    ) -> None:
        """Take what to do, and where to note it."""
        super().__init__(name=name, daemon=True)
        self._plan = plan
        self._where = where
        self._run = run
        self._draw = draw
        self._wanted = operations
        self._http = httpx.Client(timeout=TIMEOUT_SECONDS)
        self._sent: list[tuple[str, list[dict[str, Any]], dict[str, str]]] = []
        self.done = 0
        """Operations that were answered: an event, a question or an order each."""
        self.failed = ""

    def run(self) -> None:
        """Carry the plan out."""
        try:
            for op in self._plan.operations():
                if self.done >= self._wanted or self._where.stopping.is_set():
                    return
                self.done += self._carry_out(op)
        except GivenUpError:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the run must tell it
            self.failed = f"{type(error).__name__}: {error}"
        finally:
            self._http.close()

    def _carry_out(self, op: Op) -> int:
        match op.kind:
            case "send" | "claim":
                return self._send(op)
            case "ask":
                return self._ask(op)
            case "repeat":
                return self._repeat(op)
            case "click":
                return self._click(op)
            case "join" | "part":
                return self._tie(op)
            case "forget":
                return self._forget(op)
            case "pause" | "resume":
                return self._brake(op)

    # -- requests

    def _request(
        self, method: str, path: str, *, allowed: tuple[int, ...] = (200,), **rest: Any
    ) -> tuple[httpx.Response, int, int]:
        """Send a request until it is answered; return the answer, when it was first sent, and when answered."""
        sent_at = read_monotonic()
        while True:
            urls = self._where.urls()
            if urls:
                url = self._draw.choice(urls) if len(urls) > 1 else urls[0]
                try:
                    answer = self._http.request(method, f"{url}{path}", **rest)
                except httpx.TransportError:
                    answer = None
                if answer is not None and answer.status_code in allowed:
                    return answer, sent_at, read_monotonic()
                if answer is not None and answer.status_code not in (429, 502, 503):
                    raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text}")
            if self._where.stopping.wait(AGAIN_SECONDS):
                raise GivenUpError

    def _admin(
        self, method: str, path: str, body: Any, *, allowed: tuple[int, ...] = (200,)
    ) -> tuple[httpx.Response, int, int]:
        headers = {"authorization": f"Bearer {self._where.token()}", "x-kept-actor": "attack"}
        return self._request(
            method, f"/v1/admin{path}", json=body, headers=headers, allowed=allowed
        )

    # -- events

    def _send(self, op: Op) -> int:
        bodies = self._bodies(op.events)
        headers = {"origin": ORIGIN} if op.kind == "claim" else {}
        noted = self._note_sent(op)
        answer, sent_at, answered_at = self._post(bodies, headers)
        self._sent.append(("", bodies, headers))
        del self._sent[:-REMEMBERED]
        told = answer.json()
        if told.get("quarantined"):
            raise AssertionError(f"an event was not taken: {bodies}")
        listed = None
        if "in_flight" in told:
            listed = frozenset(one["message_id"] for one in told["in_flight"])
        self._note_answered(op, noted, listed, sent_at=sent_at, answered_at=answered_at)
        return len(bodies)

    def _post(
        self, bodies: list[dict[str, Any]], headers: dict[str, str]
    ) -> tuple[httpx.Response, int, int]:
        auth = (SITE_KEY if headers else SHOP_KEY, "")
        single = len(bodies) == 1
        path = f"/v1/{bodies[0]['type']}" if single else "/v1/batch"
        body = bodies[0] if single else {"batch": bodies}
        return self._request("POST", path, json=body, headers=headers, auth=auth)

    def _bodies(self, events: tuple[Planned, ...]) -> list[dict[str, Any]]:
        """Return events as they are sent: those of a batch say when each happened, as an SDK does.

        One that comes alone is left to the clock of whichever node takes it.
        """
        now = read_monotonic() - self._where.wall_offset - len(events)
        bodies = []
        for number, planned in enumerate(events):
            at = now + number - (HOUR if planned.is_late else 0)
            stamped = {"timestamp": format_instant(at)}
            is_alone = len(events) == 1 and not planned.is_late
            bodies.append(planned.wire if is_alone else planned.wire | stamped)
        return bodies

    def _note_sent(self, op: Op) -> tuple[int, int, int]:
        """Note events before they are sent, since their answer may never come; return where they stand."""
        now = read_monotonic()
        run = self._run
        places = len(run.said), len(run.words), len(run.cases)
        run.said += [
            Said(one.wire["messageId"], one.person, now, order=one.order, bill=one.bill)
            for one in op.events
        ]
        run.words += [
            Word(
                person=one.person,
                allows=one.says == "allow",
                sent_at=now,
                channel=one.channel,
                is_late=one.is_late,
                by="site" if op.kind == "claim" else "shop",
            )
            for one in op.events
            if one.says in ("allow", "stop")
        ]
        run.cases += [
            Case(person=one.person, case=one.case, opens=one.says == "open", sent_at=now)
            for one in op.events
            if one.says in ("open", "resolve")
        ]
        return places

    def _note_answered(
        self,
        op: Op,
        places: tuple[int, int, int],
        listed: frozenset[str] | None,
        *,
        sent_at: int,
        answered_at: int,
    ) -> None:
        run = self._run
        for number in range(places[0], len(run.said)):
            run.said[number] = _answered(run.said[number], answered_at)
        for number in range(places[1], len(run.words)):
            run.words[number] = _answered(run.words[number], answered_at, in_flight=listed)
        for number in range(places[2], len(run.cases)):
            run.cases[number] = _answered(run.cases[number], answered_at, in_flight=listed)

    def _repeat(self, op: Op) -> int:
        """Send again what was answered before: nothing may come of it."""
        if not self._sent:
            return 0
        _, bodies, headers = self._sent[int(op.pick * len(self._sent))]
        self._post(bodies, headers)
        return len(bodies)

    # -- questions

    def _ask(self, op: Op) -> int:
        questions = [
            {"placement": placement, "identifiers": {"user_id": person}}
            for person in op.people
            for placement in PLACEMENTS
        ]
        answer, sent_at, answered_at = self._request(
            "POST", "/v1/decide", json={"questions": questions}, auth=(SHOP_KEY, "")
        )
        people = [question["identifiers"]["user_id"] for question in questions]  # type: ignore[index]
        for person, told in zip(people, answer.json()["answers"], strict=True):
            shown = told.get("shown") or [{}]
            self._run.asked.append(
                Asked(
                    person,
                    told["placement"],
                    sent_at,
                    answered_at,
                    shown[0].get("action", ""),
                    shown[0].get("about", ""),
                    told["decision_id"],
                )
            )
        return len(questions)

    # -- stops, and who is who

    def _click(self, op: Op) -> int:
        (person,) = op.people
        link = self._where.desk.link_of(person)
        if link is None:
            return 0
        place = len(self._run.words)
        word = Word(
            person=person, allows=False, sent_at=read_monotonic(), channel="email", by="link"
        )
        self._run.words.append(word)
        _, _, answered_at = self._request(
            "POST",
            urlsplit(link).path,
            content=ONE_CLICK,
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        self._run.words[place] = _answered(word, answered_at)
        return 1

    def _tie(self, op: Op) -> int:
        joins = op.kind == "join"
        one, other = op.people
        tie = Tie(people=(one, other), joins=joins, sent_at=read_monotonic())
        place = len(self._run.ties)
        self._run.ties.append(tie)
        pair = {"one": f"user_id:{one}", "other": f"user_id:{other}"}
        path = f"/customers/{'merge' if joins else 'unmerge'}"
        # A conflict says that an answer was lost, and that it was done.
        answer, _, answered_at = self._admin("POST", path, pair, allowed=(200, 404, 409))
        if answer.status_code == 404:
            raise AssertionError(f"somebody acknowledged is not known: {answer.text}")
        self._run.ties[place] = _answered(tie, answered_at)
        return 1

    def _forget(self, op: Op) -> int:
        (person,) = op.people
        erasure = Erasure(person=person, sent_at=read_monotonic())
        place = len(self._run.erasures)
        self._run.erasures.append(erasure)
        body = {"identifier": f"user_id:{person}", "confirmed_by": "by the attack itself"}
        answer, _, answered_at = self._admin("POST", "/erasures", body)
        left = frozenset(answer.json()["receipt"]["left_before"])
        self._run.erasures[place] = _answered(erasure, answered_at, left_before=left)
        return 1

    def _brake(self, op: Op) -> int:
        is_on = op.kind == "pause"
        brake = Brake(scope=op.scope, is_on=is_on, sent_at=read_monotonic())
        place = len(self._run.brakes)
        self._run.brakes.append(brake)
        if is_on:
            _, _, answered_at = self._admin("POST", "/brakes", {"scope": op.scope})
        else:
            path = f"/brakes/{quote(op.scope, safe='')}"
            _, _, answered_at = self._admin("DELETE", path, None, allowed=(200, 404))
        self._run.brakes[place] = _answered(brake, answered_at)
        return 1


def _answered(noted: Any, answered_at: int, **rest: Any) -> Any:
    """Return what was noted, as answered."""
    return msgspec.structs.replace(noted, answered_at=answered_at, **rest)


def merge_runs(runs: list[Run]) -> Run:
    """Return what several clients noted as one run."""
    whole = Run()
    for run in runs:
        whole.said += run.said
        whole.words += run.words
        whole.cases += run.cases
        whole.ties += run.ties
        whole.erasures += run.erasures
        whole.brakes += run.brakes
        whole.changes += run.changes
        whole.asked += run.asked
        whole.arrived += run.arrived
    return whole
