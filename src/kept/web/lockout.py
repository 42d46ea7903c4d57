"""Failed sign-ins, by account and by address: counted before a password is looked at, kept over restarts."""

import hmac
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256

import msgspec

from kept import settings
from kept.core.staff import ADDRESS_FAILURES_FREE, FAILURES_FREE, Failures, note_failure


class LockOut:
    """Knows who must wait before the next try; of too many accounts and addresses the oldest go.

    An account that does not exist is counted like one that does, so that neither a refusal nor a
    wait tells which it is. Only hashes of names and addresses are kept.
    """

    def __init__(self, known: Mapping[str, Failures], *, secret: bytes) -> None:
        """Take what was kept, the oldest first, and the secret that hashes names."""
        self._failures = OrderedDict(known)
        self._secret = secret

    def __len__(self) -> int:
        """Return how many accounts and addresses are remembered."""
        return len(self._failures)

    def take(self, known: Mapping[str, Failures]) -> None:
        """Take up what other nodes have kept; of two, the later counts."""
        newest = OrderedDict(known)
        for name, own in self._failures.copy().items():
            other = newest.get(name)
            if other is not None and own.last_at > other.last_at:
                newest[name] = own
        self._failures = newest

    def begin(self, account: str, address: str, *, now: int) -> tuple[int, dict[str, Failures]]:
        """Count a try as failed until it succeeds, or say how long to wait (µs) before one.

        Many tries at the same moment are so counted one by one. Returns the wait (0 for none) and
        what must be kept.
        """
        names = self._names(account, address)
        wait = max(
            (self._failures[name].until - now for name in names if name in self._failures),
            default=0,
        )
        if wait > 0:
            return wait, {}
        noted = {
            name: note_failure(self._failures.get(name, Failures()), now, free=free)
            for name, free in names.items()
        }
        for name, failures in noted.items():
            self._failures[name] = failures
            self._failures.move_to_end(name)
        while len(self._failures) > settings.FAILURES_MAX:
            self._failures.popitem(last=False)
        return 0, noted

    def succeed(self, account: str, address: str) -> tuple[list[str], dict[str, Failures]]:
        """Forgive an account that signed in, and take the try back from its address.

        Returns the names to be forgotten, and what must be kept.
        """
        forgotten, left = self.forget_account(account), {}
        for name in list(self._names(account, address))[1:]:
            before = self._failures.get(name, Failures())
            if before.count <= 1:
                self._failures.pop(name, None)
                forgotten.append(name)
            else:
                left[name] = msgspec.structs.replace(before, count=before.count - 1, until=0)
        self._failures |= left
        return forgotten, left

    def forget_account(self, account: str) -> list[str]:
        """Lift the lock-out of an account; return the names to be forgotten."""
        (name,) = self._names(account, "")
        self._failures.pop(name, None)
        return [name]

    def _names(self, account: str, address: str) -> dict[str, int]:
        """Return under which names a try is counted, the account's first, and how many are free."""
        names = {self._hash(f"account:{account}"): FAILURES_FREE}
        if address:
            names[self._hash(f"address:{address}")] = ADDRESS_FAILURES_FREE
        return names

    def _hash(self, name: str) -> str:
        return hmac.digest(self._secret, f"kept.failures.1:{name}".encode(), sha256).hex()
