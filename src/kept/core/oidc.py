"""What an identity provider says of somebody: is it for us, is it now, and which roles does it mean?

The checks of OpenID Connect Core 1.0, 3.1.3.7, on claims whose signature was verified before.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kept.core.access import Role, read_roles
from kept.core.plain_text import clean_line
from kept.core.values import MINUTE, SECOND
from kept.errors import InputError

SKEW: Final = MINUTE
"""By how much the clocks of two servers may differ."""
AGE_MAX: Final = 10 * MINUTE
"""How old an ID token may be: it is fetched by us, at once."""
NAME_LENGTH_MAX: Final = 200
SUBJECT_LENGTH_MAX: Final = 255
"""The longest `sub` (OpenID Connect Core 1.0, 2)."""


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What an ID token must say to be the answer to our question."""

    issuer: str
    client_id: str
    nonce: str


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who signed in at the provider."""

    subject: str
    name: str


def check_claims(claims: Mapping[str, Any], expected: Expected, *, now: int) -> str:
    """Return what is wrong with the claims of an ID token, or an empty text."""
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    subject = claims.get("sub")
    if claims.get("iss") != expected.issuer:
        return "it was issued by somebody else"
    if not isinstance(audiences, list) or expected.client_id not in audiences:
        return "it was issued for somebody else"
    if len(audiences) > 1 and claims.get("azp") is None:
        return "it was issued for several, and does not say for whom"
    if claims.get("azp", expected.client_id) != expected.client_id:
        return "somebody else asked for it"
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_LENGTH_MAX:
        return "it does not say who signed in"
    if claims.get("nonce") != expected.nonce:
        return "it answers another question"
    return _check_times(claims, now=now)


def _check_times(claims: Mapping[str, Any], *, now: int) -> str:
    ends, begun = _instant(claims.get("exp")), _instant(claims.get("iat"))
    valid_from = _instant(claims.get("nbf", 0))
    if ends is None or begun is None or valid_from is None:
        return "it does not say from when to when it is good"
    if now >= ends + SKEW:
        return "its time is over"
    if begun > now + SKEW or valid_from > now + SKEW:
        return "its time has not come; is the clock of this machine right?"
    if begun < now - AGE_MAX:
        return "it is old"
    return ""


def _instant(value: Any) -> int | None:
    """Return a NumericDate as microseconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value * SECOND) if abs(value) < 2**40 else None


def read_person(claims: Mapping[str, Any]) -> Person:
    """Return who it is, by what the provider calls them; without a name they are their `sub`."""
    for name in ("email", "preferred_username", "name", "sub"):
        value = claims.get(name)
        if isinstance(value, str) and clean_line(value):
            return Person(
                subject=str(claims["sub"]), name=clean_line(value)[:NAME_LENGTH_MAX].lower()
            )
    return Person(subject=str(claims["sub"]), name=str(claims["sub"]))


def read_mapping(text: str) -> dict[str, Role]:
    """Return which value of the role claim means which role, from `value=role;value=role`.

    Raises:
        InputError: it is not of that form, or a role is none.
    """
    mapping: dict[str, Role] = {}
    for pair in filter(None, map(str.strip, text.split(";"))):
        # The value comes first and may hold an equals sign, as names in a directory do.
        value, equals, role = pair.rpartition("=")
        if not equals or not value.strip():
            raise InputError(f"{pair!r} is not of the form value=role")
        (mapping[value.strip()],) = read_roles([role.strip()])
    return mapping


def roles_in(
    claims: Mapping[str, Any], *, claim: str, mapping: Mapping[str, Role]
) -> tuple[Role, ...]:
    """Return the roles that the claims mean; none where the mapping knows none of the values."""
    value = claims.get(claim)
    values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    found = {mapping[each] for each in values if isinstance(each, str) and each in mapping}
    return read_roles(found) if found else ()
