"""A receiver's view of DKIM, written from RFC 6376 and knowing nothing of how Kept signs.

That it verifies what others have signed is tested with the example of RFC 8463.
"""

import hashlib
import re
from base64 import b64decode
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

Dns = Mapping[str, str]
"""Name -> what its TXT record says."""


def read_tags(text: str) -> dict[str, str]:
    """Return the tags of a signature or of a key's record."""
    tags = {}
    for part in text.strip().strip(";").split(";"):
        name, equals, value = part.partition("=")
        assert equals, f"no tag: {part!r}"
        assert name.strip() not in tags, f"told twice: {part!r}"
        tags[name.strip()] = value.strip()
    return tags


def find_signatures(mail: bytes) -> list[str]:
    """Return the values of all signatures, as they stand."""
    return [value for name, value in headers_of(mail) if name.lower() == "dkim-signature"]


def headers_of(mail: bytes) -> list[tuple[str, str]]:
    """Return the headers from the top, line ends within them kept."""
    headers: list[tuple[str, str]] = []
    for line in mail[: mail.index(b"\r\n\r\n")].decode("utf-8").split("\r\n"):
        if line[0] in " \t":
            name, value = headers.pop()
            headers.append((name, f"{value}\r\n{line}"))
        else:
            name, _, value = line.partition(":")
            headers.append((name, value))
    return headers


def verifies(mail: bytes, signature: str, dns: Dns) -> bool:
    """Return whether a signature of a mail is good, by the key that DNS publishes."""
    tags = read_tags(signature)
    assert tags["v"] == "1"
    assert tags["c"] == "relaxed/relaxed"
    record = read_tags(dns[f"{tags['s']}._domainkey.{tags['d']}"])
    body = mail[mail.index(b"\r\n\r\n") + 4 :]
    body_hash = hashlib.sha256(relaxed_body(body)).digest()
    if body_hash != b64decode("".join(tags["bh"].split())):
        return False
    text = signed_text(mail, signature, [name.strip() for name in tags["h"].split(":")])
    made = b64decode("".join(tags["b"].split()))
    public = b64decode("".join(record["p"].split()))
    try:
        if tags["a"] == "ed25519-sha256":
            assert record["k"] == "ed25519"
            Ed25519PublicKey.from_public_bytes(public).verify(made, hashlib.sha256(text).digest())
        else:
            assert tags["a"] == "rsa-sha256"
            key = load_der_public_key(public)
            assert isinstance(key, RSAPublicKey)
            key.verify(made, text, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def signed_text(mail: bytes, signature: str, names: list[str]) -> bytes:
    """Return what the signature is about: each name takes the lowest header not taken yet."""
    left = headers_of(mail)
    text = ""
    for wanted in names:
        for position in reversed(range(len(left))):
            name, value = left[position]
            if name.lower() == wanted.lower():
                text += f"{wanted.lower()}:{relaxed(value)}\r\n"
                del left[position]
                break
    unsigned = re.sub(r"(^|;)(\s*b\s*=)[^;]*", r"\1\2", signature)
    return (text + f"dkim-signature:{relaxed(unsigned)}").encode()


def relaxed(value: str) -> str:
    """Return a header's value on one line, blanks reduced."""
    return " ".join(re.split(r"[ \t]+", value.replace("\r\n", "").strip(" \t")))


def relaxed_body(body: bytes) -> bytes:
    """Return a body line by line, blanks reduced, empty lines at the end left out."""
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)
