"""PostgresLog against bare COPY and SELECT in the same minute: what the Log's promises cost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from smartflanders.embedded import EmbeddedPostgres
from streams.migrate import migrate
from streams.packs import pack_headers, unpack_headers
from streams.postgres_log import PostgresLog
from streams.record import Record
from tests.benchmarks.logs import APPENDS, ROUNDS, SIZE, append_ours, compare, members, read_ours

pytestmark = pytest.mark.benchmark

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
COLUMNS = ("number", "at", "topic", "headers", "key", "value")
BARE = "CREATE TABLE bare (LIKE log.packs INCLUDING STORAGE INCLUDING DEFAULTS, PRIMARY KEY (topic, number))"
SELECT = "SELECT number, at, headers, key, value FROM bare WHERE topic = $1 AND number > $2 ORDER BY number LIMIT $3"


@pytest.fixture(scope="module")
def durable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Start a server with the platform's own settings: unlike that of the other tests it waits for the disk."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("durable")) as server:
        yield server


@pytest.fixture
async def connection(durable: EmbeddedPostgres) -> AsyncIterator[Any]:
    """Open a bare connection to a database with empty tables."""
    await migrate(durable.dsn)
    async with AsyncExitStack() as stack:
        bare = await asyncpg.connect(durable.dsn)
        stack.push_async_callback(bare.close)
        await bare.execute(BARE)
        yield bare


async def append_bare(connection: Any, topic: int, records: Sequence[Record]) -> None:
    """Append with the driver alone: one COPY and so one commit per append, of rows that are ready."""
    rows = [
        (number, NOON, topic, pack_headers(record.headers), record.key, record.value)
        for number, record in enumerate(records)
    ]
    for start in range(0, APPENDS * SIZE, SIZE):
        moved = [(start + row[0], *row[1:]) for row in rows]
        await connection.copy_records_to_table("bare", columns=COLUMNS, records=moved)


def touched(row: Any) -> bool:
    """Look at the value only: the least that a loop can do."""
    return len(row["value"]) > 0


def used(row: Any) -> bool:
    """Take what a member is made of: offset, time, key, value and the headers by name."""
    return bool((row["number"], row["at"], row["key"], row["value"], unpack_headers(row["headers"])))


async def read_bare(connection: Any, topic: int, use: Callable[[Any], bool]) -> None:
    """Read with the driver alone: range after range of a prepared query."""
    statement = await connection.prepare(SELECT)
    after, seen = -1, 0
    while seen < SIZE * APPENDS:
        rows = await statement.fetch(topic, after, SIZE)
        seen += sum(use(row) for row in rows)
        after = rows[-1]["number"]


async def test_the_log_against_the_bare_driver(durable: EmbeddedPostgres, connection: Any) -> None:
    """Print the rates of append and read over those of the driver alone."""
    records = members()
    size = sum(len(record.value) for record in records) // SIZE
    print(f"\nappends of {SIZE} members of {size} bytes, {APPENDS} an item, {ROUNDS} rounds")
    async with PostgresLog(durable.dsn) as log:
        await compare(
            "append",
            {
                "bare": lambda turn: append_bare(connection, turn, records),
                "ours": lambda turn: append_ours(log, f"members.{turn}", records),
            },
        )
        # The server's own work after so many new rows is no part of reading them.
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
        await compare(
            "read",
            {
                "bare": lambda turn: read_bare(connection, turn, touched),
                "used": lambda turn: read_bare(connection, turn, used),
                "ours": lambda turn: read_ours(log, f"members.{turn}"),
            },
        )
