"""Messages to a provider's HTTP address, signed as Standard Webhooks prescribes.

The `webhook-id` is the message's idempotency key: a receiver that has seen it before answers as it
did then and does nothing more. That is what makes it safe to try again after a 500, which may come
before the work, amid it or after it.
"""

import hashlib
import hmac
import re
import ssl
import threading
from base64 import b64decode, b64encode
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from kept.channels.address import Forbidden, parse_target, resolve
from kept.channels.post import Answer, Line, NotSent, connect, write_request
from kept.clock import Clock, read_monotonic
from kept.core.message import Accepted, Outgoing, Postponed, Refused, SendResult, Unclear
from kept.core.plain_text import clean_line
from kept.core.policy.types import TIMESTAMP_MAX
from kept.core.values import format_instant, instant_of
from kept.errors import SettingsError

REQUEST_BYTES_MAX: Final = 1_000_000
RETRY_AFTER_SECONDS_MAX: Final = 86_400
IDLE_SECONDS_MAX: Final = 30
"""A connection that has rested longer is not used again, so that a moved name is noticed."""
_KEY_BYTES: Final = range(24, 65)
_KEY: Final = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
_SECOND: Final = 1_000_000
_RETRYABLE: Final = frozenset({401, 407, 408, 425, 429, 503})
"""The receiver did not take it and may later: our credentials, its clock, its load."""


class _Held(msgspec.Struct, kw_only=True):
    """A thread's open connection, and when it was last used."""

    line: Line
    used_at: int


class WebhookChannel:
    """Posts each message as JSON to one address."""

    def __init__(
        self,
        *,
        url: str,
        secret: str,
        clock: Clock,
        allow_private: bool = False,
        timeout_seconds: float = 10.0,
        ca_file: str = "",
    ) -> None:
        """Check the address and the secret; raises `SettingsError` for what can never work.

        Args:
            url: Where to post.
            secret: `whsec_` and a base64 key, shared with the receiver.
            clock: Dates the signature.
            allow_private: Whether the address may be private, and may be plain http.
            timeout_seconds: For the whole of one message, connecting included.
            ca_file: Certificates to trust instead of the system's.
        """
        self._target = parse_target(url, allow_private=allow_private)
        self._key = parse_secret(secret)
        self._clock = clock
        self._allow_private = allow_private
        self._timeout = int(timeout_seconds * _SECOND)
        self._context = ssl.create_default_context(cafile=ca_file or None)
        self._own = threading.local()
        self._guard = threading.Lock()
        self._lines: set[Line] = set()
        self._is_closed = False

    def send(self, outgoing: Outgoing) -> SendResult:
        """Post a message and judge the answer."""
        try:
            body = write_body(outgoing, self._clock.now())
        except UnicodeError:
            return Refused(detail="the message holds half a character, which nothing can carry")
        return self.post(name_of(outgoing.idempotency_key), body)

    def post(self, post_id: str, body: bytes) -> SendResult:
        """Post a body as it is, signed, under an id that may stand in a header."""
        if len(body) > REQUEST_BYTES_MAX:
            return Refused(
                detail=f"the message has {len(body):,} bytes, over {REQUEST_BYTES_MAX:,}"
            )
        now = self._clock.now()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Kept",
            "Accept": "application/json",
            "Idempotency-Key": post_id,
            **sign(post_id, now // _SECOND, body, self._key),
        }
        deadline = read_monotonic() + self._timeout
        line = self._take_line(deadline)
        if isinstance(line, Forbidden):
            return Refused(detail=line.detail)
        if isinstance(line, NotSent):
            return Postponed(detail=line.detail)
        result = line.post(write_request(self._target, headers, body), deadline=deadline)
        if isinstance(result, Answer) and result.keep_open:
            self._own.held = _Held(line=line, used_at=read_monotonic())
        else:
            self._drop(line)
        return judge(result, now) if isinstance(result, Answer) else Unclear(detail=result.detail)

    def close(self) -> None:
        """Hang up every thread's connection."""
        with self._guard:
            self._is_closed = True
            lines, self._lines = self._lines, set()
        for line in lines:
            line.close()

    def _take_line(self, deadline: int) -> Line | NotSent | Forbidden:
        """Return this thread's connection if it is still good, else a new one."""
        if self._is_closed:
            return NotSent(detail="the channel is closed")
        held: _Held | None = getattr(self._own, "held", None)
        self._own.held = None
        if held is not None:
            rested = read_monotonic() - held.used_at
            if rested < IDLE_SECONDS_MAX * _SECOND and held.line.is_fresh():
                return held.line
            self._drop(held.line)
        try:
            addresses = resolve(self._target, allow_private=self._allow_private)
        except (OSError, UnicodeError) as error:
            return NotSent(detail=f"{self._target.host} cannot be resolved: {error}")
        if isinstance(addresses, Forbidden):
            return addresses
        line: Line | NotSent = NotSent(detail=f"{self._target.host} has no address")
        for address in addresses:
            line = connect(self._target, address, context=self._context, deadline=deadline)
            if isinstance(line, Line):
                with self._guard:
                    self._lines.add(line)
                break
        return line

    def _drop(self, line: Line) -> None:
        with self._guard:
            self._lines.discard(line)
        line.close()


