"""Members of a data folder that an older release has written, whose ids have other keys now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import asyncpg
import pytest

from ldes_server.keys import former
from ldes_server.model import Placed, Published
from ldes_server.postgres_store import PostgresStore
from streams.errors import TwinError
from streams.identity import member_id
from streams.migrate import migrate
from streams.queries import load_queries

MIGRATION = "0008_pre_keys.sql"
QUERIES = load_queries("streams", "migrate")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
# Ids of every form: with and without milliseconds, of revisions and deletions, posted ones, and ones without a slash.
IDS = (
    *(member_id("parking", f"p{number % 7}", NOON + timedelta(milliseconds=number)) for number in range(40)),
    member_id("parking", "Sint-Pietersplein / één", NOON),
    member_id("parking", "p1", NOON, revision=b"\x0a\x0b\x0c\x0d"),
    member_id("parking", "p1", NOON, deletes=True),
    "parking/members/20261123T120000",
    "parking/members/20261123T120000Zulu",
    "parking/members/",
    "alone",
)
GONE = member_id("parking", "p1", NOON - timedelta(days=1))


def _texts() -> list[str]:
    folder = files("ldes_server").joinpath("sql", "migrations")
    return sorted(each.name for each in folder.iterdir() if each.name < MIGRATION)


@pytest.fixture
async def older(database_url: str) -> AsyncIterator[str]:
    """Give a database with a stream that the release before has written, and a member that it has deleted."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("DROP SCHEMA ldes CASCADE")
    await connection.execute(QUERIES["found"])
    await connection.execute("DELETE FROM log.migrations WHERE room = 'ldes_server'")
    for name in _texts():
        await connection.execute(files("ldes_server").joinpath("sql", "migrations", name).read_text("utf-8"))
        await connection.execute(QUERIES["record"], "ldes_server", name)
    stream = await connection.fetchval(
        "INSERT INTO ldes.streams (name, count, published_at, position, page_size, fan) "
        "VALUES ('parking', $1, $2, $1, 250, 100) RETURNING id",
        len(IDS),
        NOON,
    )
    rows = [
        (number, NOON, NOON, former(name), stream, name, f"entity{number}", b"{}") for number, name in enumerate(IDS)
    ]
    columns = ("sequence", "published_at", "observed_at", "identity", "stream", "id", "entity", "body")
    await connection.copy_records_to_table("members", schema_name="ldes", columns=columns, records=rows)
    await connection.execute(
        "INSERT INTO ldes.dropped (stream, identity, at) VALUES ($1, $2, now())", stream, former(GONE)
    )
    yield database_url
    await connection.close()


async def test_every_member_is_found_by_its_id_and_no_twin_gets_in(older: str) -> None:
    """What the release before has published is known, read and refused a second time, what it deleted is remembered."""
    assert [str(each) for each in await migrate(older, rooms=["ldes_server"])] == [f"ldes_server/{MIGRATION}"]
    async with PostgresStore(older) as store:
        assert await store.known("parking", [*IDS, GONE, "parking/members/new"]) == frozenset((*IDS, GONE))
        assert set(await store.bodies("parking", IDS)) == set(IDS)
        for number, name in enumerate(IDS):
            member = await store.member("parking", name)
            assert member is not None
            assert member.sequence == number
        assert await store.is_dropped("parking", GONE)
        assert not await store.is_dropped("parking", IDS[0])
        head = await store.head("parking")
        after = replace(head, count=head.count + 1, position=head.position + 1)
        for name in (IDS[0], IDS[-1], GONE):
            twin = Published(head.count, NOON, name, "entity", NOON, None, b"{}")
            with pytest.raises(TwinError):
                await store.append("parking", Placed(base=head, head=after, members=(twin,)))


async def test_a_process_of_the_release_before_lets_no_twin_in(older: str) -> None:
    """An older writer names a column that is not there any more: it fails, where its keys would let twins in."""
    await migrate(older, rooms=["ldes_server"])
    connection = await asyncpg.connect(older)
    try:
        with pytest.raises(asyncpg.UndefinedColumnError):
            await connection.fetch("SELECT identity FROM ldes.members")
    finally:
        await connection.close()
