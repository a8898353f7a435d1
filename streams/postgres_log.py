"""A Log on PostgreSQL tables: for one machine, with no broker to run."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from itertools import accumulate
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

import asyncpg

from streams.errors import LogError
from streams.packs import Pack, pack, unpack
from streams.pool import close_pool, open_pool
from streams.queries import load_queries
from streams.record import Entry, Record

QUERIES = load_queries("streams", "queries")

# A batch of a read ends with the entry that passes this many bytes of values: two of the largest payloads (MIV is
# 7 MB of XML, deflated below 1 MB), or 500 members. One larger entry is still delivered, alone.
MAX_BATCH_BYTES = 16 * 2**20
# Notifications wake readers at once; asking now and then covers a notification lost with its connection.
_POLL = timedelta(seconds=3)
# Rows per deletion: a transaction of some 10 ms, so that retention never holds back the vacuum or a checkpoint.
_DROP_AT_ONCE = 5000

# Errors after which the same call may succeed. Everything else of PostgreSQL is a defect or a wrong setting.
_RETRIABLE = (
    OSError,  # includes refused and reset connections, and TimeoutError
    asyncpg.InterfaceError,  # the connection was closed under the call
    asyncpg.InternalClientError,  # and so it was while it was being made: the driver then loses track of its state
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # the server stops, starts or cancels
    asyncpg.TransactionRollbackError,  # serialization, deadlock
    asyncpg.InsufficientResourcesError,  # connections, memory; also a full disk, which somebody will mend
    asyncpg.LockNotAvailableError,
)


# What can mend the others, where it is not the schema.
_FIXES: tuple[tuple[type[Exception], str], ...] = (
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "check the user and password of SF_DATABASE_URL, and pg_hba.conf of that PostgreSQL",
    ),
    (asyncpg.InvalidCatalogNameError, "make that database with createdb, or mend its name in SF_DATABASE_URL"),
    (asyncpg.InsufficientPrivilegeError, "make the user of SF_DATABASE_URL the owner of that database"),
)
_SEE = "see PostgreSQL's log; run `smartflanders migrate --dry-run` to see whether its schema is older"


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what PostgreSQL and its driver raise into LogError, once, at the border."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, ssl.SSLError) as error:
        retriable = isinstance(error, _RETRIABLE)
        fix = (
            "none needed: it is tried again; if it stays, see whether PostgreSQL runs and SF_DATABASE_URL is right"
            if retriable
            else next((fix for kind, fix in _FIXES if isinstance(error, kind)), _SEE)
        )
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        what = f"PostgreSQL could not {doing}: {'no answer in time' if said == 'TimeoutError' else said}"
        raise LogError(what, where="log", fix=fix, retriable=retriable) from error


class PostgresLog:
    """The Log protocol on the schema `log`, which `streams.migrate` makes; an async context manager.

    Appends to one topic stand in line at the topic's row, so the order of offsets is the order of commits. `patience`
    bounds every wait for the server, `connections` how many calls run at once; readers that wait hold none of them
    (one more connection listens for all of them). After a restart of the server the next call connects again.
    """

    def __init__(
        self,
        dsn: str,
        *,
        connections: int = 8,
        patience: timedelta = timedelta(seconds=60),
        max_batch_bytes: int = MAX_BATCH_BYTES,
    ) -> None:
        self._dsn = dsn
        self._connections = connections
        self._patience = patience.total_seconds()
        self._max_batch_bytes = max_batch_bytes
        self._pool: Any = None
        self._listener: Any = None
        self._connecting = asyncio.Lock()
        # They vanish with their reader.
        self._places: dict[str, WeakSet[_Place]] = {}
        self._looking = asyncio.Lock()
        self._looked = 0.0

    async def __aenter__(self) -> Self:
        options = {
            "dsn": self._dsn,
            "timeout": self._patience,
            "command_timeout": self._patience,
            "server_settings": {"application_name": "smartflanders log"},
        }
        with translated("connect"):
            self._pool = await open_pool(options, connections=self._connections, patience=self._patience)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await listener.close(timeout=self._patience)
        # Readers and calls of this process have ended by now; a transaction still open is rolled back.
        await close_pool(self._pool)

    async def append(self, topic: str, records: Sequence[Record]) -> int:
        """Append all records or none (see Log)."""
        async with self._connection("append") as connection:
            if not records:
                last = await connection.fetchval(QUERIES["end"], topic)
                return -1 if last is None else int(last)
            lasts, columns = _columns(records)
            first = await connection.fetchval(QUERIES["append"], topic, len(records), lasts, *columns)
            if first is None:
                await connection.execute(QUERIES["create"], topic)
                first = await connection.fetchval(QUERIES["append"], topic, len(records), lasts, *columns)
            return int(first) + len(records) - 1

    async def append_together(self, parts: Sequence[tuple[str, Sequence[Record]]]) -> None:
        """Append to several topics, all or none, in one round trip and one commit (see Log)."""
        parts = [part for part in parts if part[1]]
        if not parts:
            return
        topics = [topic for topic, _ in parts]
        counts = [len(records) for _, records in parts]
        rows: list[list[Any]] = [[] for _ in range(7)]
        for topic, records in parts:
            lasts, columns = _columns(records)
            named: list[list[Any]] = [[topic] * len(lasts), lasts, *columns]
            for held, column in zip(rows, named, strict=True):
                held.extend(column)
        async with self._connection("append") as connection:
            if not await connection.fetchval(QUERIES["append_together"], topics, counts, *rows):
                for topic in topics:
                    await connection.execute(QUERIES["create"], topic)
                await connection.fetchval(QUERIES["append_together"], topics, counts, *rows)

    async def read(self, topic: str, *, after: int, limit: int = 500) -> AsyncIterator[Sequence[Entry]]:
        """Yield batches of at most `limit` entries and about `max_batch_bytes` bytes of values (see Log)."""
        place = _Place(after)
        self._places.setdefault(topic, WeakSet()).add(place)
        while True:
            # Forget old news before looking, never after: what arrives in between must wake us.
            place.news.clear()
            async with self._connection("read") as connection:
                rows = await connection.fetch(QUERIES["read"], topic, place.after, limit, self._max_batch_bytes)
            if rows:
                entries = _entries(rows, limit=limit)
                place.after = entries[-1].offset
                yield entries
                if place.after < rows[0]["newest"]:
                    continue
            if await self._listening():
                await self._news(place)

    async def last(self, topic: str) -> Entry | None:
        """Return the newest entry (see Log)."""
        async with self._connection("read") as connection:
            row = await connection.fetchrow(QUERIES["last"], topic)
        return None if row is None else _unpacked(row)[-1]

    async def commit(self, group: str, topic: str, offset: int) -> None:
        """Save how far a group is (see Log)."""
        async with self._connection("commit") as connection:
            await connection.execute(QUERIES["commit"], group, topic, offset)

    async def committed(self, group: str, topic: str) -> int:
        """Return how far a group is (see Log)."""
        async with self._connection("read a position") as connection:
            number = await connection.fetchval(QUERIES["committed"], group, topic)
        return -1 if number is None else int(number)

    async def topics(self) -> frozenset[str]:
        """Return the names of all topics (see KeptLog)."""
        async with self._connection("list topics") as connection:
            return frozenset(row["name"] for row in await connection.fetch(QUERIES["topics"]))

    async def expire(self, topic: str, older_than: timedelta, *, done: int | None = None) -> int:
        """Drop the entries older than this, never the newest one, and return how many there were.

        With `done`, nothing after that offset is dropped: its reader has not come there yet.
        """
        async with self._connection("drop old entries") as connection:
            bounds = await connection.fetchrow(QUERIES["kept"], topic, older_than)
            if bounds is None or bounds["pack"] is None:
                return 0
            keep = bounds["keep"] if done is None else min(bounds["keep"], done + 1)
            for start in range(bounds["pack"], keep, _DROP_AT_ONCE):
                end = min(start + _DROP_AT_ONCE, keep)
                await connection.execute(QUERIES["drop"], bounds["id"], start, end)
            return int(await connection.fetchval(QUERIES["dropped"], bounds["id"], keep) or 0)

    @asynccontextmanager
    async def _connection(self, doing: str) -> AsyncIterator[Any]:
        with translated(doing):
            async with self._pool.acquire(timeout=self._patience) as connection:
                yield connection

    async def _news(self, place: _Place) -> None:
        """Wait until there may be something behind a place; now and then somebody looks, for all who wait."""
        while not place.news.is_set():
            # Not wait_for: in Python 3.11 it swallows a cancellation that meets the news.
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL.total_seconds()):
                    await place.news.wait()
            if not place.news.is_set():
                await self._look()

    async def _look(self) -> None:
        """Wake those who have not come to the end of their topic, unless somebody did so just now."""
        clock = asyncio.get_running_loop().time
        async with self._looking:
            if clock() - self._looked < _POLL.total_seconds() / 2:
                return
            waiting = [topic for topic, places in self._places.items() if places]
            async with self._connection("look for news") as connection:
                rows = await connection.fetch(QUERIES["ends"], waiting)
            self._looked = clock()
        for topic, newest in rows:
            for place in self._places.get(topic, ()):
                if place.after < newest:
                    place.news.set()

    async def _listening(self) -> bool:
        """Make sure news arrives; False when it was not so until now, and the caller must look again first."""
        async with self._connecting:
            if self._listener is not None and not self._listener.is_closed():
                return True
            with translated("listen"):
                listener = await asyncpg.connect(self._dsn, timeout=self._patience, command_timeout=self._patience)
                try:
                    listener.add_termination_listener(lambda _: self._wake(None))
                    await listener.add_listener("log", lambda _connection, _pid, _channel, topic: self._wake(topic))
                except BaseException:
                    # Cancelled or refused half-way: nobody else knows this connection.
                    listener.terminate()
                    raise
                self._listener = listener
            # Others may have looked before it listened, and must not rely on it either.
            self._wake(None)
            return False

    def _wake(self, topic: str | None) -> None:
        """Wake the readers of a topic; of all topics (None) when the listening connection was lost."""
        for name in list(self._places) if topic is None else [topic]:
            for place in self._places.get(name, ()):
                place.news.set()


class _Place:
    """Where a reader is: the offset it has come to, and an event for what may be behind it."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.news = asyncio.Event()


def _columns(records: Sequence[Record]) -> tuple[list[int], list[list[Any]]]:
    """Pack records into columns of rows: the place of each one's last record, and what a pack consists of."""
    packs = list(pack(records))
    lasts = [place - 1 for place in accumulate(each.records for each in packs)]
    return lasts, [list(column) for column in zip(*packs, strict=True)]


def _entries(rows: Sequence[Any], *, limit: int) -> list[Entry]:
    """Make entries of rows: after, number, at, count, size, headers, key, value; at most so many, those behind `after`."""
    entries: list[Entry] = []
    for row in rows:
        entries += _unpacked(row)
    passed = rows[0]["after"] + 1 - entries[0].offset
    # Most often these are all of them.
    return entries[passed : passed + limit] if passed or len(entries) > limit else entries


def _unpacked(row: Any) -> list[Entry]:
    return unpack(row["number"], row["at"], Pack(row["count"], row["size"], row["headers"], row["key"], row["value"]))
