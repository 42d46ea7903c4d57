"""People who work with Kept, their sessions, tools with tokens, and how failed sign-ins are slowed."""

from typing import Final, Literal, TypeAlias

import msgspec

from kept.core.access import Permission, Role
from kept.core.values import DAY, MINUTE, SECOND

FAILURES_FREE: Final = 5
"""Failed sign-ins of one account before it must wait."""
ADDRESS_FAILURES_FREE: Final = 20
"""Failed sign-ins from one address before it must wait; many people may share one."""
WAIT_FIRST: Final = 30 * SECOND
"""How long the first wait is; it doubles with every further failure."""
WAIT_MAX: Final = 15 * MINUTE
"""How long a wait is at most, so that nobody can shut another person out for long."""
FAILURES_KEPT: Final = DAY
"""After how long without a failure all are forgotten."""
INVITATION_KEPT: Final = 3 * DAY
"""How long an invitation is good for."""

SignInWay: TypeAlias = Literal["password", "oidc"]


class Staff(msgspec.Struct, frozen=True, kw_only=True):
    """A member of staff: a local account with a password, or one of an identity provider."""

    staff_id: int
    name: str
    """What they sign in with, mostly an e-mail address; of a provider's account, what it calls them."""
    roles: tuple[Role, ...]
    is_enabled: bool = True
    password: str = ""
    """The argon2id hash in its usual written form; empty until the first password is set."""
    invitation: str = ""
    """The hash of the one invitation by which a password may be set."""
    invited_until: int = 0
    issuer: str = ""
    """The identity provider; empty for a local account."""
    subject: str = ""
    """Who it is there (`sub`), which never changes and is never given to somebody else."""
    made_at: int = 0
    made_by: str = ""
    signed_in_at: int = 0

    @property
    def is_local(self) -> bool:
        """Return whether the account has its password here."""
        return not self.issuer

    @property
    def actor(self) -> str:
        """Return how the audit names them: by number, for the audit outlives names."""
        return f"staff:{self.staff_id}"

    @property
    def can_sign_in(self) -> bool:
        """Return whether there is a way in for them."""
        return self.is_enabled and bool(self.password or self.subject)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody signed in with one browser; found by the hash of what its cookie holds."""

    digest: str
    staff_id: int
    begun_at: int
    seen_at: int
    way: SignInWay
    browser: str = ""
    """What the browser called itself, for the list of one's own sessions."""

    def is_over(self, now: int, *, idle: int, whole: int) -> bool:
        """Return whether it ended by itself: unused for `idle`, or older than `whole` (µs)."""
        return now >= self.seen_at + idle or now >= self.begun_at + whole


class ApiToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool shows instead of a person; found by its hash."""

    digest: str
    name: str
    scopes: tuple[Permission, ...]
    made_at: int
    made_by: str
    ends_at: int = 0
    """When it dies by itself; 0 for never."""
    networks: tuple[str, ...] = ()
    """Where it may be used from; empty for anywhere."""
    used_at: int = 0
    """When it was last used, to the hour; 0 for never."""

    @property
    def actor(self) -> str:
        """Return how the audit names it."""
        return f"token:{self.name}"


class Failures(msgspec.Struct, frozen=True, kw_only=True):
    """Failed sign-ins of one account or address in a row."""

    count: int = 0
    last_at: int = 0
    until: int = 0
    """Until when not even a right password is looked at."""


def note_failure(before: Failures, now: int, *, free: int) -> Failures:
    """Return the failures with one more: past the free ones each doubles the wait."""
    count = 1 + (before.count if now < before.last_at + FAILURES_KEPT else 0)
    over = count - free
    wait = min(WAIT_FIRST << min(over, 20), WAIT_MAX) if over >= 0 else 0
    return Failures(count=count, last_at=now, until=now + wait if wait else 0)
