"""Laws of special categories and of readings: nothing is read that no basis covers, whatever was said."""

from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from kept.core.decision import Request
from kept.core.event import Identifier
from kept.flows.engine import open_messages_of
from kept.flows.read_history import HistoryWanted, read_history
from kept.flows.stage import Stage
from tests.scenario.apothecary import stage_of_apothecary, tell

Word: TypeAlias = tuple[str, str, str, str, str]
"""Event, legal entity, purpose, wording and channel."""

WORDS = st.lists(
    st.tuples(
        st.sampled_from(["Consent Given", "Consent Withdrawn", "Unsubscribed"]),
        st.sampled_from(["shop", "bank", ""]),
        st.sampled_from(["care", "marketing", "analysis"]),
        st.sampled_from(["care_1", "care_2", "news_1", ""]),
        st.sampled_from(["", "", "email"]),
    ),
    max_size=6,
)


def say(stage: Stage, word: Word, user_id: str) -> None:
    """Let a customer say one word about consent."""
    event, entity, purpose, wording, channel = word
    named = {"entity": entity, "purpose": purpose, "wording": wording, "channel": channel}
    tell(stage, event, user_id, properties={key: text for key, text in named.items() if text})


def is_explicit(words: list[Word]) -> bool:
    """Return what the words come to: the last one on the shop's care, as a whole, says it."""
    given = False
    for event, entity, purpose, wording, channel in words:
        if purpose != "care" or channel:
            continue
        if event == "Consent Given":
            given = wording in ("care_1", "care_2") if entity == "shop" else given
        elif entity in ("shop", ""):
            given = False
    return given


@given(words=WORDS, told_at=st.integers(0, 6))
def test_no_special_category_is_read_without_explicit_consent(
    words: list[Word], told_at: int
) -> None:
    """The facts of a decision hold it exactly while the explicit consent is in force."""
    stage = stage_of_apothecary()
    for number, word in enumerate([*words, None]):
        if number == min(told_at, len(words)):
            tell(stage, "Identified", traits={"email": "ana@example.com", "ill": True})
            tell(stage, "Case Opened", properties={"case_id": "c-1", "diagnosis": "flu"})
        if word is not None:
            say(stage, word, "ana")
    customer = stage.find(Identifier("user_id", "ana"))
    assert customer is not None
    request = Request(open_messages=open_messages_of(customer))
    facts = stage.engine.look(customer, request, stage.now).facts
    assert ("flu" in str(facts)) is is_explicit(words)
    index = stage.engine.bundle.policy.fact_names.index("trait.ill")
    assert facts.values[index] is (True if is_explicit(words) else None)


def may_market(words: list[Word]) -> bool:
    """Return whether the shop's marketing has a basis by some way, as the words come to."""
    said: dict[tuple[str, str], tuple[int, bool]] = {}
    for at, (event, entity, purpose, _, channel) in enumerate(words):
        is_yes = event == "Consent Given"
        # A yes names the company that it is given to; a no without one is for all.
        if purpose == "marketing" and entity != "bank" and not (is_yes and not entity):
            said[entity, channel] = (at, is_yes)

    def last(entity: str, channel: str, *, yes: bool) -> int:
        at, is_yes = said.get((entity, channel), (-1, yes))
        return at if is_yes is yes else -1

    whole = last("shop", "", yes=True)
    by_mail = max(whole, last("shop", "email", yes=True))
    no_whole = max(last("shop", "", yes=False), last("", "", yes=False))
    no_mail = max(no_whole, last("", "email", yes=False))
    return whole > no_whole or (by_mail > no_mail and last("shop", "email", yes=False) < 0)


@given(spoken=st.lists(WORDS, min_size=1, max_size=4), personal=st.booleans())
def test_no_row_is_read_of_a_customer_without_a_basis(
    *, spoken: list[list[Word]], personal: bool
) -> None:
    """Whatever several customers said, a reading holds those alone for whom the purpose holds now."""
    stage = stage_of_apothecary()
    for number, words in enumerate(spoken):
        user = f"user-{number}"
        tell(stage, "Identified", user, traits={"email": f"{user}@example.com", "ill": True})
        tell(stage, "Order Completed", user, properties={"total": 12, "secret": f"of {user}"})
        for word in words:
            say(stage, word, user)
    wanted = HistoryWanted(purpose="marketing", entity="shop", personal=personal, because="a test")
    with stage.store.transaction():
        page = read_history(stage.engine, wanted, actor="ana", now=stage.now)
    found = {row.customer for row in page.events}
    allowed = set()
    for number, words in enumerate(spoken):
        customer = stage.find(Identifier("user_id", f"user-{number}"))
        assert customer is not None
        if may_market(words):
            allowed.add(customer.customer_id)
    assert found == allowed
    text = str(page)
    # Marketing is nothing that the explicit consent covers, and values come masked unless asked for.
    assert "'ill'" not in text
    assert personal or "of user" not in text
