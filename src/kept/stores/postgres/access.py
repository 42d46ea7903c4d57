"""Who may ask, in PostgreSQL: few rows, loaded all at once; what tells of people passes the vault."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, LiteralString

from kept.core.keys import WriteKey
from kept.core.staff import ApiToken, Failures, Session, Staff
from kept.ports import HOUSE, Vault
from kept.ports_access import AuditEntry
from kept.stores.codecs import (
    decode_failures,
    decode_key,
    decode_session,
    decode_staff,
    decode_token,
    encode_access,
)
from kept.stores.postgres.records import Records
from kept.stores.postgres.session import Session as Connection


class Access:
    """Keeps staff, sessions, tokens, write keys, failed sign-ins, and who looked at whom."""

    def __init__(
        self,
        session: Connection,
        records: Records,
        *,
        vault: Vault,
        queries: Mapping[str, LiteralString],
    ) -> None:
        """Take the connection, the vault and the queries."""
        self._session = session
        self._records = records
        self._vault = vault
        self._queries = queries

    def save_staff(self, staff: Staff) -> None:
        """Insert or replace a member of staff by their id."""
        sealed = self._seal(staff, f"staff/{staff.staff_id}")
        self._session.write(self._queries["save_staff"], (staff.staff_id, sealed))

    def load_staff(self) -> list[Staff]:
        """Return all staff in order of their ids."""
        return [
            decode_staff(self._open(body, f"staff/{staff_id}"))
            for staff_id, body in self._fetch("load_staff")
        ]

    def save_session(self, session: Session) -> None:
        """Insert or replace a session by its hash."""
        sealed = self._seal(session, session.digest)
        self._session.write(self._queries["save_session"], (session.digest, sealed))

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
        self._session.write(self._queries["save_token"], (token.digest, encode_access(token)))

    def drop_tokens(self, digests: Iterable[str]) -> None:
        """Revoke API tokens; one that is not there is passed over."""
        self._drop("drop_tokens", digests)

    def load_tokens(self) -> list[ApiToken]:
        """Return all API tokens in order of their hashes."""
        return [decode_token(body) for (body,) in self._fetch("load_tokens")]

    def save_key(self, key: WriteKey) -> None:
        """Insert or replace a write key by its hash."""
        self._session.write(self._queries["save_write_key"], (key.digest, encode_access(key)))

    def drop_keys(self, digests: Iterable[str]) -> None:
        """Revoke write keys; one that is not there is passed over."""
        self._drop("drop_write_keys", digests)

    def load_keys(self) -> list[WriteKey]:
        """Return all write keys in order of their hashes."""
        return [decode_key(body) for (body,) in self._fetch("load_write_keys")]

    def save_failures(self, name: str, failures: Failures) -> None:
        """Insert or replace the failed sign-ins of an account or address."""
        row = (name, failures.last_at, encode_access(failures))
        self._session.write(self._queries["save_failures"], row)

    def drop_failures(self, names: Iterable[str]) -> None:
        """Forget failed sign-ins; a name that is not there is passed over."""
        self._drop("drop_failures", names)

    def load_failures(self) -> dict[str, Failures]:
        """Return all failed sign-ins that are remembered, oldest last failure first."""
        return {name: decode_failures(body) for name, body in self._fetch("load_failures")}

    def append_access(self, entry_id: int, part_id: int) -> None:
        """Note that an audit entry tells of somebody who saw values of a part; twice is once."""
        self._session.write(self._queries["insert_access"], (part_id, entry_id))

    def read_accesses(self, part_ids: Sequence[int], *, newest: int) -> list[AuditEntry]:
        """Return the newest audit entries of who saw values of these parts, newest first."""
        parameters = (sorted(set(part_ids)), max(newest, 0))
        rows = self._session.fetch(self._queries["read_accesses"], parameters)
        return self._records.decode_audit(rows)

    def _fetch(self, name: str) -> list[Any]:
        return self._session.fetch(self._queries[name])

    def _drop(self, name: str, keys: Iterable[str]) -> None:
        self._session.write(self._queries[name], (list(keys),))

    def _seal(self, record: Staff | Session, record_id: str) -> bytes:
        return self._vault.seal(HOUSE, "staff", encode_access(record), record_id)

    def _open(self, sealed: bytes, record_id: str) -> bytes:
        return self._vault.open(HOUSE, "staff", sealed, record_id)
