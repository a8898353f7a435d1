"""The log's contract: what every Log promises, whoever keeps it. A new Log is one new parameter of `log_factory`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from streams.kafka_log import KafkaLog
from streams.kafka_options import KafkaOptions
from streams.log import KeptLog, Log
from streams.postgres_log import PostgresLog
from streams.record import Entry, Record

TOPIC = "members.gent-parking"
# Far above what any step takes on a loaded machine; a test that reaches it has failed.
PATIENCE = 20


LogFactory = Callable[[], AbstractAsyncContextManager[KeptLog]]


@pytest.fixture(params=["postgres", "kafka", "older_kafka"])
def log_factory(request: pytest.FixtureRequest) -> LogFactory:
    """Open the same, at first empty log; each call is another process as far as the log can tell."""
    if request.param != "postgres":
        options = cast("KafkaOptions", request.getfixturevalue(f"{request.param}_options"))
        return lambda: KafkaLog(options)
    dsn = cast("str", request.getfixturevalue("database_url"))
    return lambda: PostgresLog(dsn, connections=4)


@pytest.fixture
async def log(log_factory: LogFactory) -> AsyncIterator[KeptLog]:
    """Open an empty log."""
    async with log_factory() as opened:
        yield opened


def records(*values: str) -> list[Record]:
    """Make records with these values."""
    return [Record(key=b"garage", value=value.encode()) for value in values]


async def take(log: Log, count: int, *, after: int = -1, limit: int = 500, topic: str = TOPIC) -> list[Entry]:
    """Read until there are `count` entries."""
    taken: list[Entry] = []
    async with asyncio.timeout(PATIENCE):
        async for batch in log.read(topic, after=after, limit=limit):
            assert 0 < len(batch) <= limit
            taken += batch
            if len(taken) >= count:
                break
    return taken


def values(entries: Sequence[Entry]) -> list[str]:
    """Return the values of entries as text."""
    return [entry.record.value.decode() for entry in entries]


async def test_offsets_are_dense_from_zero_in_order_of_append(log: KeptLog) -> None:
    """Appends number their records densely from 0 and return the last number."""
    assert await log.append(TOPIC, records("a", "b")) == 1
    assert await log.append(TOPIC, records("c")) == 2
    entries = await take(log, 3)
    assert [entry.offset for entry in entries] == [0, 1, 2]
    assert values(entries) == ["a", "b", "c"]


async def test_topics_are_those_that_came_into_being(log: KeptLog) -> None:
    """A topic is listed by its own name once it was used, and asking brings none into being."""
    assert TOPIC not in await log.topics()
    await log.append(TOPIC, records("a"))
    assert TOPIC in await log.topics()
    assert "members.other" not in await log.topics()


async def test_an_empty_append_returns_the_last_offset(log: KeptLog) -> None:
    """Appending nothing changes nothing and returns the newest offset, -1 for an empty topic."""
    assert await log.append(TOPIC, []) == -1
    assert await log.append(TOPIC, records("a", "b")) == 1
    assert await log.append(TOPIC, []) == 1
    assert len(await take(log, 2)) == 2


async def test_topics_appended_to_together_have_their_own_order(log: KeptLog) -> None:
    """Each topic gets its records behind those it has, new topics from 0; an empty part is no append."""
    await log.append(TOPIC, records("a"))
    await log.append_together([(TOPIC, records("b", "c")), ("rejected.gent", []), ("state.gent", records("at 2"))])
    await log.append_together([])
    await log.append_together([(TOPIC, records("d")), ("state.gent", records("at 3"))])
    assert values(await take(log, 4)) == ["a", "b", "c", "d"]
    entries = await take(log, 2, topic="state.gent")
    assert (values(entries), [entry.offset for entry in entries]) == (["at 2", "at 3"], [0, 1])
    assert await log.last("rejected.gent") is None


async def test_many_append_together_at_once(log_factory: LogFactory) -> None:
    """Writers that share a topic and have one each lose nothing, whichever topic is new, and keep what is theirs in order."""
    async with log_factory() as one, log_factory() as other:
        writers = [(log, f"state.{number}") for number, log in enumerate((one, other) * 2)]

        async def write(log: Log, own: str) -> None:
            for turn in range(5):
                await log.append_together([(TOPIC, records(f"{own} {turn}")), (own, records(str(turn)))])

        await asyncio.gather(*(write(log, own) for log, own in writers))
        taken = await take(one, 20)
        assert [entry.offset for entry in taken] == list(range(20))
        for _, own in writers:
            assert [each for each in values(taken) if each.startswith(own)] == [f"{own} {turn}" for turn in range(5)]
            assert values(await take(other, 5, topic=own)) == ["0", "1", "2", "3", "4"]


async def test_entries_carry_the_time_of_their_append(log: KeptLog) -> None:
    """An entry's time is aware, in whole milliseconds, the same for one append, and about now."""
    await log.append(TOPIC, records("a", "b"))
    first, second = await take(log, 2)
    assert first.at == second.at
    assert first.at.utcoffset() == timedelta()
    assert first.at.microsecond % 1000 == 0
    assert abs(datetime.now(UTC) - first.at) < timedelta(seconds=PATIENCE)


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (b"", b"", {}),
        (b"\x00\xff", bytes(range(256)), {"cursor": b"\x00\xff", "empty": b""}),
        ("café".encode(), b"{}", {"naïef": "één".encode()}),
        (b"large", os.urandom(10 * 2**20), {"large": b"x" * 70_000}),
    ],
    ids=["empty", "binary", "text", "10 MB"],
)
async def test_bytes_stay_bytes(log: KeptLog, key: bytes, value: bytes, headers: dict[str, bytes]) -> None:
    """Keys, values and headers come back exactly as they were given."""
    record = Record(key=key, value=value, headers=headers)
    await log.append(TOPIC, [record])
    (entry,) = await take(log, 1)
    assert entry.record == record
    assert await log.last(TOPIC) == entry


