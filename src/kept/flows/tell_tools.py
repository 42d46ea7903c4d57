"""Tell tools outside Kept whom they may not contact any more, or may again.

What is told follows from notices: how far a tool was told is one number for each tool, and what
holds is read at the moment of telling. So nothing is told that was true only once, and the newest
word about a customer always comes last.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from kept.core.suppression import Suppression, read_words, write_suppressions
from kept.core.values import format_instant
from kept.errors import NotAllowedError
from kept.flows.customers import Customer
from kept.flows.engine import Engine
from kept.ports import Store

SUPPRESSIONS_MAX: Final = 200
"""A page takes no further notice once it holds so many suppressions."""
VALUES_MAX: Final = 50
"""How many values of one namespace name one customer; nobody has more addresses."""
TYPE: Final = "suppressions"
_encode: Final = msgspec.json.Encoder().encode


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool is told at once, in the order in which it happened."""

    suppressions: tuple[Suppression, ...]
    after: int
    """The notice up to which the tool was told before."""
    upto: int
    """The last notice that this page covers."""
    oldest_at: int
    """When the first of its notices was noted; 0 if there is none."""
    newest_at: int
    has_more: bool


def read_page(engine: Engine, tool: str, *, after: int, limit: int) -> Page:
    """Return what a tool is told of at most `limit` notices.

    Raises:
        NotAllowedError: the brand does not say that this source is told anything.
    """
    source = engine.bundle.brand.sources.sources[tool]
    if source.suppressions is None:
        raise NotAllowedError(
            f"sources.yaml does not say that {tool} is told of suppressions; "
            "give it `suppressions:` with its `identifiers`"
        )
    # Where several nodes note, one of a lower number may still be on its way.
    settled = engine.store.read_settled().notice_id
    found = engine.store.load_notices(after=after, limit=limit + 1)
    notices = [notice for notice in found if notice.notice_id <= settled]
    told: list[Suppression] = []
    covered = []
    for notice in notices[:limit]:
        if len(told) >= SUPPRESSIONS_MAX:
            break
        covered.append(notice)
        (part,) = engine.store.load_parts([notice.part_id])
        customer = engine.customers.home_of(part)
        identifiers, is_proven = _names_of(customer, source.told_namespaces)
        words = read_words(
            notice.scopes, customer.total(engine.plan), engine.bundle, noted_at=notice.noted_at
        )
        told += write_suppressions(
            notice.notice_id,
            # A claim may forbid, and never lifts anything.
            (word for word in words if is_proven or not word.allowed),
            identifiers,
            tool=source,
            bundle=engine.bundle,
        )
    return Page(
        suppressions=tuple(told),
        after=after,
        upto=covered[-1].notice_id if covered else after,
        oldest_at=covered[0].noted_at if covered else 0,
        newest_at=covered[-1].noted_at if covered else 0,
        has_more=len(covered) < len(notices),
    )


def _names_of(
    customer: Customer, namespaces: tuple[str, ...]
) -> tuple[Mapping[str, tuple[str, ...]], bool]:
    """Return a customer's identifiers in these namespaces, and whether anybody vouched for them."""
    proven = [part for part in customer.parts.values() if not part.claimed]
    named: dict[str, tuple[str, ...]] = {}
    for part in proven or customer.parts.values():
        space, value = part.identifier.namespace, part.identifier.value
        known = named.get(space, ())
        if space in namespaces and value not in known and len(known) < VALUES_MAX:
            named[space] = (*known, value)
    return named, bool(proven)


def write_post(page: Page) -> tuple[str, bytes]:
    """Return a page as the body of a webhook, and its id: the same content has the same id."""
    body = _encode(
        {
            "type": TYPE,
            "timestamp": format_instant(page.newest_at),
            "data": {"suppressions": page.suppressions},
        }
    )
    return hashlib.sha256(body).hexdigest()[:32], body


def load_told(store: Store, tool: str) -> int:
    """Return the notice up to which a tool was told, 0 if it never was."""
    return int(store.load_setting(_setting_of(tool)) or 0)


def save_told(engine: Engine, tool: str, page: Page, *, told_as: str) -> None:
    """Note how far a tool was told, under the name that the way of telling has."""
    if page.upto > load_told(engine.store, told_as):
        engine.store.save_setting(_setting_of(told_as), b"%d" % page.upto)
    if page.suppressions:
        engine.counts["told", tool] += len(page.suppressions)


def note_untaken(engine: Engine, tool: str) -> None:
    """Count a call that a tool did not take."""
    engine.counts["untold", tool] += 1


def oldest_untold(store: Store, tool: str) -> int:
    """Return when the first notice came that a tool was not told yet, 0 if there is none."""
    waiting = store.load_notices(after=load_told(store, tool), limit=1)
    return waiting[0].noted_at if waiting else 0


def _setting_of(tool: str) -> str:
    return f"told.{tool}"
