"""Texts: planted mistakes, each found where it is."""

import pytest

from kept.core.check.promotion import PROMOTION, find_promotion
from tests.unit.core.brand.sample import SAMPLE
from tests.unit.core.check.planted import assert_found, at_place, errors_in, notes_in, with_text

EN, DE = "templates/missed_bill.en.liquid", "templates/missed_bill.de.liquid"
BILL = "actions/missed_bill.yaml"


def without(file: str, **more: str) -> dict[str, str]:
    """Return the sample without a file, and with others."""
    return {name: text for name, text in SAMPLE.items() if name != file} | more


def test_a_message_has_a_text_for_each_channel_and_language() -> None:
    """What is missing is named."""
    assert_found(
        without(DE),
        at=f"{BILL} template:",
        says="there is no text `missed_bill` for templates/missed_bill.email.de.liquid, "
        "templates/missed_bill.inbox.de.liquid",
        hint="templates/missed_bill.LOCALE.liquid",
    )


def test_a_text_of_its_own_serves_its_channel() -> None:
    """With one for e-mail, only the inbox still lacks one."""
    texts = without(DE, **{"templates/missed_bill.email.de.liquid": SAMPLE[DE]})
    assert_found(texts, at=f"{BILL} template:", says="for templates/missed_bill.inbox.de.liquid")


@pytest.mark.parametrize(
    ("file", "old", "new", "at", "says", "hint"),
    [
        (
            EN,
            "about.grace_until",
            "about.grace_till",
            "about.grace_till",
            "about.grace_till",
            "about.grace_until",
        ),
        (
            EN,
            "trait.first_name",
            "trait.fist_name",
            "trait.fist_name",
            "trait.fist_name",
            "first_name",
        ),
        (
            EN,
            "Subject: Your bill of {{ about.due_at | date }}\n\n",
            "",
            "{{ trait.first_name",
            "needs a subject",
            "subject",
        ),
        (EN, "to pay.", "to pay {% if %}.", "if %}", "", ""),
        (
            EN,
            "to pay.",
            "to pay. Special offer: shop now!",
            "Special offer",
            "is promotional",
            "leave it out",
        ),
        (DE, "Zeit.", "Zeit. Jetzt 3 Rabatte!", "Rabatte", "is promotional", ""),
    ],
)
def test_a_mistake_in_a_text_is_found(
    file: str, old: str, new: str, *, at: str, says: str, hint: str
) -> None:
    """The first error is at the word, with what to do."""
    texts = with_text(file, old, new)
    problem = errors_in(texts)[0]
    assert problem.file == file
    assert says in problem.message
    assert hint in problem.suggestion
    assert at_place(texts, problem).startswith(at)


def test_a_service_message_shows_no_terms() -> None:
    """They belong to offers, and so are not known here."""
    texts = with_text(EN, "to pay.", "to pay {{ terms.price }}.")
    assert "terms.price" in errors_in(texts)[0].message


def test_promotional_words_are_found_in_what_a_placement_shows_too() -> None:
    """A headline of a service message is a service message."""
    headline = (
        "placements: [till]\nheadline:\n  en: Your bill. Use your discount!\n  de: Rechnung\n"
    )
    texts = with_text(BILL, "", headline)
    assert_found(texts, at=f"{BILL} discount!", says="`discount` is promotional")


def test_a_service_message_does_not_repeat_the_headline_of_an_offer() -> None:
    """A pitch in other words is still a pitch."""
    headline = (
        '  en: "A plan for everybody in the house: {{ terms.total_24_months | money }} over 24'
    )
    texts = with_text(EN, "to pay.", "to pay. A plan for everybody  in the house!")
    offer = "actions/phone_plan.yaml"
    old = '  en: "{{ terms.total_24_months | money }} over 24'
    texts[offer] = texts[offer].replace(old, headline)
    assert_found(texts, at=f"{EN} A plan for", says="`A plan for everybody in the house`")


def test_a_template_that_is_misspelt_is_recognised() -> None:
    """The suggestion is the template that is there."""
    texts = with_text(BILL, "template: missed_bill", "template: missed_bil")
    problems = errors_in(texts)
    assert [problem.suggestion for problem in problems] == ["did you mean `missed_bill`?"]


def test_an_offer_may_promote() -> None:
    """The same words in an offer are what it is for."""
    assert errors_in(with_text("templates/small_loan.en.liquid", "A loan", "Special offer")) == []


def test_the_words_are_found_as_words() -> None:
    """Not within others, in either language, and without regard to case or line."""
    assert list(find_promotion("Ein RABATT, kein Rabattierer", "de")) == [(4, "RABATT")]
    assert list(find_promotion("save  up\nto 3", "de")) == [(0, "save up to")]
    assert list(find_promotion("nothing here", "xx")) == []
    for words in PROMOTION.values():
        assert len(set(words)) == len(words)


def test_a_text_in_a_language_that_the_brand_does_not_speak_is_refused() -> None:
    """It would never be sent."""
    texts = {**SAMPLE, "templates/missed_bill.pt.liquid": SAMPLE[EN]}
    assert_found(
        texts, at="templates/missed_bill.pt.liquid", says="there is no locale of the brand `pt`"
    )


def test_a_text_for_a_channel_that_does_not_exist_is_refused() -> None:
    """A slip in the file's name is found."""
    texts = {**SAMPLE, "templates/missed_bill.emial.en.liquid": SAMPLE[EN]}
    assert_found(
        texts,
        at="templates/missed_bill.emial.en.liquid",
        says="there is no channel `emial`",
        hint="`email`",
    )


def test_a_name_that_says_nothing_is_refused() -> None:
    """The name says which template, channel and language it is."""
    texts = {**SAMPLE, "templates/Hello.liquid": "Hello"}
    assert_found(texts, at="templates/Hello.liquid", says="the name does not say")


def test_a_text_that_no_action_sends_is_noted() -> None:
    """It may be on its way in or out."""
    (note,) = notes_in({**SAMPLE, "templates/spare.en.liquid": "Hello"})
    assert note.message == "no action sends this text"


def test_an_action_without_a_template_uses_its_own_name() -> None:
    """`template:` is needed only where several share one."""
    assert errors_in(with_text(BILL, "template: missed_bill\n", "")) == []


def test_partials_are_checked() -> None:
    """A part that others put in is a text too."""
    texts = {**SAMPLE, "templates/_foot.en.liquid": "{{ nobody.knows | nothing }}"}
    assert {problem.file for problem in errors_in(texts)} == {"templates/_foot.en.liquid"}


def test_an_html_part_is_checked_with_its_text() -> None:
    """It may say the same things."""
    file = "templates/missed_bill.email.en.html.liquid"
    assert errors_in({**SAMPLE, file: "<p>{{ trait.first_name }}</p>"}) == []
    assert errors_in({**SAMPLE, file: "<p>{{ trait.last_name }}</p>"})[0].file == file
