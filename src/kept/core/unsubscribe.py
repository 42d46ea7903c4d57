"""Leaving with one click (RFC 8058): signed links, the headers and the footer that carry them.

A token names who leaves what, and proves that we wrote it. It holds no address and never expires:
a letter may be read a year later, and to leave is always allowed. It stays good as long as the
secret that signed it is kept; secrets are changed by putting a new one before the old ones.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final
from urllib.parse import urlsplit

import msgspec

from kept.core.signed import Signer
from kept.core.template.render import Rendered
from kept.errors import SettingsError

SECRET_BYTES_MIN: Final = 32
TOKEN_LENGTH_MAX: Final = 1_000
PATH: Final = "/u/"
_SIGNER: Final = Signer(version="1", prefix=b"kept.unsubscribe.1\0", length_max=TOKEN_LENGTH_MAX)
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_LEAVE: Final[Mapping[str, str]] = {
    "de": "Abmelden",
    "en": "Unsubscribe",
    "es": "Darse de baja",
    "fr": "Se désabonner",
    "it": "Annulla l'iscrizione",
    "nl": "Afmelden",
    "pt": "Cancelar subscrição",
}


class Unsubscribe(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Who leaves what: the part, and the scope of the consent that is withdrawn."""

    part_id: int
    entity: str
    purpose: str
    channel: str
    message_id: str
    """The message whose link was followed."""


def make_token(told: Unsubscribe, *, secret: bytes) -> str:
    """Return a token that `read_token` turns back, safe to put into a URL."""
    if len(secret) < SECRET_BYTES_MIN:
        raise SettingsError(
            f"the secret that signs unsubscribe links has {len(secret)} bytes; "
            f"give it at least {SECRET_BYTES_MIN}"
        )
    return _SIGNER.write(msgspec.msgpack.encode(told), secret=secret)


def read_token(token: str, secrets: Sequence[bytes]) -> Unsubscribe | None:
    """Return what a token says, or None if none of these secrets signed exactly this token."""
    payload = _SIGNER.read(token, [one for one in secrets if len(one) >= SECRET_BYTES_MIN])
    if payload is None:
        return None
    try:
        return msgspec.msgpack.decode(payload, type=Unsubscribe)
    except msgspec.MsgspecError:
        # Signed by us, but in a form that this version does not know.
        return None


def make_link(base_url: str, token: str, *, path: str = PATH) -> str:
    """Return the address at which a customer leaves; it is the same for people and for machines.

    Args:
        path: where the page is, for links of another kind.
    """
    parts = urlsplit(base_url)
    is_private = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not parts.hostname or not (parts.scheme == "https" or is_private) or parts.query:
        raise SettingsError(
            f"links to customers need an https address to begin with, and {base_url!r} is none; "
            "say with --public-url where customers reach this server"
        )
    return base_url.rstrip("/") + path + token


def list_unsubscribe_headers(link: str) -> dict[str, str]:
    """Return the two headers of RFC 8058; the DKIM signature must cover both."""
    return {
        "List-Unsubscribe": f"<{link}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def is_one_click(form: Mapping[str, object]) -> bool:
    """Return whether a posted form is the one-click request that RFC 8058 describes."""
    return form.get("List-Unsubscribe") == "One-Click"


def add_footer(rendered: Rendered, *, link: str, imprint: str, locale: str) -> Rendered:
    """Return a message that says who sent it and how to leave.

    A template that shows the link itself is left as it is.
    """
    word = _LEAVE.get(locale.partition("-")[0].lower(), _LEAVE["en"])
    text, html = rendered.text, rendered.html
    if link not in text:
        text = f"{text.rstrip()}\n\n-- \n{imprint}\n{word}: {link}\n"
    if html and escape(link) not in html:
        footer = (
            f'<p style="font-size:small">{escape(imprint)}<br>'
            f'<a href="{escape(link)}">{escape(word)}</a></p>'
        )
        body, end, rest = html.rpartition("</body>")
        html = f"{body}{footer}{end}{rest}" if end else html + footer
    return msgspec.structs.replace(rendered, text=text, html=html)
