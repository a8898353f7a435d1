"""What PostgresLog promises beyond the contract: restarts, lost connections, translated errors, retention."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from smartflanders.embedded import EmbeddedPostgres
from streams.errors import LogError
from streams.migrate import migrate
from streams.postgres_log import PostgresLog
from streams.record import Entry, Record
from streams.retention import Keep, run_retention

TOPIC = "raw.garages"


def record(value: str) -> Record:
    """Make a record."""
    return Record(key=b"", value=value.encode())


async def cut(dsn: str) -> None:
    """Cut every other connection to the database, as a failing network or administrator does."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()


async def insist(call: Callable[[], Awaitable[object]]) -> object:
    """Call again as long as the error says that this can help."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await call()
            except LogError as error:
                if not error.retriable:
                    raise
                await asyncio.sleep(0.05)


async def first(batches: AsyncIterator[Sequence[Entry]]) -> list[bytes]:
    """Return the values of the next batch."""
    return [entry.record.value for entry in await anext(batches)]


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL], ids=["stopped", "killed"])
async def test_the_log_survives_a_restart_of_the_server(tmp_path: Path, signal_number: signal.Signals) -> None:
    """After a stop or a crash of the server calls fail as retriable, then work, and all that was appended is there."""
    with EmbeddedPostgres(tmp_path / "data") as server:
        await migrate(server.dsn)
        async with PostgresLog(server.dsn) as log:
            assert await log.append(TOPIC, [record("before")]) == 0
            reader = asyncio.get_running_loop().create_task(first(log.read(TOPIC, after=0)))
            await asyncio.sleep(0.2)
            assert server.pid is not None
            os.kill(server.pid, signal_number)
            await server.wait()
            for call in (log.append(TOPIC, [record("lost")]), reader):
                with pytest.raises(LogError) as caught:
                    await call
                assert caught.value.retriable
            server.start()
            assert await insist(lambda: log.append(TOPIC, [record("after")])) == 1
            assert await first(log.read(TOPIC, after=-1)) == [b"before", b"after"]


async def test_a_waiting_reader_outlives_its_lost_connection(database_url: str) -> None:
    """Cut connections are made anew: the reader gets what comes later, at most by one retry."""
    async with PostgresLog(database_url) as log:
        await log.append(TOPIC, [record("before")])
        reader = asyncio.get_running_loop().create_task(insist(lambda: first(log.read(TOPIC, after=0))))
        await asyncio.sleep(0.2)
        await cut(database_url)
        await insist(lambda: log.append(TOPIC, [record("after")]))
        assert await reader == [b"after"]


async def test_what_nobody_was_told_of_is_found(database_url: str) -> None:
    """All who wait find entries whose notification never came, each those of its topic: somebody looks for all of them."""
    topics = [f"raw.{number}" for number in range(3)]
    async with PostgresLog(database_url) as log:
        for topic in topics:
            await log.append(topic, [record("before")])
        async with asyncio.TaskGroup() as group:
            readers = [group.create_task(first(log.read(topic, after=0))) for topic in topics]
            await asyncio.sleep(0.5)
            connection = await asyncpg.connect(database_url)
            await connection.execute(
                "WITH moved AS (UPDATE log.topics SET next = 2 WHERE name IN ('raw.0', 'raw.2') RETURNING id)"
                " INSERT INTO log.packs (number, at, topic, count, size, headers, key, value)"
                " SELECT 1, at, topic, count, size, headers, key, 'silent' FROM log.packs JOIN moved ON id = topic"
            )
            await connection.close()
            async with asyncio.timeout(20):
                assert await readers[0] == await readers[2] == [b"silent"]
            assert not readers[1].done()
            await log.append(topics[1], [record("told")])
            assert await readers[1] == [b"told"]


async def test_nothing_of_an_append_together_stays_alone(database_url: str) -> None:
    """When the server refuses one of the records, the others are not there either, nor their topics moved."""
    async with PostgresLog(database_url) as log:
        await log.append("members.a", [record("before")])
        connection = await asyncpg.connect(database_url)
        await connection.execute("ALTER TABLE log.packs ADD CHECK (value <> 'bad')")
        await connection.close()
        with pytest.raises(LogError):
            await log.append_together([("members.a", [record("good")]), ("state.a", [record("bad")])])
        assert await log.append("members.a", []) == 0
        assert await log.last("state.a") is None


async def test_a_server_that_is_not_there_is_a_retriable_error() -> None:
    """Opening a log without a server fails with an error that says what to look at and may be tried again."""
    with pytest.raises(LogError, match="SF_DATABASE_URL") as caught:
        async with PostgresLog("postgresql://nobody@localhost:1/none"):
            pass
    assert caught.value.retriable


async def test_a_missing_schema_is_no_retriable_error(database_url: str) -> None:
    """Every public method translates what PostgreSQL raises; a defect is not tried again."""
    async with PostgresLog(database_url) as log:
        connection = await asyncpg.connect(database_url)
        await connection.execute("DROP SCHEMA log CASCADE")
        await connection.close()
        for call in (
            log.append(TOPIC, [record("a")]),
            anext(log.read(TOPIC, after=-1)),
            log.last(TOPIC),
            log.commit("group", TOPIC, 1),
            log.committed("group", TOPIC),
            log.expire(TOPIC, timedelta()),
        ):
            with pytest.raises(LogError) as caught:
                await call
            assert not caught.value.retriable
            assert caught.value.fix


async def test_retention_runs_until_stopped(database_url: str) -> None:
    """The retention loop drops what is too old of each topic, again and again, and ends when told to."""
    stop = asyncio.Event()
    async with PostgresLog(database_url) as log, asyncio.TaskGroup() as group:
        keeps = [
            Keep(topic=TOPIC, older_than=timedelta()),
            Keep(topic="members.other", older_than=timedelta(days=1)),
        ]
        group.create_task(run_retention(log, keeps, stop=stop, every=timedelta(seconds=0.05)))
        for number in range(2):
            for keep in keeps:
                await log.append(keep.topic, [record("a"), record("b")])
            await asyncio.sleep(0.3)
            assert (await anext(log.read(TOPIC, after=-1)))[0].offset == 2 * number + 1
        assert (await anext(log.read("members.other", after=-1)))[0].offset == 0
        stop.set()


async def test_large_topics_are_dropped_piece_by_piece(database_url: str) -> None:
    """Retention of more rows than one deletion takes drops them all but the newest."""
    async with PostgresLog(database_url) as log:
        await log.append(TOPIC, [record("x")] * 12_000)
        assert await log.expire(TOPIC, timedelta()) == 11_999


async def test_retention_waits_for_the_reader(database_url: str) -> None:
    """What a topic's reader has not come to yet stays, however old it is."""
    async with PostgresLog(database_url) as log:
        await log.append(TOPIC, [record(text) for text in "abcd"])
        assert await log.expire(TOPIC, timedelta(), done=-1) == 0
        assert await log.expire(TOPIC, timedelta(), done=1) == 2
        assert (await anext(log.read(TOPIC, after=-1)))[0].offset == 2
        assert await log.expire(TOPIC, timedelta(), done=3) == 1