async def test_reading_resumes_after_a_position(log: KeptLog) -> None:
    """`after` is the last offset that was seen: the next one comes first."""
    await log.append(TOPIC, records("a", "b", "c", "d"))
    assert values(await take(log, 2, after=1)) == ["c", "d"]


async def test_batches_respect_the_limit(log: KeptLog) -> None:
    """No batch is larger than the limit, and batches follow each other without a gap."""
    await log.append(TOPIC, records(*map(str, range(10))))
    assert values(await take(log, 10, limit=3)) == [str(number) for number in range(10)]


async def test_large_values_are_read_in_smaller_batches(log: KeptLog) -> None:
    """A batch does not grow with the size of its values, whatever the limit: here each fills most of a batch."""
    large = [Record(key=b"", value=bytes([number]) * 10 * 2**20) for number in range(4)]
    for record in large:
        await log.append(TOPIC, [record])
    sizes = []
    seen: list[Record] = []
    async with asyncio.timeout(PATIENCE):
        async for batch in log.read(TOPIC, after=-1):
            sizes.append(sum(len(entry.record.value) for entry in batch))
            seen += [entry.record for entry in batch]
            if len(seen) == len(large):
                break
    assert seen == large
    assert max(sizes) <= 30 * 2**20


async def test_a_waiting_reader_is_woken_promptly(log_factory: LogFactory) -> None:
    """A reader that has caught up gets what another process appends well within a second."""
    async with log_factory() as here, log_factory() as there:
        await here.append(TOPIC, records("a"))
        loop = asyncio.get_running_loop()
        waits = []
        async with asyncio.timeout(PATIENCE):
            batches = here.read(TOPIC, after=-1)
            await anext(batches)
            for number in range(5):
                waiting = loop.create_task(_next(batches))
                await asyncio.sleep(0.2)
                began = loop.time()
                await there.append(TOPIC, records(str(number)))
                assert values(await waiting) == [str(number)]
                waits.append(loop.time() - began)
    # The first wait may find the reader about to listen; the middle one tells how it usually goes.
    assert sorted(waits)[2] < 0.5, waits


async def _next(batches: AsyncIterator[Sequence[Entry]]) -> Sequence[Entry]:
    return await anext(batches)


async def test_a_reader_waits_for_a_topic_that_does_not_exist_yet(log: KeptLog) -> None:
    """Reading a topic nobody wrote to waits, and gets the first entry when it comes."""
    waiting = asyncio.get_running_loop().create_task(take(log, 1))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await log.append(TOPIC, records("first"))
    assert values(await waiting) == ["first"]


async def test_readers_see_no_gap_under_concurrent_appends(log_factory: LogFactory) -> None:
    """While many tasks and processes append, every reader sees 0, 1, 2, … and each append whole and together."""
    appends, size, writers = 15, 4, 6
    total = appends * size * writers

    async def write(log: Log, writer: int) -> None:
        for number in range(appends):
            await log.append(TOPIC, records(*(f"{writer}.{number}.{part}" for part in range(size))))

    async with log_factory() as first, log_factory() as second, log_factory() as third:
        logs = (first, second, third)
        async with asyncio.TaskGroup() as group:
            readers = [
                group.create_task(take(each, total, limit=limit)) for each, limit in zip(logs, (1, 7, 500), strict=True)
            ]
            for writer in range(writers):
                group.create_task(write(logs[writer % 3], writer))
    for reader in readers:
        entries = reader.result()
        assert [entry.offset for entry in entries] == list(range(total))
        seen = values(entries)
        for start in range(0, total, size):
            writer_and_number = seen[start].rpartition(".")[0]
            assert seen[start : start + size] == [f"{writer_and_number}.{part}" for part in range(size)]
    for writer in range(writers):
        mine = [value for value in seen if value.startswith(f"{writer}.")]
        assert mine == [f"{writer}.{number}.{part}" for number in range(appends) for part in range(size)]


