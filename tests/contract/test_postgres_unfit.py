"""A value that PostgreSQL does not hold harms nobody but whoever brought it."""

from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, LiteralString

import pytest

from kept.stores.postgres.driver import UnfitValueError
from kept.stores.postgres.readers import Readers
from kept.stores.postgres.session import Session
from tests.contract.conftest import PostgresStores

pytestmark = pytest.mark.postgres

KEEP: LiteralString = "INSERT INTO kept.settings VALUES ($1, $2)"
UNFIT: list[tuple[LiteralString, Any]] = [
    ("SELECT $1::text", "a\0b"),  # the server refuses it
    ("SELECT $1::bigint", 1 << 70),  # the driver cannot write it
    ("SELECT 1 / $1::bigint", 0),
]


@pytest.fixture
def session(nodes: PostgresStores) -> Iterator[Session]:
    """Give what a store writes by."""
    nodes.open_another()
    with (
        closing(Readers(nodes.address)) as readers,
        closing(Session(nodes.address, readers)) as opened,
    ):
        yield opened


@pytest.mark.parametrize(("sql", "value"), UNFIT)
def test_its_transaction_alone_is_undone(session: Session, sql: LiteralString, value: Any) -> None:
    """Whatever is done after it within the transaction, and if nobody seemed to notice."""

    def bring() -> None:
        with session.transaction():
            session.write(KEEP, ("test before", b"1"))
            with suppress(UnfitValueError):
                session.write(sql, (value,))
            with suppress(UnfitValueError):
                session.write(KEEP, ("test after", b"1"))

    with pytest.raises(UnfitValueError, match="does not hold"):
        bring()
    with session.transaction():
        session.write(KEEP, ("test next", b"1"))
    found = session.fetch("SELECT name FROM kept.settings WHERE name LIKE 'test %'")
    assert found == [("test next",)]


@pytest.mark.parametrize(("sql", "value"), UNFIT)
def test_whoever_reads_beside_the_writer_goes_on(
    session: Session, sql: LiteralString, value: Any
) -> None:
    """Outside of a transaction nothing is undone, and the connection is good."""
    for _ in range(9):
        with pytest.raises(UnfitValueError):
            session.fetch(sql, (value,))
    assert session.fetch("SELECT 1") == [(1,)]
