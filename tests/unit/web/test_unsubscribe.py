"""The page and the form by which customers leave."""

import pytest

from kept.core.unsubscribe import is_one_click
from kept.web.unsubscribe import read_form, words_for

URLENCODED = "application/x-www-form-urlencoded"


def test_both_kinds_of_form_are_read() -> None:
    """RFC 8058 allows urlencoded and multipart."""
    assert is_one_click(read_form(b"List-Unsubscribe=One-Click", URLENCODED))
    assert is_one_click(read_form(b"List-Unsubscribe=One-Click", ""))
    body = b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
    assert is_one_click(read_form(body, "multipart/form-data; boundary=b"))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", URLENCODED),
        (b"\xff\xfe", URLENCODED),
        (b"&".join(b"a%d=b" % i for i in range(100)), URLENCODED),
        (b"--b", "multipart/form-data"),
        (b"--b\r\n\r\n--b--", "multipart/form-data; boundary=b"),
        (b"x", "multipart/form-data; boundary=\xff"),
        (b"List-Unsubscribe=One-Click", "multipart/form-data; boundary=b"),
    ],
)
def test_what_is_no_click_is_none(body: bytes, content_type: str) -> None:
    """Whatever is posted, reading it harms nobody."""
    assert not is_one_click(read_form(body, content_type))


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("xx,pt;q=0.5", "pt"),
        ("xx", "en"),
        (",;q=1,,", "en"),
        ("," * 10_000 + "fr", "en"),
    ],
)
def test_the_page_speaks_the_readers_language(asked: str, language: str) -> None:
    """The first that it can, else English."""
    assert words_for(asked)["language"] == language


def test_every_language_says_everything() -> None:
    """No gap on the page in any of them."""
    spoken = [words_for(name) for name in ("en", "de", "pt", "es", "fr", "it", "nl")]
    assert len({words["language"] for words in spoken}) == len(spoken)
    assert len({frozenset(words) for words in spoken}) == 1
    assert all(text for words in spoken for text in words.values())
