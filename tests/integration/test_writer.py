"""The writer's loop over a real log and a real store: dense, complete, once, whatever the log holds and whoever dies."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import cast

import pytest

from ldes_server.log_view import ROOT
from ldes_server.model import Page, PageId, Published, Stream
from ldes_server.postgres_store import PostgresStore
from ldes_server.writer import run_writer
from streams.errors import LogError, StoreError
from streams.log import Log
from streams.metrics import REGISTRY
from streams.postgres_log import PostgresLog
from streams.record import Entry, Member, Record, members_topic, parse_time
from vocab.model import Model

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
STREAM = Stream(
    name="parking",
    model=cast("Model", None),  # the writer does not look into the model
    title={},
    description={},
    publisher_name="",
    publisher_iri="",
    licence="",
    page_size=10,
    fan=3,
)
TOPIC = members_topic("parking")
GARBAGE = (
    Record(key=b"", value=b""),
    Record(key=b"\xff", value=b"\x00", headers={"id": b"\xff"}),
    Record(key=b"https://example.org/e", value=b"<html>", headers={"id": b"a", "observed_at": b"now"}),
)


def record(key: object) -> Record:
    """Make a member's record; `key` tells members apart."""
    member = Member(
        id=f"parking/members/{key}",
        entity=f"https://example.org/{hash(str(key)) % 7}",
        observed_at=NOON,
        body=b'{"@id":"https://example.org/parking/members/%s"}' % str(key).encode(),
    )
    return member.to_record()


class Stepping:
    """A log whose clock steps back and forth: the log beneath it, with other times."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def read(self, topic: str, *, after: int, limit: int = 500) -> AsyncIterator[Sequence[Entry]]:
        """Read the log beneath, with times up to a minute off, the same for the same offset."""
        async for entries in self._log.read(topic, after=after, limit=limit):
            yield [
                Entry(offset=each.offset, at=NOON + timedelta(seconds=each.offset * 37 % 60), record=each.record)
                for each in entries
            ]

    async def append(self, topic: str, records: Sequence[Record]) -> int:
        """Append to the log beneath."""
        return await self._log.append(topic, records)

    async def append_together(self, parts: Sequence[tuple[str, Sequence[Record]]]) -> None:
        """Append to the log beneath."""
        await self._log.append_together(parts)

    async def last(self, topic: str) -> Entry | None:
        """Ask the log beneath."""
        return await self._log.last(topic)

    async def commit(self, group: str, topic: str, offset: int) -> None:
        """Tell the log beneath."""
        await self._log.commit(group, topic, offset)

    async def committed(self, group: str, topic: str) -> int:
        """Ask the log beneath."""
        return await self._log.committed(group, topic)


@pytest.fixture
async def log(database_url: str) -> AsyncIterator[PostgresLog]:
    """Open an empty log."""
    async with PostgresLog(database_url) as opened:
        yield opened


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgresStore]:
    """Open an empty store beside it."""
    async with PostgresStore(database_url) as opened:
        yield opened


async def crawl(store: PostgresStore, page_id: PageId = ROOT) -> list[Page]:
    """Fetch the page and everything below it, in order."""
    page = await store.page(STREAM, page_id)
    assert page is not None, page_id
    pages = [page]
    for relation in page.relations:
        pages += await crawl(store, relation.target)
    return pages


async def replicate(store: PostgresStore) -> list[Published]:
    """Fetch all members through the pages."""
    return [member for page in await crawl(store) for member in page.members]


async def reached(store: PostgresStore, position: int) -> None:
    """Wait until the stream is done with the entry at this position."""
    for _ in range(3000):
        if (await store.head("parking")).position >= position:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"the writer did not reach {position}")


async def write_until(store: PostgresStore, log: Log, position: int) -> None:
    """Run the writer until then."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run_writer(STREAM, log, store, stop=stop))
        await reached(store, position)
        stop.set()


async def test_everything_arrives_once_and_in_order(store: PostgresStore, log: PostgresLog) -> None:
    """Duplicates and garbage in the log leave a dense sequence of the distinct members, in the log's order."""
    keys = [*range(40), *range(20, 60), *range(55)]
    records = [record(key) for key in keys]
    for place, garbage in zip((0, 33, 70), GARBAGE, strict=True):
        records.insert(place, garbage)
    await write_until(store, log, await log.append(TOPIC, records))
    members = await replicate(store)
    assert [member.id for member in members] == [f"parking/members/{key}" for key in range(60)]
    assert [member.sequence for member in members] == list(range(60))


async def test_what_happened_is_counted(store: PostgresStore, log: PostgresLog) -> None:
    """Every entry is counted once, as published, duplicate or foreign, under its stream's name."""
    before = counted()
    await write_until(store, log, await log.append(TOPIC, [*map(record, [1, 2, 3, 2]), *GARBAGE]))
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [3, 1, 3]


class Asked(PostgresStore):
    """A store that says how often it was asked what is known."""

    times = 0

    async def known(self, stream: str, ids: Collection[str]) -> frozenset[str]:
        """Count, and answer."""
        self.times += 1
        return await super().known(stream, ids)


