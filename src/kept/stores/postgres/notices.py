"""Notices in PostgreSQL: rare rows, each written with the event that it follows from."""

from collections.abc import Mapping, Sequence
from typing import LiteralString

from kept.ports import Notice
from kept.stores.codecs import decode_scopes, encode_scopes
from kept.stores.postgres.numbers import Numbers
from kept.stores.postgres.session import Session


class Notices:
    """Keeps of whom something changed that tools outside must be told."""

    def __init__(self, session: Session, queries: Mapping[str, LiteralString]) -> None:
        """Take the session and the queries."""
        self._session = session
        self._insert = queries["insert_notice"]
        self._load = queries["load_notices"]
        self._find_last = queries["find_last_notice"]
        self._numbers = Numbers(session, "notice_ids", queries, ahead=1)
        session.participants.append(self._numbers)

    def append_notice(self, part_id: int, *, noted_at: int, scopes: Sequence[str]) -> int:
        """Keep that permissions changed; return its id, which grows."""
        number = self._numbers.take()
        self._session.write(self._insert, (number, part_id, noted_at, encode_scopes(scopes)))
        return number

    def load_notices(self, *, after: int, limit: int) -> list[Notice]:
        """Return notices in order of their ids from `after` (exclusive)."""
        return [
            Notice(
                notice_id=notice_id,
                part_id=part_id,
                noted_at=noted_at,
                scopes=decode_scopes(scopes),
            )
            for notice_id, part_id, noted_at, scopes in self._session.fetch(
                self._load, (after, limit)
            )
        ]

    def last_notice(self) -> int:
        """Return the id of the newest notice, 0 if there is none."""
        (last,) = self._session.fetch_one(self._find_last)
        return int(last)
