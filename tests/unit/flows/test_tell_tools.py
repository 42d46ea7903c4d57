"""What tools outside are told, on the real flows: whom, of what, by which identifiers, and in which order."""

from concurrent.futures import Future
from functools import cache
from typing import Any

import pytest

from kept import settings as limits
from kept.core.brand.load import load_brand
from kept.core.bundle import Bundle
from kept.core.compile import compile_brand
from kept.core.event import Identifier
from kept.core.message import Accepted, Message, Postponed, Refused, SendResult, Unclear
from kept.core.suppression import Suppression
from kept.core.values import SECOND
from kept.errors import NotAllowedError
from kept.flows.deliver import close_address
from kept.flows.regroup import merge, unmerge
from kept.flows.stage import Stage
from kept.flows.tell_tools import Page, load_told, read_page, write_post
from kept.runtime.tools import Tools, rest_of
from kept.stores.memory import MemoryStore
from tests.scenario.larkmead import LARKMEAD
from tests.unit.flows.test_guarantees import NOON, introduce, tell

_TOOLS = """
  mailer:
    kind: server
    identifiers: [email]
    suppressions: {url: "env:A", secret: "env:B", purposes: [marketing], channels: [email]}
  dialler: {kind: server, suppressions: {identifiers: [user_id]}}
"""


@cache
def bundle() -> Bundle:
    """Return the small brand with two tools: one is called, one fetches."""
    sources = LARKMEAD["sources.yaml"].rstrip() + _TOOLS
    return compile_brand(load_brand({**LARKMEAD, "sources.yaml": sources}))


@pytest.fixture
def stage() -> Stage:
    """Give a stage on which Ana allows the shop's marketing."""
    stage = Stage(bundle(), MemoryStore(), now=NOON, shadow=False)
    introduce(stage)
    return stage


def told(stage: Stage, tool: str = "mailer", *, after: int = 0) -> tuple[Suppression, ...]:
    """Return all that a tool is told."""
    return read_page(stage.engine, tool, after=after, limit=99).suppressions


def leave(stage: Stage, **properties: str) -> None:
    """Let Ana opt out of the shop's marketing, or of something else, a second later."""
    stage.now += SECOND
    tell(stage, "Unsubscribed", properties=properties or {"entity": "shop", "purpose": "marketing"})


def test_an_opt_in_alone_tells_nobody(stage: Stage) -> None:
    """Suppressions forbid and lift; what is permitted is asked for."""
    assert told(stage) == ()


def test_a_tool_is_told_in_its_own_words_only(stage: Stage) -> None:
    """By its namespaces, of its purposes and channels."""
    leave(stage)
    leave(stage, channel="sms")
    leave(stage, purpose="service")
    assert [one.identifiers for one in told(stage)] == [{"email": ("ana@example.com",)}]
    assert [(one.purpose, one.channel) for one in told(stage, "dialler")] == [
        ("marketing", ""), ("", "sms"), ("service", ""),
    ]  # fmt: skip
    assert {one.entity for one in told(stage, "dialler")} == {"shop", ""}
    with pytest.raises(NotAllowedError, match="suppressions:"):
        told(stage, "shop")


def test_what_holds_is_told_and_not_what_was_once(stage: Stage) -> None:
    """Who hears late hears the newest word, and hears it last."""
    leave(stage)
    stage.now += SECOND
    tell(stage, "Consent Given", properties={"entity": "shop", "purpose": "marketing"})
    assert [one.allowed for one in told(stage)] == [True, True]
    assert len({one.id for one in told(stage)}) == 2


def test_a_signal_on_every_page_is_told_once(stage: Stage) -> None:
    """Sec-GPC forbids what sells or shares, and no opt-in lifts it."""
    for _ in range(3):
        tell(stage, "Page Viewed", context={"gpc": True})
    # Wide before narrow: setting the one must not undo the other.
    assert [(one.entity, one.purpose, one.allowed) for one in told(stage)] == [
        ("", "marketing", False), ("shop", "marketing", False),
    ]  # fmt: skip


