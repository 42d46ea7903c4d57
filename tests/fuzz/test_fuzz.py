"""Every parser that meets the outside, on all that once broke it and on a few hundred mutations."""

import pytest

from tests.fuzz.mutate import mutations
from tests.fuzz.replay import CORPUS, corpus_of, try_input
from tests.fuzz.target import Target, targets

TARGETS = targets()
ALL = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@ALL
def test_whatever_was_once_found_stays_mended(target: Target) -> None:
    """Seeds are real bodies, the corpus is what a longer run has found."""
    for data in corpus_of(target):
        try_input(target, data)


@ALL
def test_mutations_are_refused_or_taken(
    target: Target, request: pytest.FixtureRequest, record_property: object
) -> None:
    """Drawn afresh each time; the seed is printed, and `make suites SUITE=fuzz` goes on for minutes."""
    # The same inputs each time: what is new is looked for in tests/suites, and by hand.
    seed = request.config.getoption("--fuzz-seed")
    for number, data in enumerate(mutations(corpus_of(target), count=150, seed=seed)):
        try:
            try_input(target, data)
        except Exception as error:
            error.add_note(f"--fuzz-seed {seed}, input {number} of {target.name}: {data[:2_000]!r}")
            raise


def test_every_folder_of_the_corpus_belongs_to_a_target() -> None:
    """What nobody replays proves nothing."""
    assert {path.name for path in CORPUS.iterdir() if path.is_dir()} <= TARGETS.keys()
