"""Contesting with one click: a signed link to have a decision of weight looked at by another person.

The link names the approval and whose it is, holds no address, and never ends: to contest is always
allowed (GDPR, article 22(3)).
"""

from collections.abc import Sequence
from html import escape
from typing import Final

import msgspec

from kept.core.signed import Signer
from kept.core.template.render import Rendered
from kept.core.unsubscribe import SECRET_BYTES_MIN
from kept.errors import SettingsError

PATH: Final = "/c/"
_SIGNER: Final = Signer(version="1", prefix=b"kept.contest.1\0", length_max=200)

_DISAGREE: Final = {
    "de": "Nicht einverstanden? Ein anderer Mensch sieht es sich an",
    "en": "Do you disagree? Another person looks at it",
    "es": "¿No está de acuerdo? Otra persona lo revisa",
    "fr": "Pas d'accord ? Une autre personne l'examine",
    "it": "Non è d'accordo? Un'altra persona lo esamina",
    "nl": "Niet eens? Iemand anders kijkt ernaar",
    "pt": "Não concorda? Outra pessoa analisa o assunto",
}


class Contest(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Which approval is contested, and the part that it is about."""

    approval: int
    part_id: int


def make_token(contest: Contest, *, secret: bytes) -> str:
    """Return a token that `read_token` turns back, safe to put into a URL."""
    if len(secret) < SECRET_BYTES_MIN:
        message = f"the secret that signs links has {len(secret)} bytes; give it {SECRET_BYTES_MIN}"
        raise SettingsError(message)
    return _SIGNER.write(msgspec.msgpack.encode(contest), secret=secret)


def read_token(token: str, secrets: Sequence[bytes]) -> Contest | None:
    """Return what a token says, or None if none of these secrets signed exactly this token."""
    payload = _SIGNER.read(token, [one for one in secrets if len(one) >= SECRET_BYTES_MIN])
    if payload is None:
        return None
    try:
        return msgspec.msgpack.decode(payload, type=Contest)
    except msgspec.MsgspecError:
        return None


def add_contest(rendered: Rendered, *, link: str, locale: str) -> Rendered:
    """Return a message that says how to contest; one that shows the link is left as it is."""
    words = _DISAGREE.get(locale.partition("-")[0].lower(), _DISAGREE["en"])
    text, html = rendered.text, rendered.html
    if link not in text:
        text = f"{text.rstrip()}\n\n{words}: {link}\n"
    if html and escape(link) not in html:
        line = f'<p><a href="{escape(link)}">{escape(words)}</a></p>'
        body, end, rest = html.rpartition("</body>")
        html = f"{body}{line}{end}{rest}" if end else html + line
    return msgspec.structs.replace(rendered, text=text, html=html)
