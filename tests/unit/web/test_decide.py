"""Questions read from bodies: one, many, or none that can be answered."""

import json
from typing import Any

import pytest

from kept.errors import InputError
from kept.web.decide import QUESTIONS_MAX, read_questions

ONE = {"placement": "till", "identifiers": {"user_id": "u"}}


def test_one_question_and_many_are_told_apart() -> None:
    """By the member `questions`."""
    questions, is_many = read_questions(json.dumps(ONE).encode())
    assert (len(questions), is_many) == (1, False)
    questions, is_many = read_questions(json.dumps({"questions": [ONE, ONE]}).encode())
    assert (len(questions), is_many) == (2, True)


@pytest.mark.parametrize(
    "body",
    [
        {"questions": []},
        {"questions": [ONE] * (QUESTIONS_MAX + 1)},
        {"questions": None},
        {"questions": [{}]},
        {},
        [],
        {"placement": None, "identifiers": {}},
        {"placement": "till", "identifiers": {"user_id": 7}},
    ],
)
def test_what_is_no_question_is_refused(body: Any) -> None:
    """With the place of what is wrong."""
    with pytest.raises(InputError):
        read_questions(json.dumps(body).encode())


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"questions":' * 10_000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    """However deep it is."""
    with pytest.raises(InputError):
        read_questions(body)
