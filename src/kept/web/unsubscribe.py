"""Leaving by a link: a page with one button, and the one click of RFC 8058.

The link alone says who leaves what; there are no cookies and no redirects. Looking at the page
changes nothing, for machines look at links too.
"""

from email import message_from_bytes, policy
from email.errors import MessageError
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import Response

from kept.clock import read_monotonic
from kept.core.unsubscribe import Unsubscribe, is_one_click, read_token
from kept.core.values import moment_of
from kept.errors import InputError, NotFoundError
from kept.flows.learn import unsubscribe
from kept.web.endpoints import BUSY, Call, Endpoint
from kept.web.metrics import seconds

BODY_BYTES_MAX: Final = 8 * 1024
ONE_CLICK: Final = "List-Unsubscribe=One-Click"


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """Said to a machine that left on somebody's behalf."""

    unsubscribed: bool = True


class PrivacyControl(msgspec.Struct, frozen=True, kw_only=True):
    """Says that this server honours Global Privacy Control."""

    gpc: bool
    lastUpdate: str  # noqa: N815 - the name is the specification's


async def show_page(call: Call) -> Response:
    """Show what the link is about, and a button; nothing changes."""
    told = _read_link(call)
    return _page(call, told, is_done=False)


async def leave(call: Call) -> Response | Left:
    """Withdraw the consent that the link names; in force before the answer."""
    started = read_monotonic()
    told = _read_link(call)
    content_type = call.request.headers.get("content-type", "")
    if not is_one_click(read_form(call.raw, content_type)):
        raise InputError(f"to leave, post `{ONE_CLICK}` as a form, as RFC 8058 describes")
    is_known = await call.front.runtime.ask(lambda engine, now: unsubscribe(engine, told, now))
    if not is_known:
        raise NotFoundError("whom this link was written for is not known here any more")
    call.front.meters.stopped_by_customer.observe(seconds(read_monotonic() - started))
    if "text/html" in call.request.headers.get("accept", ""):
        return _page(call, told, is_done=True)
    return Left()


def _read_link(call: Call) -> Unsubscribe:
    told = read_token(call.text("token"), [call.front.runtime.link_secret])
    if told is None:
        raise NotFoundError("this link is not one of ours, or a part of it is missing")
    return told


def _page(call: Call, told: Unsubscribe, *, is_done: bool) -> Response:
    brand = call.front.runtime.bundle.brand
    entity = brand.brand.legal_entities.get(told.entity)
    purpose = brand.consent.purposes.get(told.purpose)
    return call.front.pages.render(
        "unsubscribe",
        {
            "brand": brand.brand.brand,
            "entity": entity.name if entity else told.entity,
            "address": entity.address if entity else "",
            "purpose": purpose.description if purpose else told.purpose,
            "channel": told.channel,
            "is_done": is_done,
            "words": words_for(call.request.headers.get("accept-language", "")),
        },
    )


def read_form(body: bytes, content_type: str) -> dict[str, str]:
    """Return the fields of a posted form, urlencoded or multipart; empty where it is neither."""
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        try:
            return dict(parse_qsl(body.decode(), max_num_fields=10))
        except ValueError:
            return {}
    head = b"content-type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n"
    try:
        mail = message_from_bytes(head + body, policy=policy.compat32)
        fields = {}
        for part in mail.walk():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            if isinstance(name, str) and isinstance(content, bytes):
                fields[name] = content.decode("utf-8", "replace").strip()
    except (MessageError, ValueError, LookupError, TypeError, RecursionError):
        return {}
    return fields


async def show_privacy_control(call: Call) -> PrivacyControl:
    """Say that Sec-GPC is honoured here, since the brand's version in force."""
    since = await call.front.runtime.ask(
        lambda engine, now: row.in_force_at if (row := engine.store.load_brand()) else now
    )
    return PrivacyControl(gpc=True, lastUpdate=f"{moment_of(since):%Y-%m-%d}")


def words_for(accept_language: str) -> dict[str, str]:
    """Return the page's words in the first language asked for that it speaks."""
    for wanted in accept_language.split(",")[:20]:
        language = wanted.partition(";")[0].strip().partition("-")[0].lower()
        if language in _WORDS:
            return _WORDS[language]
    return _WORDS["en"]


_WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "language": "en",
        "title": "Unsubscribe",
        "question": "Shall we stop writing to you about this?",
        "about": "What it is about",
        "by": "On the channel",
        "button": "Yes, stop",
        "note": "It takes effect at once. Nothing else of yours changes.",
        "done_title": "Done",
        "done": "We have stopped. You will get nothing more of this kind from us.",
    },
    "de": {
        "language": "de",
        "title": "Abmelden",
        "question": "Sollen wir aufhören, Ihnen darüber zu schreiben?",
        "about": "Worum es geht",
        "by": "Auf dem Weg",
        "button": "Ja, aufhören",
        "note": "Das gilt sofort. Sonst ändert sich nichts.",
        "done_title": "Erledigt",
        "done": "Wir haben aufgehört. Sie bekommen nichts dieser Art mehr von uns.",
    },
    "pt": {
        "language": "pt",
        "title": "Cancelar subscrição",
        "question": "Devemos deixar de lhe escrever sobre isto?",
        "about": "De que se trata",
        "by": "Pelo canal",
        "button": "Sim, parem",
        "note": "Tem efeito imediato. Nada mais muda.",
        "done_title": "Feito",
        "done": "Parámos. Não receberá mais nada deste género da nossa parte.",
    },
    "es": {
        "language": "es",
        "title": "Darse de baja",
        "question": "¿Dejamos de escribirle sobre esto?",
        "about": "De qué se trata",
        "by": "Por el canal",
        "button": "Sí, dejen de hacerlo",
        "note": "Tiene efecto de inmediato. No cambia nada más.",
        "done_title": "Hecho",
        "done": "Hemos dejado de hacerlo. No recibirá nada más de este tipo.",
    },
    "fr": {
        "language": "fr",
        "title": "Se désabonner",
        "question": "Devons-nous cesser de vous écrire à ce sujet ?",
        "about": "De quoi il s'agit",
        "by": "Par le canal",
        "button": "Oui, arrêtez",
        "note": "C'est effectif tout de suite. Rien d'autre ne change.",
        "done_title": "C'est fait",
        "done": "Nous avons arrêté. Vous ne recevrez plus rien de ce genre de notre part.",
    },
    "it": {
        "language": "it",
        "title": "Annulla l'iscrizione",
        "question": "Dobbiamo smettere di scriverle su questo?",
        "about": "Di che cosa si tratta",
        "by": "Tramite il canale",
        "button": "Sì, smettete",
        "note": "Vale da subito. Non cambia altro.",
        "done_title": "Fatto",
        "done": "Abbiamo smesso. Non riceverà più nulla di questo genere da noi.",
    },
    "nl": {
        "language": "nl",
        "title": "Afmelden",
        "question": "Zullen we stoppen u hierover te schrijven?",
        "about": "Waar het om gaat",
        "by": "Via het kanaal",
        "button": "Ja, stop",
        "note": "Dit geldt meteen. Verder verandert er niets.",
        "done_title": "Klaar",
        "done": "We zijn gestopt. U krijgt niets meer van deze soort van ons.",
    },
}


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/u/{token}",
        name="showUnsubscribe",
        summary="Show what a link leaves, and a button; looking changes nothing.",
        handler=show_page,
        tag="Leaving",
        who="link",
        media_type="text/html",
        statuses=(404,),
    ),
    Endpoint(
        method="POST",
        path="/u/{token}",
        name="unsubscribe",
        summary="Leave with one click (RFC 8058); in force before the answer.",
        handler=leave,
        tag="Leaving",
        who="link",
        body_text=f"A form with `{ONE_CLICK}`.",
        body_bytes_max=BODY_BYTES_MAX,
        answer=Left,
        statuses=(404, *BUSY),
    ),
    Endpoint(
        method="GET",
        path="/.well-known/gpc.json",
        name="showPrivacyControl",
        summary="Say that Global Privacy Control is honoured.",
        handler=show_privacy_control,
        tag="Leaving",
        who="anyone",
        answer=PrivacyControl,
        statuses=BUSY,
    ),
)
