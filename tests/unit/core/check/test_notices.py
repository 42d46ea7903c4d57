"""The action that tells customers of a breach."""

import pytest

from tests.unit.core.brand.sample import SAMPLE
from tests.unit.core.check.planted import assert_found, errors_in, notes_in, with_text

NOTICE = "actions/breach_notice.yaml"


def test_a_brand_without_a_notice_is_told_so() -> None:
    """Nobody could be told of a breach; that refuses nothing."""
    texts = dict(SAMPLE)
    del texts[NOTICE], texts["templates/breach_notice.en.liquid"]
    del texts["templates/breach_notice.de.liquid"]
    assert errors_in(texts) == []
    (note,) = notes_in(texts)
    assert "no action tells customers of a breach" in note.message


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("kind: service", "kind: greeting", "is a service message"),
        ("when: true", "when: true\nrepeat: 1 day", "is given once"),
        ("when: true", "when: true\nabout: bill", "is about the breach"),
        ("when: true", "when: true\nneeds_approval: true", "a person releases"),
    ],
)
def test_a_notice_that_could_not_be_given_is_refused(old: str, new: str, says: str) -> None:
    """Each in its place."""
    problems = errors_in(with_text(NOTICE, old, new))
    assert [p for p in problems if p.file == NOTICE and says in p.message], problems


def test_a_second_notice_is_refused() -> None:
    """Nobody is told twice."""
    again = SAMPLE[NOTICE].replace("action: breach_notice", "action: second_notice")
    problems = errors_in({**SAMPLE, "actions/second_notice.yaml": again})
    assert ["is a second notice" in problem.message for problem in problems] == [True]


def test_only_a_notice_says_anything_of_a_breach() -> None:
    """Elsewhere there is nothing that `breach` could stand for."""
    texts = with_text("templates/missed_bill.en.liquid", "", "{{ breach.fields }}")
    assert any("breach" in problem.message for problem in errors_in(texts))


def test_legal_weight_needs_a_person_whatever_the_kind() -> None:
    """Not only for what another system does."""
    texts = with_text(
        "actions/missed_bill.yaml", "kind: service", "kind: service\nlegal_weight: true"
    )
    assert_found(
        texts,
        at="actions/missed_bill.yaml legal_weight",
        says="has legal weight, and no person decides",
        hint="needs_approval: true",
    )
