"""Did a webhook come from whom it says? Every comparison takes the same time, right or wrong.

Several secrets may be in force while one is being replaced.
"""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha1, sha256
from typing import Any, Final

from kept.core.brand.model import Signature
from kept.core.values import MINUTE, SECOND
from kept.errors import UnknownCallerError

TIMESTAMP_TOLERANCE: Final = 5 * MINUTE
SIGNATURE_COUNT_MAX: Final = 20
STANDARD_START: Final = "whsec_"
_HASHES: Final[dict[str, Callable[..., Any]]] = {"hmac_sha256": sha256, "hmac_sha1": sha1}


def check_signature(
    signature: Signature,
    *,
    secrets: Sequence[str],
    headers: Mapping[bytes, bytes],
    query: Mapping[str, str],
    body: bytes,
    now: int,
) -> None:
    """Raise `UnknownCallerError` unless one of the secrets signed this body."""
    if signature.scheme == "standard_webhooks":
        is_proven = _check_standard(secrets, headers, body, now=now)
    elif signature.scheme == "token":
        is_proven = _check_token(signature, secrets, headers, query)
    else:
        is_proven = _check_hmac(signature, secrets, headers, body)
    if not is_proven:
        raise UnknownCallerError(
            f"the webhook's signature ({signature.scheme}) does not match; "
            "is the secret the one that the sender shows?"
        )


def webhook_id(headers: Mapping[bytes, bytes]) -> str:
    """Return the id that Standard Webhooks (or Svix) gives to a delivery and all its retries."""
    return _standard_header(headers, b"id").decode("latin-1")


def _standard_header(headers: Mapping[bytes, bytes], name: bytes) -> bytes:
    return headers.get(b"webhook-" + name) or headers.get(b"svix-" + name, b"")


def _check_standard(
    secrets: Sequence[str], headers: Mapping[bytes, bytes], body: bytes, *, now: int
) -> bool:
    stamp = _standard_header(headers, b"timestamp")
    if not stamp.isdigit() or len(stamp) > 12:
        raise UnknownCallerError("the webhook has no `webhook-timestamp` in seconds")
    if abs(now - int(stamp) * SECOND) > TIMESTAMP_TOLERANCE:
        raise UnknownCallerError(
            "the webhook's timestamp is more than five minutes away from this server's clock; "
            "an old request sent again is not taken"
        )
    signed = _standard_header(headers, b"id") + b"." + stamp + b"." + body
    offered = _standard_header(headers, b"signature").split()[:SIGNATURE_COUNT_MAX]
    is_proven = False
    for secret in secrets:
        expected = base64.b64encode(hmac.digest(_standard_key(secret), signed, sha256))
        for each in offered:
            is_proven |= hmac.compare_digest(each, b"v1," + expected)
    return is_proven


def _standard_key(secret: str) -> bytes:
    if not secret.startswith(STANDARD_START):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(STANDARD_START) + "==")
    except binascii.Error:
        raise UnknownCallerError(
            "the secret of this source begins like one of Standard Webhooks, but is no base64"
        ) from None


def _check_hmac(
    signature: Signature, secrets: Sequence[str], headers: Mapping[bytes, bytes], body: bytes
) -> bool:
    header = (signature.header or "x-signature").lower().encode()
    offered = headers.get(header, b"").strip()
    prefix = signature.prefix.encode()
    if not offered.startswith(prefix):
        return False
    offered = offered.removeprefix(prefix)
    is_proven = False
    for secret in secrets:
        digest = hmac.digest(secret.encode(), body, _HASHES[signature.scheme])
        is_proven |= hmac.compare_digest(offered.lower(), digest.hex().encode())
        plain = offered.replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
        is_proven |= hmac.compare_digest(plain, base64.b64encode(digest).rstrip(b"="))
    return is_proven


def _check_token(
    signature: Signature,
    secrets: Sequence[str],
    headers: Mapping[bytes, bytes],
    query: Mapping[str, str],
) -> bool:
    """Compare a token that is sent along: in the named header, as Bearer, or as `?token=`."""
    if signature.header:
        offered = headers.get(signature.header.lower().encode(), b"")
    else:
        offered = headers.get(b"authorization", b"").removeprefix(b"Bearer ")
    offered = offered.strip().removeprefix(signature.prefix.encode()).strip()
    if not offered and not signature.header:
        offered = query.get("token", "").encode()
    is_proven = False
    for secret in secrets:
        is_proven |= bool(secret) and hmac.compare_digest(offered, secret.encode())
    return is_proven
