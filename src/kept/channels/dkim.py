"""Signatures that prove a mail to come from a domain (DKIM: RFC 6376, RFC 8301, RFC 8463).

Headers and body are signed in relaxed form, which survives a relay that folds a line anew. Each
covered header is named once more than it occurs, so that nobody can add a second one afterwards.
"""

import base64
import hashlib
import re
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kept.errors import SettingsError

PrivateKey: TypeAlias = RSAPrivateKey | Ed25519PrivateKey

RSA_BITS_MIN: Final = 2_048
RSA_BITS_MAX: Final = 4_096
"""Verifiers need not take longer ones (RFC 8301)."""
COVERED: Final = (
    "from",
    "to",
    "cc",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "list-unsubscribe",
    "list-unsubscribe-post",
)
"""What a reader sees or acts on. Headers for the relay alone are left out, for it may remove them;
RFC 8058 demands the last two."""

_LINE_LENGTH: Final = 72
_DOMAIN: Final = re.compile(
    r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
)
_SELECTOR: Final = re.compile(
    r"(?=.{1,63}$)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.IGNORECASE
)
_BLANKS: Final = re.compile(rb"[ \t]+")


class DkimSigner:
    """Signs mail for one domain with one key."""

    def __init__(self, *, domain: str, selector: str, key: str) -> None:
        """Check all three; raises `SettingsError` with everything that is wrong.

        Args:
            domain: Whom the signature speaks for; its DNS publishes the public key.
            selector: Under which name, as `SELECTOR._domainkey.DOMAIN`.
            key: The private key as PEM: RSA of at least 2048 bits, or Ed25519.
        """
        wrong: list[str] = []
        if not _DOMAIN.fullmatch(domain):
            wrong.append(f"`dkim_domain` {domain!r} is no domain in small ASCII letters")
        if not _SELECTOR.fullmatch(selector):
            wrong.append(f"`dkim_selector` {selector!r} is no name in DNS")
        try:
            self._key = parse_private_key(key)
        except SettingsError as error:
            wrong.append(str(error))
        if wrong:
            raise SettingsError("\n".join(wrong))
        self.domain = domain
        self._selector = selector

    def may_sign_for(self, domain: str) -> bool:
        """Return whether receivers relate this signature to a sender of that domain (DMARC)."""
        return (
            domain == self.domain
            or domain.endswith(f".{self.domain}")
            or self.domain.endswith(f".{domain}")
        )

    def sign(self, content: bytes, *, at: int) -> bytes:
        """Return a mail with its signature in front; `at` is in microseconds."""
        head, _, body = content.partition(b"\r\n\r\n")
        headers = split_headers(head)
        names = [
            name for name in COVERED for _ in range(1 + sum(each == name for each, _ in headers))
        ]
        algorithm = "ed25519" if isinstance(self._key, Ed25519PrivateKey) else "rsa"
        body_hash = base64.b64encode(hashlib.sha256(relax_body(body)).digest()).decode()
        unsigned = (
            f"v=1; a={algorithm}-sha256; c=relaxed/relaxed; d={self.domain};\r\n"
            f" s={self._selector}; t={at // 1_000_000};\r\n"
            f" h={_folded(names, between=':')};\r\n"
            f" bh={body_hash};\r\n"
            f" b="
        ).encode()
        signature = self._sign(hash_input(headers, names=names, signature=unsigned))
        folded = f"\r\n{' ' * 2}".join(
            signature[start : start + _LINE_LENGTH]
            for start in range(0, len(signature), _LINE_LENGTH)
        )
        return b"DKIM-Signature: " + unsigned + folded.encode() + b"\r\n" + content

    def _sign(self, text: bytes) -> str:
        """Return a signature in base64."""
        if isinstance(self._key, Ed25519PrivateKey):
            # RFC 8463: what is signed is the hash, so that both algorithms sign alike.
            made = self._key.sign(hashlib.sha256(text).digest())
        else:
            made = self._key.sign(text, PKCS1v15(), SHA256())
        return base64.b64encode(made).decode()


def parse_private_key(pem: str) -> PrivateKey:
    """Return a key that may sign; raises `SettingsError`, which never quotes the key."""
    try:
        key = load_pem_private_key(pem.encode("utf-8", "replace"), password=None)
    except TypeError:
        message = "`dkim_key` is encrypted; give the key without a passphrase"
        raise SettingsError(message) from None
    except (ValueError, UnsupportedAlgorithm):
        # What the library says may quote the key.
        message = "`dkim_key` holds no private key in PEM (-----BEGIN PRIVATE KEY-----)"
        raise SettingsError(message) from None
    if isinstance(key, Ed25519PrivateKey):
        return key
    if not isinstance(key, RSAPrivateKey):
        raise SettingsError("`dkim_key` is neither an RSA nor an Ed25519 key")
    if not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
        raise SettingsError(
            f"`dkim_key` is an RSA key of {key.key_size} bits; "
            f"it must have from {RSA_BITS_MIN} to {RSA_BITS_MAX}"
        )
    return key


def split_headers(head: bytes) -> list[tuple[str, bytes]]:
    """Return the lower-case name and the value of each header, folded lines kept together."""
    headers: list[tuple[str, bytes]] = []
    for line in re.split(rb"\r\n(?![ \t])", head):
        name, colon, value = line.partition(b":")
        if colon:
            headers.append((name.decode("ascii", "replace").strip().lower(), value))
    return headers


def hash_input(headers: list[tuple[str, bytes]], *, names: list[str], signature: bytes) -> bytes:
    """Return what is signed: the named headers from the last one up, then the signature's own."""
    left: dict[str, list[bytes]] = {}
    for name, value in headers:
        left.setdefault(name, []).append(value)
    # A name without a header left adds nothing, which forbids a header of that name.
    lines = [relax_header(name, left[name].pop()) for name in names if left.get(name)]
    lines.append(relax_header("dkim-signature", signature))
    return b"\r\n".join(lines)


def relax_header(name: str, value: bytes) -> bytes:
    """Return a header in relaxed form, without the end of its line (RFC 6376, 3.4.2)."""
    unfolded = _BLANKS.sub(b" ", value.replace(b"\r\n", b""))
    return name.encode() + b":" + unfolded.strip(b" \t")


def relax_body(body: bytes) -> bytes:
    """Return a body in relaxed form (RFC 6376, 3.4.4)."""
    blanks = _BLANKS.sub(b" ", body + b"\r\n").replace(b" \r\n", b"\r\n")
    # No CR or LF stands alone in a mail that was composed here.
    lines = blanks.rstrip(b"\r\n")
    return lines + b"\r\n" if lines else b""


def _folded(words: list[str], *, between: str) -> str:
    """Return words on lines that are not too long."""
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) > _LINE_LENGTH:
            lines[-1] += between
            lines.append(word)
        else:
            lines[-1] += between + word
    return "\r\n  ".join(lines)
