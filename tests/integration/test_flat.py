"""Flat: what single queries read does not grow with the stream, with and without statistics, and with a stale plan."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from ldes_server.fragmentations.kept import BUCKET
from ldes_server.keeping import declare
from ldes_server.keys import key_of
from ldes_server.postgres_store import PostgresStore
from ldes_server.retention import Retention
from loadtests.filling import Stock
from loadtests.publisher import write_pilot
from streams.packs import pack
from streams.queries import load_queries
from streams.record import Record

ENTITIES = 100
_FEW, _MANY = 3_000, 40_000
# A tree of an index may get a level more, and members a little wider: 10,000 more rows read would be a thousand pages.
_MORE = 2.0
_ROOM = 150
# Asks about something of which there is so much: the query's name, more words behind a comma, and its arguments.
Ask = Callable[[Any, int], Awaitable[Mapping[str, Sequence[object]]]]
_FILES = ("queries", "views", "keeping", "builds", "newest", "trails")


async def _questions(connection: Any, count: int) -> Mapping[str, Sequence[object]]:
    """Ask about the middle of the stream, and about a thousand members that are not there."""
    (entity, moment) = await connection.fetchrow(
        "SELECT entity, published_at FROM ldes.members WHERE sequence = $1", count // 2
    )
    park, tile = [
        await connection.fetchrow(
            "SELECT b.view, b.number, b.key, b.count FROM ldes.buckets AS b JOIN ldes.views AS v ON v.id = b.view "
            "WHERE v.name = $1 ORDER BY b.count DESC, b.key LIMIT 1",
            name,
        )
        for name in ("by-park", "by-open")
    ]
    others = [key_of(f"load/members/none/{number}") for number in range(1000)]
    middle = count // 2 - count // 2 % 250
    return {
        "queries.known": ("load", others),
        "queries.bodies": ("load", others),
        "queries.newest": (1, count - 500),
        "queries.leaf": ("load", middle, middle, middle + 250),
        "queries.since": ("load", moment, None),
        "queries.since, outside": ("load", moment, 0),
        "queries.member": ("load", others[0]),
        "queries.latest": ("load", 50, False),
        "queries.latest_of": ("load", entity),
        "queries.states": ("load", "", None, 50),
        "queries.after": ("load", middle, 500, 4 * 2**20),
        "queries.lags": (1, count - 1000, count),
        "queries.mend_places": ("load",),
        "queries.signed": ("load", "digest"),
        "views.times": ("load", [middle - number * 7 for number in range(100)]),
        "views.find_bucket": ("load", "by-park", 0, park["key"]),
        "views.child_buckets": (park["view"], 0, 0, 250, moment),
        "views.bucket_times": (1, tile["view"], tile["number"], [number * 20 for number in range(100)]),
        "views.bucket_members": (1, tile["view"], tile["number"], 250, 500),
        "keeping.oldest": ("load",),
        "keeping.sizes": ("load",),
        "keeping.dense": (1, moment + timedelta(milliseconds=1)),
        "builds.history": (1, middle, 1000, 0, count, park["view"]),
        "newest.numbered": (1,),
        "trails.newest_of": (["load", "none"], [entity, "none"]),
        "trails.entities": ("load", False),
        "trails.blocks": ("load", 0, 2, moment, None, True, 17),
        "trails.trail": ("load", middle, middle + 1000, None, None, True, 100, [entity]),
        "trails.trail, of all, forward": ("load", middle, middle + 1000, moment, None, False, 100, []),
    }


async def _log(connection: Any, count: int) -> Mapping[str, Sequence[object]]:
    """Ask about the beginning, the middle and the end of a topic."""
    del connection
    record = [[place] for place in (0, 1, 1, b"", b"", b"x")]
    return {
        "log.read": ("raw.load", -1, 500, 2**24),
        "log.read, middle": ("raw.load", count // 2, 500, 2**24),
        "log.read, nothing new": ("raw.load", count - 1, 500, 2**24),
        "log.append": ("raw.load", 1, *record),
        "log.last": ("raw.load",),
        "log.end": ("raw.load",),
        "log.kept": ("raw.load", timedelta(days=1)),
        "log.commit": ("normalise", "raw.load", count // 2),
    }


async def _survived(connection: Any, count: int) -> Mapping[str, Sequence[object]]:
    """Ask where the members are of which the history keeps all: those of a leaf, and of half of what there was."""
    del connection
    middle = count // 2 - count // 2 % 250
    return {
        "views.survived": ("load", middle, middle + 250, BUCKET),
        "views.survived, half": ("load", 0, middle, BUCKET),
        "views.survived, none": ("load", count, count + 250, BUCKET),
    }


async def _read(connection: Any, count: int, ask: Ask) -> dict[str, int]:
    """Return how many pages of the database each question reads; what a question writes is undone."""
    texts = {f"{file}.{name}": text for file in _FILES for name, text in load_queries("ldes_server", file).items()}
    texts |= {f"log.{name}": text for name, text in load_queries("streams", "queries").items()}
    found = {}
    for name, arguments in (await ask(connection, count)).items():
        transaction = connection.transaction()
        await transaction.start()
        text = texts[name.partition(",")[0]]
        told = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}", *arguments)
        await transaction.rollback()
        plan = orjson.loads(told)[0]["Plan"]
        found[name] = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return found


async def _connected(url: str) -> Any:
    """Return a connection to a database where only the test gathers statistics, and when it says so."""
    connection = await asyncpg.connect(url, statement_cache_size=0)
    tables = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('ldes', 'log')"
    for schema, table in await connection.fetch(tables):
        await connection.execute(f"ALTER TABLE {schema}.{table} SET (autovacuum_enabled = false)")
    return connection


async def _grown(connection: Any, count: int, ask: Ask, few: Mapping[str, int]) -> dict[object, tuple[int, int]]:
    """Return which questions read more than they did of `few`, with and without statistics and whatever the plan."""
    found: dict[object, tuple[int, int]] = {}
    for words in ("without statistics", "with statistics"):
        for plans in ("force_custom_plan", "force_generic_plan"):
            await connection.execute(f"SET plan_cache_mode = '{plans}'")
            many = await _read(connection, count, ask)
            found |= {(words, plans, name): (few[name], read) for name, read in many.items()}
        await connection.execute("ANALYZE")
    return {name: reads for name, reads in found.items() if reads[1] > _MORE * reads[0] + _ROOM}


@pytest.mark.slow
async def test_no_query_reads_more_of_a_longer_stream(database_url: str, tmp_path: Path) -> None:
    """Each query of a request, a batch or a start reads as many pages of a stream a dozen times as long, whatever is known of it."""
    write_pilot(tmp_path, sources=1, views=4, more=["by-park: { by_property: entity }"])
    stock = Stock(tmp_path, base_url="https://data.example.org", entities=ENTITIES)
    connection = await _connected(database_url)
    async with PostgresStore(database_url) as store:
        await stock.open(store)
        await stock.fill(store, _FEW, batch=500)
        few = await _read(connection, _FEW, _questions)
        await stock.fill(store, _MANY - _FEW, batch=500)
        grown = await _grown(connection, _MANY, _questions, few)
    await connection.close()
    assert grown == {}


@pytest.mark.slow
async def test_the_log_reads_no_more_of_a_longer_backlog(database_url: str) -> None:
    """Each query of a log's reader or writer reads as many pages of a topic a dozen times as long, of one record a row."""
    connection = await _connected(database_url)
    queries = load_queries("streams", "queries")
    await connection.execute(queries["create"], "raw.load")

    async def append(count: int) -> None:
        packs = [next(pack([Record(key=b"", value=b"%0500d" % number)])) for number in range(count)]
        columns = [list(column) for column in zip(*packs, strict=True)]
        await connection.fetchval(queries["append"], "raw.load", count, list(range(count)), *columns)

    await append(_FEW)
    few = await _read(connection, _FEW, _log)
    await append(_MANY - _FEW)
    grown = await _grown(connection, _MANY, _log, few)
    await connection.close()
    assert grown == {}


@pytest.mark.slow
async def test_what_is_kept_of_a_page_is_found_however_much_is_kept(database_url: str, tmp_path: Path) -> None:
    """Where the rest of a page is that has gone is found as fast when a dozen times as many older members are kept."""
    write_pilot(tmp_path, sources=1)
    stock = Stock(tmp_path, base_url="https://data.example.org", entities=ENTITIES)
    everything = replace(stock.stream, retention=Retention(versions=_MANY))
    connection = await _connected(database_url)
    async with PostgresStore(database_url) as store:
        await stock.open(store)
        await declare(everything, store, now=datetime.now(UTC))

        async def fill(count: int) -> None:
            await stock.fill(store, count, batch=500)
            await store.builds.shrink("load", "log")
            for build in await store.builds.states("load"):
                while build.state == "building" and await store.builds.fill("load", build.id, limit=500):
                    pass

        await fill(_FEW)
        few = await _read(connection, _FEW, _survived)
        await fill(_MANY - _FEW)
        assert await connection.fetchval("SELECT max(count) FROM ldes.buckets WHERE key = $1", BUCKET) == _MANY
        grown = await _grown(connection, _MANY, _survived, few)
    await connection.close()
    assert grown == {}
