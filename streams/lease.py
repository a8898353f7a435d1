"""Leases: which process runs which loop, decided by advisory locks of PostgreSQL.

Advisory locks and not the consumer groups of Kafka: they work the same whatever the log is, for loops that read no
topic too (a collector), and the store that the loops need anyway is always PostgreSQL. A lock belongs to a session and
ends with it, so `kill -9` frees it at once. A machine that vanishes, or a process that hangs, is found out by the
server: it probes the connection, and it ends a session that said nothing for `_SILENCE`. The holder says something
every `_BEAT` and gives up when the answer takes longer than `_PATIENCE`, which together is less than `_SILENCE`: the
loop has been stopped before another process may start it. Behind PgBouncer this needs session pooling.

A lease keeps two processes from doing the same work; that nothing is doubled should both do it for a moment is the
store's head check and the members' identity.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from hashlib import blake2b
from types import TracebackType
from typing import Any, Self

import asyncpg

from streams.errors import LogError
from streams.logs import logger
from streams.postgres_log import translated
from streams.queries import load_queries

QUERIES = load_queries("streams", "lease")

# How often a process that waits asks for the lock.
_ASK = timedelta(seconds=1)
# Beat and patience end before the server's silence: 2 + 5 < 10 seconds. Takeover: at most silence + ask = 11 seconds.
_BEAT = timedelta(seconds=2)
_PATIENCE = timedelta(seconds=5)
_SILENCE = timedelta(seconds=10)
_SESSION = {
    "idle_session_timeout": str(int(_SILENCE.total_seconds() * 1000)),
    # After 4 s of silence three probes, 2 s apart: a machine without power is gone after 10 s. No-ops on a socket file.
    "tcp_keepalives_idle": "4",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
}

_log = logger(__name__)


def lease_key(name: str) -> int:
    """Return the number of a lease's advisory lock: 64 bits of a hash, so that names do not meet."""
    return int.from_bytes(blake2b(f"smartflanders lease {name}".encode(), digest_size=8).digest(), signed=True)


class Leases:
    """The leases of one process, all held by one session; an async context manager that gives all of them back.

    The session is opened by the first `hold` and opened again after it was lost. `pg_stat_activity` shows it as
    `smartflanders lease <host> <process id>`.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._session: _Session | None = None
        self._connecting = asyncio.Lock()
        # A session may take its own locks twice; one process must not.
        self._held: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def hold(self, name: str, work: Callable[[], Awaitable[None]], *, stop: asyncio.Event) -> None:
        """Wait for the lease `name`, then run `work` while it is held; give it back when `work` ends.

        Ends without calling `work` when `stop` is set while it waits; `work` watches `stop` itself. When the session
        is lost, `work` is cancelled before this raises.

        Raises:
            LogError: retriable; the database does not answer, or the session and with it the lease was lost.
            Exception: whatever `work` raises.

        """
        session = await self._acquire(name, stop)
        if session is None:
            return
        try:
            await _guard(name, work, session)
        finally:
            try:
                await session.release(name)
            finally:
                self._held.discard(name)

    async def _acquire(self, name: str, stop: asyncio.Event) -> _Session | None:
        waits = False
        while not stop.is_set():
            session = await self._opened()
            if name not in self._held and await session.take(name):
                self._held.add(name)
                say = _log.info if waits else _log.debug
                say("lease taken", lease=name)
                return session
            if not waits:
                waits = True
                _log.info("lease held by another process, waiting", lease=name)
            with suppress(TimeoutError):
                async with asyncio.timeout(_ASK.total_seconds()):
                    await stop.wait()
        return None

    async def _opened(self) -> _Session:
        async with self._connecting:
            if self._session is None or self._session.lost.is_set():
                with translated("open the session that holds leases"):
                    self._session = _Session(
                        await asyncpg.connect(
                            self._dsn,
                            timeout=_PATIENCE.total_seconds(),
                            command_timeout=_PATIENCE.total_seconds(),
                            server_settings={**_SESSION, "application_name": _own_name()},
                        )
                    )
            return self._session


class _Session:
    """The connection, used by one call at a time; `lost` is set when it has ended, however it did."""

    def __init__(self, connection: Any) -> None:
        self.lost = asyncio.Event()
        self._connection = connection
        self._turn = asyncio.Lock()
        self._beating = asyncio.Lock()
        self._heard = 0.0
        connection.add_termination_listener(lambda _: self.lost.set())

    async def take(self, name: str) -> bool:
        """Take a lock if nobody has it."""
        try:
            async with self._asking() as connection:
                return bool(await connection.fetchval(QUERIES["try"], lease_key(name)))
        except asyncio.CancelledError:
            # Nobody knows whether the server gave us the lock: with the session it is certainly free.
            self._end()
            raise

    async def release(self, name: str) -> None:
        """Give a lock back, if the session still has it."""
        if self.lost.is_set():
            return
        try:
            with suppress(LogError):
                async with self._asking() as connection:
                    await connection.execute(QUERIES["release"], lease_key(name))
        except asyncio.CancelledError:
            self._end()
            raise

    async def watch(self) -> None:
        """Return when the session is lost; one of those who watch keeps it alive, and another when that one goes."""
        # A process holds hundreds of leases: were each to wake for every beat, that would be most of what an idle one does.
        async with self._beating:
            while not self.lost.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_BEAT.total_seconds()):
                        await self.lost.wait()
                with suppress(LogError):
                    async with self._asking() as connection:
                        # Any other query was as good.
                        if asyncio.get_running_loop().time() - self._heard >= _BEAT.total_seconds() / 2:
                            await connection.execute(QUERIES["beat"])

    async def close(self) -> None:
        """End the session politely if the server lets us, else at once."""
        try:
            async with asyncio.timeout(1), self._turn:
                await self._connection.close()
        except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            self._end()

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[Any]:
        """Give the connection for one query; any failure of it ends the session, since its locks are in doubt."""
        async with self._turn:
            with translated("keep a lease"):
                try:
                    yield self._connection
                    self._heard = asyncio.get_running_loop().time()
                except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                    self._end()
                    raise

    def _end(self) -> None:
        self.lost.set()
        self._connection.terminate()


async def _guard(name: str, work: Callable[[], Awaitable[None]], session: _Session) -> None:
    async with asyncio.TaskGroup() as group:
        working = group.create_task(_outcome(work), name=name)
        watching = group.create_task(session.watch(), name=f"lease {name}")
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        working.cancel()
        watching.cancel()
    if working.cancelled():
        fix = "none needed: it is taken again as soon as the database answers"
        raise LogError("its lease was lost with the session that held it", where=name, fix=fix, retriable=True)
    if (error := working.result()) is not None:
        raise error


async def _outcome(work: Callable[[], Awaitable[None]]) -> Exception | None:
    # As a value, because a task group would wrap what is raised.
    try:
        await work()
    except Exception as error:  # noqa: BLE001 - raised again by the caller
        return error
    return None


def _own_name() -> str:
    # PostgreSQL cuts names at 63 bytes.
    return f"smartflanders lease {socket.gethostname()[:30]} {os.getpid()}"
