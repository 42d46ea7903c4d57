"""Laws of templates: whatever is written in them or put into them, nothing gets out of hand."""

import html
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from kept.core.plain_text import clean_line, clean_text
from kept.core.template import (
    Failed,
    Missing,
    Rendered,
    Situation,
    Templates,
    Use,
    check_template,
)
from kept.errors import InvalidBrandError

SCHEMA = {"name": "text", "count": "int", "bill.amount": "money(EUR)", "at": "timestamp"}
TEMPLATES = Templates(
    {
        "x.en": "subject: To {{ name }}\n---\n{{ name }}",
        "x.en.html": '<p title="{{ name }}">{{ name }}</p>',
    },
    default_locale="en",
)
NAMES = st.text(st.characters(), max_size=60)
PIECES = st.sampled_from(
    [
        "{{", "}}", "{%", "%}", "{%-", "-%}", " ", "\n", "name", "bill.amount", "at", "|", ":", ",",
        "if", "endif", "for", "in", "endfor", "(1..9)", "else", "case", "when", "endcase", "assign",
        "=", "==", ">", "and", "contains", "date", "money", "default", "'x'", "7", ".", "[", "]",
        "render", "comment", "raw", "€9", "5 %", "subject:", "---", "#", "é", "\u202e",
    ]
)  # fmt: skip


class _Reader(HTMLParser):
    """Notes which tags and attributes there are."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag and the names of its attributes."""
        self.seen.append((tag, [name for name, _ in attrs]))


@given(NAMES)
def test_no_name_changes_the_form_of_a_message(name: str) -> None:
    """One line of subject, one tag with one attribute, or no message for want of a name."""
    situation = Situation(values={"name": name}, schema=SCHEMA, locale="en", now=0)
    result = TEMPLATES.render("x", "email", situation)
    if isinstance(result, Missing):
        assert clean_line(name) == ""
        return
    assert isinstance(result, Rendered)
    assert result.subject == f"To {clean_line(name)}"
    assert not set(result.subject) & set("\r\n\0\u2028\u2029\u202e\u200b\x85")
    reader = _Reader()
    reader.feed(result.html)
    assert reader.seen == [("p", ["title"])]
    assert html.unescape(result.html.removesuffix("</p>").partition('">')[2]) == clean_text(name)
    result.html.encode()
    result.subject.encode()


@given(NAMES)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    """What is clean stays as it is, but for joiners that have nothing left to join."""
    assert clean_text(clean_text(text)) == clean_text(text)
    once = clean_line(text)
    assert clean_line(once).replace("\u200d", "").replace("\u200c", "") == once.replace(
        "\u200d", ""
    ).replace("\u200c", "")


@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_text_is_checked_and_rendered_without_an_exception(text: str) -> None:
    """A problem is a value with a place in the text; what passes the check compiles."""
    problems = check_template(text, path="x.en", known_names=SCHEMA, use=Use(is_offer=True))
    lines = text.count("\n") + 1
    assert all(0 < problem.line <= lines for problem in problems)
    try:
        templates = Templates({"x.en": text}, default_locale="en")
    except InvalidBrandError:
        assert problems
        return
    situation = Situation(
        values={"name": "Ana", "count": 2, "bill": {"amount": 5}, "at": 60_000_000},
        schema=SCHEMA,
        locale="en",
        zone="UTC",
        now=0,
    )
    result = templates.render("x", "sms", situation)
    if isinstance(result, Missing):
        assert problems
    elif isinstance(result, Failed):
        assert problems or "empty" in result.detail or "yes or no" in result.detail