def test_who_becomes_one_shares_the_stricter_word(stage: Stage) -> None:
    """A merge tells the other address too, and taking it back lifts it."""
    tell(stage, "Identified", anonymous_id="c7", traits={"email": "bea@example.com"})
    leave(stage)
    last = stage.store.last_notice()
    with stage.store.transaction():
        mails = Identifier("email", "ana@example.com"), Identifier("email", "bea@example.com")
        merge(stage.engine, *mails, actor="ops", now=stage.now)
    (one,) = told(stage, after=last)
    assert set(one.identifiers["email"]) == {"ana@example.com", "bea@example.com"}
    assert not one.allowed
    last = stage.store.last_notice()
    with stage.store.transaction():
        unmerge(stage.engine, *mails, actor="ops", now=stage.now)
    lifted = {one.identifiers["email"]: one.allowed for one in told(stage, after=last)}
    assert lifted == {("bea@example.com",): True}


def test_a_claim_forbids_and_lifts_nothing(stage: Stage) -> None:
    """Somebody whom nobody vouches for is told of, as far as it restricts."""
    consent = {"consent": {"categoryPreferences": {"Advertising": False}}}
    said = "Segment Consent Preference Updated"
    tell(stage, said, source="web", user_id="eve", anonymous_id="c9", context=consent)
    assert [one.allowed for one in told(stage, "dialler")] == [False]
    consent["consent"]["categoryPreferences"]["Advertising"] = True
    tell(stage, said, source="web", user_id="eve", anonymous_id="c9", context=consent)
    assert told(stage, "dialler") == ()


def test_history_tells_nobody(stage: Stage) -> None:
    """Not even where it holds an opt-out."""
    tell(
        stage, "Unsubscribed", source="history", user_id="old",
        properties={"entity": "shop", "purpose": "marketing"},
    )  # fmt: skip
    assert stage.store.last_notice() == 0


def test_a_closed_address_is_told_by_itself(stage: Stage) -> None:
    """The customer may have another; who does not know addresses asks."""
    customer = stage.engine.customers.get(1)
    message = Message(
        message_id="m", part_id=1, decision_id=1, action="lamp_offer", kind="offer",
        purpose="marketing", entity="shop", promotional=True, channel="email", queued_at=1,
        due_at=1, expires_at=9,
    )  # fmt: skip
    with stage.store.transaction():
        close_address(stage.engine, customer, message, "bounced", stage.now)
    (one,) = told(stage)
    assert (one.channel, one.allowed) == ("email", False)
    assert one.identifiers == {"email": ("ana@example.com",)}
    assert told(stage, "dialler") == ()


class Answering:
    """A tool that answers as it is told, and keeps what it got."""

    def __init__(self) -> None:
        """Take everything at first."""
        self.answer: SendResult = Accepted()
        self.posts: list[tuple[str, bytes]] = []
        self.is_closed = False

    def post(self, post_id: str, body: bytes) -> SendResult:
        """Keep a body, and answer."""
        self.posts.append((post_id, body))
        return self.answer

    def close(self) -> None:
        """Note that nobody calls it any more."""
        self.is_closed = True


def run_once(stage: Stage, tools: Tools, jobs: list[Any]) -> None:
    """Let the writer tick once, and wait for what was begun by it."""
    with stage.store.transaction():
        tools.begin_due(stage.engine, stage.now)
    tools.send_begun()
    tools.wait(5)
    for job, future in jobs:
        with stage.store.transaction():
            done = job(stage.engine, stage.now)
        future.set_result(done)
    jobs.clear()


