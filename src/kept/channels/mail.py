"""A message as mail: well-formed for every reader, and nothing in it that a name could forge.

Building the same message twice gives the same bytes but for the date, so that a retry is the same
mail under the same Message-ID.
"""

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from typing import Final

import msgspec

from kept.core.bounce import mail_id_of
from kept.core.message import Outgoing
from kept.core.plain_text import clean_line, clean_text

_MAILBOX: Final = re.compile(r"(?:(.*?)\s*<([^<>]*)>|([^<>]*))")
_ATOM: Final = re.compile(r"[^\s\x00-\x20\x7f()<>@,;:\\\"\[\]]+")
_DOMAIN: Final = re.compile(
    r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
)
_HEADER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
_OWN_HEADERS: Final = frozenset(
    [
        "bcc",
        "cc",
        "content-transfer-encoding",
        "content-type",
        "date",
        "dkim-signature",
        "from",
        "message-id",
        "mime-version",
        "received",
        "return-path",
        "sender",
        "subject",
        "to",
    ]
)
_UNFOLDED: Final = frozenset({"list-unsubscribe", "list-unsubscribe-post", "message-id"})
"""Headers that machines read: folding would turn a long link into an encoded word."""


class _Policy(EmailPolicy):
    """Seven-bit mail with CRLF; addresses and links are never broken up."""

    def fold_binary(self, name: str, value: str) -> bytes:
        """Return a header line as it leaves."""
        if name.lower() in _UNFOLDED:
            return f"{name}: {value}\r\n".encode("ascii", "replace")
        return super().fold_binary(name, value)


NAME_LENGTH_MAX: Final = 70
_POLICY: Final = _Policy(linesep="\r\n", cte_type="7bit")


class Mailbox(msgspec.Struct, frozen=True, kw_only=True):
    """An address that mail can be sent to, and the name before it."""

    local: str
    domain: str
    """In ASCII, as DNS knows it."""
    name: str = ""

    @property
    def address(self) -> str:
        """Return the address alone."""
        return f"{self.local}@{self.domain}"


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A message ready for a mail server."""

    mail_id: str
    sender: Mailbox
    recipient: Mailbox
    content: bytes


class Unmailable(msgspec.Struct, frozen=True, kw_only=True):
    """A message that no mail can be made of."""

    detail: str
    is_address: bool = False
    """Whether it is the recipient's address that can never work."""


def parse_mailbox(text: str) -> Mailbox | None:
    """Return `Name <address>` or a bare address, None if it is no single valid address."""
    match = _MAILBOX.fullmatch(text.strip())
    if match is None:
        return None
    name, address = (match[1] or "").strip('" \\'), match[2] or match[3] or ""
    local, at, domain = address.rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    fits = len(local.encode("utf-8", "replace")) <= 64 and len(address) <= 254
    if not at or not fits or not _DOMAIN.fullmatch(domain):
        return None
    if not all(_ATOM.fullmatch(atom) for atom in local.split(".")) or clean_line(local) != local:
        return None
    # A name that is longer than anybody's is left out; the address alone reaches its owner.
    shown = _header_text(name) if len(name) <= NAME_LENGTH_MAX else ""
    return Mailbox(local=local, domain=domain, name=shown)


def compose_mail(outgoing: Outgoing, *, at: datetime) -> Mail | Unmailable:
    """Return a message as mail, or why it cannot be one."""
    sender = parse_mailbox(outgoing.sender)
    if sender is None or not sender.local.isascii():
        return Unmailable(detail=f"the sender {outgoing.sender!r} is no mail address")
    recipient = parse_mailbox(outgoing.to)
    if recipient is None:
        return Unmailable(detail="the recipient has no valid mail address", is_address=True)
    # Only a recipient beyond ASCII needs headers in UTF-8, which not every server takes.
    mail = EmailMessage(policy=_POLICY.clone(utf8=not recipient.local.isascii()))
    mail["From"] = _header_address(sender)
    mail["To"] = _header_address(recipient)
    mail["Subject"] = _header_text(outgoing.subject)
    mail["Date"] = format_datetime(at)
    mail_id = mail_id_of(outgoing.idempotency_key)
    mail["Message-ID"] = f"<{mail_id}@{sender.domain}>"
    for name, value in outgoing.headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            return Unmailable(detail=f"a message may not set the header {clean_line(name)!r}")
        mail[name] = _header_text(value)
    mail.set_content(clean_text(outgoing.text))
    if outgoing.html:
        mail.add_alternative(clean_text(outgoing.html), subtype="html")
        # The default boundary is drawn at random, which would make each retry another mail.
        parts = f"{mail_id}\0{outgoing.text}\0{outgoing.html}".encode("utf-8", "replace")
        mail.set_boundary(f"=_{hashlib.sha256(parts).hexdigest()[:32]}")
    content = mail.as_bytes()
    if not _are_headers_whole(content, mail.keys()):
        return Unmailable(detail="a header is so odd that it would end all headers after it")
    return Mail(mail_id=mail_id, sender=sender, recipient=recipient, content=content)


def _are_headers_whole(content: bytes, names: Iterable[str]) -> bool:
    """Return whether every header stands before the first empty line.

    Python's folding puts one into the midst of a header whose words are longer than a line.
    """
    head = b"\r\n" + content.partition(b"\r\n\r\n")[0]
    return all(f"\r\n{name}:".encode() in head for name in names)


def _header_text(text: str) -> str:
    """Return text for a header; what looks like an encoded word would be decoded as one."""
    return clean_line(text).replace("=?", "= ?")


def _header_address(mailbox: Mailbox) -> Address:
    return Address(display_name=mailbox.name, username=mailbox.local, domain=mailbox.domain)
