"""The part of the store that knows who may ask; `ports.Store` is all of it."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec

from kept.core.keys import WriteKey
from kept.core.staff import ApiToken, Failures, Session, Staff


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator did: a brake, a key, a replay, an unmerge."""

    entry_id: int
    at: int
    actor: str
    verb: str
    detail: dict[str, Any]


class AccessStore(Protocol):
    """Who may ask: staff, their sessions, tokens of tools, write keys; a part of `Store`.

    All of each are loaded at once: there are few, and whoever asks is looked up in memory.
    """

    def save_staff(self, staff: Staff) -> None:
        """Insert or replace a member of staff by their id."""

    def load_staff(self) -> list[Staff]:
        """Return all staff in order of their ids."""

    def save_session(self, session: Session) -> None:
        """Insert or replace a session by its hash."""

    def drop_sessions(self, digests: Iterable[str]) -> None:
        """End sessions; one that is not there is passed over."""

    def load_sessions(self) -> list[Session]:
        """Return all sessions in order of their hashes."""

    def save_token(self, token: ApiToken) -> None:
        """Insert or replace an API token by its hash."""

    def drop_tokens(self, digests: Iterable[str]) -> None:
        """Revoke API tokens; one that is not there is passed over."""

    def load_tokens(self) -> list[ApiToken]:
        """Return all API tokens in order of their hashes."""

    def save_key(self, key: WriteKey) -> None:
        """Insert or replace a write key by its hash."""

    def drop_keys(self, digests: Iterable[str]) -> None:
        """Revoke write keys; one that is not there is passed over."""

    def load_keys(self) -> list[WriteKey]:
        """Return all write keys in order of their hashes."""

    def save_failures(self, name: str, failures: Failures) -> None:
        """Insert or replace the failed sign-ins of an account or address."""

    def drop_failures(self, names: Iterable[str]) -> None:
        """Forget failed sign-ins; a name that is not there is passed over."""

    def load_failures(self) -> dict[str, Failures]:
        """Return all failed sign-ins that are remembered, oldest last failure first."""

    def append_access(self, entry_id: int, part_id: int) -> None:
        """Note that an audit entry tells of somebody who saw values of a part; twice is once."""

    def read_accesses(self, part_ids: Sequence[int], *, newest: int) -> list[AuditEntry]:
        """Return the newest audit entries of who saw values of these parts, newest first.

        Safe from any thread.
        """
