"""Webhooks of other systems: a ticket becomes a case, a reply a message, by a mapping alone.

What a mapping makes goes through the same `Touchpoint.read` as everything else, so a webhook can
say no more than its source is allowed to.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from kept.core.event import Event
from kept.core.keys import KeyRing, WriteKey
from kept.core.mapping import CompiledMapping, Document
from kept.core.touchpoint import Touchpoint
from kept.core.touchpoint_item import Rejected
from kept.errors import InvalidEventError, TooLargeError, UnknownCallerError
from kept.web.wire.batch import (
    BAD_JSON,
    BATCH_COUNT_MAX,
    PAYLOAD_BYTES_MAX,
    Parsed,
)
from kept.web.wire.body import open_body
from kept.web.wire.keys import offered_keys
from kept.web.wire.segment import Headers, check_origin, read_query
from kept.web.wire.signature import check_signature, webhook_id
from kept.web.wire.split import split_array, split_object

FORM_FIELDS_MAX: Final = 500
_ENTRIES: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Webhook:
    """A source of kind `webhook`, compiled: whom to believe, and what its payloads mean."""

    def __init__(self, touchpoint: Touchpoint, *, secrets: Sequence[str]) -> None:
        """Take the secrets that the signature's reference stands for, resolved."""
        self.touchpoint = touchpoint
        self._secrets = [secret for secret in secrets if secret]
        self._mappings = [
            CompiledMapping(mapping, object_keys=touchpoint.keys_of.get(mapping.event, frozenset()))
            for mapping in touchpoint.source.mappings
        ]
        # Only what a mapping reads is kept of headers and query: they may hold the secret itself.
        read = {path for mapping in self._mappings for path in mapping.paths()}
        self._headers = {path[8:].lower() for path in read if path.startswith("headers.")}
        self._parameters = {path[6:] for path in read if path.startswith("query.")}

    def parse(
        self,
        *,
        headers: Headers,
        query: str,
        body: bytes,
        keys: KeyRing,
        received_at: int,
        address: str = "",
    ) -> Parsed:
        """Return the events of a delivery.

        Raises `UnknownCallerError` unless the signature is right (or, for a source without one, its
        write key is offered), and `InvalidEventError` where the body cannot be read at all, or what
        cannot be taken is too large to be kept (`TooLargeError`).
        """
        named = dict(headers)
        parameters = read_query(query) if query else {}
        key = self._authenticate(
            named, parameters, body, keys=keys, now=received_at, address=address
        )
        bodies = _read_bodies(body, named)
        if len(bodies) > BATCH_COUNT_MAX:
            raise TooLargeError(
                f"the delivery has {len(bodies)} entries; at most {BATCH_COUNT_MAX} are taken"
            )
        delivery_id = self._delivery_id(named, body)
        kept = {
            "headers": {
                name: value.decode("latin-1")
                for key, value in named.items()
                if (name := key.decode("latin-1")) in self._headers
            },
            "query": {k: value for k, value in parameters.items() if k in self._parameters},
        }
        return self._read(
            [
                b'{"body":%s,%s' % (each, msgspec.json.encode({**kept, "delivery": place})[1:])
                for place, each in _place(delivery_id, bodies)
            ],
            received_at=received_at,
            key=key,
        )

    def reparse(self, payload: bytes, *, received_at: int) -> Parsed:
        """Read again what was once rejected and is mended; `received_at` is when it first came."""
        return self._read([payload], received_at=received_at)

    def _delivery_id(self, named: Mapping[bytes, bytes], body: bytes) -> str:
        """Return what a delivery has in common with its retries, and with nothing else."""
        signature = self.touchpoint.source.signature
        is_signed = signature is not None and signature.scheme == "standard_webhooks"
        # No other scheme signs the id: with another one, an old delivery would count as new.
        given = webhook_id(named) if is_signed else ""
        return given or blake2b(body, digest_size=16).hexdigest()

    def _authenticate(
        self,
        named: Mapping[bytes, bytes],
        parameters: Mapping[str, str],
        body: bytes,
        *,
        keys: KeyRing,
        now: int,
        address: str,
    ) -> WriteKey | None:
        """Return the key that was used, None where a signature proves the sender."""
        signature = self.touchpoint.source.signature
        if signature is not None:
            check_signature(
                signature,
                secrets=self._secrets,
                headers=named,
                query=parameters,
                body=body,
                now=now,
            )
            return None
        for text in offered_keys(named, parameters):
            key = keys.find(text, now=now, address=address)
            if key is not None and key.source == self.touchpoint.name:
                check_origin(self.touchpoint, key, named.get(b"origin"))
                return key
        raise UnknownCallerError(
            f"{self.touchpoint.name} has no signature, so its deliveries need its write key"
        )

    def _read(
        self, payloads: Sequence[bytes], *, received_at: int, key: WriteKey | None = None
    ) -> Parsed:
        events: list[Event] = []
        rejected: list[Rejected] = []
        ignored_count = 0
        for position, payload in enumerate(payloads):
            event = self._read_payload(payload, received_at=received_at, position=position)
            if isinstance(event, Event) and key is not None and not key.may_send(event):
                event = Rejected(
                    code="event.not_allowed",
                    detail=f"the key that was used may not send {event.name!r}",
                )
            if isinstance(event, Event):
                events.append(event)
            elif event is None:
                ignored_count += 1
            else:
                rejected.append(_keep(event, payload, is_alone=len(payloads) == 1))
        return Parsed(
            source=self.touchpoint.name,
            events=events,
            rejected=rejected,
            ignored_count=ignored_count,
        )

    def _read_payload(
        self, payload: bytes, *, received_at: int, position: int
    ) -> Event | Rejected | None:
        """Return the event of the first mapping that applies; None where nobody asked for it."""
        try:
            document: Document | Any = msgspec.json.decode(payload)
        except BAD_JSON as error:
            return Rejected(code="event.not_json", detail=f"the payload is not JSON: {error}")
        if not isinstance(document, dict):
            return Rejected(code="event.not_an_object", detail="the kept payload is no object")
        for mapping in self._mappings:
            if mapping.applies(document):
                item = mapping.read(document, delivery_id=str(document.get("delivery", "")))
                if isinstance(item, Rejected):
                    return item
                return self.touchpoint.read(item, received_at=received_at, position=position)
        return None


