"""The store against the bare driver in the same minute: what exactly-once, de-duplication and newest-per-entity cost."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import asyncpg
import psutil
import pytest

from ldes_server.keys import key_of
from ldes_server.model import Head, PageId, Published, Stream
from ldes_server.postgres_store import PostgresStore
from ldes_server.rows import COLUMNS
from ldes_server.writer import claimed, place
from smartflanders.embedded import EmbeddedPostgres
from streams.migrate import migrate
from streams.record import Entry, Member
from vocab.model import Model

pytestmark = pytest.mark.benchmark

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BATCH, ROUNDS, SENSORS, BODY = 2000, 24, 20_000, 560
STREAM = Stream(
    name="traffic",
    model=cast("Model", None),  # the store does not look into the model
    title={},
    description={},
    publisher_name="",
    publisher_iri="",
    licence="",
)
# The bare table: the same columns under the primary key alone, so that the driver and the server do the least; and the
# same as ldes.members in everything, indexes and storage: COPY without any bookkeeping, which the aim is compared with.
BARE = """
    CREATE TABLE bare (LIKE ldes.members, PRIMARY KEY (stream, sequence));
    CREATE TABLE indexed (LIKE ldes.members INCLUDING ALL) WITH (toast_tuple_target = 8160);
"""


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
        member.sequence, member.published_at, member.observed_at, None, None, key_of(member.id), 1, member.id,
        member.entity, member.body, member.deleted,
    )  # fmt: skip


async def timed(step: Callable[[], Awaitable[object]]) -> float:
    """Measure one step in seconds."""
    start = time.perf_counter()
    await step()
    return time.perf_counter() - start


@pytest.fixture(scope="module")
def durable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a server with the platform's own settings: unlike that of the other tests it waits for the disk."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("durable")) as server:
        yield server.dsn


@pytest.fixture
async def connection(durable: str) -> AsyncIterator[Any]:
    """Open a bare connection to a database with empty tables."""
    bare = await asyncpg.connect(durable)
    await bare.execute("DROP SCHEMA IF EXISTS ldes CASCADE; DROP SCHEMA IF EXISTS log CASCADE")
    await bare.execute("DROP SCHEMA IF EXISTS migrations CASCADE; DROP TABLE IF EXISTS bare, indexed")
    await migrate(durable)
    await bare.execute(BARE)
    yield bare
    await bare.close()


def processor() -> float:
    """Return the processor seconds that this process and the database have used."""
    times = [server.cpu_times() for server in psutil.Process().children(recursive=True)]
    return time.process_time() + sum(each.user + each.system for each in times)


class Stopwatch:
    """Collects the seconds of steps by name, by the clock; and their processor seconds, ours and the database's."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}
        self.used: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Measure the block."""
        used, start = processor(), time.perf_counter()
        yield
        self.spent.setdefault(name, []).append(time.perf_counter() - start)
        self.used[name] = self.used.get(name, 0.0) + processor() - used

    def median(self, name: str) -> float:
        """Return the middle of the measurements, in seconds."""
        return statistics.median(self.spent[name])


async def test_the_writer_against_bare_copy(durable: str, connection: Any) -> None:
    """Print the rate of the writer's transaction, and of its parts, over that of COPY into a bare table."""
    watch = Stopwatch()
    head = Head()
    async with PostgresStore(durable) as store:
        for start in range(0, ROUNDS * BATCH, BATCH):
            arrived = entries(start)
            with watch("place"):
                placed = place(arrived, STREAM, head=head, known=())
            with watch("known"):
                assert not await store.known("traffic", claimed(arrived))
            with watch("rows"):
                rows = [record(member) for member in placed.members]
            for table in ("bare", "indexed"):
                with watch(table):
                    await connection.copy_records_to_table(table, columns=COLUMNS, records=rows)
            with watch("append"):
                await store.append("traffic", placed)
            head = placed.head
    _print_writer(watch)
    await _print_bytes(connection)


def _print_writer(watch: Stopwatch) -> None:
    for name in watch.spent:
        seconds, used = watch.median(name), watch.used[name] / len(watch.spent[name]) / BATCH * 1e6
        line = f"{seconds * 1000:6.1f} ms per {BATCH}, {BATCH / seconds:9,.0f} members/s; processor {used:5.1f} us a member"
        print(f"\n{name:>8}: {line}", end="")
    print("\n   a writer asks what is known only where there may be twins")
    for reference, told in (("indexed", "COPY into the same table without bookkeeping"), ("bare", "bare COPY")):
        # By turns: the disk and the neighbours of one batch are those of the next statement, not of the next minute.
        ratios = [one / other for one, other in zip(watch.spent[reference], watch.spent["append"], strict=True)]
        low, middle, high = min(ratios[1:]), statistics.median(ratios[1:]), max(ratios[1:])
        used = watch.used[reference] / watch.used["append"]
        print(f"   append, of {told}: {middle:.2f} ({low:.2f} to {high:.2f}); by processor time {used:.2f}")


async def _print_bytes(connection: Any) -> None:
    sizes = await connection.fetch(
        "SELECT relname, pg_relation_size(oid) AS bytes FROM pg_class "
        "WHERE relnamespace = 'ldes'::regnamespace AND pg_relation_size(oid) > 65536"
    )
    print(json.dumps({row["relname"]: round(row["bytes"] / (ROUNDS * BATCH), 1) for row in sizes}))


async def test_page_fetch_rate(durable: str, connection: Any) -> None:
    """Print how many 250-member leaves one process fetches per second, over the rate of `SELECT 1`."""
    async with PostgresStore(durable) as store:
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
            async with store.database.connection("one") as bare:
                for _ in range(worker, leaves * 20, 8):
                    await bare.fetchval("SELECT 1")

        rates = {}
        for name, work, count in (("leaf", fetch, leaves), ("root", root, leaves), ("select 1", one, leaves * 20)):
            seconds = await timed(lambda work=work: asyncio.gather(*(work(each) for each in range(8))))  # type: ignore[misc]
            rates[name] = count / seconds
    for name, rate in rates.items():
        print(f"\n{name:>8}: {rate:9,.0f}/s, ratio {rate / rates['select 1']:.3f}", end="")
    print()
