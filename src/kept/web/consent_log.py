"""The consent log for anybody: checkpoints, hashes, keys, and the verifier of receipts.

Paths and bodies are those of C2SP tlog-tiles. There is nothing of any person in them: hashes are
salted, and the entries themselves are not served.
"""

import asyncio
import re
from importlib.resources import files
from typing import Final

import msgspec
from starlette.responses import Response

from kept.core.merkle import TILE_WIDTH
from kept.core.values import format_instant
from kept.errors import NotFoundError
from kept.ports import Store
from kept.web.endpoints import Call, Endpoint

TEXT: Final = "text/plain; charset=utf-8"
BYTES: Final = "application/octet-stream"
VERIFIER: Final = "verify_receipt.py"
_LEVEL: Final = re.compile(r"[0-9]|[1-5][0-9]|6[0-3]", re.ASCII)
_PLACE: Final = re.compile(r"((?:x[0-9]{3}/){0,4})([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)
_FRESH: Final = {"cache-control": "max-age=5"}
_FOREVER: Final = {"cache-control": "public, max-age=31536000, immutable"}
_LEVELS_MAX: Final = 7
"""2**56 leaves; no log gets there."""


class LogKeyView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A public key of the log, and from when until when it signed."""

    key: str
    """As `NAME+ID+BASE64`, the form that the verifier takes."""
    since: str
    until: str = ""
    """Left out for the key that signs now."""


class LogKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Every key that the log ever signed with, oldest first."""

    keys: tuple[LogKeyView, ...]


async def show_checkpoint(call: Call) -> Response:
    """Return the newest signed checkpoint."""
    row = await asyncio.to_thread(_store(call).read_newest_checkpoint)
    if row is None:
        raise NotFoundError("nothing was signed yet")
    return Response(row.note, headers={"content-type": TEXT, **_FRESH})


async def show_tile(call: Call) -> Response:
    """Return the hashes of a tile, whole or as far as it was filled."""
    level_text, place_text = call.text("level"), call.text("place")
    match = _PLACE.fullmatch(place_text)
    if not _LEVEL.fullmatch(level_text) or match is None:
        raise NotFoundError("this is no tile; write LEVEL/PLACE as C2SP tlog-tiles does")
    groups, last, width_text = match.groups()
    place = int(groups.replace("x", "").replace("/", "") + last)
    width = int(width_text or TILE_WIDTH)
    if width > TILE_WIDTH or (width == TILE_WIDTH and width_text):
        raise NotFoundError("a part of a tile has 1 to 255 hashes")
    hashes = await asyncio.to_thread(_read_signed, _store(call), int(level_text), place, width)
    if len(hashes) < width:
        raise NotFoundError("there is no such tile in what was signed")
    return Response(b"".join(hashes), headers={"content-type": BYTES, **_FOREVER})


def _read_signed(store: Store, level: int, place: int, width: int) -> list[bytes]:
    """Return the hashes of a tile; none where a signed checkpoint does not cover all of them."""
    signed = store.read_newest_checkpoint()
    end = place * TILE_WIDTH + width
    if level > _LEVELS_MAX or signed is None or end * TILE_WIDTH**level > signed.size:
        return []
    return store.read_log_hashes(level, start=place * TILE_WIDTH, count=width)


async def show_keys(call: Call) -> LogKeys:
    """Return the public keys of the log."""
    periods = call.front.runtime.writer.engine.log_periods
    return LogKeys(
        keys=tuple(
            LogKeyView(
                key=period.key,
                since=format_instant(period.since),
                until=format_instant(period.until) if period.until else "",
            )
            for period in periods
        )
    )


async def show_verifier(call: Call) -> Response:
    """Return the program that verifies receipts, which needs Python and nothing else."""
    text = files("kept").joinpath(VERIFIER).read_text(encoding="utf-8")
    headers = {
        "content-type": TEXT,
        "content-disposition": f'attachment; filename="{VERIFIER}"',
    }
    return Response(text, headers=headers)


def _store(call: Call) -> Store:
    return call.front.runtime.writer.engine.store


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/log/checkpoint",
        name="showCheckpoint",
        summary="The newest signed checkpoint of the consent log (C2SP tlog-checkpoint).",
        handler=show_checkpoint,
        tag="Consent log",
        who="anyone",
        media_type="text/plain",
        statuses=(404, 503),
        is_shared=True,
    ),
    Endpoint(
        method="GET",
        path="/v1/log/tile/{level}/{place:path}",
        name="showTile",
        summary="Hashes of the consent log's tree (C2SP tlog-tiles).",
        handler=show_tile,
        tag="Consent log",
        who="anyone",
        media_type=BYTES,
        statuses=(404, 503),
    ),
    Endpoint(
        method="GET",
        path="/v1/log/key",
        name="showLogKeys",
        summary="The public keys of the consent log, those of the past as well.",
        handler=show_keys,
        tag="Consent log",
        who="anyone",
        answer=LogKeys,
        is_shared=True,
    ),
    Endpoint(
        method="GET",
        path="/v1/log/verifier",
        name="showVerifier",
        summary="A Python program of one file that verifies receipts without a network.",
        handler=show_verifier,
        tag="Consent log",
        who="anyone",
        media_type="text/plain",
        is_shared=True,
    ),
)