async def test_twins_are_left_out_wherever_they_come(database_url: str, log: PostgresLog) -> None:
    """Twins of any age are left out when a writer meets them amid new members; while there are none, nobody asks for them."""
    batches = [range(5), range(5, 10), range(10, 15), (3, 15, 7, 16), (1, 2), (17, 4), (18,), (19,), (3, 20), (21,)]
    asked = []
    stop = asyncio.Event()
    async with Asked(database_url) as store, asyncio.TaskGroup() as group:
        group.create_task(run_writer(STREAM, log, store, stop=stop))
        for keys in batches:
            before = store.times
            await reached(store, await log.append(TOPIC, [record(key) for key in keys]))
            asked.append(store.times - before)
        stop.set()
    async with PostgresStore(database_url) as again:
        assert [member.id for member in await replicate(again)] == [f"parking/members/{key}" for key in range(22)]
    # At the beginning; the first twins; then as long as there were some in the batch before.
    assert asked == [1, 0, 0, 1, 1, 1, 1, 0, 1, 1]


def counted() -> list[float]:
    """Read the writer's counters."""
    names = ("published", "duplicate", "foreign")
    return [REGISTRY.get_sample_value(f"sf_members_{name}_total", {"stream": "parking"}) or 0 for name in names]


async def test_a_clock_that_steps_never_shows(store: PostgresStore, log: PostgresLog) -> None:
    """With a log whose clock jumps, publication never goes back and the windows of siblings are true and disjoint."""
    last = await log.append(TOPIC, [record(key) for key in range(95)])
    await write_until(store, Stepping(log), last)
    pages = {page.id: page for page in await crawl(store)}
    members = [member for page in pages.values() for member in page.members]
    assert all(before.published_at <= after.published_at for before, after in pairwise(members))
    for page in pages.values():
        bounds = [[parse_time(bound.value) for bound in relation.bounds] for relation in page.relations]
        assert all(before[1] < after[0] for before, after in pairwise(bounds))
        for (low, *high), relation in zip(bounds, page.relations, strict=True):
            times = [member.published_at for member in pages[relation.target].members]
            assert all(low <= each and (not high or each <= high[0]) for each in times)


async def test_readers_meet_a_whole_prefix_while_it_writes(store: PostgresStore, log: PostgresLog) -> None:
    """A reader that crawls during writes always sees every member up to some point, and what is final stays so."""
    stop = asyncio.Event()
    final: dict[PageId, Page] = {}
    seen = 0
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(run_writer(STREAM, log, store, stop=stop))
        for round_ in range(25):
            await log.append(TOPIC, [record(f"{round_}-{number}") for number in range(random.randint(1, 30))])
            pages = await crawl(store)
            sequences = [member.sequence for page in pages for member in page.members]
            assert sequences == list(range(len(sequences)))
            assert len(sequences) >= seen
            seen = len(sequences)
            for page in pages:
                assert final.get(page.id, page) == page
                if page.final:
                    final[page.id] = page
        stop.set()
    assert final


# The driver leaves a socket to the garbage collector when it is cancelled while it connects; here it often is.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_killed_anywhere_it_resumes_without_loss_or_double(store: PostgresStore, log: PostgresLog) -> None:
    """A writer cancelled at random moments and started again publishes every member exactly once, in order."""
    keys = list(range(3000))
    for start in range(0, 3000, 100):
        await log.append(TOPIC, [record(key) for key in keys[start : start + 100]])
    last = await log.append(TOPIC, [record(key) for key in keys[:100]])
    stop = asyncio.Event()
    kills = 0
    async with asyncio.timeout(60):
        while (await store.head("parking")).position < last:
            kills += 1
            try:
                async with asyncio.timeout(random.uniform(0, 0.01) * (1 + kills / 5)):
                    await run_writer(STREAM, log, store, stop=stop)
            except TimeoutError:
                continue
    gc.collect()
    assert [member.id for member in await replicate(store)] == [f"parking/members/{key}" for key in keys]


async def test_stop_ends_a_writer_that_waits(store: PostgresStore, log: PostgresLog) -> None:
    """A writer with nothing to do ends soon after the stop, and one stopped before it starts writes nothing."""
    stop = asyncio.Event()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(run_writer(STREAM, log, store, stop=stop))
        await asyncio.sleep(0.05)
        stop.set()
    await log.append(TOPIC, [record(1)])
    await run_writer(STREAM, log, store, stop=stop)
    assert (await store.head("parking")).count == 0


async def test_a_second_writer_is_refused(store: PostgresStore, log: PostgresLog) -> None:
    """When another process has moved the stream on, the next batch is refused for good and nothing doubles."""
    stop = asyncio.Event()
    last = await log.append(TOPIC, [record(1)])
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        writing = group.create_task(_refused(store, log, stop))
        await reached(store, last)
        head = await store.head("parking")
        async with store.database.connection("move on") as rival:
            await rival.execute("UPDATE ldes.streams SET position = $1", head.position + 100)
        await log.append(TOPIC, [record(2)])
        error = await writing
    assert not error.retriable
    assert "another writer" in error.fix


async def _refused(store: PostgresStore, log: Log, stop: asyncio.Event) -> StoreError:
    with pytest.raises(StoreError) as refused:
        await run_writer(STREAM, log, store, stop=stop)
    return refused.value


async def test_trouble_of_the_log_reaches_supervision_as_it_is(store: PostgresStore, database_url: str) -> None:
    """An error of the log leaves the loop unwrapped, so that supervision sees whether another try can help."""
    async with PostgresLog(database_url) as log:
        await log.append(TOPIC, [record(1)])
        async with log._connection("break") as connection:
            await connection.execute("DROP SCHEMA log CASCADE")
        with pytest.raises(LogError):
            await run_writer(STREAM, log, store, stop=asyncio.Event())
