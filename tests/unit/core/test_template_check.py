"""What a check says of a template: everything, at once, with its place and what to do."""

import pytest

from kept.core.policy.where import Where
from kept.core.template import Use, check_line, check_template
from kept.core.template.check import fill
from kept.core.template.honesty import FILLER
from kept.errors import Problem

SCHEMA = {
    "name": "text",
    "count": "int",
    "url": "text",
    "bill.amount": "money(EUR)",
    "bill.due_at": "timestamp",
    "parts": "list",
    "parts.title": "text",
    "parts.price": "money(EUR)",
    "details": "any",
}
OFFER = Use(is_offer=True)


def check(text: str, path: str = "x.en", use: Use | None = None, **others: str) -> list[Problem]:
    """Check a text of a folder with these partials."""
    return check_template(
        text,
        path=path,
        known_names=SCHEMA,
        use=use or Use(),
        others={f"_{name}": content for name, content in others.items()},
    )


def test_a_good_template_has_no_problems() -> None:
    """All that the language offers, used as it is meant."""
    text = """Subject: {{ name }}, your bill of {{ bill.amount }}
---
Dear {{ name }},{% comment %} {{ nothing }} {% endcomment %}
{% if bill.amount > 50 and name contains "a" %}due {{ bill.due_at | date: 'short' }}{% endif %}
{% for part in parts %}{{ forloop.index }} {{ part.title | truncate: 9 }} {{ part.price }}
{% else %}none{% endfor %}
{% assign first = parts.first %}{{ first.title }} {{ parts.size }} {{ parts | size }}
{% case count %}{% when 1 %}one{% when 2, 3 %}few{% else %}{{ count }}{% endcase %}
{% unless details.hidden.deeply %}{{ details.anything }}{% endunless %}
{% # a remark %}{% raw %}{{ kept }}{% endraw %}{{ bill.due_at | minutes_left }}
{% render '_foot', who: name, what: first %}
"""
    foot = "{{ who | upcase }}, {{ what.title }} of {{ what.price | money }} {{ count }}"
    assert check(text, path="x.email.en", use=Use(needs_subject=True), foot=foot) == []


def test_all_problems_are_told_at_once_with_their_places() -> None:
    """One check, one list, in the order of the text."""
    text = "Subject: {{ nam }}\n---\nDear {{ name | upcas }},\n{{ bill.amout }} {{ name | date }}"
    assert [str(problem) for problem in check(text)] == [
        "templates/x.en.liquid:1:13: `nam` is not known here; did you mean `name`?",
        "templates/x.en.liquid:3:16: there is no filter `upcas`; did you mean `upcase`?",
        "templates/x.en.liquid:4:4: `bill.amout` is not known here; did you mean `bill.amount`?",
        "templates/x.en.liquid:4:28: date takes a date or a timestamp, not a text",
    ]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a\n{% if name %}b", (2, 1), "this `if` is never closed; end it with {% endif %}"),
        ("{% for a in parts %}{% if a %}{% endif %}", (1, 1), "this `for` is never closed"),
        ("{% raw %}{% endif %}{% endraw %}\n{% if name %}", (2, 1), "this `if` is never closed"),
        ("a {{ name", (1, 3), "expected '}}', found end of file"),
        ("a {{ name | }}", (1, 6), "expected word"),
        ("{% fro a in b %}", (1, 4), "unexpected tag 'fro'"),
        ("{% endif %}", (1, 4), "unexpected tag 'endif'"),
        ("Subjct: a\n---\nb", (1, 1), "there is no header `Subjct`; known are subject and title"),
        ("subject: a\nsubject: b\n---\nc", (2, 1), "`subject` is given twice"),
        ("subject:\n---\nc", (1, 1), "`subject` is empty"),
        ("subject: a\nfree words\n---\nc", (2, 1), "this line belongs to no header"),
        ("subject: {{ x | }}\n---\nc", (1, 13), "expected word"),
        ("{% for a in count %}{% endfor %}", (1, 13), "`count` is not a list"),
        ("{% if name > 5 %}{% endif %}", (1, 12), "not supported between 'int' and 'str'"),
        ("{{ parts }}", (1, 4), "a list or a record cannot be printed"),
        ("{% for p in parts %}{{ p }}{% endfor %}", (1, 24), "a list or a record cannot be"),
        ("{% for p in parts %}{{ p.tile }}{% endfor %}", (1, 24), "`parts.tile` is not known"),
        ("{% if false %}{{ name | money }}{% endif %}", (1, 25), "money takes money, not a text"),
        ("{% render '_nope' %}", (1, 4), "there is no partial `_nope`"),
    ],
)
def test_each_mistake_has_its_place(text: str, place: tuple[int, int], message: str) -> None:
    """The first problem is the mistake that was made."""
    problem = check(text)[0]
    assert message in str(problem)
    assert (problem.line, problem.column) == place


