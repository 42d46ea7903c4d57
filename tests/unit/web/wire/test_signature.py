"""Only who knows the secret is believed, and only in time."""

import base64
import hmac
from typing import Any

import pytest

from kept.core.brand.model import Signature
from kept.core.values import MINUTE, SECOND
from kept.errors import NotAllowedError
from kept.web.wire.signature import check_signature, webhook_id
from tests.unit.core.touchpoint_sample import NOW, SECRET

BODY = b'{"a":1}'
OTHER = "whsec_" + base64.b64encode(b"the secret before").decode()


def check(scheme: str, *, secrets: tuple[str, ...], **given: Any) -> None:
    """Check a signature of the sample body."""
    signature = Signature(
        scheme=scheme,  # type: ignore[arg-type]
        secret="env:X",
        header=given.get("header", ""),
        prefix=given.get("prefix", ""),
    )
    check_signature(
        signature,
        secrets=secrets,
        headers=given.get("headers", {}),
        query=given.get("query", {}),
        body=given.get("body", BODY),
        now=NOW,
    )


def refuses(scheme: str, **given: Any) -> bool:
    """Return whether the check says no."""
    try:
        check(scheme, **given)
    except NotAllowedError:
        return True
    return False


def sign(
    secret: str = SECRET, *, at: int = NOW, body: bytes = BODY, kind: str = "webhook"
) -> dict[bytes, bytes]:
    """Return the headers that Standard Webhooks asks for."""
    stamp = str(at // SECOND).encode()
    key = base64.b64decode(secret.removeprefix("whsec_")) if "whsec_" in secret else secret.encode()
    digest = hmac.digest(key, b"msg_1." + stamp + b"." + body, "sha256")
    name = kind.encode()
    return {
        name + b"-id": b"msg_1",
        name + b"-timestamp": stamp,
        name + b"-signature": b"v1," + base64.b64encode(digest),
    }


def test_the_specifications_own_example_is_right() -> None:
    """Worked out from the secret, id, time and body that the standard's libraries test with."""
    headers = {
        b"webhook-id": b"msg_p5jXN8AQM9LWM0D4loKWxJek",
        b"webhook-timestamp": b"1614265330",
        b"webhook-signature": b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    check_signature(
        Signature(scheme="standard_webhooks", secret="env:X"),
        secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        headers=headers,
        query={},
        body=b'{"test": 2432232314}',
        now=1614265330 * SECOND,
    )


@pytest.mark.parametrize("kind", ["webhook", "svix"])
@pytest.mark.parametrize("secret", [SECRET, "a plain secret"])
def test_standard_webhooks_are_believed(kind: str, secret: str) -> None:
    """Under either name of the headers, with a secret in base64 or a plain one."""
    check("standard_webhooks", secrets=(secret,), headers=sign(secret, kind=kind))
    assert webhook_id(sign(kind=kind)) == "msg_1"
    assert webhook_id({}) == ""


def test_while_a_secret_is_replaced_both_are_in_force() -> None:
    """On our side, and on the sender's, who then signs twice."""
    check("standard_webhooks", secrets=(OTHER, SECRET), headers=sign())
    twice = sign()
    twice[b"webhook-signature"] = (
        sign(OTHER)[b"webhook-signature"] + b" " + twice[b"webhook-signature"]
    )
    check("standard_webhooks", secrets=(SECRET,), headers=twice)


@pytest.mark.parametrize("off", [-6 * MINUTE, 6 * MINUTE])
def test_an_old_request_is_not_taken_again(off: int) -> None:
    """Five minutes either way are forgiven."""
    with pytest.raises(NotAllowedError, match="five minutes"):
        check("standard_webhooks", secrets=(SECRET,), headers=sign(at=NOW + off))
    check("standard_webhooks", secrets=(SECRET,), headers=sign(at=NOW + off * 4 // 6))


def test_a_forged_request_is_refused() -> None:
    """Another body, id, time, version, secret; or none of them."""
    assert refuses("standard_webhooks", secrets=(SECRET,), headers=sign(), body=b'{"a":2}')
    assert refuses("standard_webhooks", secrets=(OTHER,), headers=sign())
    assert refuses("standard_webhooks", secrets=(), headers=sign())
    for name, value in (
        (b"webhook-id", b"msg_2"),
        (b"webhook-timestamp", str(NOW // SECOND + 1).encode()),
        (b"webhook-timestamp", b"now"),
        (b"webhook-timestamp", b"9" * 40),
        (b"webhook-signature", b""),
        (b"webhook-signature", sign()[b"webhook-signature"].replace(b"v1,", b"v2,")),
        (b"webhook-signature", b"v1," * 10_000),
    ):
        assert refuses("standard_webhooks", secrets=(SECRET,), headers=sign() | {name: value})


def test_a_secret_that_cannot_be_read_is_named() -> None:
    """Or the operator would look for the fault at the sender's."""
    with pytest.raises(NotAllowedError, match="base64"):
        check("standard_webhooks", secrets=("whsec_x",), headers=sign())


@pytest.mark.parametrize("scheme", ["hmac_sha256", "hmac_sha1"])
@pytest.mark.parametrize("prefix", ["", "sha="])
def test_a_hash_of_the_body_is_believed_in_any_spelling(scheme: str, prefix: str) -> None:
    """Hexadecimal in either case, base64 in either alphabet, padded or not."""
    digest = hmac.digest(b"s", BODY, scheme.removeprefix("hmac_"))
    for written in (
        digest.hex(),
        digest.hex().upper(),
        base64.b64encode(digest).decode(),
        base64.urlsafe_b64encode(digest).decode().rstrip("="),
    ):
        headers = {b"x-signature": f" {prefix}{written} ".encode()}
        check(scheme, secrets=("old", "s"), headers=headers, prefix=prefix)
        named = {b"x-their-own": headers[b"x-signature"]}
        check(scheme, secrets=("s",), headers=named, header="X-Their-Own", prefix=prefix)
        assert refuses(scheme, secrets=("t",), headers=headers, prefix=prefix)
        assert refuses(scheme, secrets=("s",), headers=headers, prefix=prefix, body=b"{}")
        assert refuses(scheme, secrets=("s",), headers=headers, prefix="other=")
    assert refuses(scheme, secrets=("s",), headers={b"x-signature": prefix.encode()}, prefix=prefix)
    assert refuses(scheme, secrets=("s",), headers={}, prefix=prefix)


def test_a_token_is_believed_where_it_is_expected() -> None:
    """In the named header, as Bearer, or in the query for those who can set nothing but a URL."""
    check("token", secrets=("t",), headers={b"authorization": b"Bearer t"})
    check("token", secrets=("t",), headers={b"authorization": b"t"})
    check(
        "token", secrets=("old", "t"), headers={b"x-token": b"k=t"}, header="X-Token", prefix="k="
    )
    check("token", secrets=("t",), query={"token": "t"})
    assert refuses("token", secrets=("t",), query={"token": "t"}, header="X-Token")
    assert refuses("token", secrets=("t",), headers={b"authorization": b"Bearer T"})
    assert refuses("token", secrets=("t",))
    assert refuses("token", secrets=("",))
    assert refuses("token", secrets=(), query={"token": ""})
