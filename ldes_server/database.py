"""The connections to PostgreSQL: a bounded pool, bounded waits, and the driver's errors in our words (asyncpg)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import asyncpg

from streams.errors import StoreError, TwinError
from streams.pool import close_pool, open_pool

# SQLSTATE class -> whether trying again can help: connection lost, transaction rolled back (deadlock, serialisation),
# out of resources, operator intervention (restart, cancelled by a timeout), system error. Lock timeouts are 55P03.
_RETRIABLE = frozenset({"08", "40", "53", "55", "57", "58"})


# The index that keeps twins out.
TWINS = "members_stream_key_key"


class Database:
    """A pool of sessions on one database, and the named queries to run in them; an async context manager.

    Nothing happens before it is entered. `connections` bounds the pool; `patience` bounds every wait for a connection,
    a lock or an answer. Everything that goes wrong is `StoreError`, retriable where trying again can help.
    """

    def __init__(self, dsn: str, *, queries: Mapping[str, str], connections: int, patience: timedelta) -> None:
        self._dsn = dsn
        self._queries = queries
        self._connections = connections
        self._patience = patience.total_seconds()
        self._pool: Any = None

    async def __aenter__(self) -> Self:
        with translated("open the pool"):
            self._pool = await open_pool(self._options(), connections=self._connections, patience=self._patience)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pool, self._pool = self._pool, None
        await close_pool(pool)

    @asynccontextmanager
    async def connection(self, doing: str) -> AsyncIterator[Any]:
        """Lend a session of the pool; `doing` is what errors say was tried."""
        with translated(doing):
            async with self._pool.acquire(timeout=self._patience) as connection:
                yield connection

    async def rows(self, query: str, *arguments: object) -> Sequence[Any]:
        """Return the rows of a named query."""
        async with self.connection(query) as connection:
            rows: Sequence[Any] = await connection.fetch(self._queries[query], *arguments)
            return rows

    async def row(self, query: str, *arguments: object) -> Any:
        """Return the first row of a named query, or None."""
        async with self.connection(query) as connection:
            return await connection.fetchrow(self._queries[query], *arguments)

    async def alone(self) -> Any:
        """Open a session outside the pool, which the caller closes; for whoever listens."""
        return await asyncpg.connect(**self._options())

    def _options(self) -> dict[str, Any]:
        milliseconds = str(int(self._patience * 1000))
        return {
            "dsn": self._dsn,
            "timeout": self._patience,
            "command_timeout": self._patience,
            "server_settings": {
                "application_name": "smartflanders ldes_server",
                "jit": "off",  # every query is small; compiling one costs more than all of it
                "lock_timeout": milliseconds,
                # A writer that hangs must not hold its stream's row for ever.
                "idle_in_transaction_session_timeout": milliseconds,
            },
        }


def twins(doing: str) -> TwinError:
    """Say that a batch has members that were published before."""
    what = "some of the members were published before, and nothing of this batch is stored"
    return TwinError(what, where=f"PostgreSQL, {doing}", fix="ask which are known, and publish the others")


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn the driver's errors into StoreError, once, with their cause; ours pass."""
    try:
        yield
    except asyncpg.PostgresError as error:
        retriable = (error.sqlstate or "")[:2] in _RETRIABLE
        raise _store_error(doing, error, retriable=retriable) from error
    except asyncpg.InterfaceError as error:
        # A value the driver cannot encode is a ValueError, too; all others are about the connection.
        raise _store_error(doing, error, retriable=not isinstance(error, ValueError)) from error
    except (OSError, asyncpg.InternalClientError) as error:  # TimeoutError is an OSError
        raise _store_error(doing, error, retriable=True) from error


def _store_error(doing: str, error: Exception, *, retriable: bool) -> StoreError:
    if isinstance(error, asyncpg.UniqueViolationError) and error.constraint_name == TWINS:
        return twins(doing)
    fix = "check that PostgreSQL runs and can be reached" if retriable else "see the cause; then start again"
    if isinstance(error, asyncpg.UndefinedTableError | asyncpg.InvalidSchemaNameError):
        fix = "run `smartflanders migrate`"
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    return StoreError(what, where=f"PostgreSQL, {doing}", fix=fix, retriable=retriable)
