"""Passwords are kept as slow hashes, and nobody's costs as much as somebody's."""

import asyncio

from argon2 import extract_parameters

from kept.core.passwords import LENGTH_MAX
from kept.web.passwords import HASHER, Passwords

PASSWORD = "tea leaves on a windy quay"


def test_a_password_is_kept_as_a_salted_slow_hash() -> None:
    """By argon2id with 19 MiB and two passes, as OWASP asks; two hashes of one are unlike."""
    passwords = Passwords()
    kept, again = (asyncio.run(passwords.hash(PASSWORD)) for _ in range(2))
    assert kept.startswith("$argon2id$")
    assert PASSWORD not in kept
    assert kept != again
    cost = extract_parameters(kept)
    assert (cost.memory_cost, cost.time_cost) == (19_456, 2)


def test_only_the_very_password_is_right() -> None:
    """Neither another case nor a part of it; nobody has none, and a book is not read."""
    passwords = Passwords()
    kept = HASHER.hash(PASSWORD)
    assert asyncio.run(passwords.is_right(PASSWORD, kept)) == (True, "")
    for wrong in (PASSWORD.upper(), PASSWORD[:-1], PASSWORD + " ", "", "x" * (LENGTH_MAX + 1)):
        assert asyncio.run(passwords.is_right(wrong, kept)) == (False, "")
    assert asyncio.run(passwords.is_right(PASSWORD, "")) == (False, "")


def test_a_hash_of_less_work_is_made_anew() -> None:
    """As soon as its owner signs in, for then alone the password is known."""
    weak = type(HASHER)(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    is_right, rehashed = asyncio.run(Passwords().is_right(PASSWORD, weak))
    assert is_right
    assert extract_parameters(rehashed).memory_cost == 19_456
