"""Mail that comes back: which message it was, and whether the address is at fault (RFC 3464).

Every message can leave with a return path of its own that names it and that only we can have
written. What comes back to it is then known to be about that message, whatever the report says.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import Message
from typing import Final

from kept.core.feedback import Feedback

REPORT_BYTES_MAX: Final = 1_000_000
_MAIL_ID: Final = re.compile(r"[a-z0-9_-]{1,32}")
_MAC_DIGITS: Final = 16
_STATUS: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")
_SENDER_CODES: Final = frozenset({"5.1.7", "5.1.8", "5.1.9"})
"""Permanent address failures that are about the sender's address, not the recipient's."""
_REPORT_TYPES: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
_ORIGINAL_TYPES: Final = frozenset({"message/rfc822", "text/rfc822-headers", "message/global"})


def mail_id_of(idempotency_key: str) -> str:
    """Return the name of a message within mail: the key itself if it may stand in an address.

    Letters are small, since relays change the case of addresses.
    """
    if _MAIL_ID.fullmatch(idempotency_key):
        return idempotency_key
    return hashlib.sha256(idempotency_key.encode()).hexdigest()[:32]


def return_path_secret(link_secret: bytes) -> bytes:
    """Return what signs return paths, made of the secret that signs links."""
    return hmac.digest(link_secret, b"return path", "sha256")


def make_return_path(mail_id: str, *, address: str, secret: bytes) -> str:
    """Return the return path of one message: `bounces+ID=SIGNATURE@DOMAIN`."""
    local, _, domain = address.partition("@")
    return f"{local}+{mail_id}={_sign(mail_id, secret)}@{domain}"


def read_return_path(address: str, secrets: Sequence[bytes]) -> str | None:
    """Return the message that a return path names, None if we did not write it."""
    match = re.fullmatch(
        r"<?[^+@<>\s]*\+([a-z0-9_-]{1,32})=([0-9a-f]{16})@[^@<>\s]+>?", address.lower()
    )
    if match is None:
        return None
    expected = (_sign(match[1], secret) for secret in secrets if secret)
    return match[1] if any(hmac.compare_digest(match[2], mac) for mac in expected) else None


def is_address_failure(status: str) -> bool:
    """Return whether an enhanced status code (RFC 3463) says that the address itself is wrong."""
    return status.startswith("5.1.") and status not in _SENDER_CODES


def find_status(text: str) -> str:
    """Return the enhanced status code in a reply, or an empty text."""
    match = _STATUS.search(text)
    return match[0] if match else ""


def read_bounce(raw: bytes, *, secrets: Sequence[bytes] = ()) -> Feedback | None:
    """Return what a delivery report says, None where it is no report on a message of ours.

    Args:
        raw: The mail as it arrived.
        secrets: Those that sign return paths. If any is given, only mail that came back to a
            return path of ours counts, since anybody can write a report. Without one, the
            message is known by its Message-ID.
    """
    if len(raw) > REPORT_BYTES_MAX:
        return None
    try:
        # The newer policies parse every address in every header, which hostile mail makes slow.
        mail = message_from_bytes(raw, policy=policy.compat32)
        status, action = _read_report(mail)
        mail_id = _returned_to(mail, secrets) if secrets else _original_id(mail)
    except (MessageError, RecursionError, ValueError, LookupError, TypeError, AttributeError):
        # The parser is made for well-meant mail; hostile mail finds more than one way to break it.
        return None
    if mail_id is None or action not in ("failed", "delivered"):
        return None
    return Feedback(
        outcome="bounced" if action == "failed" else "delivered",
        message_id=mail_id,
        provider_id=mail_id,
        hard=action == "failed" and is_address_failure(status),
        detail=status,
    )


def _read_report(mail: Message) -> tuple[str, str]:
    """Return the status and action of a report's first recipient, empty if it is none."""
    for part in mail.walk():
        if part.get_content_type() in _REPORT_TYPES:
            groups = part.get_payload()
            for group in groups if isinstance(groups, list) else []:
                if isinstance(group, Message) and "Action" in group:
                    action = str(group["Action"]).strip().lower()
                    return find_status(str(group.get("Status", ""))), action
    return "", ""


def _returned_to(mail: Message, secrets: Sequence[bytes]) -> str | None:
    """Return the message whose own return path this mail was delivered to."""
    for header in ("Delivered-To", "X-Original-To", "Envelope-To", "To"):
        for value in mail.get_all(header, []):
            for address in re.findall(r"[^\s<>,;:\"]+@[^\s<>,;:\"]+", str(value)[:2_000]):
                mail_id = read_return_path(address, secrets)
                if mail_id is not None:
                    return mail_id
    return None


def _original_id(mail: Message) -> str | None:
    """Return the left part of the Message-ID of the mail that is reported on."""
    for part in mail.walk():
        if part.get_content_type() not in _ORIGINAL_TYPES:
            continue
        content = part.get_payload()
        inner = content[0] if isinstance(content, list) and content else content
        headers = inner if isinstance(inner, Message) else _headers_in(part)
        match = re.search(r"<([a-z0-9_-]{1,32})@[^<>@\s]+>", str(headers.get("Message-ID", "")))
        if match:
            return match[1]
    return None


def _headers_in(part: Message) -> Message:
    """Return the headers that a text part quotes."""
    content = part.get_payload(decode=True)
    return (
        message_from_bytes(content, policy=policy.compat32)
        if isinstance(content, bytes)
        else Message()
    )


def _sign(mail_id: str, secret: bytes) -> str:
    """Return the signature of a message's name; the prefix keeps it from serving elsewhere."""
    return hmac.digest(secret, b"kept.return-path.1\0" + mail_id.encode(), hashlib.sha256).hex()[
        :_MAC_DIGITS
    ]
