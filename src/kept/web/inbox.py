"""The customer's inbox: looked into by a server for its customer, or by a page with a pass."""

from collections.abc import Callable, Collection
from typing import Final, TypeVar

import msgspec

from kept.core.values import SECOND, format_instant
from kept.errors import InputError, NotAllowedError, UnknownCallerError
from kept.flows.ask import recognise
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.flows.pull import INBOX, Item, Mark, mark_item, pull_inbox
from kept.flows.regroup import parse_identifier
from kept.web.callers import find_pulled, find_source
from kept.web.endpoints import BUSY, Call, Endpoint
from kept.web.passes import Pass, make_pass, read_pass

T = TypeVar("T")
PASS_SECONDS_MAX: Final = 86_400
_BEARER: Final = "bearer "


class InboxQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Whose inbox."""

    identifier: str = ""
    """`NAMESPACE:VALUE`, by which a server names its customer; not needed with a pass."""


class Inbox(msgspec.Struct, frozen=True, kw_only=True):
    """What an inbox holds, newest first."""

    items: tuple[Item, ...]


class Marking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a customer did with a message."""

    mark: Mark
    identifier: str = ""
    """`NAMESPACE:VALUE`, by which a server names its customer; not needed with a pass."""


class Marked(msgspec.Struct, frozen=True, kw_only=True):
    """Said once it is durable."""

    message_id: str
    mark: Mark


class PassWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For whom a page needs a pass."""

    identifier: str
    """`NAMESPACE:VALUE` of a customer who has proven to the asking server who they are."""
    seconds: int = 3_600


class PassGranted(msgspec.Struct, frozen=True, kw_only=True):
    """A pass, to be sent as `Authorization: Bearer`."""

    inbox_pass: str
    valid_until: str


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which source looks, itself or by a pass of its own, and into which channels."""

    source: str
    channels: Collection[str]


async def show_inbox(call: Call) -> Inbox:
    """Show an inbox; what is due in it is handed over by this."""

    def job(engine: Engine, customer: Customer, asked: _Asked, now: int) -> tuple[Item, ...]:
        return pull_inbox(engine, customer, now, channels=asked.channels, source=asked.source)

    return Inbox(items=await _with_customer(call, call.query.identifier, job))


async def mark_message(call: Call) -> Marked:
    """Note that a message was read, dismissed or declined."""
    wanted: Marking = call.body
    message_id = call.text("message_id")

    def job(engine: Engine, customer: Customer, asked: _Asked, now: int) -> None:
        mark_item(engine, customer, message_id, wanted.mark, channels=asked.channels, now=now)

    await _with_customer(call, wanted.identifier, job)
    return Marked(message_id=message_id, mark=wanted.mark)


async def grant_pass(call: Call) -> PassGranted:
    """Give a server a pass for a page of its customer's."""
    wanted: PassWanted = call.body
    if not 0 < wanted.seconds <= PASS_SECONDS_MAX:
        raise InputError(f"a pass is good for 1 to {PASS_SECONDS_MAX} seconds")

    def job(engine: Engine, now: int) -> int:
        customer = _proven(engine, wanted.identifier, call.caller.source)
        return _named_part(engine, customer, wanted.identifier, call.caller.source)

    source = call.caller.source
    find_pulled(call.front.runtime.bundle, source, INBOX)
    granted = Pass(
        part_id=await call.front.runtime.ask(job),
        expires_at=call.now + wanted.seconds * SECOND,
        source=source,
        granted_at=call.now,
    )
    return PassGranted(
        inbox_pass=make_pass(granted, secret=call.front.runtime.link_secret),
        valid_until=format_instant(granted.expires_at),
    )


async def _with_customer(
    call: Call, identifier: str, work: Callable[[Engine, Customer, _Asked, int], T]
) -> T:
    """Do something for the customer whom a pass or the asking server proves."""
    runtime = call.front.runtime
    granted = _offered_pass(call)
    if granted is not None:
        source = granted.source
    else:
        source = find_source(
            runtime, call.request.scope, proxies=call.front.proxies, server_only=True
        ).source
    asked = _Asked(source=source, channels=find_pulled(runtime.bundle, source, INBOX))

    def job(engine: Engine, now: int) -> T:
        if granted is None:
            return work(engine, _proven(engine, identifier, source), asked, now)
        parts = engine.store.load_parts([granted.part_id])
        if not parts:
            raise UnknownCallerError("whom this pass was written for is not known any more")
        return work(engine, engine.customers.home_of(parts[0]), asked, now)

    return await runtime.ask(job)


def _offered_pass(call: Call) -> Pass | None:
    header = call.request.headers.get("authorization", "")
    if not header.lower().startswith(_BEARER):
        return None
    text = header[len(_BEARER) :].strip()
    runtime = call.front.runtime
    granted = read_pass(text, secret=runtime.link_secret, now=call.now)
    if granted is not None and granted.granted_at < runtime.directory.barred.passes_before.get(
        granted.source, 0
    ):
        raise UnknownCallerError("this pass was revoked; ask for a new one")
    return granted


def _proven(engine: Engine, identifier: str, source: str) -> Customer:
    """Return a customer whom a server names and proves; nobody else's word opens an inbox."""
    wanted = parse_identifier(identifier)
    customer, is_proven = recognise(engine, {wanted.namespace: wanted.value}, source=source)
    if not is_proven:
        raise NotAllowedError(
            f"an inbox opens to a customer who is proven, and {source} does not vouch for anybody "
            f"by this {wanted.namespace}"
        )
    return customer


def _named_part(engine: Engine, customer: Customer, identifier: str, source: str) -> int:
    """Return the part that a server named: should its customer be two people, it stays that one's."""
    wanted = parse_identifier(identifier)
    touchpoint = engine.bundle.touchpoints[source]
    named = set(touchpoint.name_identifiers({wanted.namespace: wanted.value}))
    return next(
        part.part_id
        for part in customer.parts.values()
        if not part.claimed and part.identifier in named
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/inbox",
        name="showInbox",
        summary="Look into a customer's inbox, with a pass, or as the server that proves the customer.",
        handler=show_inbox,
        tag="Messages",
        who="customer",
        query=InboxQuery,
        answer=Inbox,
        statuses=(400, *BUSY),
        is_shared=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/inbox/passes",
        name="grantInboxPass",
        summary="Get a pass for a page of a proven customer's.",
        handler=grant_pass,
        tag="Messages",
        who="server",
        body=PassWanted,
        answer=PassGranted,
        statuses=BUSY,
    ),
    Endpoint(
        method="POST",
        path="/v1/inbox/{message_id}",
        name="markMessage",
        summary="Note that a message was read, dismissed or declined.",
        handler=mark_message,
        tag="Messages",
        who="customer",
        body=Marking,
        answer=Marked,
        statuses=(404, *BUSY),
        is_shared=True,
    ),
)
