"""Laws of a brand's regular expressions: what is taken ends, whatever text it meets."""

import re
import time

from hypothesis import given
from hypothesis import strategies as st

from kept.core.mapping import SEARCHED_LENGTH_MAX
from tests.unit.core.check.test_patterns import problems

ATOMS = st.sampled_from(["a", "b", ".", r"\s", r"\w", r"\d", "[ab]", "[^a]", "(ab)", "(a|b)", "x"])
COUNTS = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,3}", "{0,99}", "*?"])
PATTERNS = st.recursive(
    st.tuples(ATOMS, COUNTS).map("".join),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.tuples(inner, COUNTS).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
    ),
    max_leaves=8,
)
HOSTILE = tuple(
    (piece * SEARCHED_LENGTH_MAX)[: SEARCHED_LENGTH_MAX - 1] + end
    for piece in ("a", "b", "ab", "aab", " ", "1", "a ", "a1")
    for end in ("!", "x")
)


@given(PATTERNS)
def test_what_is_taken_ends_soon_whatever_it_meets(pattern: str) -> None:
    """The law behind the rules; the longest text that is searched, made of what repeats."""
    if problems(pattern):
        return
    compiled = re.compile(pattern, re.IGNORECASE)
    began = time.process_time()
    for text in HOSTILE:
        compiled.search(text)
    # About a hundred times what the worst that is taken needs.
    assert time.process_time() - began < 20
