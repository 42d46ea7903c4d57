"""Leaving with one click: tokens that nobody else can write, headers and footers."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.core import unsubscribe
from kept.core.template import Rendered
from kept.core.unsubscribe import (
    Unsubscribe,
    add_footer,
    is_one_click,
    list_unsubscribe_headers,
    make_link,
    make_token,
    read_token,
)
from kept.errors import SettingsError

SECRET = b"k" * 32
TOLD = Unsubscribe(
    part_id=42, entity="shop", purpose="marketing", channel="email", message_id="d7-email"
)
TOKEN = make_token(TOLD, secret=SECRET)
LINK = "https://shop.example/u/" + TOKEN


@given(st.builds(Unsubscribe, part_id=st.integers(0, 2**63 - 1), entity=st.text(max_size=40),
                 purpose=st.text(max_size=40), channel=st.text(max_size=20),
                 message_id=st.text(max_size=60)))  # fmt: skip
def test_a_token_says_what_was_put_into_it(told: Unsubscribe) -> None:
    """Whoever and whatever it names, and it fits into a URL."""
    token = make_token(told, secret=SECRET)
    assert read_token(token, [SECRET]) == told
    assert token.replace(".", "").replace("-", "").replace("_", "").isalnum()


@given(st.integers(0, len(TOKEN) - 1), st.characters())
def test_a_token_changed_anywhere_is_refused(place: int, character: str) -> None:
    """Every character is covered, the last bits of an encoding included."""
    changed = TOKEN[:place] + character + TOKEN[place + 1 :]
    assert read_token(changed, [SECRET]) == (TOLD if changed == TOKEN else None)


@pytest.mark.parametrize(
    "forged",
    [
        "",
        ".",
        "..",
        "1..",
        TOKEN + "A",
        TOKEN + "=",
        TOKEN[:-1],
        " " + TOKEN,
        "2" + TOKEN[1:],
        TOKEN.rpartition(".")[0],
        TOKEN.rpartition(".")[0] + ".",
        make_token(TOLD, secret=b"x" * 32),
        "1.\ud800.x",
        "1." + "A" * 5_000,
    ],
)
def test_a_forged_token_is_refused(forged: str) -> None:
    """Truncated, extended, of another version, unsigned or signed by somebody else."""
    assert read_token(forged, [SECRET]) is None


def test_the_parts_of_two_tokens_do_not_mix() -> None:
    """A signature belongs to one payload."""
    other = make_token(msgspec.structs.replace(TOLD, part_id=43), secret=SECRET)
    mixed = TOKEN.rpartition(".")[0] + "." + other.rpartition(".")[2]
    assert read_token(mixed, [SECRET]) is None


def test_a_token_of_a_form_that_is_not_known_says_nothing() -> None:
    """Even if it is signed: a later version may have written it."""
    payload = msgspec.msgpack.encode([1, "shop"])
    token = unsubscribe._SIGNER.write(payload, secret=SECRET)
    assert read_token(token, [SECRET]) is None


def test_an_old_secret_is_still_read_while_it_is_kept() -> None:
    """Links in letters that were sent before a secret was changed go on working."""
    new = b"n" * 32
    assert read_token(TOKEN, [new, SECRET]) == TOLD
    assert read_token(TOKEN, [new]) is None


def test_a_short_secret_signs_nothing_and_proves_nothing() -> None:
    """An empty secret must not let anybody write tokens."""
    with pytest.raises(SettingsError, match="at least 32"):
        make_token(TOLD, secret=b"short")
    assert read_token(TOKEN, [b"", b"short"]) is None


def test_the_headers_are_those_of_rfc_8058() -> None:
    """An https link in angle brackets, and the exact words of the post."""
    assert list_unsubscribe_headers(LINK) == {
        "List-Unsubscribe": f"<{LINK}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert is_one_click({"List-Unsubscribe": "One-Click"})
    assert not is_one_click({"List-Unsubscribe": "one click"})
    assert not is_one_click({})


def test_a_link_is_https_except_on_this_machine() -> None:
    """A demonstration on loopback needs no certificate; everything else does."""
    assert make_link("https://shop.example/", TOKEN) == LINK
    assert make_link("http://127.0.0.1:8080", "t") == "http://127.0.0.1:8080/u/t"
    for wrong in (
        "http://shop.example",
        "shop.example",
        "",
        "ftp://x",
        "https://",
        "https://a/?b=c",
    ):
        with pytest.raises(SettingsError, match="https"):
            make_link(wrong, TOKEN)


def test_a_footer_says_who_sent_it_and_how_to_leave() -> None:
    """In both parts, in the reader's language, inside the body."""
    rendered = Rendered(text="Hi\n", html="<html><body><p>Hi</p></body></html>")
    made = add_footer(rendered, link=LINK, imprint="Shop & Co, Gasse 1", locale="de-AT")
    assert made.text == f"Hi\n\n-- \nShop & Co, Gasse 1\nAbmelden: {LINK}\n"
    assert made.html.startswith("<html><body><p>Hi</p><p style=")
    assert f'Shop &amp; Co, Gasse 1<br><a href="{LINK}">Abmelden</a>' in made.html
    assert made.html.endswith("</p></body></html>")


def test_a_text_that_shows_the_link_gets_no_second_one() -> None:
    """A brand may write its own footer."""
    rendered = Rendered(text=f"Leave: {LINK}\n", html=f'<a href="{LINK}">leave</a>')
    assert add_footer(rendered, link=LINK, imprint="Shop", locale="fi") == rendered
    plain = add_footer(Rendered(text="Hi\n"), link=LINK, imprint="Shop", locale="fi")
    assert (plain.html, f"Unsubscribe: {LINK}" in plain.text) == ("", True)
