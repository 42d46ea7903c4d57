"""Laws of consent: order cannot matter, the most restrictive wins, and a claim never permits."""

import random  # noqa: TID251 - Hypothesis hands it out, and can replay it
from collections.abc import Mapping

from hypothesis import example, given
from hypothesis import strategies as st

from kept.core.consent import (
    GPC,
    RESTRICTION,
    PurposeRule,
    channel_key,
    check_permission,
    combine_consents,
    purpose_key,
    topic_key,
)
from kept.core.state import Stamped

MARKETING = PurposeRule(purpose="marketing", basis="consent", sale_or_sharing=True)
NARROW = purpose_key("shop", "marketing", "email")
WIDE = purpose_key("shop", "marketing")
SCOPES = (
    NARROW,
    WIDE,
    purpose_key("*", "marketing"),
    channel_key("email"),
    topic_key("lamps"),
    GPC,
    RESTRICTION,
)

Consents = dict[str, Stamped]


def may(consents: Mapping[str, Stamped]) -> bool:
    """Return whether the shop may send marketing about lamps by e-mail."""
    reason = check_permission(
        consents, entity="shop", rule=MARKETING, channel="email", topic="lamps"
    )
    return reason is None


@st.composite
def _words(draw: st.DrawFn) -> Stamped:
    # No two events have one key, so that two words of one moment never contradict each other unseen.
    value = draw(st.booleans())
    return Stamped(value, draw(st.integers(0, 12)), 2 * draw(st.integers(1, 50)) + value, "shop")


words = _words()
parts_of_consents = st.dictionaries(st.sampled_from(SCOPES), words, max_size=4)
several = st.lists(parts_of_consents, max_size=4)
moments = st.integers(0, 12)


def stop(at: int) -> Stamped:
    """Return a refusal."""
    return Stamped(False, at, at)


def allow(at: int) -> Stamped:
    """Return an opt-in."""
    return Stamped(True, at, at)


@given(several, several, moments, st.randoms(use_true_random=False))
@example([{WIDE: stop(8)}], [{WIDE: stop(5)}, {WIDE: stop(7)}], 10, None)
def test_the_order_of_parts_does_not_matter(
    parts: list[Consents], attached: list[Consents], joined_at: int, shuffled: random.Random | None
) -> None:
    """G10: consents of many parts come to the same, whichever is looked at first."""
    expected = combine_consents(parts, attached, joined_at=joined_at)
    other_parts, other_attached = parts[::-1], attached[::-1]
    if shuffled is not None:
        shuffled.shuffle(other_parts)
        shuffled.shuffle(other_attached)
    found = combine_consents(other_parts, other_attached, joined_at=joined_at)
    assert {key: (said.value, said.at) for key, said in found.items()} == {
        key: (said.value, said.at) for key, said in expected.items()
    }


@given(several, several, moments)
@example([{WIDE: stop(8), NARROW: allow(6)}], [{WIDE: stop(5)}], 10)
def test_a_claim_never_permits(
    parts: list[Consents], attached: list[Consents], joined_at: int
) -> None:
    """G2: what may not be done without the claimed parts may not be done with them."""
    alone = combine_consents(parts, [], joined_at=joined_at)
    together = combine_consents(parts, attached, joined_at=joined_at)
    assert may(alone) or not may(together)


@given(several, moments)
def test_merging_permits_nothing_that_nobody_permitted(
    parts: list[Consents], joined_at: int
) -> None:
    """G2: a merged customer has an opt-in only where one of the parts gave one."""
    opted_in = any(part[scope].value for part in parts for scope in (NARROW, WIDE) if scope in part)
    assert opted_in or not may(combine_consents(parts, [], joined_at=joined_at))


@given(parts_of_consents, parts_of_consents, st.sampled_from(SCOPES[:5]))
def test_a_refusal_of_any_part_before_the_merge_counts_for_all(
    one: Consents, other: Consents, scope: str
) -> None:
    """G10: what one part refused holds for both when they are merged after all was said."""
    other = other | {scope: stop(12)}
    merged = combine_consents([one, other], [], joined_at=13)
    assert merged[scope].value is False
    assert not may(merged) or scope in (WIDE, purpose_key("*", "marketing"))


@given(several, several, moments)
def test_opting_in_again_after_the_merge_works(
    parts: list[Consents], attached: list[Consents], joined_at: int
) -> None:
    """G10: whoever says yes to everything again, after becoming one, is believed."""
    yes = {scope: allow(20) for scope in SCOPES}
    yes |= {scope: Stamped(False, 20, 20) for scope in (GPC, RESTRICTION)}
    assert may(combine_consents([*parts, yes], attached, joined_at=joined_at))


@given(parts_of_consents)
def test_an_unknown_basis_is_a_no(consents: Consents) -> None:
    """G2: without a recorded opt-in for this entity and purpose nothing may leave."""
    others = {key: said for key, said in consents.items() if key not in (NARROW, WIDE)}
    assert not may(others)
