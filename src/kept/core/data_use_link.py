"""A signed link to a page that shows one customer how their data is used.

Unlike a link that only leaves something, this one shows what is held, so that it ends; whether it
shows values or only their ends is decided when it is made, and cannot be changed on the way.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from kept.core.signed import Signer
from kept.core.unsubscribe import SECRET_BYTES_MIN
from kept.core.values import DAY
from kept.errors import SettingsError

PATH: Final = "/d/"
DAYS_MAX: Final = 30
_SIGNER: Final = Signer(version="1", prefix=b"kept.data_use.1\0", length_max=200)


class DataUseLink(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Whose data is shown, until when, and how plainly."""

    part_id: int
    until: int
    """µs since 1970; the link shows nothing from then on."""
    shows_values: bool


def make_token(link: DataUseLink, *, secret: bytes) -> str:
    """Return a token that `read_token` turns back, safe to put into a URL."""
    if len(secret) < SECRET_BYTES_MIN:
        message = f"the secret that signs links has {len(secret)} bytes; give it {SECRET_BYTES_MIN}"
        raise SettingsError(message)
    return _SIGNER.write(msgspec.msgpack.encode(link), secret=secret)


def read_token(token: str, secrets: Sequence[bytes], *, now: int) -> DataUseLink | None:
    """Return what a token says, or None if none of these secrets signed it or its time is over."""
    payload = _SIGNER.read(token, [one for one in secrets if len(one) >= SECRET_BYTES_MIN])
    if payload is None:
        return None
    try:
        link = msgspec.msgpack.decode(payload, type=DataUseLink)
    except msgspec.MsgspecError:
        return None
    # No link outlives what may be asked for, whatever it says.
    return link if now < link.until <= now + DAYS_MAX * DAY else None
