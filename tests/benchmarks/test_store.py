"""The store against the bare driver in the same minute: what exactly-once, de-duplication and newest-per-entity cost."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import asyncpg
import pytest

from ldes_server.model import Head, PageId, Placed, Published, Stream
from ldes_server.postgres_store import COLUMNS, PostgresStore, identity
from ldes_server.writer import claimed, place
from streams.record import Entry, Member
from vocab.model import Model

pytestmark = pytest.mark.benchmark

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BATCH, ROUNDS, SENSORS, BODY = 2000, 12, 20_000, 560
STREAM = Stream(
    name="traffic",
    model=cast("Model", None),  # the store does not look into the model
    title={},
    description={},
    publisher_name="",
    publisher_iri="",
    licence="",
)
# The bare table: the same columns under the primary key alone, so that the driver and the server do the least.
BARE = "CREATE TABLE bare (LIKE ldes.members, PRIMARY KEY (stream, sequence))"


def entries(start: int) -> list[Entry]:
    """Make one batch of the member topic: 560-byte bodies of 20,000 sensors by turns."""
    made = []
    for number in range(start, start + BATCH):
        entity = f"https://data.example.org/traffic/sensors/{number % SENSORS}"
        observed_at = NOON + timedelta(minutes=number // SENSORS)
        head = f'{{"@id":"{entity}/{number}","text":"'
        body = head + "x" * (BODY - len(head) - 2) + '"}'
        member = Member(
            id=f"traffic/members/{number % SENSORS}/{observed_at:%Y%m%dT%H%M%S}.000Z",
            entity=entity,
            observed_at=observed_at,
            body=body.encode(),
        )
        made.append(Entry(offset=number, at=observed_at, record=member.to_record()))
    return made


def record(member: Published) -> tuple[object, ...]:
    """Lay a member out as a row."""
    return (
        member.sequence, member.published_at, member.observed_at, None, None, identity(member.id), 1, member.id,
        member.entity, member.body,
    )  # fmt: skip


async def timed(step: Callable[[], Awaitable[object]]) -> float:
    """Measure one step in seconds."""
    start = time.perf_counter()
    await step()
    return time.perf_counter() - start


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Any]:
    """Open a bare connection."""
    bare = await asyncpg.connect(database_url)
    await bare.execute(BARE)
    yield bare
    await bare.close()


async def test_the_writer_against_bare_copy(database_url: str, connection: Any) -> None:
    """Print the rate of the writer's transaction, and of its parts, over that of COPY into a bare table."""
    spent: dict[str, list[float]] = {"bare": [], "append": [], "known": [], "place": []}
    head = Head()
    async with PostgresStore(database_url) as store:
        for start in range(0, ROUNDS * BATCH, BATCH):
            arrived = entries(start)
            known: frozenset[str] = frozenset()
            ids = claimed(arrived)

            async def ask(ids: frozenset[str] = ids) -> None:
                assert not await store.known("traffic", ids)

            spent["known"].append(await timed(ask))
            clock = time.perf_counter()
            placed: Placed = place(arrived, STREAM, head=head, known=known)
            spent["place"].append(time.perf_counter() - clock)
            rows = [record(member) for member in placed.members]
            copy = connection.copy_records_to_table

            async def bare(rows: list[tuple[object, ...]] = rows, copy: Any = copy) -> None:
                await copy("bare", columns=COLUMNS, records=rows)

            async def append(placed: Placed = placed) -> None:
                await store.append("traffic", placed)

            spent["bare"].append(await timed(bare))
            spent["append"].append(await timed(append))
            head = placed.head
    _print_writer({name: statistics.median(values) for name, values in spent.items()})
    await _print_bytes(connection)


def _print_writer(median: dict[str, float]) -> None:
    bare = median["bare"]
    for name, seconds in median.items():
        print(f"\n{name:>8}: {seconds * 1000:6.1f} ms per {BATCH}, {BATCH / seconds:9,.0f} members/s", end="")
    print(
        f"\n   ratio: append {bare / median['append']:.2f}, with known {bare / (median['append'] + median['known']):.2f}"
    )


async def _print_bytes(connection: Any) -> None:
    sizes = await connection.fetch(
        "SELECT relname, pg_relation_size(oid) AS bytes FROM pg_class "
        "WHERE relnamespace = 'ldes'::regnamespace AND pg_relation_size(oid) > 65536"
    )
    print(json.dumps({row["relname"]: round(row["bytes"] / (ROUNDS * BATCH), 1) for row in sizes}))


async def test_page_fetch_rate(database_url: str, connection: Any) -> None:
    """Print how many 250-member leaves one process fetches per second, over the rate of `SELECT 1`."""
    async with PostgresStore(database_url) as store:
        head = Head()
        for start in range(0, ROUNDS * BATCH, BATCH):
            placed = place(entries(start), STREAM, head=head, known=())
            await store.append("traffic", placed)
            head = placed.head
        leaves = head.count // STREAM.page_size

        async def fetch(worker: int) -> None:
            for index in range(worker, leaves, 8):
                page = await store.page(STREAM, PageId(level=0, index=index))
                assert page is not None
                assert page.final

        async def root(worker: int) -> None:
            for _ in range(worker, leaves, 8):
                assert await store.page(STREAM, replace(PageId())) is not None

        async def one(worker: int) -> None:
            async with store._connection("one") as bare:
                for _ in range(worker, leaves * 20, 8):
                    await bare.fetchval("SELECT 1")

        rates = {}
        for name, work, count in (("leaf", fetch, leaves), ("root", root, leaves), ("select 1", one, leaves * 20)):
            seconds = await timed(lambda work=work: asyncio.gather(*(work(each) for each in range(8))))  # type: ignore[misc]
            rates[name] = count / seconds
    for name, rate in rates.items():
        print(f"\n{name:>8}: {rate:9,.0f}/s, ratio {rate / rates['select 1']:.3f}", end="")
    print()
