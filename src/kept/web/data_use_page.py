"""The page on which a customer sees how their data is used, behind a signed link.

The link alone says whose data; there are no cookies, no script, and nothing from elsewhere. The page
says less than an operator sees (no names of policies), and never anything else.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from starlette.responses import Response

from kept.core.brand.model import Brand
from kept.core.data_use_link import read_token
from kept.core.data_use_words import WORDS
from kept.errors import NotFoundError
from kept.flows.describe_data_use import (
    DataUse,
    HeldField,
    HeldShare,
    HeldUse,
    HeldValue,
    follow_data_use_link,
)
from kept.web.admin.data_use import data_map_of
from kept.web.endpoints import BUSY, Call, Endpoint

_GROUPS: Final = (
    "trait",
    "object",
    "feature",
    "identifier",
    "consents",
    "contacts",
    "event",
)


async def show_page(call: Call) -> Response:
    """Show every field that is held of the customer of a link."""
    link = read_token(call.text("token"), [call.front.runtime.link_secret], now=call.now)
    if link is None:
        raise NotFoundError("this link is not one of ours, or its time is over; ask for a new one")
    data = await data_map_of(call.front)
    use, locale = await call.front.runtime.ask(
        lambda engine, now: follow_data_use_link(engine, data, link, now=now)
    )
    words = _words_for(locale, call.request.headers.get("accept-language", ""))
    return call.front.pages.render(
        "data_use",
        {
            "brand": use.brand,
            "as_of": use.as_of[:10],
            "words": words,
            "groups": list(_groups_of(use, call.front.runtime.bundle.brand, words)),
            "entities": [
                {"name": entity.name, "contact": entity.contact, "address": entity.address}
                for entity in call.front.runtime.bundle.brand.brand.legal_entities.values()
            ],
        },
    )


def _words_for(locale: str, accept_language: str) -> dict[str, str]:
    """Return the page's words: in the customer's own language, else in one the browser asks for."""
    wanted = [locale, *(part.partition(";")[0].strip() for part in accept_language.split(",")[:20])]
    for each in wanted:
        language = each.replace("_", "-").partition("-")[0].lower()
        if language in WORDS:
            return WORDS[language]
    return WORDS["en"]


def _groups_of(use: DataUse, brand: Brand, words: dict[str, str]) -> Iterator[dict[str, Any]]:
    for kind in _GROUPS:
        fields = [field for field in use.fields if field.kind == kind]
        if fields:
            yield {
                "title": words[kind],
                "fields": [_field(field, brand, words) for field in fields],
            }


def _field(field: HeldField, brand: Brand, words: dict[str, str]) -> dict[str, Any]:
    holds = brand.brand.legal_holds
    return {
        "name": _name_of(field.field),
        "sensitive": field.sensitive,
        "unread": field.sensitive and not field.is_read,
        "values": [_value(value, words) for value in field.values],
        "more": max(field.count - len(field.values), 0),
        "uses": [_use(use, brand, words) for use in field.uses],
        "shared": list(_shares(field.shared, words)),
        "until": "; ".join(dict.fromkeys(_until(field))),
        "obliged": [
            told.get(words["language"]) or next(iter(told.values()), "")
            for keep in field.kept
            if keep.hold in holds
            for told in [holds[keep.hold].told]
        ],
    }


def _name_of(field: str) -> str:
    """Return a field's name as people would say it."""
    head, dot, rest = field.partition(".")
    if head in ("trait", "identifier", "event"):
        return rest.replace("_", " ")
    return f"{head}: {rest}".replace("_", " ") if dot else head.replace("_", " ")


def _value(value: HeldValue, words: dict[str, str]) -> dict[str, str]:
    said = {True: words["yes"], False: words["no"], None: "-"}
    shown = said[value.value] if isinstance(value.value, bool | None) else str(value.value)
    told = [value.source, value.told_at[:10]]
    return {
        "value": shown,
        "about": value.about,
        "told": ", ".join(part for part in told if part),
    }


def _use(use: HeldUse, brand: Brand, words: dict[str, str]) -> dict[str, Any]:
    entity = brand.brand.legal_entities.get(use.entity)
    return {
        "who": entity.name if entity else "",
        "why": use.description or words["proof"],
        "basis": words[use.basis],
        "holds": use.holds,
    }


def _shares(shared: Iterable[HeldShare], words: dict[str, str]) -> Iterator[dict[str, str]]:
    """Yield the companies that a field goes to, each once, with when it last went."""
    last: dict[tuple[str, str, str], str] = {}
    for share in shared:
        if share.recipient:
            key = (share.recipient, share.country, words[share.role])
            last[key] = max(last.get(key, ""), share.last_at)
    for (name, country, role), at in last.items():
        yield {"name": name, "country": country, "role": role, "last": at[:10]}


def _until(field: HeldField) -> Iterator[str]:
    ends = sorted({value.until[:10] for value in field.values if value.until})
    if ends:
        yield ends[-1]
        return
    for keep in field.kept:
        yield keep.duration


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/d/{token}",
        name="showDataUsePage",
        summary="Show a customer how their data is used.",
        handler=show_page,
        tag="Customers",
        who="link",
        media_type="text/html",
        statuses=(404, *BUSY),
    ),
)