def test_an_alert_is_raised_again_where_its_job_is_done_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A neighbour of the job was contended: nothing of it is left, and the next try tells as the first."""
    monkeypatch.setattr(limits, "TOOL_ALERT_SECONDS", 0)
    jobs: list[Any] = []

    def submit(job: Any) -> "Future[Any]":
        jobs.append((job, Future()))
        return jobs[-1][1]  # type: ignore[no-any-return]

    tool = Answering()
    tool.answer = Unclear(detail="cut")
    tools = Tools({"mailer": tool}, submit=submit, is_live=True)
    leave(stage)
    with stage.store.transaction():
        tools.begin_due(stage.engine, stage.now)
    tools.send_begun()
    tools.wait(5)
    ((job, _),) = jobs
    for _ in range(2):
        stage.engine.noted.alerts.clear()
        with stage.store.transaction():
            assert job(stage.engine, stage.now).health.failures == 1
        assert [one["code"] for one in stage.engine.noted.alerts] == ["tool_unreachable"]


def test_a_tool_with_another_address_is_told_there_once_its_call_has_ended(stage: Stage) -> None:
    """Nothing is told twice or out of order; what is not declared any more is told nothing."""
    jobs: list[Any] = []

    def submit(job: Any) -> "Future[Any]":
        jobs.append((job, Future()))
        return jobs[-1][1]  # type: ignore[no-any-return]

    old, new = Answering(), Answering()
    tools = Tools({"mailer": old}, submit=submit, is_live=True)
    leave(stage)
    with stage.store.transaction():
        tools.begin_due(stage.engine, stage.now)
    tools.send_begun()
    assert tools.wait(5)
    tools.take({"mailer": new})
    leave(stage, channel="email")
    run_once(stage, tools, jobs)
    assert (len(old.posts), len(new.posts)) == (1, 0)
    run_once(stage, tools, jobs)
    assert (len(old.posts), len(new.posts), old.is_closed) == (1, 1, True)
    tools.take({})
    leave(stage)
    run_once(stage, tools, jobs)
    assert (len(new.posts), new.is_closed) == (1, True)


def test_a_tool_that_fails_is_tried_later_and_later_and_the_operator_hears(stage: Stage) -> None:
    """Nothing is skipped, every answer but yes counts as no, and one alert is one alert."""
    jobs: list[Any] = []

    def submit(job: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        jobs.append((job, future))
        return future

    tool = Answering()
    tools = Tools({"mailer": tool}, submit=submit, is_live=True)
    leave(stage)
    begun = stage.now
    answers: list[SendResult] = [
        Postponed(detail="busy"),
        Unclear(detail="cut"),
        Refused(detail="HTTP 404"),
    ]
    for number in range(60):
        tool.answer = answers[number % 3]
        run_once(stage, tools, jobs)
        stage.now += 10 * SECOND
    assert 15 < len(tool.posts) < 60
    assert len({post_id for post_id, _ in tool.posts}) == 1
    codes = [alert["code"] for alert in stage.engine.alerts]
    assert codes == ["tool_unreachable"]
    assert tools.ages(stage.engine, stage.now) == {"mailer": (stage.now - begun) / SECOND}
    tool.answer = Accepted()
    stage.now += 60 * SECOND
    run_once(stage, tools, jobs)
    run_once(stage, tools, jobs)
    assert [alert["code"] for alert in stage.engine.alerts] == ["tool_unreachable", "tool_back"]
    assert load_told(stage.store, "mailer") == stage.store.last_notice()
    assert tools.ages(stage.engine, stage.now) == {"mailer": 0.0}
    assert stage.engine.counts["told", "mailer"] == 1
    tools.drain(1)


def test_rests_double_up_to_a_limit_and_heed_what_is_asked() -> None:
    """Half a second at first, thirty at most, five minutes for who asks for an hour."""
    rests = [rest_of("mailer", n, asked_seconds=0) for n in range(1, 40)]
    assert 0.25 * SECOND <= rests[0] <= 0.5 * SECOND
    assert max(rests) <= 30 * SECOND
    assert min(rests[10:]) >= 15 * SECOND
    assert rest_of("mailer", 1, asked_seconds=3_600) == 300 * SECOND


def test_the_same_page_has_the_same_id(stage: Stage) -> None:
    """By which a tool knows what it has taken already."""
    leave(stage)
    page: Page = read_page(stage.engine, "mailer", after=0, limit=9)
    assert write_post(page) == write_post(read_page(stage.engine, "mailer", after=0, limit=9))
    leave(stage, channel="email")
    assert write_post(page) != write_post(read_page(stage.engine, "mailer", after=0, limit=9))
