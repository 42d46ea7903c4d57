"""A pass to one's own inbox: signed, good for a while, and for nothing else.

A site whose visitor has proven who they are asks for a pass with its own key, and hands it to the
page; the page can then look into that inbox, and no key of the site's ever reaches it.
"""

from typing import Final

import msgspec

from kept.core.signed import Signer

PASS_LENGTH_MAX: Final = 400
_SIGNER: Final = Signer(version="p1", prefix=b"kept.inbox-pass.1\0", length_max=PASS_LENGTH_MAX)


class Pass(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Whose inbox, until when (µs), and which source gave it, for it shows no more than that."""

    part_id: int
    expires_at: int
    source: str
    granted_at: int = 0
    """When it was given (µs), so that passes of a source that was compromised can be void."""


def make_pass(granted: Pass, *, secret: bytes) -> str:
    """Return a pass that `read_pass` turns back."""
    return _SIGNER.write(msgspec.msgpack.encode(granted), secret=secret)


def read_pass(text: str, *, secret: bytes, now: int) -> Pass | None:
    """Return what a pass grants, None if we did not write it or its time is over."""
    payload = _SIGNER.read(text, [secret])
    if payload is None:
        return None
    try:
        granted = msgspec.msgpack.decode(payload, type=Pass)
    except msgspec.MsgspecError:
        # Signed by us, but in a form that this version does not know.
        return None
    return granted if now < granted.expires_at else None
