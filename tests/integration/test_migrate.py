"""Migrations against a real database: once each, one at a time, whole or not at all."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from smartflanders.embedded import EmbeddedPostgres
from streams.errors import ConfigError, LogError
from streams.migrate import ROOMS, Applied, check, migrate


async def execute(dsn: str, statement: str) -> None:
    """Run one statement."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def empty_url(database_url: str, postgres: EmbeddedPostgres) -> str:
    """Give a database without any schema of ours."""

    async def empty() -> None:
        for schema in ("log", "ldes"):
            await execute(database_url, f"DROP SCHEMA {schema} CASCADE")

    asyncio.run(empty())
    return database_url


@pytest.fixture
def room(tmp_path: Path) -> Iterator[str]:
    """Make a room (a package) with one good migration and one that fails halfway."""
    name = f"room_{uuid.uuid4().hex}"
    folder = tmp_path / name / "sql" / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / name / "__init__.py").touch()
    (folder / "0001_pre_good.sql").write_text("CREATE TABLE good (); CREATE TABLE better ()")
    (folder / "0002_pre_bad.sql").write_text("CREATE TABLE half (); SELECT 1 / 0")
    sys.path.insert(0, str(tmp_path))
    yield name
    sys.path.remove(str(tmp_path))


async def test_applying_twice_changes_nothing(empty_url: str) -> None:
    """The first run applies every file in order, the second nothing; a dry run only tells."""
    told = await migrate(empty_url, dry_run=True)
    assert told
    assert await migrate(empty_url, dry_run=True) == told
    assert await migrate(empty_url) == told
    assert [applied.room for applied in told] == sorted((applied.room for applied in told), key=ROOMS.index)
    assert await migrate(empty_url) == []
    await check(empty_url)


async def test_many_at_once_apply_each_file_once(empty_url: str) -> None:
    """Processes that start together all succeed, and one of them does the work."""
    results = await asyncio.gather(*(migrate(empty_url) for _ in range(4)))
    assert sorted(map(len, results))[:3] == [0, 0, 0]
    await check(empty_url)


async def test_an_older_schema_is_refused_with_the_command_to_run(empty_url: str) -> None:
    """A database that lacks a migration is refused, naming `smartflanders migrate`."""
    with pytest.raises(ConfigError, match="smartflanders migrate"):
        await check(empty_url)


async def test_a_newer_schema_is_refused(database_url: str) -> None:
    """A database with a migration this code does not know is refused, naming it."""
    await execute(database_url, "INSERT INTO log.migrations (room, name) VALUES ('streams', '9999_pre_future.sql')")
    with pytest.raises(ConfigError, match="9999_pre_future"):
        await check(database_url)


async def test_a_failed_migration_leaves_nothing_of_itself(database_url: str, room: str) -> None:
    """What came before the failure stays and is not repeated; of the failed file nothing is there."""
    good = Applied(room=room, name="0001_pre_good.sql")
    bad = Applied(room=room, name="0002_pre_bad.sql")
    for _ in range(2):
        with pytest.raises(LogError, match=f"apply {bad}.*division by zero"):
            await migrate(database_url, rooms=[room])
        assert await migrate(database_url, dry_run=True, rooms=[room]) == [bad]
    await execute(database_url, "SELECT FROM good, better")
    with pytest.raises(asyncpg.UndefinedTableError):
        await execute(database_url, "SELECT FROM half")
    assert good.name < bad.name


async def test_a_database_that_does_not_answer_is_an_error_with_a_fix() -> None:
    """No server: a retriable error that names the setting to look at."""
    with pytest.raises(LogError, match="SF_DATABASE_URL") as caught:
        await migrate("postgresql://nobody@localhost:1/none")
    assert caught.value.retriable
