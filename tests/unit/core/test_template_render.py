"""From a template and values to a message, or to the reason why there is none."""

from typing import Any

import pytest

from kept.core.policy.where import Where
from kept.core.template import Failed, Line, Missing, Rendered, Situation, Templates
from kept.errors import InvalidBrandError

NOW = 1_700_000_000_000_000  # 2023-11-14T22:13:20Z
SCHEMA = {
    "name": "text",
    "is_member": "bool",
    "count": "int",
    "rate": "decimal",
    "bill.amount": "money(EUR)",
    "bill.due_at": "timestamp",
    "bill.grace_on": "date",
    "parts": "list",
    "parts.title": "text",
    "parts.price": "money(EUR)",
    "details": "any",
}


def situation(values: dict[str, Any], **changes: Any) -> Situation:
    """Return a customer in Lisbon who reads English, with these values."""
    given: dict[str, Any] = {
        "locale": "en",
        "zone": "Europe/Lisbon",
        "now": NOW,
        "schema": SCHEMA,
    } | changes
    return Situation(values=values, **given)


def render(text: str, values: dict[str, Any], **changes: Any) -> Rendered | Missing | Failed:
    """Render one English text for e-mail."""
    templates = Templates({"hello.email.en": text}, default_locale="en")
    return templates.render("hello", "email", situation(values, **changes))


def test_a_text_with_a_header_gives_subject_title_and_body() -> None:
    """The header ends at the line of dashes, and is no part of the body."""
    text = "Subject: Hello {{ name }}\nTitle: Hi\n---\nDear {{ name }},\nwelcome.\n"
    assert render(text, {"name": "Ana"}) == Rendered(
        subject="Hello Ana", title="Hi", text="Dear Ana,\nwelcome.\n"
    )


def test_a_header_may_end_with_an_empty_line() -> None:
    """A subject with an empty line after it reads like a letter."""
    assert render("subject: Hello\n\nBody", {}) == Rendered(subject="Hello", text="Body\n")


def test_a_text_without_a_header_is_all_body() -> None:
    """A colon in the first line does not make a header, and dashes are only dashes."""
    assert render("Note: all is well.\n---\nEnd", {}) == Rendered(
        text="Note: all is well.\n---\nEnd\n"
    )


@pytest.mark.parametrize("name", [None, "", "  ", "\u200b"])
def test_a_value_known_to_be_none_or_blank_is_missing_where_it_is_printed(name: str | None) -> None:
    """There is never a letter that begins with `Dear ,`."""
    assert render("Dear {{ name }},", {"name": name}) == Missing(names=("name",))


def test_all_missing_values_are_named_at_once() -> None:
    """Whoever mends it mends it once; a name is told once."""
    text = "subject: {{ name }}\n---\n{{ name }} {{ bill.amount | money }} {{ count }} {{ rate }}"
    assert render(text, {"name": None, "bill": {}, "count": 1}) == Missing(
        names=("name", "bill.amount", "rate")
    )


def test_an_unknown_value_is_missing_even_where_it_is_only_asked_for() -> None:
    """Unknown is not none: the text does not go rather than take the branch of a guess."""
    assert render("{% if is_member %}a{% else %}b{% endif %}", {}) == Missing(names=("is_member",))
    assert render("{{ name | default: 'friend' }}", {}) == Missing(names=("name",))


def test_a_value_known_to_be_none_may_be_asked_for() -> None:
    """None is an answer: a condition takes its other branch, and a default stands in."""
    text = "{% if name %}a{% else %}b{% endif %} {{ name | default: 'friend' }}"
    assert render(text, {"name": None}) == Rendered(text="b friend\n")


def test_a_field_that_an_object_never_had_set_is_known_to_be_none() -> None:
    """An object holds only what was set; its other fields are none, not unknown."""
    text = "{% if bill.grace_on %}grace{% else %}no grace{% endif %}"
    assert render(text, {"bill": {"amount": 1}}) == Rendered(text="no grace\n")
    assert render(text, {"bill": None}) == Rendered(text="no grace\n")