def test_a_mistake_in_a_partial_is_told_in_the_partial() -> None:
    """A partial is checked with what it is given, wherever it is used."""
    (problem,) = check("{% render '_foot', who: count %}", foot="a\n{{ who | upcase }}")
    assert str(problem).startswith("templates/_foot.liquid:2:10: upcase takes a text, not an int")


def test_a_partial_knows_what_it_is_given_by_any_way_of_giving() -> None:
    """One thing, each of a list, or under another name."""
    item = "{{ part.title }} {{ part.price | upcase }}"
    for tag in ("for parts as part", "with parts.first as part", ", part: parts.first"):
        (problem,) = check(f"{{% render '_part' {tag} %}}", part=item)
        assert "upcase takes a text" in problem.message
    (problem,) = check("{% render '_part' for parts %}", part="{{ _part.nope }}")
    assert "`parts.nope` is not known" in problem.message


def test_a_partial_that_cannot_be_read_is_told_by_its_own_check() -> None:
    """Not once more by every text that uses it."""
    assert check("{% render '_foot' %}", foot="{% if %}") == []


def test_what_cannot_be_known_beforehand_is_not_guessed() -> None:
    """Names that are computed, ranges that depend on values, locals of unknown kind."""
    text = (
        "{% for i in (1..count) limit: 3 %}{{ i }}{% endfor %}"
        "{% for i in (1..90000) limit: 3 %}{{ i }}{% endfor %}"
        "{{ details[name] }}{% for d in details.list %}{{ d.x | upcase }}{% endfor %}"
        "{% assign a = name | upcase %}{{ a }}{% assign b = details %}{{ b.c.d }}"
    )
    assert check(text) == []


def test_a_partial_alone_may_use_names_that_it_will_be_given() -> None:
    """Only its own mistakes are told: filters, syntax, and fields of what is known."""
    assert check("{{ who }}", path="_foot.en") == []
    assert "bill.nope" in str(check("{{ bill.nope }}", path="_foot.en")[0])
    assert "no filter" in str(check("{{ who | nope }}", path="_foot.en")[0])


@pytest.mark.parametrize("path", ["x", "x.y.z.en", "X.en", "x.email.english", ".en"])
def test_a_name_that_says_nothing_is_a_problem(path: str) -> None:
    """A file that no message would ever use is not silently left out."""
    (problem,) = check("x", path=path)
    assert "templates/NAME.CHANNEL.LOCALE.liquid" in problem.suggestion


def test_an_email_needs_a_subject() -> None:
    """Above the text part; its HTML part and partials have none."""
    needed = Use(needs_subject=True)
    assert "needs a subject" in str(check("x", path="x.email.en", use=needed)[0])
    assert check("<p>x</p>", path="x.email.en.html", use=needed) == []
    assert check("x", path="_x.en", use=needed) == []
    assert "no header" in str(check("subject: a\n---\nx", path="x.email.en.html", use=needed)[0])


@pytest.mark.parametrize(
    "words",
    [
        "23 % a year", "23% a year", "23.5 percent", "\uff10.\uff16\uff05", "23 Prozent",
        "2,5 por cento", "only €9.99", "9,99 €", "9.99 EUR", "EUR 10", "US$ 5", "R$ 5",
        "5 dollars", "5 Franken", "{{ '9.99 €' }}", "{% if count > 1 %}10 %{% endif %}",
    ],
)  # fmt: skip
def test_a_rate_or_price_typed_by_hand_is_refused_in_an_offer(words: str) -> None:
    """Terms are data: what stands in a text would stay when they change."""
    (problem, *_) = check(f"It costs {words}.", use=OFFER)
    assert "typed by hand" in problem.message
    assert check(f"It costs {words}.") == []


