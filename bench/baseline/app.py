"""What a good engineer would write instead of Kept, were storing the events and a profile enough.

FastAPI, SQLAlchemy 2 and PostgreSQL, with the choices that its best friend would make:

- the body is read raw and decoded by msgspec into typed values; a pydantic model in the route's
  signature would cost several times as much;
- a batch is one bulk `execute`: one prepared statement, all rows pipelined, one commit; with
  `BENCH_STATEMENT=arrays` it is one hand-written statement over arrays instead, which few would
  write and which is faster;
- rows of profiles are touched in the order of their keys, so that requests do not deadlock;
- a single event is one statement and so its own transaction: no BEGIN and COMMIT travel;
- the answer is given after the commit.

It decides nothing, resolves nobody, and folds nothing but counters. `BENCH_DATABASE_URL` and
`BENCH_POOL_SIZE` say where the database is and how many connections a process holds.
"""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from bench.baseline.statements import SCHEMA, STORE_ARRAYS, STORE_ROWS


class TrackEvent(msgspec.Struct, rename="camel"):
    """One event in Segment's form."""

    type: str
    message_id: str
    timestamp: datetime
    user_id: str = ""
    anonymous_id: str = ""
    event: str = ""
    name: str = ""
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    context: dict[str, Any] = {}

    @property
    def customer_id(self) -> str:
        """Return whom the event is about."""
        return self.user_id or self.anonymous_id


class Batch(msgspec.Struct, rename="camel"):
    """A Segment batch; each event as its own bytes, which are what is stored."""

    batch: list[msgspec.Raw]


_decode_event = msgspec.json.Decoder(TrackEvent).decode
_decode_batch = msgspec.json.Decoder(Batch).decode
_encode = msgspec.json.Encoder().encode

SUCCESS = b'{"success":true}'
USES_ARRAYS = os.environ.get("BENCH_STATEMENT") == "arrays"


@asynccontextmanager
async def _lifespan(application: FastAPI) -> AsyncIterator[None]:
    application.state.engine = create_async_engine(
        os.environ["BENCH_DATABASE_URL"],
        pool_size=int(os.environ["BENCH_POOL_SIZE"]),
        max_overflow=0,
    )
    # What is one statement needs no BEGIN and COMMIT around it.
    application.state.by_statement = application.state.engine.execution_options(
        isolation_level="AUTOCOMMIT"
    )
    yield
    await application.state.engine.dispose()


app = FastAPI(lifespan=_lifespan, openapi_url=None)


@app.post("/v1/batch")
async def store_batch(request: Request) -> Response:
    """Store a batch of events."""
    bodies = _decode_batch(await request.body()).batch
    if USES_ARRAYS:
        async with request.app.state.by_statement.connect() as connection:
            await _store_arrays(connection, bodies)
    else:
        async with request.app.state.engine.begin() as connection:
            await _store_rows(connection, bodies)
    return Response(SUCCESS, media_type="application/json")


@app.post("/v1/{kind}")
async def store_event(request: Request, kind: str) -> Response:
    """Store one event."""
    del kind  # The body says it too.
    parameters = _make_row(await request.body(), received_at=datetime.now(UTC))
    async with request.app.state.by_statement.connect() as connection:
        await connection.execute(STORE_ROWS, parameters)
    return Response(SUCCESS, media_type="application/json")


async def _store_rows(connection: AsyncConnection, bodies: Sequence[msgspec.Raw]) -> None:
    received_at = datetime.now(UTC)
    rows = [_make_row(body, received_at=received_at) for body in bodies]
    rows.sort(key=lambda row: row["customer_id"])
    await connection.execute(STORE_ROWS, rows)


def _make_row(body: bytes | msgspec.Raw, *, received_at: datetime) -> dict[str, Any]:
    event = _decode_event(body)
    return {
        "message_id": event.message_id,
        "customer_id": event.customer_id,
        "type": event.type,
        "event": event.event or event.name,
        "occurred_at": event.timestamp,
        "received_at": received_at,
        "body": bytes(body).decode(),
        "traits": _encode(event.traits).decode(),
    }


async def _store_arrays(connection: AsyncConnection, bodies: Sequence[msgspec.Raw]) -> None:
    events = [_decode_event(body) for body in bodies]
    told: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.traits:
            told.setdefault(event.customer_id, {}).update(event.traits)
    parameters = {
        "message_ids": [event.message_id for event in events],
        "customer_ids": [event.customer_id for event in events],
        "types": [event.type for event in events],
        "events": [event.event or event.name for event in events],
        "instants": [event.timestamp for event in events],
        "bodies": [bytes(body).decode() for body in bodies],
        "received_at": datetime.now(UTC),
        "told_customers": list(told),
        "told_traits": [_encode(traits).decode() for traits in told.values()],
    }
    await connection.execute(STORE_ARRAYS, parameters)


async def create_schema(url: str) -> None:
    """Make the tables."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for statement in SCHEMA:
            await connection.execute(text(statement))
    await engine.dispose()