def parse_secret(secret: str) -> bytes:
    """Return the key in a Standard Webhooks secret; raises `SettingsError` for one too weak."""
    try:
        key = b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith("whsec_") or len(key) not in _KEY_BYTES:
        raise SettingsError(
            "a webhook's secret is `whsec_` and the base64 of 24 to 64 random bytes"
        )
    return key


def sign(webhook_id: str, timestamp: int, body: bytes, key: bytes) -> dict[str, str]:
    """Return the three headers of Standard Webhooks."""
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    signature = b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }


def name_of(idempotency_key: str) -> str:
    """Return a key as it may stand in a header: itself, or its hash."""
    if _KEY.fullmatch(idempotency_key):
        return idempotency_key
    return hashlib.sha256(idempotency_key.encode()).hexdigest()


def write_body(outgoing: Outgoing, now: int) -> bytes:
    """Return a message as JSON: `type`, `timestamp` and `data`, as Standard Webhooks suggests."""
    data: dict[str, Any] = {
        name: value for name, value in msgspec.structs.asdict(outgoing).items() if value
    }
    data["expires_at"] = format_instant(min(outgoing.expires_at, TIMESTAMP_MAX))
    return msgspec.json.encode(
        {"type": "message.send", "timestamp": format_instant(now), "data": data}
    )


def judge(answer: Answer, now: int) -> SendResult:
    """Return what an answer means for the message."""
    status = answer.status
    if status < 300:
        return Accepted(provider_id=_provider_id(answer.body), is_pending=status == 202)
    detail = f"HTTP {status}"
    if status < 400:
        # Somebody else may have moved the address; only the operator moves it here.
        return Refused(detail=f"{detail}: redirects are not followed; set the webhook's URL anew")
    if status in _RETRYABLE:
        return Postponed(detail=detail, retry_after_seconds=_retry_after(answer, now))
    if status == 409:
        return Unclear(detail=f"{detail}: the receiver has this key already")
    if status < 500:
        return Refused(detail=f"{detail}: {_excerpt(answer.body)}".rstrip(": "))
    return Unclear(detail=f"{detail}: it may have been taken before the failure")


def _provider_id(body: bytes) -> str:
    """Return the `id` in a JSON answer; an answer that has none is an answer all the same."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""
    found = content.get("id") if isinstance(content, dict) else None
    is_id = isinstance(found, str | int) and not isinstance(found, bool)
    return clean_line(str(found))[:200] if is_id else ""


def _retry_after(answer: Answer, now: int) -> int:
    """Return the seconds that the server asks us to wait, 0 if it does not say so readably."""
    said = answer.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return min(int(said[:9]), RETRY_AFTER_SECONDS_MAX)
    try:
        seconds = (instant_of(parsedate_to_datetime(said)) - now) // _SECOND
    except (ValueError, TypeError, OverflowError):
        return 0
    return max(0, min(seconds, RETRY_AFTER_SECONDS_MAX))


def _excerpt(body: bytes) -> str:
    """Return the beginning of an answer for the record, harmless to show."""
    return clean_line(body[:200].decode("utf-8", "replace"))
