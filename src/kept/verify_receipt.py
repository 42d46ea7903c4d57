"""Check a receipt of a consent log without Kept, without a network and without trusting anybody.

Run it with any Python 3.9 or newer; it needs nothing else:

    python verify_receipt.py RECEIPT.json --key NAME+ID+BASE64

It checks that the record and its salt hash to a leaf (RFC 6962), that the leaf is in the tree whose
root the checkpoint names (RFC 9162, section 2.1.3.2), and that the checkpoint was signed by the key
(C2SP signed-note, Ed25519 of RFC 8032). Get the key from the company by a way that you trust, once,
and keep it with your receipts. Whoever keeps one file less would have to trust more.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any, Iterator

FORMAT = "kept-receipt@v1"
PROOF = "c2sp.org/tlog-proof@v1"
DASH = "\N{EM DASH} "
LENGTH_MAX = 1_000_000
NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,17})\Z", re.ASCII)

Point = tuple[int, int, int, int]
# Curve25519 in Edwards form, RFC 8032, section 5.1.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


class Refused(Exception):
    """The receipt does not hold; the text says why."""


def verify(receipt_text: str, key_text: str) -> list[str]:
    """Return, in sentences, what a receipt proves under a key; raise `Refused` if it does not hold."""
    receipt = read_receipt(receipt_text)
    name, key_id, public = read_key(key_text)
    salt = read_base64(receipt["salt"], "the salt", 32)
    record = receipt["record"]
    index, hashes, body, signatures = read_proof(receipt["proof"])
    origin, size, root = read_body(body)
    if origin != name:
        raise Refused(f"the checkpoint is of {origin!r}, and the key of {name!r}.")
    if not any(
        signature[:4] == key_id and is_signed(public, body.encode(), signature[4:])
        for signer, signature in signatures
        if signer == name
    ):
        raise Refused(
            "the key did not sign the checkpoint: the receipt was altered, or is another log's."
        )
    leaf = hashlib.sha256(b"\x00" + salt + canonical(record)).digest()
    if root_of(leaf, index, size, hashes) != root:
        raise Refused(
            "the record is not in the log that was signed: record, salt or proof was altered."
        )
    return [
        f"The checkpoint of the log {origin} was signed by the key {key_id.hex()}.",
        f"When it was signed, the log had {size} entries.",
        f"Entry {index} of them (counted from 0) is this record, word for word:",
        *describe(record),
    ]


def canonical(record: dict[str, Any]) -> bytes:
    """Return a record as the bytes that its leaf commits to (RFC 8785, for texts and whole numbers)."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def describe(value: Any, place: str = "") -> Iterator[str]:
    """Yield what a record says, one line for each value, with its place in the record."""
    if isinstance(value, dict):
        for name in value:
            yield from describe(value[name], f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for number, one in enumerate(value, start=1):
            yield from describe(one, f"{place} {number}")
    else:
        text = f"{place}: {value}"
        yield "  " + "".join(sign if sign.isprintable() else "?" for sign in text)


def read_receipt(text: str) -> dict[str, Any]:
    """Return the parts of a receipt, each of the type that it must have."""
    if len(text) > LENGTH_MAX:
        raise Refused("the file is not a receipt: it is too long.")
    try:
        receipt = json.loads(
            text,
            object_pairs_hook=read_object,
            parse_float=refuse_number,
            parse_constant=refuse_number,
        )
    except (ValueError, RecursionError):
        raise Refused("the file is not a receipt: it is not JSON.") from None
    wanted = {"receipt": str, "record": dict, "salt": str, "proof": str}
    if not isinstance(receipt, dict) or set(receipt) != set(wanted):
        raise Refused(
            f"the file is not a receipt: it has to hold {', '.join(wanted)} and nothing else."
        )
    if any(not isinstance(receipt[name], kind) for name, kind in wanted.items()):
        raise Refused("the file is not a receipt: a part of it is of the wrong type.")
    if receipt["receipt"] != FORMAT:
        raise Refused(f"the receipt is not {FORMAT}, the one form that this verifier knows.")
    return receipt


def read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON in which no name stands twice, for readers would not agree on it."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise Refused("the file is not a receipt: a name stands twice in it.")
    return members


def refuse_number(text: str) -> None:
    """Refuse a number with a fraction: there is more than one way to write it."""
    raise Refused(f"the file is not a receipt: {text} is not a whole number.")


def read_key(text: str) -> tuple[str, bytes, bytes]:
    """Return the name, the id and the 32 bytes of a key written as NAME+ID+BASE64."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = read_base64(encoded, "the key", 33)
    if raw[:1] != b"\x01" or not name or name.split() != [name]:
        raise Refused("the key is not an Ed25519 key written as NAME+ID+BASE64.")
    found = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    if found.hex() != key_id:
        raise Refused("the key is not whole: its id is not the one that stands in it.")
    return name, found, raw[1:]


def read_proof(text: str) -> tuple[int, list[bytes], str, list[tuple[str, bytes]]]:
    """Return the index, the hashes, the signed text and the signatures of a `.tlog-proof`."""
    head, blank, note = text.partition("\n\n")
    header, *lines = head.split("\n")
    if lines and lines[0].startswith("extra "):
        del lines[0]
    label, _, index = lines[0].partition(" ") if lines else ("", "", "")
    if not blank or header != PROOF or label != "index" or not NUMBER.match(index):
        raise Refused("the proof is not in the form of C2SP tlog-proof.")
    hashes = [read_base64(line, "a hash of the proof", 32) for line in lines[1:]]
    body, blank, tail = note.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise Refused("the checkpoint is not in the form of C2SP signed-note.")
    signatures = []
    for line in tail[:-1].split("\n"):
        if not line.startswith(DASH):
            raise Refused("the checkpoint is not in the form of C2SP signed-note.")
        name, _, encoded = line[len(DASH) :].partition(" ")
        signatures.append((name, read_base64(encoded, "a signature")))
    return int(index), hashes, body + "\n", signatures


def read_body(body: str) -> tuple[str, int, bytes]:
    """Return the origin, the size and the root that a checkpoint's text names."""
    origin, size, root = [*body.split("\n"), "", ""][:3]
    if not NUMBER.match(size):
        raise Refused("the checkpoint does not say how many entries the log had.")
    return origin, int(size), read_base64(root, "the root", 32)


def read_base64(text: str, what: str, length: int = 0) -> bytes:
    """Return the bytes of a text in base64, refusing all but the one way to write them."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused(f"{what} is not base64.") from None
    if base64.b64encode(raw).decode() != text or (length and len(raw) != length):
        raise Refused(f"{what} is not as it must be written.")
    return raw


def root_of(leaf: bytes, index: int, size: int, hashes: list[bytes]) -> bytes | None:
    """Return the root that an audit path leads to, None if it leads nowhere (RFC 9162, 2.1.3.2)."""
    if index >= size:
        return None
    place, last, root = index, size - 1, leaf
    for sibling in hashes:
        if last == 0:
            return None
        if place & 1 or place == last:
            root = hashlib.sha256(b"\x01" + sibling + root).digest()
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            root = hashlib.sha256(b"\x01" + root + sibling).digest()
        place, last = place >> 1, last >> 1
    return root if last == 0 else None


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether an Ed25519 signature is the public key's (RFC 8032, section 5.1.7)."""
    if len(signature) != 64:
        return False
    key, r = unpack(public), unpack(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if key is None or r is None or s >= L:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    challenge = int.from_bytes(digest, "little") % L
    return is_same(times(s, BASE), add(r, times(challenge, key)))


def unpack(raw: bytes) -> Point | None:
    """Return the point that 32 bytes stand for, None if they stand for none (RFC 8032, 5.1.3)."""
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def add(one: Point, other: Point) -> Point:
    """Return the sum of two points, in extended coordinates (RFC 8032, section 5.1.4)."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number: int, point: Point) -> Point:
    """Return a point added to itself so many times."""
    total = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = add(total, point)
        point = add(point, point)
        number >>= 1
    return total


def is_same(one: Point, other: Point) -> bool:
    """Return whether two points are one."""
    return (one[0] * other[2] - other[0] * one[2]) % P == 0 and (
        one[1] * other[2] - other[1] * one[2]
    ) % P == 0


def main(arguments: list[str]) -> int:
    """Check the receipt that the command line names; return 0 if it holds, 1 if not, 2 if unasked."""
    if len(arguments) != 3 or arguments[1] != "--key":
        print("usage: python verify_receipt.py RECEIPT.json --key NAME+ID+BASE64", file=sys.stderr)
        return 2
    try:
        sentences = verify(Path(arguments[0]).read_text(encoding="utf-8"), arguments[2])
    except (OSError, UnicodeDecodeError) as error:
        print(f"REFUSED: the file cannot be read: {error}", file=sys.stderr)
        return 1
    except Refused as error:
        print(f"REFUSED: {error}", file=sys.stderr)
        return 1
    print("\n".join(["The receipt holds.", *sentences]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