async def test_an_append_that_is_cut_off_leaves_all_or_nothing(log: KeptLog) -> None:
    """Cancelling an append leaves no gap and no part of it, and the topic goes on."""
    size = 2000
    loop = asyncio.get_running_loop()
    for delay in (0.0, 0.001, 0.003, 0.01, 0.02):
        task = loop.create_task(log.append(TOPIC, records(*["x"] * size)))
        await asyncio.sleep(delay)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    last = await log.append(TOPIC, records("end"))
    assert last % size == 0
    assert [entry.offset for entry in await take(log, last + 1)] == list(range(last + 1))


async def test_cancelling_a_waiting_reader_loses_nothing(log: KeptLog) -> None:
    """A reader cancelled while it waits took nothing: the next reader gets everything after the old position."""
    await log.append(TOPIC, records("a"))
    seen: list[Entry] = []

    async def follow(after: int) -> None:
        async for batch in log.read(TOPIC, after=after):
            seen.extend(batch)

    for number in range(10):
        task = asyncio.get_running_loop().create_task(follow(seen[-1].offset if seen else -1))
        await asyncio.sleep(0.005 * number)
        await log.append(TOPIC, records(str(number)))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    seen += await take(log, 11 - len(seen), after=seen[-1].offset if seen else -1) if len(seen) < 11 else []
    assert values(seen) == ["a", *map(str, range(10))]


async def test_the_next_batch_is_fetched_only_when_asked_for(log: KeptLog) -> None:
    """A slow reader finds in its next batch what was appended while it worked: nothing was read ahead."""
    await log.append(TOPIC, records("a"))
    batches = log.read(TOPIC, after=-1)
    assert values(await anext(batches)) == ["a"]
    await log.append(TOPIC, records("b"))
    await log.append(TOPIC, records("c"))
    assert values(await anext(batches)) == ["b", "c"]


async def test_last_is_the_newest_entry(log: KeptLog) -> None:
    """`last` gives the newest entry whole, and None for an empty topic."""
    assert await log.last(TOPIC) is None
    await log.append(TOPIC, records("a", "b"))
    last = await log.last(TOPIC)
    assert last == (await take(log, 2))[-1]


async def test_positions_are_kept_per_group_and_topic(log_factory: LogFactory) -> None:
    """A position belongs to one group on one topic, outlives its process, starts at -1 and may go back."""
    async with log_factory() as log:
        assert await log.committed("writer", TOPIC) == -1
        await log.commit("writer", TOPIC, 7)
        await log.commit("other", TOPIC, 3)
        await log.commit("writer", "members.other", 5)
    async with log_factory() as log:
        assert await log.committed("writer", TOPIC) == 7
        await log.commit("writer", TOPIC, 2)
        assert await log.committed("writer", TOPIC) == 2
        assert await log.committed("other", TOPIC) == 3
        assert await log.committed("writer", "members.other") == 5


async def test_topics_are_apart(log: KeptLog) -> None:
    """Each topic numbers its own entries, and readers of one never see another's."""
    await log.append(TOPIC, records("a"))
    assert await log.append("raw.other", records("b")) == 0
    await log.append(TOPIC, records("c"))
    assert values(await take(log, 2)) == ["a", "c"]
    assert values(await take(log, 1, topic="raw.other")) == ["b"]


async def test_retention_drops_the_oldest_and_never_the_newest(log: KeptLog) -> None:
    """What is older goes, the newest entry always stays, numbers go on, and young entries are not touched."""
    await log.append(TOPIC, records("a", "b"))
    await asyncio.sleep(0.3)
    await log.append(TOPIC, records("c", "d"))
    assert await log.expire(TOPIC, timedelta(seconds=0.2)) == 2
    assert values(await take(log, 2)) == ["c", "d"]
    assert await log.expire(TOPIC, timedelta(hours=1)) == 0
    assert await log.expire(TOPIC, timedelta()) == 1
    last = await log.last(TOPIC)
    assert last is not None
    assert values([last]) == ["d"]
    assert await log.expire(TOPIC, timedelta()) == 0
    assert await log.append(TOPIC, records("e")) == 4
    assert await log.expire("raw.nobody", timedelta()) == 0


async def test_reading_from_before_the_oldest_goes_on_at_the_oldest(log: KeptLog) -> None:
    """A reader whose position was dropped, even while it reads, goes on with the oldest entry kept."""
    await log.append(TOPIC, records("a", "b", "c"))
    batches = log.read(TOPIC, after=-1, limit=1)
    assert values(await anext(batches)) == ["a"]
    assert await log.expire(TOPIC, timedelta()) == 2
    (entry,) = await anext(batches)
    assert (entry.offset, entry.record.value) == (2, b"c")
    assert [entry.offset for entry in await take(log, 1, after=0)] == [2]