def test_values_carry_their_types_into_loops_and_assignments() -> None:
    """The items of a list are typed by its own name in the schema."""
    text = (
        "{% for part in parts %}{{ forloop.index }}. {{ part.title }}: {{ part.price }}\n"
        "{% endfor %}"
        "{% assign due = bill.due_at %}{{ due | date: 'short' }} {{ parts.first.price }}"
    )
    values = {
        "parts": [{"title": "Desk", "price": 19_900}, {"title": "Lamp", "price": 2_950}],
        "bill": {"due_at": NOW},
    }
    assert render(text, values) == Rendered(
        text="1. Desk: €199.00\n2. Lamp: €29.50\n14/11/2023 €199.00\n"
    )


def test_comparisons_speak_of_whole_units() -> None:
    """An amount is compared in euros and a decimal as itself, as people write them."""
    text = "{% if bill.amount >= 50 and rate > 0.2 %}much{% else %}little{% endif %}"
    assert render(text, {"bill": {"amount": 5_000}, "rate": 256_000}) == Rendered(text="much\n")
    assert render(text, {"bill": {"amount": 4_999}, "rate": 256_000}) == Rendered(text="little\n")


def test_instants_and_dates_are_compared_with_their_like() -> None:
    """The later one is the greater one."""
    text = (
        "{% if bill.due_at > bill.due_at or bill.grace_on < bill.grace_on %}a{% else %}b{% endif %}"
    )
    assert render(text, {"bill": {"due_at": NOW, "grace_on": 19_675}}) == Rendered(text="b\n")


def test_names_are_escaped_in_html_and_not_in_text() -> None:
    """A name with markup in it is a name in both parts."""
    templates = Templates(
        {
            "hello.email.en": "Dear {{ name }}",
            "hello.email.en.html": '<p title="{{ name }}">{{ name }}</p>',
        },
        default_locale="en",
    )
    result = templates.render("hello", "email", situation({"name": '<b>"A&B"</b>'}))
    escaped = "&lt;b&gt;&#34;A&amp;B&#34;&lt;/b&gt;"
    assert result == Rendered(
        text='Dear <b>"A&B"</b>\n', html=f'<p title="{escaped}">{escaped}</p>'
    )


def test_a_name_cannot_add_a_header_line() -> None:
    """Line breaks and hidden characters in a name stay out of the subject."""
    result = render("subject: Hi {{ name }}\n---\n{{ name }}", {"name": "A\r\nBcc: b@c\u202e"})
    assert result == Rendered(subject="Hi A Bcc: b@c", text="A\nBcc: b@c\n")


def test_the_text_is_chosen_by_language_before_channel() -> None:
    """A customer's own language in a general text beats a foreign one made for the channel."""
    templates = Templates(
        {
            "hello.sms.en": "sms en",
            "hello.en": "any en",
            "hello.pt": "any pt",
            "hello.email.pt-BR": "email pt-BR",
        },
        default_locale="en",
    )

    def chosen(channel: str, locale: str) -> object:
        return templates.render("hello", channel, situation({}, locale=locale))

    assert chosen("sms", "pt") == Rendered(text="any pt\n")
    assert chosen("email", "pt_br") == Rendered(text="email pt-BR\n")
    assert chosen("sms", "pt-BR") == Rendered(text="any pt\n")
    assert chosen("sms", "fr") == Rendered(text="sms en\n")
    assert chosen("push", "en-GB") == Rendered(text="any en\n")


def test_dates_are_written_in_the_language_of_the_text() -> None:
    """A German who gets the English text for want of a German one reads an English date."""
    text = "{{ bill.due_at | date }}"
    assert render(text, {"bill": {"due_at": NOW}}, locale="de") == Rendered(
        text="14 November 2023\n"
    )
    assert render(text, {"bill": {"due_at": NOW}}, locale="en-US") == Rendered(
        text="November 14, 2023\n"
    )


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd", "Europe"])
def test_without_a_known_zone_no_instant_is_written(zone: str) -> None:
    """A guessed zone would tell the wrong hour, or the wrong day."""
    result = render("{{ bill.due_at | time }}", {"bill": {"due_at": NOW}}, zone=zone)
    assert result == Missing(names=("time zone",))


def test_a_date_needs_no_zone() -> None:
    """A date is the same everywhere."""
    assert render("{{ bill.grace_on }}", {"bill": {"grace_on": 19_675}}, zone="") == Rendered(
        text="14 November 2023\n"
    )


