"""The PostgreSQL store's own promises: waking readers, waiting no longer than told, saying how to mend what is wrong."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from ldes_server.model import Head, Placed, Published
from ldes_server.postgres_store import PostgresStore
from streams.errors import StoreError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SOON = timedelta(milliseconds=100)
KILL_LISTENERS = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%FROM ldes.streams'
"""


def one_more(base: Head) -> Placed:
    """Decide a batch of one member."""
    member = Published(
        sequence=base.count,
        published_at=NOON + timedelta(seconds=base.count),
        id=f"s/{base.count}",
        entity="https://example.org/e",
        observed_at=NOON,
        point=None,
        body=b'{"@id":"x"}',
    )
    head = Head(count=base.count + 1, published_at=member.published_at, position=base.position + 1)
    return Placed(base=base, head=head, members=(member,))


class Told:
    """What a watcher was told, and a way to wait for the next word."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, name: str) -> None:
        """Hear that a stream has changed."""
        self.names.append(name)
        self._news.set()

    async def wait(self) -> None:
        """Wait for the next word, at most ten seconds."""
        async with asyncio.timeout(10):
            await self._news.wait()
        self._news.clear()


async def test_readers_are_woken_by_the_commit(database_url: str) -> None:
    """A watcher hears of a change by notification, long before it would ask by itself."""
    told, stop = Told(), asyncio.Event()
    async with PostgresStore(database_url, poll=timedelta(hours=1)) as store, asyncio.TaskGroup() as group:
        await store.append("s", one_more(Head()))
        group.create_task(store.watch(told, stop=stop))
        await told.wait()  # what exists when it starts is told, too
        await store.append("other", one_more(Head()))
        await told.wait()
        stop.set()
    assert told.names == ["s", "other"]


async def test_a_lost_connection_is_opened_again(database_url: str) -> None:
    """When the watcher's connection is killed, it comes back and tells what changed meanwhile."""
    told, stop = Told(), asyncio.Event()
    killer = await asyncpg.connect(database_url)
    async with PostgresStore(database_url, poll=SOON) as store, asyncio.TaskGroup() as group:
        await store.append("s", one_more(Head()))
        group.create_task(store.watch(told, stop=stop))
        await told.wait()
        assert await killer.fetchval(KILL_LISTENERS)
        await store.append("later", one_more(Head()))
        await told.wait()
        stop.set()
    await killer.close()
    assert told.names[0] == "s"
    assert "later" in told.names


async def test_a_held_lock_is_waited_for_with_patience_only(database_url: str) -> None:
    """A stream locked by another process ends in a retriable error after the patience given, not in a hang."""
    rival = await asyncpg.connect(database_url)
    async with PostgresStore(database_url, patience=timedelta(seconds=1)) as store:
        await store.append("s", one_more(Head()))
        async with rival.transaction():
            await rival.execute("SELECT FROM ldes.streams FOR UPDATE")
            with pytest.raises(StoreError) as refused:
                await store.append("s", one_more(await store.head("s")))
        await store.append("s", one_more(await store.head("s")))
        assert (await store.head("s")).count == 2
    await rival.close()
    assert refused.value.retriable


async def test_all_connections_taken_is_an_error_that_passes(database_url: str) -> None:
    """Waiting for a connection of the pool ends with the patience, in a retriable error."""
    async with PostgresStore(database_url, connections=1, patience=SOON) as store, store.database.connection("hold"):
        with pytest.raises(StoreError) as refused:
            await store.head("s")
    assert refused.value.retriable


async def test_a_missing_schema_names_the_command(database_url: str) -> None:
    """On a database without our tables the error says what to run, and that waiting does not help."""
    bare = await asyncpg.connect(database_url)
    await bare.execute("DROP SCHEMA ldes CASCADE")
    await bare.close()
    async with PostgresStore(database_url) as store:
        with pytest.raises(StoreError, match="smartflanders migrate") as refused:
            await store.head("s")
    assert not refused.value.retriable


async def test_an_absent_server_is_worth_another_try() -> None:
    """When nobody listens at the address, opening the store fails with a retriable error."""
    with pytest.raises(StoreError, match="check that PostgreSQL runs") as refused:
        async with PostgresStore("postgresql://nobody@127.0.0.1:1/none"):
            pass
    assert refused.value.retriable
    assert isinstance(refused.value.__cause__, OSError)


async def test_a_value_the_driver_cannot_send_is_our_fault(database_url: str) -> None:
    """A value no column can hold is an error that another try would not mend."""
    async with PostgresStore(database_url) as store:
        with pytest.raises(StoreError) as refused:
            await store.latest("s", limit=2**70)
    assert not refused.value.retriable
