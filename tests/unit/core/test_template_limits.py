"""Templates that loop, grow, nest or reach out: refused when checked, bounded when rendered."""

import sys
import time
from typing import Any

import pytest

from kept.core.template import Failed, Missing, Rendered, Situation, Templates, check_template
from kept.core.template.engine import OUTPUT_BYTES_MAX, SOURCE_LENGTH_MAX
from kept.errors import InvalidBrandError

SCHEMA = {"items": "list", "count": "int", "name": "text"}


def render(texts: dict[str, str], **values: Any) -> Rendered | Missing | Failed:
    """Render the text `x` of a folder."""
    situation = Situation(values=values, schema=SCHEMA, locale="en", now=0)
    return Templates(texts, default_locale="en").render("x", "sms", situation)


LOOPS = {
    "a loop over a billion": "{% for i in (1..1000000000) %}x{% endfor %}",
    "a loop over 10 to the 30": "{% for i in (1..1000000000000000000000000000000) %}x{% endfor %}",
    "loops in loops": "{% for a in (1..99) %}{% for b in (1..99) %}{% for c in (1..9) %}x"
    "{% endfor %}{% endfor %}{% endfor %}",
    "a loop over much": "{% for i in (1..9000) %}"
    + "{% if true %}{% endif %}" * 9
    + "{% endfor %}",
}


@pytest.mark.parametrize("text", LOOPS.values(), ids=LOOPS)
def test_a_template_that_loops_is_refused_by_the_check(text: str) -> None:
    """What can be seen beforehand is said beforehand, at the loop."""
    (problem, *_) = check_template(text, path="x.en", known_names=SCHEMA)
    assert "the loop takes more than 20,000 steps" in problem.message
    assert (problem.line, problem.column > 0) == (1, True)


@pytest.mark.parametrize("text", LOOPS.values(), ids=LOOPS)
def test_a_template_that_loops_is_stopped_when_rendered(text: str) -> None:
    """Even unchecked it costs little: the rounds are counted before the first of them."""
    started = time.process_time()
    assert isinstance(render({"x.en": text}), Failed)
    assert time.process_time() - started < 1


def test_a_loop_over_values_is_bounded_by_them_and_by_steps() -> None:
    """A list may be long by mistake of a source; the template does not pay for it."""
    text = {"x.en": "{% for a in items %}{% for b in items %}{{ b }}{% endfor %}{% endfor %}"}
    assert isinstance(render(text, items=["y"] * 50), Rendered)
    assert isinstance(render(text, items=["y"] * 5_000), Failed)
    range_by_value = {"x.en": "{% for a in (1..count) %}x{% endfor %}"}
    assert isinstance(render(range_by_value, count=10**12), Failed)


def test_many_loops_share_one_account() -> None:
    """A thousand small loops are as much work as a large one."""
    text = "{% for a in (1..100) %}x{% endfor %}" * 1_000
    assert isinstance(render({"x.en": text}), Failed)


def test_a_loop_goes_on_where_the_last_one_stopped() -> None:
    """Counting the rounds does not disturb `offset: continue`."""
    text = (
        "{% for a in items limit: 2 %}{{ a }}{% endfor %}-"
        "{% for a in items offset: continue %}{{ a }}{% endfor %}"
    )
    assert render({"x.en": text}, items=["a", "b", "c"]) == Rendered(text="ab-c\n")


def test_the_output_is_bounded() -> None:
    """No message is longer than any channel takes."""
    text = "{% for a in (1..900) %}{{ name }}{% endfor %}"
    result = render({"x.en": text}, name="é" * 1_000)
    assert isinstance(result, Failed)
    assert "output" in result.detail
    assert OUTPUT_BYTES_MAX < 900 * 2 * 1_000


def test_the_source_is_bounded() -> None:
    """A template is written by people; a megabyte is a mistake."""
    text = "x" * (SOURCE_LENGTH_MAX + 1)
    (problem,) = check_template(text, path="x.en", known_names={})
    assert "100,001 characters" in problem.message


