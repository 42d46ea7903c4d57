"""A law of suppressions: whoever is told each change, in order, knows what Kept itself would answer."""

from itertools import product
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from kept.core.consent import (
    GPC,
    channel_key,
    check_permission,
    purpose_key,
    topic_key,
)
from kept.core.reason import NoBasis
from kept.core.state import Stamped, State
from kept.core.suppression import Word, changed_scopes, read_words, wishes_of
from tests.scenario.larkmead import compile_larkmead

BUNDLE = compile_larkmead()
POLICY = BUNDLE.policy
ENTITIES = sorted(POLICY.entities)
PURPOSES = sorted(POLICY.purposes)
CHANNELS = sorted(POLICY.channels)
TOPICS = sorted(BUNDLE.brand.consent.topics)


class Tool:
    """What a tool keeps of one customer: three lists, as the reference tells it to."""

    def __init__(self) -> None:
        """Know of no suppression."""
        self.purposes = dict.fromkeys(product(ENTITIES, PURPOSES, CHANNELS), True)
        self.channels = dict.fromkeys(CHANNELS, True)
        self.topics = dict.fromkeys(TOPICS, True)
        self.closed: set[tuple[str, str]] = set()

    def take(self, word: Word) -> None:
        """Set all that a suppression covers."""
        if word.addresses:
            self.closed |= {(word.channel, address) for address in word.addresses}
        elif word.purpose:
            for entity, purpose, channel in self.purposes:
                if (
                    word.entity in ("", entity)
                    and word.purpose == purpose
                    and word.channel in ("", channel)
                ):
                    self.purposes[entity, purpose, channel] = word.allowed
        elif word.topic:
            self.topics[word.topic] = word.allowed
        else:
            self.channels[word.channel] = word.allowed

    def may(self, entity: str, purpose: str, channel: str, topic: str) -> bool:
        """Return whether nothing that it was told forbids a contact."""
        return (
            self.purposes[entity, purpose, channel]
            and self.channels[channel]
            and self.topics[topic]
        )


def kept_may(state: State, entity: str, purpose: str, channel: str, topic: str) -> bool:
    """Return whether Kept itself knows of nothing that was said against a contact."""
    rule = msgspec.structs.replace(POLICY.purposes[purpose], channels=frozenset())
    found = check_permission(state.consents, entity=entity, rule=rule, channel=channel, topic=topic)
    return found is None or isinstance(found, NoBasis)


_scopes = st.one_of(
    st.builds(
        purpose_key,
        st.sampled_from([*ENTITIES, "*"]),
        st.sampled_from(PURPOSES),
        st.sampled_from(["", *CHANNELS]),
    ),
    st.sampled_from(CHANNELS).map(channel_key),
    st.sampled_from(TOPICS).map(topic_key),
    st.just(GPC),
    # What no brand of ours has: it must neither break anything nor be told.
    st.sampled_from(["p|moon|marketing|", "p|a|b|c|d", "c|pigeon", "t|x|y", "preferred_channel"]),
)


@st.composite
def _said(draw: st.DrawFn) -> tuple[str, Stamped]:
    scope = draw(_scopes)
    value: Any = True if scope == GPC else draw(st.booleans())
    if scope.startswith("p|*|"):
        # An opt-in names whom it is given to.
        value = False
    at = draw(st.integers(1, 12))
    return scope, Stamped(value, at, 2 * draw(st.integers(1, 50)) + value)


def fold(state: State, scope: str, said: Stamped) -> None:
    """Keep the later of two words."""
    mine = state.consents.get(scope)
    if mine is None or said.is_later_than(mine):
        state.consents[scope] = said


def no(at: int) -> Stamped:
    """Return a refusal."""
    return Stamped(False, at, at)


def yes(at: int) -> Stamped:
    """Return an opt-in."""
    return Stamped(True, at, at)


@example(said=[("p|*|service|", no(1)), ("p|bank|service|", yes(2))], heard=[True, True])
@example(
    said=[("p|*|service|sms", no(1)), ("p|bank|service|", yes(2))],
    heard=[True, True],
)
@example(
    said=[("p|bank|service|sms", no(1)), ("p|bank|service|", no(1)), ("p|bank|service|", yes(2))],
    heard=[True, True, True],
)
@given(st.lists(_said(), max_size=12), st.lists(st.booleans(), min_size=12, max_size=12))
def test_a_tool_that_takes_every_change_agrees_with_kept(
    said: list[tuple[str, Stamped]], heard: list[bool]
) -> None:
    """Whatever is said in which order, and however late and bundled the tool hears of it."""
    state, tool = State(), Tool()
    waiting: list[tuple[str, ...]] = []
    for (scope, word), is_heard in zip(said, heard, strict=False):
        before = wishes_of(state)
        fold(state, scope, word)
        waiting.append(changed_scopes(before, wishes_of(state), BUNDLE))
        if is_heard:
            tell(tool, waiting, state)
    tell(tool, waiting, state)
    for asked in product(ENTITIES, PURPOSES, CHANNELS, TOPICS):
        assert tool.may(*asked) == kept_may(state, *asked), asked


def tell(tool: Tool, waiting: list[tuple[str, ...]], state: State) -> None:
    """Tell a tool of all that waits, as it is now."""
    while waiting:
        for word in read_words(waiting.pop(0), state, BUNDLE, noted_at=0):
            tool.take(word)


@given(st.lists(_said(), max_size=8))
def test_what_is_said_again_is_no_news(said: list[tuple[str, Stamped]]) -> None:
    """A banner that confirms, a signal on every page: nobody is told twice."""
    state = State()
    for scope, word in said:
        fold(state, scope, word)
        before = wishes_of(state)
        fold(state, scope, msgspec.structs.replace(word))
        assert changed_scopes(before, wishes_of(state), BUNDLE) == ()
