"""An ID token, believed only if the provider's own key signed it, for us, just now, as an answer to us."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import jwt

from kept.core.oidc import Expected, check_claims

ALGORITHMS: Final[Mapping[str, str]] = {
    "RS256": "RSA",
    "RS384": "RSA",
    "RS512": "RSA",
    "PS256": "RSA",
    "PS384": "RSA",
    "PS512": "RSA",
    "ES256": "EC",
    "ES384": "EC",
    "ES512": "EC",
    "EdDSA": "OKP",
}
"""Algorithms that are believed, each with the kind of key that it needs.

All are asymmetric: `none` proves nothing, and a token signed with HMAC could be made by whoever
knows the public key, if that were taken for its secret.
"""
RSA_BITS_MIN: Final = 2048
TOKEN_LENGTH_MAX: Final = 64 * 1024


class NotBelievedError(Exception):
    """An ID token cannot be believed; the message says why, and holds nothing of it."""


class UnknownKeyError(NotBelievedError):
    """It names a key that the provider did not have when it was asked last."""


def read_id_token(
    token: str, keys: Sequence[Mapping[str, Any]], expected: Expected, *, now: int
) -> dict[str, Any]:
    """Return the claims of an ID token.

    Args:
        token: as the provider gave it (a JWS in its compact form).
        keys: the provider's keys (RFC 7517).
        expected: what it must say.
        now: the present instant.

    Raises:
        UnknownKeyError: none of the keys is the one that it names.
        NotBelievedError: it is not signed by its key, or does not say what it must.
    """
    if len(token) > TOKEN_LENGTH_MAX:
        raise NotBelievedError("it is too long")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        raise NotBelievedError("it is no signed token") from None
    algorithm = str(header.get("alg"))
    if algorithm not in ALGORITHMS:
        raise NotBelievedError("it is signed in a way that proves nothing")
    if "crit" in header:
        raise NotBelievedError("it asks for something that is not known here")
    claims = _verify(token, _find_keys(keys, header.get("kid"), algorithm), algorithm)
    wrong = check_claims(claims, expected, now=now)
    if wrong:
        raise NotBelievedError(wrong)
    return claims


def _find_keys(
    keys: Sequence[Mapping[str, Any]], key_id: Any, algorithm: str
) -> list[Mapping[str, Any]]:
    """Return the keys that may have signed: of the right kind, and by name where one is named."""
    found = [
        key
        for key in keys
        if key.get("kty") == ALGORITHMS[algorithm]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (key_id is None or key.get("kid") == key_id)
    ]
    if not found:
        raise UnknownKeyError("the provider has no such key")
    return found


def _verify(token: str, keys: Sequence[Mapping[str, Any]], algorithm: str) -> dict[str, Any]:
    # Times and names are checked by `core.oidc`, which is told the time instead of reading it.
    options: Any = {
        f"verify_{each}": False for each in ("exp", "iat", "nbf", "aud", "iss", "sub", "jti")
    }
    for key in keys:
        try:
            known = jwt.PyJWK(dict(key), algorithm=algorithm)
            if key["kty"] == "RSA" and known.key.key_size < RSA_BITS_MIN:
                continue
            claims: dict[str, Any] = jwt.decode(
                token, known.key, algorithms=[algorithm], options=options
            )
        except (jwt.InvalidTokenError, jwt.PyJWKError, jwt.InvalidKeyError, ValueError, TypeError):
            continue
        return claims
    raise NotBelievedError("its signature is wrong")