def test_a_text_that_is_not_there_is_a_failure_with_its_name() -> None:
    """The operator is told which file to write."""
    templates = Templates({"hello.email.en": "x"}, default_locale="en")
    result = templates.render("bye", "email", situation({}, locale="pt"))
    assert isinstance(result, Failed)
    assert "templates/bye.email.pt.liquid" in result.detail


@pytest.mark.parametrize(
    "text", ["{{ bill }}", "{{ parts }}", "{{ is_member }}", "{{ name | date }}"]
)
def test_a_value_that_cannot_be_printed_is_a_failure(text: str) -> None:
    """What a check would have refused fails with its place, and prints nothing."""
    values = {"bill": {}, "parts": [{"title": "x"}], "is_member": True, "name": "Ana"}
    result = render(text, values)
    assert isinstance(result, Failed)
    assert "templates/hello.email.en.liquid" in result.detail


def test_a_subject_without_end_is_a_failure() -> None:
    """No mailbox shows it, and no header should carry it."""
    result = render("subject: {{ name }}\n---\nx", {"name": "x" * 501})
    assert isinstance(result, Failed)
    assert "over 500 characters" in result.detail


def test_a_header_may_be_all_there_is_above_an_empty_body() -> None:
    """Such a message says nothing, and does not go."""
    assert isinstance(render("subject: a", {}), Failed)


def test_an_empty_message_is_a_failure() -> None:
    """Nothing worth reading is not sent."""
    assert isinstance(render("{% if is_member %}x{% endif %}", {"is_member": False}), Failed)


def test_there_is_no_clock_in_a_template() -> None:
    """`now` and `today` of the language are unknown values like any other."""
    assert render("{{ now }}{{ today }}", {}) == Missing(names=("now", "today"))
    assert isinstance(render("{{ 'now' | date }}", {}), Failed)


def test_what_lies_below_any_is_taken_as_it_is() -> None:
    """Free details have no types; a name that is not there is missing."""
    assert render("{{ details.size.width }}", {"details": {"size": {"width": 4}}}) == Rendered(
        text="4\n"
    )
    assert render("{{ details.nope }}", {"details": {}}) == Missing(names=("details.nope",))


def test_partials_see_the_values_and_what_they_are_given() -> None:
    """A footer is written once."""
    templates = Templates(
        {
            "hello.en": "{% render '_foot.en', word: 'Yours' %}",
            "_foot.en": "{{ word }}, {{ name }}",
        },
        default_locale="en",
    )
    assert templates.render("hello", "sms", situation({"name": "Ana"})) == Rendered(
        text="Yours, Ana\n"
    )


def test_all_problems_of_a_folder_are_raised_at_once() -> None:
    """A misnamed file, a syntax error and a missing text part are three problems."""
    texts = {"nonsense": "x", "a.en": "{% if x %}", "b.email.en.html": "<p>hi</p>"}
    with pytest.raises(InvalidBrandError) as caught:
        Templates(texts, default_locale="en")
    assert [problem.file for problem in caught.value.problems] == [
        "templates/nonsense.liquid",
        "templates/a.en.liquid",
        "templates/b.email.en.html.liquid",
    ]


def test_a_line_of_liquid_renders_like_a_text() -> None:
    """A hold's reason is one line, with the same filters and the same strictness."""
    line = Line(
        "{{ count }} open {{ count | plural: 'matter', 'matters' }}\n"
        "since {{ bill.due_at | date }}",
        where=Where(file="contact.yaml", line=4, column=12),
    )
    values = {"count": 2, "bill": {"due_at": NOW}}
    assert line.render(situation(values)) == "2 open matters since 14 November 2023"
    assert line.render(situation({"count": 1})) == Missing(names=("bill.due_at",))
    assert isinstance(line.render(situation({"count": "x", "bill": {}})), Failed)


def test_a_line_that_cannot_be_read_is_refused_with_its_place() -> None:
    """The place is that of the character within the YAML file."""
    with pytest.raises(InvalidBrandError) as caught:
        Line("ab {{ count | }}", where=Where(file="contact.yaml", line=4, column=12))
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.column) == ("contact.yaml", 4, 18)
