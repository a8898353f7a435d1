"""What a stream covers: exact whatever was asked before and whatever retention dropped, on a real database."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import asyncpg

from ldes_server.box import Box
from ldes_server.coverage import Coverage, read_coverage
from ldes_server.model import Head, Placed, Published
from ldes_server.postgres_store import PostgresStore
from ldes_server.upkeep import Figures
from streams.record import Point

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BLOCK = 4


def made(start: int, count: int, dice: random.Random) -> tuple[Published, ...]:
    """Make members, some without a point, some observed long before they are published."""
    return tuple(
        Published(
            sequence=number,
            published_at=NOON + timedelta(seconds=number),
            id=f"s/{number}",
            entity=f"https://example.org/{number}",
            observed_at=NOON + timedelta(seconds=number) - timedelta(seconds=dice.randrange(5000)),
            point=Point(longitude=dice.uniform(3, 4), latitude=dice.uniform(51, 52)) if dice.random() < 0.7 else None,
            body=b'{"@id":"x"}',
        )
        for number in range(start, start + count)
    )


def box(members: list[Published]) -> Box | None:
    """Draw the box around the members that have a point."""
    points = [member.point for member in members if member.point]
    if not points:
        return None
    east_west, north_south = [point.longitude for point in points], [point.latitude for point in points]
    return Box(west=min(east_west), south=min(north_south), east=max(east_west), north=max(north_south))


async def append(store: PostgresStore, base: Head, members: tuple[Published, ...]) -> Head:
    """Publish members and return the head after them."""
    count = base.count + len(members)
    head = Head(count=count, published_at=members[-1].published_at, position=count, first=base.first)
    await store.append("s", Placed(base=base, head=head, members=members))
    return head


async def test_what_a_stream_covers_is_exact(database_url: str) -> None:
    """Times, box and lag are those of the live members, after any number of appends, questions and retentions."""
    dice = random.Random(20261123)
    connection = await asyncpg.connect(database_url)
    async with PostgresStore(database_url) as store:
        assert await read_coverage(store.database, "s", block=BLOCK) is None
        head, members = Head(), list[Published]()
        for _ in range(60):
            new = made(head.count, dice.randrange(1, 11), dice)
            head = await append(store, head, new)
            members += new
            if dice.random() < 0.3:
                first = dice.randrange(head.first, head.count)
                await connection.execute("UPDATE ldes.streams SET first = $1", first)
                head = await store.head("s")
            live = members[head.first :]
            if dice.random() < 0.5:
                found = await read_coverage(store.database, "s", block=BLOCK)
                assert found is not None
                assert found.box == box(live)
                assert (found.observed_from, found.observed_to) == (
                    min(member.observed_at for member in live),
                    max(member.observed_at for member in live),
                )
                assert (found.published_from, found.published_to) == (live[0].published_at, live[-1].published_at)
                assert found.lag.sample == len(live)
                lags = [member.published_at - member.observed_at for member in live]
                assert min(lags) <= found.lag.median <= found.lag.high <= max(lags)
                assert NOON <= found.since <= found.published_from
    await connection.close()


async def test_whole_blocks_are_read_once(database_url: str) -> None:
    """What full blocks cover is written down by the first question; then members may even be gone without a trace."""
    connection = await asyncpg.connect(database_url)
    async with PostgresStore(database_url) as store:
        head = await append(store, Head(), made(0, 5 * BLOCK + 1, random.Random(1)))
        before = await read_coverage(store.database, "s", block=BLOCK)
        assert await connection.fetchval("SELECT count(*) FROM ldes.extents") == 5
        # Retention: unlinked, then really gone. The first publication is remembered.
        await connection.execute("UPDATE ldes.streams SET first = $1", 5 * BLOCK)
        await connection.execute("DELETE FROM ldes.members WHERE sequence < $1", 5 * BLOCK)
        after = await read_coverage(store.database, "s", block=BLOCK)
    await connection.close()
    assert before is not None
    assert after is not None
    assert (before.since, after.since) == (NOON, NOON)
    assert after.published_from == after.published_to == head.published_at


async def test_figures_are_asked_for_now_and_then(database_url: str) -> None:
    """The first members show at once; after that a busy stream is asked once per interval, and a quiet one never."""
    told: list[Mapping[str, Coverage | None]] = []
    now = 0.0
    async with PostgresStore(database_url) as store:
        figures = Figures(["s", "quiet"], store, told.append, every=timedelta(minutes=1), clock=lambda: now)
        assert await figures.refresh() == 2
        assert told[-1] == {"s": None, "quiet": None}
        head = await append(store, Head(), made(0, 3, random.Random(1)))
        figures.changed("s")
        assert await figures.refresh() == 1
        assert told[-1]["s"] is not None
        head = await append(store, head, made(3, 3, random.Random(2)))
        figures.changed("s")
        figures.changed("somebody else's")
        now = 59.0
        assert await figures.refresh() == 0
        now = 60.0
        assert await figures.refresh() == 1
        assert await figures.refresh() == 0
        latest = told[-1]["s"]
        assert latest is not None
        assert latest.published_to == head.published_at
    assert len(told) == 3
