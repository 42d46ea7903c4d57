"""What people watch, in sentences; every piece of news has one."""

import re
from pathlib import Path

import pytest

from kept.web.pages import SECURITY_HEADERS, Pages
from kept.web.status import in_words, tell

SOURCE = Path(__file__).parents[3] / "src" / "kept"


def test_every_kind_of_news_has_a_sentence_of_its_own() -> None:
    """Whatever the flows tell, the page can say."""
    kinds = set()
    for path in (SOURCE / "flows").glob("*.py"):
        kinds |= set(re.findall(r"\.tell\(\s*\"(\w+)\"", path.read_text()))
    assert kinds >= {"queued", "said", "withdrawn"}
    for kind in kinds:
        assert tell({"kind": kind, "code": "source_silent"}) != f"{kind}."


def test_news_is_told_in_words() -> None:
    """Reasons as people read them, lists as lists."""
    told = {"kind": "withdrawn", "action": "offer", "channel": "email", "reason": "opted_out"}
    assert tell(told) == "offer was held back from email: opted out."
    gap = {"kind": "gap", "action": "offer", "names": ["name", "price"]}
    assert tell(gap) == "offer was held back, since its text lacks name, price."
    assert tell({"kind": "something_new"}) == "something_new."
    assert in_words("cap_reached") == "cap reached"


@pytest.mark.parametrize("name", ["status", "unsubscribe"])
def test_pages_hold_no_script_and_no_style_of_their_own(name: str) -> None:
    """The policy would refuse them, and they would be where a forged value could hide."""
    text = (SOURCE / "web" / "templates" / f"{name}.liquid").read_text()
    assert not re.search(r"<style|style=|\bon\w+=|<script(?! src)|https?:", text)
    assert "unsafe" not in SECURITY_HEADERS["content-security-policy"]


def test_whatever_is_printed_is_escaped() -> None:
    """A brand's own words are text, not markup."""
    words = dict.fromkeys(("language", "title", "question", "about", "by", "button", "note"), "<b>")
    values = {
        "brand": "<b>",
        "entity": "<script>",
        "address": "",
        "purpose": '"><img>',
        "channel": "email",
        "is_done": False,
        "words": words,
    }
    html = bytes(Pages().render("unsubscribe", values).body).decode()
    assert "<b>" not in html
    assert "<script>" not in html
    assert "<img>" not in html
