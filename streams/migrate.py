"""Brings a database to the schema of this code: ordered SQL files, each applied once, in its own transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from typing import Any

import asyncpg

from streams.errors import ConfigError, Problem
from streams.postgres_log import translated
from streams.queries import load_queries

QUERIES = load_queries("streams", "migrate")

# Every room that keeps tables; the order is the order of application.
ROOMS = ("streams", "ldes_server")
# Another process may be migrating: it needs seconds.
_WAIT_FOR_OTHERS = timedelta(seconds=60)
# A migration that waits for a lock makes every later query on the table wait behind it: better to give up and be
# started again than to stop the platform.
_WAIT_FOR_LOCK = timedelta(seconds=5)
_LONGEST_STATEMENT = timedelta(minutes=15)
# A server that takes the connection and says nothing must not hold up who wants to start.
_CONNECT_WITHIN = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """One migration: the file `name` of the package `room`."""

    room: str
    name: str

    def __str__(self) -> str:
        return f"{self.room}/{self.name}"


async def migrate(dsn: str, *, dry_run: bool = False, rooms: Sequence[str] = ROOMS) -> list[Applied]:
    """Apply every migration that was not applied yet and return them, in order; with `dry_run` only return them.

    Several processes may call this at once: one works, the others wait and find nothing left to do. A file and its
    bookkeeping row are one transaction, so after a failure everything before the file is there, and nothing of it.

    Raises:
        LogError: the database did not answer, or a migration failed.

    """
    async with _connection(dsn, "migrate") as connection:
        if dry_run:
            return await _pending(connection, rooms)
        await _wait(connection, _WAIT_FOR_OTHERS)
        await connection.execute(QUERIES["advise"])
        await _wait(connection, _WAIT_FOR_LOCK)
        await connection.execute(QUERIES["found"])
        pending = await _pending(connection, rooms)
        for migration in pending:
            with translated(f"apply {migration}"):
                async with connection.transaction():
                    await connection.execute(_text(migration))
                    await connection.execute(QUERIES["record"], migration.room, migration.name)
        return pending


async def check(dsn: str, *, rooms: Sequence[str] = ROOMS) -> None:
    """Make sure that the database has the schema of this code.

    Raises:
        ConfigError: it is older or newer.
        LogError: the database did not answer.

    """
    async with _connection(dsn, "show its schema") as connection:
        pending = await _pending(connection, rooms)
        unknown = sorted(
            str(done) for done in await _done(connection) if done.room in rooms and done not in _known(rooms)
        )
    problems = []
    if pending:
        what = f"the schema is older than this code: {_listed(pending)} not applied"
        problems.append(Problem(where="database", what=what, fix="run `smartflanders migrate`"))
    if unknown:
        what = f"the schema is newer than this code: it does not know {_listed(unknown)}"
        fix = "run the release that made it or a newer one; `smartflanders migrate` never goes back"
        problems.append(Problem(where="database", what=what, fix=fix))
    if problems:
        raise ConfigError(problems, where="the database")


def _listed(names: Sequence[object]) -> str:
    return ", ".join(map(str, names))


def _known(rooms: Sequence[str]) -> list[Applied]:
    """List the migrations of this code: by room, then by name (they begin with a number)."""
    known = []
    for room in rooms:
        folder = files(room).joinpath("sql", "migrations")
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        known += [Applied(room=room, name=name) for name in names if name.endswith(".sql")]
    return known


def _text(migration: Applied) -> str:
    return files(migration.room).joinpath("sql", "migrations", migration.name).read_text("utf-8")


async def _done(connection: Any) -> set[Applied]:
    if not await connection.fetchval(QUERIES["exists"]):
        return set()
    return {Applied(**row) for row in await connection.fetch(QUERIES["applied"])}


async def _pending(connection: Any, rooms: Sequence[str]) -> list[Applied]:
    done = await _done(connection)
    return [migration for migration in _known(rooms) if migration not in done]


async def _wait(connection: Any, lock: timedelta) -> None:
    # A wait for the advisory lock is one statement too.
    milliseconds = [str(int(limit.total_seconds() * 1000)) for limit in (lock, _LONGEST_STATEMENT)]
    await connection.execute(QUERIES["wait"], *milliseconds)


@asynccontextmanager
async def _connection(dsn: str, doing: str) -> AsyncIterator[Any]:
    with translated(doing):
        connection = await asyncpg.connect(
            dsn,
            timeout=_CONNECT_WITHIN.total_seconds(),
            server_settings={"application_name": "smartflanders migrate"},
        )
        try:
            yield connection
        finally:
            await connection.close()
