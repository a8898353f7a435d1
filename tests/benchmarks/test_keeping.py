"""What policies cost the writer, and whether the disk stops filling: streams with the same input, by turns."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from ldes_server.keeping import Pace, declare, keep
from ldes_server.model import Head, Stream
from ldes_server.postgres_store import PostgresStore
from ldes_server.retention import Retention
from streams.migrate import migrate
from tests.benchmarks.test_store import BATCH, NOON, STREAM, entries
from tests.benchmarks.test_views import Meter, durable, publish

pytestmark = pytest.mark.benchmark
__all__ = ["durable"]

# A batch is published every minute of the clock; each of 20,000 sensors speaks every ten minutes.
MINUTE = timedelta(minutes=1)
WINDOW, ROUNDS, EVERY = 20, 90, 5
POLICIES = {
    "all": None,
    "window": Retention(full_log=WINDOW * MINUTE),
    "newest": Retention(full_log=WINDOW * MINUTE, versions=1),
}
STREAMS = [replace(STREAM, name=name, retention=policy) for name, policy in POLICIES.items()]
ROWS = """
    SELECT s.name, count(m.sequence) AS stored FROM ldes.streams AS s LEFT JOIN ldes.members AS m ON m.stream = s.id
    GROUP BY s.name
"""
SIZE = "SELECT pg_total_relation_size('ldes.members')"


async def shrink(store: PostgresStore, stream: Stream, now: datetime) -> None:
    """Do what the loops do: drop, build anew, let retired builds go."""
    pace = Pace(grace=EVERY * MINUTE, memory=WINDOW * MINUTE, clock=lambda: now)
    await keep(stream.name, store, pace=pace, stop=asyncio.Event())
    for each in await store.builds.states(stream.name):
        while each.state == "building" and await store.builds.fill(stream.name, each.id, limit=8000):
            pass
    await store.builds.expire(stream.name, grace=timedelta(0))
    while await store.builds.sweep(stream.name):
        pass


async def test_what_dropping_costs(durable: str) -> None:
    """Print processor time with policies over that without, and what is stored: with steady input it stops growing."""
    await migrate(durable)
    heads = {stream.name: Head() for stream in STREAMS}
    writing = {stream.name: Meter() for stream in STREAMS}
    dropping = {stream.name: Meter() for stream in STREAMS}
    stored: list[tuple[int, dict[str, int], int]] = []
    admin: Any = await asyncpg.connect(durable)
    async with PostgresStore(durable) as store:
        for stream in STREAMS:
            await declare(stream, store, now=NOON)
        for number in range(ROUNDS):
            now = NOON + number * MINUTE
            store.builds.clock = lambda now=now: now  # type: ignore[misc]
            batch = [each._replace(at=now) for each in entries(number * BATCH)]
            for stream in STREAMS:
                with writing[stream.name]():
                    heads[stream.name] = await publish(store, stream, heads[stream.name], batch)
            if number % EVERY == EVERY - 1:
                for stream in STREAMS:
                    with dropping[stream.name]():
                        await shrink(store, stream, now)
                # What autovacuum does in a database of some age.
                await admin.execute("VACUUM ldes.members")
                counts = {row["name"]: row["stored"] for row in await admin.fetch(ROWS)}
                stored.append((number + 1, counts, await admin.fetchval(SIZE)))
    await admin.close()
    for name in ("window", "newest"):
        ratio, extra = writing[name].total / writing["all"].total, dropping[name].total / writing[name].total
        print(
            f"\n{name}: writing {ratio:.2f} of that without a policy; dropping {extra:.2f} of writing, on top", end=""
        )
        late = [counts[name] for _, counts, _ in stored[len(stored) // 2 :]]
        assert max(late) <= max(counts[name] for _, counts, _ in stored[: len(stored) // 2]) * 1.1
    print()
    for done, counts, size in stored[2::3]:
        held = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        print(f"after {done * BATCH} members each: {held}; all together {size / 1e6:.0f} MB")
