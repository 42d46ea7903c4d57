"""Who may ask, in memory: staff, their sessions, tokens, write keys, and who looked at whom."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from kept.core.keys import WriteKey
from kept.core.staff import ApiToken, Failures, Session, Staff
from kept.ports_access import AuditEntry
from kept.stores.memory_undo import Undo


class MemoryAccess(Undo):
    """The part of `MemoryStore` that implements `ports_access.AccessStore`, and holds the audit."""

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__()
        self._audit: list[AuditEntry] = []
        self._staff: dict[int, Staff] = {}
        self._sessions: dict[str, Session] = {}
        self._tokens: dict[str, ApiToken] = {}
        self._keys: dict[str, WriteKey] = {}
        self._failures: dict[str, Failures] = {}
        self._accesses: dict[tuple[int, int], None] = {}

    def save_staff(self, staff: Staff) -> None:
        """Insert or replace a member of staff by their id."""
        self._put(self._staff, staff.staff_id, staff)

    def load_staff(self) -> list[Staff]:
        """Return all staff in order of their ids."""
        return [staff for _, staff in sorted(self._staff.items())]

    def save_session(self, session: Session) -> None:
        """Insert or replace a session by its hash."""
        self._put(self._sessions, session.digest, session)

    def drop_sessions(self, digests: Iterable[str]) -> None:
        """End sessions; one that is not there is passed over."""
        self._drop_all(self._sessions, digests)

    def load_sessions(self) -> list[Session]:
        """Return all sessions in order of their hashes."""
        return [session for _, session in sorted(self._sessions.items())]

    def save_token(self, token: ApiToken) -> None:
        """Insert or replace an API token by its hash."""
        self._put(self._tokens, token.digest, token)

    def drop_tokens(self, digests: Iterable[str]) -> None:
        """Revoke API tokens; one that is not there is passed over."""
        self._drop_all(self._tokens, digests)

    def load_tokens(self) -> list[ApiToken]:
        """Return all API tokens in order of their hashes."""
        return [token for _, token in sorted(self._tokens.items())]

    def save_key(self, key: WriteKey) -> None:
        """Insert or replace a write key by its hash."""
        self._put(self._keys, key.digest, key)

    def drop_keys(self, digests: Iterable[str]) -> None:
        """Revoke write keys; one that is not there is passed over."""
        self._drop_all(self._keys, digests)

    def load_keys(self) -> list[WriteKey]:
        """Return all write keys in order of their hashes."""
        return [key for _, key in sorted(self._keys.items())]

    def save_failures(self, name: str, failures: Failures) -> None:
        """Insert or replace the failed sign-ins of an account or address."""
        self._put(self._failures, name, failures)

    def drop_failures(self, names: Iterable[str]) -> None:
        """Forget failed sign-ins; a name that is not there is passed over."""
        self._drop_all(self._failures, names)

    def load_failures(self) -> dict[str, Failures]:
        """Return all failed sign-ins that are remembered, oldest last failure first."""
        by_age = sorted(self._failures.items(), key=lambda item: (item[1].last_at, item[0]))
        return dict(by_age)

    def append_access(self, entry_id: int, part_id: int) -> None:
        """Note that an audit entry tells of somebody who saw values of a part; twice is once."""
        self._put(self._accesses, (part_id, entry_id), None)

    def read_accesses(self, part_ids: Sequence[int], *, newest: int) -> list[AuditEntry]:
        """Return the newest audit entries of who saw values of these parts, newest first."""
        wanted = {entry_id for part_id, entry_id in self._accesses if part_id in set(part_ids)}
        found = [entry for entry in reversed(self._audit) if entry.entry_id in wanted]
        return found[: max(newest, 0)]

    def _forget_accesses(self, part_ids: Collection[int]) -> None:
        """Forget who saw values of parts that are erased."""
        for key in [key for key in self._accesses if key[0] in part_ids]:
            self._drop(self._accesses, key)

    def _drop_all(self, out_of: dict[str, Any], names: Iterable[str]) -> None:
        for name in names:
            self._drop(out_of, name)
