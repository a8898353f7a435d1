"""The log of a data folder that a release before packs has written, brought to this one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import asyncpg
import pytest

from streams.migrate import migrate
from streams.packs import pack_headers
from streams.postgres_log import PostgresLog
from streams.queries import load_queries
from streams.record import Entry, Record

BEFORE = "0001_pre_log.sql"
QUERIES = load_queries("streams", "migrate")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
# The entries that are there: the oldest of one topic were dropped, another had one entry, of the third nobody wrote any.
KEPT = {"members.gent": range(1000, 3500), "raw.gent": range(1), "rejected.gent": range(0)}
TOPIC = "members.gent"
COLUMNS = ("number", "at", "topic", "headers", "key", "value")


def entry(number: int) -> Entry:
    """Make an entry as that release has numbered and stamped it."""
    headers = {"id": b"%d" % number, "point": b""} if number % 2 else {}
    record = Record(key=b"k%d" % number, value=b'{"@id":"%d"}' % number, headers=headers)
    return Entry(offset=number, at=NOON + timedelta(seconds=number), record=record)


@pytest.fixture
async def older(database_url: str) -> AsyncIterator[str]:
    """Give a database with a log that the release before has made and filled, a row for each record."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("DROP SCHEMA log CASCADE")
    await connection.execute(QUERIES["found"])
    await connection.execute(files("streams").joinpath("sql", "migrations", BEFORE).read_text("utf-8"))
    await connection.execute(QUERIES["record"], "streams", BEFORE)
    for name, numbers in KEPT.items():
        query = "INSERT INTO log.topics (name, next) VALUES ($1, $2) RETURNING id"
        topic = await connection.fetchval(query, name, numbers.stop)
        made = [(each.offset, each.at, topic, each.record) for each in map(entry, numbers)]
        await connection.copy_records_to_table(
            "entries",
            schema_name="log",
            columns=COLUMNS,
            records=[(*first, pack_headers(headers), key, value) for *first, (key, value, headers) in made],
        )
    yield database_url
    await connection.close()


async def read(log: PostgresLog, topic: str, *, after: int, count: int) -> list[Entry]:
    """Read so many entries."""
    taken: list[Entry] = []
    async for batch in log.read(topic, after=after):
        taken += batch
        if len(taken) >= count:
            break
    return taken


async def test_every_entry_is_read_as_it_was_written(older: str) -> None:
    """Entries of the release before have the same offsets, times and bytes, from any position, and new ones follow."""
    assert [str(each) for each in await migrate(older, rooms=["streams"])] == ["streams/0002_pre_packs.sql"]
    async with PostgresLog(older) as log:
        for name, numbers in KEPT.items():
            last = await log.last(name)
            assert last == (entry(numbers.stop - 1) if numbers else None)
            assert await log.append(name, [Record(key=b"", value=b"new")] * 3) == numbers.stop + 2
            found = await read(log, name, after=-1, count=len(numbers) + 3)
            assert found[:-3] == [entry(number) for number in numbers]
            assert [each.offset for each in found[-3:]] == [numbers.stop, numbers.stop + 1, numbers.stop + 2]
        found = await read(log, TOPIC, after=3000, count=502)
        assert found[0] == entry(3001)


async def test_what_was_dropped_is_known(older: str) -> None:
    """Retention goes on where it was: it counts only what is there, and keeps what is young or not read yet."""
    await migrate(older, rooms=["streams"])
    async with PostgresLog(older) as log:
        age = datetime.now(UTC) - entry(1500).at
        assert await log.expire(TOPIC, age + timedelta(seconds=0.5)) == 500
        assert await log.expire(TOPIC, timedelta(), done=1999) == 500
        assert await read(log, TOPIC, after=-1, count=1500) == [entry(number) for number in range(2000, 3500)]
        assert await log.expire(TOPIC, timedelta()) == 1499
        assert await log.expire("rejected.gent", timedelta()) == 0


async def test_a_process_of_the_release_before_misreads_nothing(older: str) -> None:
    """What an older process asks for is not there any more: it fails, where it would take a pack for one record."""
    await migrate(older, rooms=["streams"])
    connection = await asyncpg.connect(older)
    try:
        with pytest.raises(asyncpg.UndefinedTableError):
            await connection.fetch("SELECT number, at, headers, key, value FROM log.entries")
    finally:
        await connection.close()
