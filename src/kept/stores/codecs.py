"""Records as bytes: what every store adapter writes between the port's structs and the vault.

MessagePack by field name: a reader of a later version fills a new field with its default and
passes over a field that is gone.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from kept.core.event import Event, Identifier
from kept.core.message import Message

_ENCODER: Final = msgspec.msgpack.Encoder()
_ENCODE_JSON: Final = msgspec.json.Encoder().encode

encode_event: Final = _ENCODER.encode
decode_event: Final = msgspec.msgpack.Decoder(Event).decode

encode_identifier: Final = _ENCODER.encode
decode_identifier: Final = msgspec.msgpack.Decoder(Identifier).decode

encode_message: Final = _ENCODER.encode
decode_message: Final = msgspec.msgpack.Decoder(Message).decode

encode_texts: Final = _ENCODER.encode
decode_texts: Final = msgspec.msgpack.Decoder(dict[str, str]).decode

encode_detail: Final = _ENCODER.encode
decode_detail: Final = msgspec.msgpack.Decoder(dict[str, Any]).decode

decode_scopes: Final = msgspec.json.Decoder(tuple[str, ...]).decode


def encode_scopes(scopes: Sequence[str]) -> str:
    """Return scopes as a JSON list, which `decode_scopes` turns back."""
    return _ENCODE_JSON(scopes).decode()


def pack_ids(ids: Iterable[int]) -> str:
    """Return ids as one JSON list: a single parameter, however many they are."""
    return _ENCODE_JSON(list(ids)).decode()