async def test_packs_are_given_as_they_fit(database_url: str) -> None:
    """A batch is as many whole packs as fit the limit; a pack larger than that is given piece by piece."""
    async with PostgresLog(database_url) as log:
        for start in (0, 300, 600):
            await log.append(TOPIC, [record(str(number)) for number in range(start, start + 300)])
        seen: dict[int, list[int]] = {limit: [] for limit in (1000, 700, 200)}
        for limit, sizes in seen.items():
            offsets: list[int] = []
            async for batch in log.read(TOPIC, after=-1, limit=limit):
                sizes.append(len(batch))
                offsets += [entry.offset for entry in batch]
                assert [entry.record.value for entry in batch] == [str(entry.offset).encode() for entry in batch]
                if len(offsets) == 900:
                    break
            assert offsets == list(range(900))
        assert seen == {1000: [900], 700: [600, 300], 200: [200, 100] * 3}
        assert (await anext(log.read(TOPIC, after=450, limit=9)))[0].offset == 451


async def test_a_batch_is_bounded_by_what_is_in_its_packs(database_url: str) -> None:
    """The bound on the bytes of a batch counts what packs hold, not what it was compressed to."""
    async with PostgresLog(database_url, max_batch_bytes=1_000_000) as log:
        for _ in range(8):
            await log.append(TOPIC, [record("x" * 1000)] * 200)
        sizes = [len(await anext(log.read(TOPIC, after=after, limit=5000))) for after in (-1, 999)]
        assert sizes == [1000, 600]


async def test_what_is_dropped_of_a_pack_is_not_read_again(database_url: str) -> None:
    """Records dropped out of the middle of a pack are gone for every reader, and the rest of the pack is not."""
    async with PostgresLog(database_url) as log:
        await log.append(TOPIC, [record(str(number)) for number in range(400)])
        assert await log.expire(TOPIC, timedelta(), done=122) == 123
        assert await log.expire(TOPIC, timedelta(), done=122) == 0
        assert [entry.offset for entry in await anext(log.read(TOPIC, after=-1, limit=2))] == [123, 124]
        assert await log.expire(TOPIC, timedelta()) == 276
        assert await log.append(TOPIC, [record("400")]) == 400
        assert [entry.offset for entry in await anext(log.read(TOPIC, after=-1))] == [399, 400]