@pytest.mark.parametrize(
    "text",
    [
        "{% if name %}" * 40 + "{% endif %}" * 40,
        "{% if " + " and ".join(["name"] * 5_000) + " %}{% endif %}",
        "{{ " + "name[" * 3_000 + "name" + "]" * 3_000 + " }}",
    ],
    ids=["blocks", "conditions", "brackets"],
)
def test_nesting_is_bounded(text: str) -> None:
    """Depth ends in a problem with a place, not in a crash."""
    (problem, *_) = check_template(text, path="x.en", known_names=SCHEMA)
    assert "nest" in problem.message
    with pytest.raises(InvalidBrandError):
        Templates({"x.en": text}, default_locale="en")


def test_a_stack_that_is_nearly_full_is_a_failure_and_no_crash() -> None:
    """Whoever calls from far down gets an answer, as long as there is room to give one."""
    templates = Templates(
        {"x.en": "{% if true %}" * 12 + "x" + "{% endif %}" * 12}, default_locale="en"
    )
    situation = Situation(values={}, schema={}, locale="en", now=0)

    def dive(depth: int) -> object:
        return dive(depth - 1) if depth else templates.render("x", "sms", situation)

    details = set()
    for depth in range(sys.getrecursionlimit()):
        try:
            result = dive(depth)
        except RecursionError:
            break
        details.add(result.detail if isinstance(result, Failed) else "")
    assert details == {"", "templates/x.en.liquid, text: the template is nested too deeply"}


def test_a_partial_that_renders_itself_is_refused_and_stopped() -> None:
    """Directly or in a ring, twice at each turn."""
    texts = {
        "x.en": "{% render '_a' %}",
        "_a": "{% render '_b' %}{% render '_b' %}",
        "_b": "{% render '_a' %}{% render '_a' %}",
    }
    problems = check_template(texts["x.en"], path="x.en", known_names=SCHEMA, others=texts)
    assert {problem.file for problem in problems} == {"templates/_b.liquid"}
    assert "renders itself" in problems[0].message
    started = time.process_time()
    assert isinstance(render(texts), Failed)
    assert time.process_time() - started < 1


def test_partials_lie_in_each_other_only_so_deep() -> None:
    """What is deeper is told at the place that goes too far."""
    texts = {f"_p{depth}": f"{{% render '_p{depth + 1}' %}}" for depth in range(6)} | {"_p6": "x"}
    problems = check_template("{% render '_p0' %}", path="x.en", known_names={}, others=texts)
    assert [(problem.file, problem.message) for problem in problems] == [
        ("templates/_p4.liquid", "partials lie too deep")
    ]


def test_a_large_partial_in_a_loop_counts_with_all_that_is_in_it() -> None:
    """The cost of a partial is its own size, each time."""
    texts = {
        "x.en": "{% for i in (1..900) %}{% render '_a' %}{% endfor %}",
        "_a": "{% if true %}y{% endif %}" * 100,
    }
    assert isinstance(render(texts), Failed)


@pytest.mark.parametrize(
    "text",
    [
        "{% include 'x' %}",
        "{% include '/etc/passwd' %}",
        "{% render '/etc/passwd' %}",
        "{% render '../brand' %}",
        "{% render 'x.en' %}",
        "{% render name %}",
        "{% capture a %}x{% endcapture %}",
        "{% liquid echo name %}",
        "{% tablerow i in items %}{% endtablerow %}",
        "{% increment a %}",
        "{{ name | append: name }}",
        "{{ name | replace: 'a', name }}",
        "{{ name | split: '' }}",
        "{{ name | safe }}",
        "{{ name.__class__ }}",
        "{{ name.upper }}",
        "{{ items.append }}",
        "{{ name['__class__'] }}",
    ],
)
def test_nothing_outside_the_sandbox_can_be_reached(text: str) -> None:
    """Files, growing filters and Python's own attributes are refused, checked or not."""
    assert check_template(text, path="x.en", known_names=SCHEMA) != []
    try:
        result = render({"x.en": text}, name="aaaa", items=["a"])
    except InvalidBrandError:
        return
    assert isinstance(result, Failed | Missing)
