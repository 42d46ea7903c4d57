"""Contesting by a link: a page with one button; looking at it changes nothing, for machines look too."""

from typing import Final

import msgspec
from starlette.responses import Response

from kept.clock import read_monotonic
from kept.core.contest import Contest, read_token
from kept.errors import InputError, NotFoundError
from kept.flows.approvals import contest, describe_contest
from kept.web.contest_words import words_for
from kept.web.endpoints import BUSY, Call, Endpoint
from kept.web.metrics import seconds
from kept.web.unsubscribe import BODY_BYTES_MAX, read_form

FIELD: Final = "Contest"
ONE_CLICK: Final = "One-Click"


class ContestDone(msgspec.Struct, frozen=True, kw_only=True):
    """Said once it is in force."""

    contested: bool = True
    withdrawn: int
    """How many messages about it were taken back."""
    in_flight: tuple[str, ...] = ()
    """Channels on which one was leaving already."""


async def show_page(call: Call) -> Response:
    """Show what the link contests, and a button; nothing changes."""
    told = _read_link(call)
    found = await call.front.runtime.ask(lambda engine, now: describe_contest(engine, told))
    if found is None:
        raise NotFoundError("what this link was written for is not known here any more")
    return _page(call, *found, is_done=False)


async def take(call: Call) -> Response | ContestDone:
    """Stop the decision and let another person look at it; in force before the answer."""
    started = read_monotonic()
    told = _read_link(call)
    content_type = call.request.headers.get("content-type", "")
    if read_form(call.raw, content_type).get(FIELD) != ONE_CLICK:
        raise InputError(f"to contest, post `{FIELD}={ONE_CLICK}` as a form")
    done = await call.front.runtime.ask(lambda engine, now: contest(engine, told, now))
    if done is None:
        raise NotFoundError("what this link was written for is not known here any more")
    call.front.meters.stopped_by_customer.observe(seconds(read_monotonic() - started))
    if "text/html" in call.request.headers.get("accept", ""):
        return _page(call, done.entity, done.topic, is_done=True)
    return ContestDone(withdrawn=done.withdrawn, in_flight=done.in_flight)


def _read_link(call: Call) -> Contest:
    told = read_token(call.text("token"), [call.front.runtime.link_secret])
    if told is None:
        raise NotFoundError("this link is not one of ours, or a part of it is missing")
    return told


def _page(call: Call, entity: str, topic: str, *, is_done: bool) -> Response:
    brand = call.front.runtime.bundle.brand
    company = brand.brand.legal_entities.get(entity)
    subject = brand.consent.topics.get(topic)
    return call.front.pages.render(
        "contest",
        {
            "brand": brand.brand.brand,
            "entity": company.name if company else brand.brand.brand,
            "address": company.address if company else "",
            "contact": company.contact if company else "",
            "topic": subject.description if subject else "",
            "is_done": is_done,
            "words": words_for(call.request.headers.get("accept-language", "")),
        },
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/c/{token}",
        name="showContest",
        summary="Show what a link contests, and a button; looking changes nothing.",
        handler=show_page,
        tag="Leaving",
        who="link",
        media_type="text/html",
        statuses=(404, *BUSY),
    ),
    Endpoint(
        method="POST",
        path="/c/{token}",
        name="contest",
        summary="Contest a decision with one click: it stops, and another person looks at it.",
        handler=take,
        tag="Leaving",
        who="link",
        body_text=f"A form with `{FIELD}={ONE_CLICK}`.",
        body_bytes_max=BODY_BYTES_MAX,
        answer=ContestDone,
        statuses=(404, *BUSY),
    ),
)
