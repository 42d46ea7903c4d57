"""Questions before acting: what a placement may show, and whether a tool may contact somebody."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec
from starlette.types import Receive, Scope

from kept.clock import read_monotonic
from kept.errors import InputError, NotAllowedError, NotFoundError
from kept.flows.ask import (
    Answer,
    ContactAnswer,
    ContactQuestion,
    Question,
    ask,
    ask_contact,
    wants_of,
)
from kept.web.asgi import JSON, read_body
from kept.web.callers import Caller, find_source
from kept.web.front import Front
from kept.web.metrics import seconds

T = TypeVar("T")
BODY_BYTES_MAX: Final = 64 * 1024
QUESTIONS_MAX: Final = 50


class Questions(msgspec.Struct, frozen=True, kw_only=True):
    """Many questions at one moment, answered in their order."""

    questions: tuple[Question, ...]


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """The answers to many questions, in their order."""

    answers: tuple[Answer, ...]


class _Envelope(msgspec.Struct):
    """Tells many questions from one."""

    questions: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_QUESTION: Final = msgspec.json.Decoder(Question)
_QUESTIONS: Final = msgspec.json.Decoder(Questions)
_CONTACT: Final = msgspec.json.Decoder(ContactQuestion)
_encode: Final = msgspec.json.Encoder().encode


async def decide(front: Front, scope: Scope, receive: Receive) -> tuple[bytes, bytes] | None:
    """Answer one question of a placement, or many at once."""
    started = read_monotonic()
    caller = find_source(front.runtime, scope, proxies=front.proxies)
    body = await read_body(receive, bytes_max=BODY_BYTES_MAX)
    if body is None:
        return None
    questions, is_many = read_questions(body)
    questions = [_admit(front, question, caller) for question in questions]
    answers = await front.runtime.ask(
        lambda engine, now: [
            ask(engine, question, source=caller.source, now=now) for question in questions
        ],
        lambda engine: wants_of(engine, [q.identifiers for q in questions], source=caller.source),
    )
    if caller.is_public:
        answers = [_without_reasons(answer) for answer in answers]
    front.meters.decision.observe(seconds(read_monotonic() - started))
    return JSON, _encode(Answers(answers=tuple(answers)) if is_many else answers[0])


async def may_i(front: Front, scope: Scope, receive: Receive) -> tuple[bytes, bytes] | None:
    """Answer a tool outside Kept that wants to contact somebody."""
    started = read_monotonic()
    caller = find_source(front.runtime, scope, proxies=front.proxies, server_only=True)
    body = await read_body(receive, bytes_max=BODY_BYTES_MAX)
    if body is None:
        return None
    question = decode(_CONTACT, body)
    answer: ContactAnswer = await front.runtime.ask(
        lambda engine, now: ask_contact(engine, question, source=caller.source, now=now),
        lambda engine: wants_of(engine, [question.identifiers], source=caller.source),
    )
    front.meters.decision.observe(seconds(read_monotonic() - started))
    return JSON, _encode(answer)


def read_questions(body: bytes) -> tuple[Sequence[Question], bool]:
    """Return the questions in a body, and whether they came as many.

    Raises:
        InputError: the body is no question.
    """
    if decode(_ENVELOPE, body).questions is msgspec.UNSET:
        return [decode(_QUESTION, body)], False
    questions = decode(_QUESTIONS, body).questions
    if not 0 < len(questions) <= QUESTIONS_MAX:
        raise InputError(
            f"a call has 1 to {QUESTIONS_MAX} questions, this one {len(questions)}; split it"
        )
    return questions, True


def decode(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    """Return what a body holds; raises `InputError` with the place of what is wrong."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"the body cannot be used: {error}") from None


def _admit(front: Front, question: Question, caller: Caller) -> Question:
    """Return a question as this caller may ask it."""
    placements = front.runtime.bundle.policy.placements
    placement = placements.get(question.placement)
    if placement is None:
        message = f"there is no placement {question.placement[:100]!r} in brand.yaml"
        if not caller.is_public:
            message += f", which has {', '.join(sorted(placements))}"
        raise NotFoundError(message)
    if not caller.is_public:
        return question
    if placement.kind != "inbound":
        raise NotAllowedError(
            f"{caller.source} is a browser, whose key everybody can read: it may ask for what a "
            f"page shows, and {question.placement} is a {placement.kind} placement"
        )
    # Whatever a page says of its visitor proves nothing.
    return msgspec.structs.replace(question, proven=False)


def _without_reasons(answer: Answer) -> Answer:
    """Return an answer without why not: that tells of somebody whom a page cannot prove."""
    return msgspec.structs.replace(answer, refused=()) if answer.refused else answer


BODY: Final[Any] = Question | Questions
"""What `/v1/decide` takes."""
ANSWER: Final[Any] = Answer | Answers
"""What `/v1/decide` answers."""