def compile_webhooks(
    touchpoints: Mapping[str, Touchpoint], secrets: Mapping[str, Sequence[str]]
) -> dict[str, Webhook]:
    """Return the webhooks among the touchpoints; `secrets` are those of each source, resolved."""
    return {
        name: Webhook(touchpoint, secrets=secrets.get(name, ()))
        for name, touchpoint in touchpoints.items()
        if touchpoint.source.kind == "webhook"
    }


def _read_bodies(body: bytes, named: Mapping[bytes, bytes]) -> Sequence[bytes]:
    """Return the JSON of each entry of a delivery: some senders put many into one."""
    content_type = named.get(b"content-type", b"").decode("latin-1")
    encoding = named.get(b"content-encoding", b"").decode("latin-1")
    if "x-www-form-urlencoded" in content_type and not body.lstrip().startswith((b"{", b"[")):
        try:
            form = dict(parse_qsl(body.decode(), max_num_fields=FORM_FIELDS_MAX))
        except ValueError:
            raise InvalidEventError("the form in the webhook's body cannot be read") from None
        return [msgspec.json.encode(form)]
    text = open_body(body, encoding=encoding, content_type=content_type).strip()
    if not text.startswith((b"{", b"[")):
        raise InvalidEventError("the webhook's body is no JSON object and no list of objects")
    is_list = text.startswith(b"[")
    try:
        return [bytes(raw) for raw in _ENTRIES.decode(text if is_list else b"[%s]" % text)]
    except BAD_JSON:
        if is_list:
            return split_array(text)
        split_object(text)  # cut off, it is refused as a whole, so that the sender tries again
        return [text]


def _keep(rejected: Rejected, payload: bytes, *, is_alone: bool) -> Rejected:
    """Return a rejection with its payload whole, so that a mended mapping can read it again.

    One that is longer than what is kept is noted without it, for the others of its delivery are taken:
    cut off, it could never be read again.

    Raises:
        TooLargeError: it is longer, and all that the delivery holds.
    """
    if len(payload) <= PAYLOAD_BYTES_MAX:
        return msgspec.structs.replace(rejected, payload=payload)
    excess = (
        f"it has {len(payload)} bytes, of which at most {PAYLOAD_BYTES_MAX} are kept to be mended; have it "
        "sent again once sources.yaml is mended"
    )
    if is_alone:
        raise TooLargeError(f"an entry could not be taken ({rejected.code}): {excess}")
    return msgspec.structs.replace(rejected, detail=f"{rejected.detail}; {excess}", payload=b"")


def _place(delivery_id: str, bodies: Sequence[bytes]) -> list[tuple[str, bytes]]:
    """Return each entry with an id of its own, the same whenever the delivery is repeated."""
    return [(f"{delivery_id}/{i}" if i else delivery_id, each) for i, each in enumerate(bodies)]