@pytest.mark.parametrize(
    "words",
    [
        "{{ bill.amount }}",
        "{{ count }} %",
        "24 hours a day",
        "in 3 months",
        "100 points",
        "since 1998.",
    ],
)
def test_other_numbers_may_stand_in_an_offer(words: str) -> None:
    """A number is not a price, and a printed value is not typed by hand."""
    assert check(f"It costs {words}", use=OFFER) == []


def test_a_price_in_html_is_seen_as_a_reader_sees_it() -> None:
    """Entities count; widths and styles do not."""
    seen = check(
        "<b>9.99</b>&nbsp;&euro; <td width='50%' style=\"width: 50%\">", path="x.en.html", use=OFFER
    )
    assert [problem.column for problem in seen] == [4]
    assert (
        check("<style>p { width: 50% }</style><!-- 5 % --><p>x</p>", path="x.en.html", use=OFFER)
        == []
    )


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("en", "Last chance!"),
        ("en", "Only {{ count }} left"),
        ("en", "only 3\nleft"),
        ("en", "ONLY TODAY"),
        ("en", "before it’s gone"),  # noqa: RUF001
        ("de", "Nur noch heute"),
        ("de", "solange der Vorrat reicht"),
        ("pt", "Só hoje"),
        ("pt-BR", "enquanto durarem os estoques"),
        ("pt", "hurry up"),
    ],
)
def test_scarcity_needs_a_fact_behind_it(locale: str, words: str) -> None:
    """An offer may press nobody, unless its terms say what is limited."""
    (problem,) = check(f"Hi. {words}!", path=f"x.{locale}", use=OFFER)
    assert "claims scarcity" in problem.message
    limited = Use(is_offer=True, has_limit=True)
    assert check(f"Hi. {words}!", path=f"x.{locale}", use=limited) == []
    assert check(f"Hi. {words}!", path=f"x.{locale}") == []


def test_words_that_are_not_there_leave_the_filler_alone() -> None:
    """Whatever the engine says of places, the text keeps its length."""
    assert fill("abc{{ x }}", [(0, "abc"), (3, "nope")]) == "abc" + FILLER * 7


def test_ordinary_words_are_no_scarcity() -> None:
    """`Only` and `today` by themselves press nobody."""
    assert check("Only you can open it, today or later. No hurry.", use=OFFER) == []


@pytest.mark.parametrize(
    ("markup", "message"),
    [
        ("<a title={{ name }}>", "without quotes"),
        ("<a href='{{ url }}'>", "decides where `href` leads"),
        ('<img src="{{ url | upcase }}">', "decides where `src` leads"),
        ("<a onclick='go(\"{{ name }}\")'>", "which is code"),
        ("<script>var a = '{{ name }}'</script>", "where escaping does not protect"),
        ("<style>.a { color: {{ name }} }</style>", "where escaping does not protect"),
    ],
)
def test_a_value_in_html_stands_where_escaping_protects(markup: str, message: str) -> None:
    """Between tags and in quoted attributes; links are checked by their filter."""
    assert any(message in problem.message for problem in check(markup, path="x.en.html"))


@pytest.mark.parametrize(
    "markup",
    [
        "<p title='{{ name }}'>{{ name }}</p>",
        '<a href="{{ url | link }}">x</a>',
        "<a href='https://shop.example/?who={{ name | url_encode }}'>x</a>",
        "<script>var a = 1</script>",
    ],
)
def test_safe_html_is_let_pass(markup: str) -> None:
    """What is safe is not nagged about."""
    assert check(markup, path="x.en.html") == []


def test_a_language_without_formats_may_not_print_dates() -> None:
    """The check tells it before a customer misses a message."""
    assert "no form for the locale 'fr'" in str(check("{{ bill.due_at | date }}", path="x.fr")[0])
    assert check("Bonjour {{ name }}", path="x.fr") == []


def test_a_line_elsewhere_in_the_folder_is_checked_in_place() -> None:
    """A headline in YAML has the place of its own characters."""
    where = Where(file="actions/grace.yaml", line=7, column=9)
    (problem,) = check_line("Pay {{ bil.amount }}", where=where, known_names=SCHEMA, locale="en")
    assert (problem.file, problem.line, problem.column) == ("actions/grace.yaml", 7, 16)
    offer = check_line("For 5 €", where=where, known_names=SCHEMA, locale="en", use=OFFER)
    assert "typed by hand" in offer[0].message
