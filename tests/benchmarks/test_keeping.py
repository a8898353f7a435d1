"""What a policy costs the writer, and whether the disk stops filling: two streams with the same input, one of them kept."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from ldes_server.keeping import Pace, declare, keep
from ldes_server.model import Head, Stream
from ldes_server.postgres_store import PostgresStore
from ldes_server.retention import Retention
from ldes_server.writer import claimed, place
from tests.benchmarks.test_store import BATCH, NOON, STREAM, entries

pytestmark = pytest.mark.benchmark

# A batch is published every minute of the clock; each of 20,000 sensors speaks every ten minutes.
MINUTE = timedelta(minutes=1)
WINDOW, ROUNDS, EVERY = 20, 120, 5
KEPT = replace(STREAM, name="kept", retention=Retention(full_log=WINDOW * MINUTE))
SIZE = "SELECT pg_total_relation_size('ldes.members') + pg_total_relation_size('ldes.dropped')"


class Writer:
    """Publishes the same batches to one stream, and measures how long each takes."""

    def __init__(self, stream: Stream, store: PostgresStore) -> None:
        self._stream = stream
        self._store = store
        self._head = Head()
        self.seconds: list[float] = []

    async def write(self, number: int) -> None:
        """Publish a batch, as the writer's loop does."""
        at = NOON + number * MINUTE
        batch = [each._replace(at=at) for each in entries(number * BATCH)]
        start = time.perf_counter()
        known = await self._store.known(self._stream.name, claimed(batch))
        placed = place(batch, self._stream, head=self._head, known=known)
        await self._store.append(self._stream.name, placed)
        self.seconds.append(time.perf_counter() - start)
        self._head = placed.head


async def timed(step: Callable[[], Awaitable[object]]) -> float:
    """Measure one step in seconds."""
    start = time.perf_counter()
    await step()
    return time.perf_counter() - start


async def test_what_dropping_costs(database_url: str) -> None:
    """With steady input the rows of a kept stream stop growing; the time per batch and for dropping are printed."""
    now = NOON
    pace = Pace(grace=EVERY * MINUTE, memory=WINDOW * MINUTE, clock=lambda: now)
    sizes: list[tuple[int, int, int]] = []
    dropping: list[float] = []
    admin = await asyncpg.connect(database_url)
    async with PostgresStore(database_url) as store:
        await store.ensure_stream(STREAM)
        await declare(KEPT, store, now=now)
        plain, kept = Writer(STREAM, store), Writer(KEPT, store)
        for number in range(ROUNDS):
            await kept.write(number)
            now = NOON + number * MINUTE
            if number % EVERY == 0:
                dropping.append(await timed(lambda: keep(KEPT.name, store, pace=pace, stop=asyncio.Event())))
                # What autovacuum does in a database of some age.
                await admin.execute("VACUUM ldes.members")
                stored = await admin.fetchval("SELECT count(*) FROM ldes.members")
                sizes.append((number, stored, await admin.fetchval(SIZE)))
        for number in range(20):
            await plain.write(number)
    await admin.close()
    late = slice(-20, None)
    ratio = statistics.median(kept.seconds[late]) / statistics.median(plain.seconds[late])
    share = sum(dropping[-8:]) / sum(kept.seconds[-8 * EVERY :])
    print(
        f"\nbatches of {BATCH}: {ratio:.2f} of the time without a policy; dropping takes {share:.2f} of writing on top"
    )
    for number, stored, size in sizes[:: len(sizes) // 6]:
        print(f"after {(number + 1) * BATCH:>7} members: {stored:>6} stored, {size / 1e6:.0f} MB")
    counts = [stored for _, stored, _ in sizes]
    assert max(counts[len(counts) // 2 :]) <= max(counts[: len(counts) // 2])
