"""Timing reads of a store: every kind of read on a real database, and a query over narrow rows that finds what it should."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from ldes_server.postgres_store import PostgresStore
from loadtests.filling import Stock
from loadtests.growing import narrow, times_of_reads
from loadtests.publisher import write_pilot
from smartflanders.embedded import EmbeddedPostgres


async def test_every_kind_of_read_is_timed(database_url: str, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Leaf, root, `since`, newest and the least question are each asked and timed; a store without nodes has none."""
    write_pilot(tmp_path, sources=1)
    stock = Stock(tmp_path, base_url="https://data.example.org", entities=50)
    connection = await asyncpg.connect(database_url)
    async with PostgresStore(database_url) as store:
        await stock.open(store)
        await stock.fill(store, 1_000)
        found = await times_of_reads(store, stock.stream, connection, rounds=2, database=postgres.pid or 0)
    await connection.close()
    assert set(found) == {"leaf", "root", "since", "newest", "one"}
    assert all(len(each.medians) == 2 and each.value > 0 for each in found.values())


async def test_narrow_rows_are_searched(database_url: str, postgres: EmbeddedPostgres) -> None:
    """The store's own query finds every moment among rows that hold only its columns; a wrong number would be an error."""
    found = await narrow(database_url, (100, 1_000), rounds=1, database=postgres.pid or 0)
    assert list(found) == [100, 1_000]
