"""The stand-alone verifier: RFC 8032's vectors, what other libraries sign, and what it refuses."""

import ast
import inspect
import json
import sys
from typing import Any

import msgspec
import pytest

from kept import verify_receipt as verifier
from kept.core.checkpoint import Checkpoint, Proof, key_of, sign_checkpoint
from kept.core.merkle import hash_leaf, prove_inclusion, root_of
from kept.core.receipt import read_receipt, write_receipt
from kept.core.record import SCHEMA, Record, RecordedEvent, write_leaf
from kept.errors import InputError

# RFC 8032, section 7.1, tests 1 to 3: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd"
            "25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c3"
            "87b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594"
            "a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]
NAME, SEED = "harbour/consent-log/1a2b3c4d", b"s" * 32
KEY = key_of(NAME, SEED).text


def receipt_of(record: Record, *, index: int = 2, size: int = 5) -> dict[str, Any]:
    """Return the receipt of a record that stands in a small log."""
    data = write_leaf(record, b"n" * 32)
    leaves = [hash_leaf(b"%d" % number) for number in range(size)]
    leaves[index] = hash_leaf(data)

    def read(height: int, place: int) -> bytes:
        return root_of(leaves[place << height : (place + 1) << height])

    note = sign_checkpoint(Checkpoint(origin=NAME, size=size, root=root_of(leaves)), SEED)
    proof = Proof(index=index, hashes=tuple(prove_inclusion(index, size, read)), note=note)
    told = msgspec.to_builtins(write_receipt(data, proof))
    assert isinstance(told, dict)
    return told


def make_record(who: str = "user_id:ana") -> Record:
    """Return a record of a consent."""
    event = RecordedEvent(
        event_time="2026-03-02T12:00:00Z",
        event_type="consent_given",
        event_state="given",
        entity_id="shop",
        purpose="marketing",
    )
    return Record(
        schema_version=SCHEMA,
        record_id="2",
        kind="consent_given",
        recorded_at="2026-03-02T12:00:00Z",
        pii_principal_id=who,
        events=(event,),
    )


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_the_vectors_of_the_rfc_hold(public: str, message: str, signature: str) -> None:
    """And none with a bit changed, in any of the three."""
    given_values = [bytes.fromhex(text) for text in (public, message, signature)]
    assert verifier.is_signed(*given_values)
    for place in (0, 2):
        for at in (0, -1):
            altered = [bytearray(one) for one in given_values]
            altered[place][at] ^= 1
            assert not verifier.is_signed(*map(bytes, altered))
    assert not verifier.is_signed(given_values[0], given_values[1] + b"x", given_values[2])


def test_a_signature_has_one_form() -> None:
    """The same signature with the group's order added to it is another text, and refused."""
    public, message, signature = (bytes.fromhex(text) for text in VECTORS[0])
    s = int.from_bytes(signature[32:], "little") + verifier.L
    assert not verifier.is_signed(public, message, signature[:32] + s.to_bytes(32, "little"))
    assert not verifier.is_signed(public, message, signature[:-1])
    assert not verifier.is_signed(b"\xff" * 32, message, signature)


def test_it_says_in_sentences_what_was_checked() -> None:
    """Who signed, when it stood where, and the record word for word."""
    sentences = verifier.verify(json.dumps(receipt_of(make_record())), KEY)
    assert sentences[:3] == [
        f"The checkpoint of the log {NAME} was signed by the key {KEY.split('+')[1]}.",
        "When it was signed, the log had 5 entries.",
        "Entry 2 of them (counted from 0) is this record, word for word:",
    ]
    assert "  pii_principal_id: user_id:ana" in sentences
    assert "  events 1.event_type: consent_given" in sentences


def altered(**members: Any) -> str:
    """Return the receipt with members exchanged; None takes one away."""
    told = receipt_of(make_record()) | members
    return json.dumps({name: value for name, value in told.items() if value is not None})


PROOF = receipt_of(make_record())["proof"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "has to hold"),
        ('{"receipt": "kept-receipt@v1"}', "has to hold"),
        (altered(more=1), "has to hold"),
        (altered(salt=7), "wrong type"),
        (altered(receipt="kept-receipt@v2"), "not kept-receipt@v1"),
        (altered(salt="AAAA"), "the salt is not as"),
        (altered(salt="!"), "the salt is not base64"),
        (altered(record={"kind": "consent_given"}), "not in the log"),
        (altered(record={"number": 1.5}), "not a whole number"),
        (altered(proof="nothing"), "tlog-proof"),
        (altered(proof=PROOF.replace("index 2", "index 1")), "not in the log"),
        (altered(proof=PROOF.replace("index 2", "index 7")), "not in the log"),
        (altered(proof=PROOF.replace("\n5\n", "\n6\n")), "did not sign"),
        (altered(proof=PROOF.replace(f"\N{EM DASH} {NAME}", "\N{EM DASH} x")), "did not sign"),
        (altered(proof=PROOF.replace("\N{EM DASH}", "-")), "signed-note"),
        (altered(proof=PROOF.replace(f"\n\n{NAME}", "\n\nother")), "is of 'other'"),
        (altered(proof=PROOF.replace("\n\n", "\nAAAA\n\n", 1)), "a hash of the proof"),
        ('{"a": 1, "a": 2}', "stands twice"),
        ('{"a": NaN}', "not a whole number"),
        ("x" * 1_000_001, "too long"),
    ],
)
def test_anything_altered_is_refused_with_its_reason(text: str, says: str) -> None:
    """Never an error of its own, never a pass."""
    with pytest.raises(verifier.Refused, match=says):
        verifier.verify(text, KEY)


@pytest.mark.parametrize(
    "key",
    ["", "x", KEY[:-4], KEY.replace(NAME, "other"), KEY.split("+")[0] + "+00000000+" + "A" * 44],
)
def test_a_key_that_is_not_whole_is_refused(key: str) -> None:
    """Or the receipt would be refused for a reason that is not its own."""
    with pytest.raises(verifier.Refused):
        verifier.verify(altered(), key)


def test_another_key_of_the_same_name_did_not_sign() -> None:
    """A name is not a key."""
    with pytest.raises(verifier.Refused, match="did not sign"):
        verifier.verify(altered(), key_of(NAME, b"t" * 32).text)


def test_what_is_no_receipt_is_none_for_us_either() -> None:
    """The audit reads receipts that were kept elsewhere."""
    for text in ("{}", "x", altered(salt="!"), altered(proof="nothing"), altered(more=1)):
        with pytest.raises(InputError):
            read_receipt(text)


def test_it_stands_alone_on_an_old_python() -> None:
    """Nothing but the standard library, and no syntax that Python 3.9 does not know."""
    text = inspect.getsource(verifier)
    tree = ast.parse(text, feature_version=(3, 9))
    names = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
        if name
    }
    assert names <= sys.stdlib_module_names
