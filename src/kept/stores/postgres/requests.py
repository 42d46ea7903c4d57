"""What customers asked for under the law, and what it obliges to keep, in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from kept.ports import HeldRecord, RequestRow, Vault
from kept.retention_port import hold_part, request_part
from kept.stores.postgres.erasure import Erasure
from kept.stores.postgres.numbers import Numbers
from kept.stores.postgres.session import REQUESTS_LOCK, Session
from kept.stores.request_rows import read_request, write_request


class Requests:
    """Requests by their numbers, and held records; keys of their own go when they are done."""

    def __init__(
        self,
        session: Session,
        erasure: Erasure,
        *,
        vault: Vault,
        queries: Mapping[str, LiteralString],
    ) -> None:
        """Take who destroys keys."""
        self._session = session
        self._erasure = erasure
        self._vault = vault
        self._queries = queries
        self._held_ids = Numbers(session, "held_ids", queries)
        session.participants.append(self._held_ids)

    def next_request_number(self) -> int:
        """Return the number that the next request shall have; within a transaction it is ours."""
        if self._session.is_ours:
            self._session.take_late(
                REQUESTS_LOCK, self._queries["take_lock"], self._queries["try_lock"]
            )
        return int(self._session.fetch_one(self._queries["find_last_request"])[0]) + 1

    def save_request(self, row: RequestRow) -> None:
        """Insert or replace a request; the key of one that is closed is destroyed."""
        self._session.require_transaction()
        self._session.write(self._queries["save_request"], write_request(self._vault, row))
        if row.is_closed:
            self._erasure.destroy_later([request_part(row.number)])

    def load_request(self, request_id: str) -> RequestRow | None:
        """Return a request by its id."""
        if "\0" in request_id:
            # Nothing is under it, and to ask for it would end the session: NUL is refused.
            return None
        row = self._session.fetch_one(self._queries["load_request"], (request_id,))
        return read_request(self._vault, row) if row else None

    def load_requests(self, *, newest: int) -> list[RequestRow]:
        """Return the newest requests, newest first."""
        return [read_request(self._vault, row) for row in self._fetch("load_requests", (newest,))]

    def load_due_requests(self, *, now: int, limit: int) -> list[RequestRow]:
        """Return requests for which something is to be done, the earliest first."""
        return [
            read_request(self._vault, row) for row in self._fetch("load_due_requests", (now, limit))
        ]

    def hold_records(self, number: int, records: Sequence[HeldRecord]) -> None:
        """Keep what the law obliges to keep of a request's customer, sealed apart."""
        self._session.require_transaction()
        for record in records:
            held_id = self._held_ids.take()
            sealed = self._vault.seal(hold_part(number), "held", record.body, held_id)
            row = (held_id, number, record.hold, record.until, sealed)
            self._session.write(self._queries["insert_held_record"], row)

    def load_held_records(self, number: int) -> list[HeldRecord]:
        """Return what is held of a request's customer."""
        return [
            HeldRecord(
                hold=hold,
                until=until,
                body=self._vault.open(hold_part(number), "held", sealed, held_id),
            )
            for held_id, hold, until, sealed in self._fetch("load_held_records", (number,))
        ]

    def drop_held_records(self, *, now: int, limit: int) -> int:
        """Remove what need not be held any longer, of at most so many requests; return of how many."""
        self._session.require_transaction()
        expired = [number for (number,) in self._fetch("find_expired_holds", (now, limit))]
        if expired:
            self._session.write(self._queries["delete_expired_holds"], (now, expired))
            left = {n for (n,) in self._fetch("find_numbers_held", (expired,))}
            self._erasure.destroy_later([hold_part(n) for n in expired if n not in left])
        return len(expired)

    def _fetch(self, name: str, parameters: tuple[Any, ...]) -> list[Any]:
        return self._session.fetch(self._queries[name], parameters)
