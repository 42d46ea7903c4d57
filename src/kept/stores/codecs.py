"""Records as bytes: what every store adapter writes between the port's structs and the vault.

MessagePack by field name: a reader of a later version fills a new field with its default and
passes over a field that is gone.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from kept.core.event import Event, Identifier
from kept.core.keys import WriteKey
from kept.core.message import Message
from kept.core.staff import ApiToken, Failures, Session, Staff

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

encode_access: Final = _ENCODER.encode
"""Writes whoever may ask: staff, a session, a token, a key, failed sign-ins."""
decode_staff: Final = msgspec.msgpack.Decoder(Staff).decode
decode_session: Final = msgspec.msgpack.Decoder(Session).decode
decode_token: Final = msgspec.msgpack.Decoder(ApiToken).decode
decode_key: Final = msgspec.msgpack.Decoder(WriteKey).decode
decode_failures: Final = msgspec.msgpack.Decoder(Failures).decode

decode_scopes: Final = msgspec.json.Decoder(tuple[str, ...]).decode


def encode_scopes(scopes: Sequence[str]) -> str:
    """Return scopes as a JSON list, which `decode_scopes` turns back."""
    return _ENCODE_JSON(scopes).decode()


def pack_ids(ids: Iterable[int] | Iterable[str]) -> str:
    """Return ids as one JSON list: a single parameter, however many they are."""
    return _ENCODE_JSON(list(ids)).decode()
