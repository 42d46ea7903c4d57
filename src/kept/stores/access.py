"""Who may ask, in SQL: few rows, loaded all at once; what tells of people passes the vault."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, LiteralString, Protocol

from kept.core.keys import WriteKey
from kept.core.staff import ApiToken, Failures, Session, Staff
from kept.ports import HOUSE, Vault
from kept.stores.codecs import (
    decode_failures,
    decode_key,
    decode_session,
    decode_staff,
    decode_token,
    encode_access,
)


class Connection(Protocol):
    """What runs statements, whichever the engine is."""

    def write(self, sql: LiteralString, parameters: tuple[Any, ...]) -> object:
        """Run one statement of the transaction."""

    def fetch(self, sql: LiteralString, parameters: tuple[Any, ...] = ()) -> Sequence[Any]:
        """Return all rows of a query."""


class Access:
    """Keeps staff, sessions, tokens, write keys and failed sign-ins."""

    def __init__(
        self,
        connection: Connection,
        *,
        vault: Vault,
        queries: Mapping[str, LiteralString],
        pack: Callable[[Iterable[str]], Any],
    ) -> None:
        """Take the connection, the vault, the queries, and what makes one parameter of many keys."""
        self._connection = connection
        self._vault = vault
        self._queries = queries
        self._pack = pack

    def save_staff(self, staff: Staff) -> None:
        """Insert or replace a member of staff by their id."""
        sealed = self._seal(staff, f"staff/{staff.staff_id}")
        self._connection.write(self._queries["save_staff"], (staff.staff_id, sealed))

    def load_staff(self) -> list[Staff]:
        """Return all staff in order of their ids."""
        return [
            decode_staff(self._open(body, f"staff/{staff_id}"))
            for staff_id, body in self._fetch("load_staff")
        ]

    def save_session(self, session: Session) -> None:
        """Insert or replace a session by its hash."""
        sealed = self._seal(session, session.digest)
        self._connection.write(self._queries["save_session"], (session.digest, sealed))

    def drop_sessions(self, digests: Iterable[str]) -> None:
        """End sessions; one that is not there is passed over."""
        self._drop("drop_sessions", digests)

    def load_sessions(self) -> list[Session]:
        """Return all sessions in order of their hashes."""
        return [
            decode_session(self._open(body, digest))
            for digest, body in self._fetch("load_sessions")
        ]

    def save_token(self, token: ApiToken) -> None:
        """Insert or replace an API token by its hash."""
        self._connection.write(self._queries["save_token"], (token.digest, encode_access(token)))

    def drop_tokens(self, digests: Iterable[str]) -> None:
        """Revoke API tokens; one that is not there is passed over."""
        self._drop("drop_tokens", digests)

    def load_tokens(self) -> list[ApiToken]:
        """Return all API tokens in order of their hashes."""
        return [decode_token(body) for (body,) in self._fetch("load_tokens")]

    def save_key(self, key: WriteKey) -> None:
        """Insert or replace a write key by its hash."""
        self._connection.write(self._queries["save_write_key"], (key.digest, encode_access(key)))

    def drop_keys(self, digests: Iterable[str]) -> None:
        """Revoke write keys; one that is not there is passed over."""
        self._drop("drop_write_keys", digests)

    def load_keys(self) -> list[WriteKey]:
        """Return all write keys in order of their hashes."""
        return [decode_key(body) for (body,) in self._fetch("load_write_keys")]

    def save_failures(self, name: str, failures: Failures) -> None:
        """Insert or replace the failed sign-ins of an account or address."""
        row = (name, failures.last_at, encode_access(failures))
        self._connection.write(self._queries["save_failures"], row)

    def drop_failures(self, names: Iterable[str]) -> None:
        """Forget failed sign-ins; a name that is not there is passed over."""
        self._drop("drop_failures", names)

    def load_failures(self) -> dict[str, Failures]:
        """Return all failed sign-ins that are remembered, oldest last failure first."""
        return {name: decode_failures(body) for name, body in self._fetch("load_failures")}

    def _fetch(self, name: str) -> Sequence[Any]:
        return self._connection.fetch(self._queries[name])

    def _drop(self, name: str, keys: Iterable[str]) -> None:
        self._connection.write(self._queries[name], (self._pack(keys),))

    def _seal(self, record: Staff | Session, record_id: str) -> bytes:
        return self._vault.seal(HOUSE, "staff", encode_access(record), record_id)

    def _open(self, sealed: bytes, record_id: str) -> bytes:
        return self._vault.open(HOUSE, "staff", sealed, record_id)
