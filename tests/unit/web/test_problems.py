"""Errors as problems: each of our errors has a status, a code and the headers that go with it."""

from collections.abc import Iterator

import msgspec
import pytest

from kept.errors import (
    ConflictError,
    DiskFullError,
    InputError,
    InvalidBrandError,
    KeptError,
    NotAllowedError,
    NotFoundError,
    OverloadedError,
    Problem,
    SettingsError,
    StoreError,
    TooLargeError,
    UnknownCallerError,
)
from kept.web.problems import headers_of, internal_problem, problem_of, wrong_method


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("x"), 400),
        (UnknownCallerError("x"), 401),
        (NotAllowedError("x"), 403),
        (NotFoundError("x"), 404),
        (ConflictError("x"), 409),
        (TooLargeError("x"), 413),
        (InvalidBrandError([]), 422),
        (OverloadedError("x"), 429),
        (StoreError("x"), 503),
        (DiskFullError("x"), 503),
        (SettingsError("x"), 503),
    ],
)
def test_each_error_has_its_status(error: KeptError, status: int) -> None:
    """Whoever can mend it gets 4xx, whoever may try again 429 or 503."""
    problem = problem_of(error, request_id="r")
    assert (problem.status, problem.code, problem.request_id) == (status, error.code, "r")


def all_errors(base: type[KeptError] = KeptError) -> Iterator[type[KeptError]]:
    """Yield every class of the tree below the root."""
    for child in base.__subclasses__():
        yield child
        yield from all_errors(child)


def test_no_error_of_ours_is_answered_as_a_bug() -> None:
    """500 is for what nobody raised on purpose."""
    for kind in all_errors():
        error = kind([]) if issubclass(kind, InvalidBrandError) else kind("x")
        assert problem_of(error).status != 500


def test_a_problem_is_written_as_the_standard_says() -> None:
    """Members of RFC 9457, and nothing that is empty."""
    told = msgspec.json.decode(msgspec.json.encode(problem_of(NotFoundError("no such thing"))))
    assert told == {
        "type": "urn:kept:error:not_found",
        "title": "Not found",
        "status": 404,
        "detail": "no such thing",
        "code": "not_found",
    }


def test_whoever_may_come_back_is_told_when() -> None:
    """In the header that every client reads, and in the body."""
    problem = problem_of(OverloadedError("x", retry_after_seconds=7))
    assert problem.retry_after == 7
    assert (b"retry-after", b"7") in headers_of(problem)
    assert (b"x-ratelimit-reset", b"7") in headers_of(problem)
    assert any(name == b"retry-after" for name, _ in headers_of(problem_of(StoreError("x"))))
    assert not any(name == b"retry-after" for name, _ in headers_of(problem_of(InputError("x"))))


def test_a_page_is_never_asked_for_a_password() -> None:
    """A challenge for Basic would open a dialogue before the visitor's eyes."""
    headers = dict(headers_of(problem_of(UnknownCallerError("x"))))
    assert headers[b"www-authenticate"] == b'Bearer realm="kept"'


def test_every_problem_of_a_folder_is_listed() -> None:
    """All at once, each with its place."""
    found = [Problem(file="a.yaml", line=3, message="one"), Problem(file="b.yaml", message="two")]
    problem = problem_of(InvalidBrandError(found))
    assert [(each["file"], each["line"]) for each in problem.problems] == [
        ("a.yaml", 3),
        ("b.yaml", 0),
    ]


def test_a_bug_tells_nothing_but_where_to_look() -> None:
    """Its details stand in the log."""
    problem = internal_problem(request_id="r-1")
    assert (problem.status, problem.code, problem.request_id) == (500, "internal", "r-1")


def test_a_wrong_method_names_the_right_one() -> None:
    """So that nobody must guess."""
    assert "POST" in wrong_method("POST", request_id="").detail


def test_what_is_wrong_inside_is_told_to_operators_only() -> None:
    """A stranger learns that it is worth trying again, and no path or name of ours."""
    for error in (
        StoreError("/var/lib/kept is broken"),
        DiskFullError("/var"),
        SettingsError("env:X"),
    ):
        assert str(error) not in problem_of(error).detail
        assert problem_of(error, is_for_operator=True).detail == str(error)
    assert problem_of(NotFoundError("no such thing")).detail == "no such thing"
