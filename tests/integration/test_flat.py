"""Flat: what single queries read does not grow with the stream, with and without statistics, and with a stale plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from ldes_server.database import identity
from ldes_server.postgres_store import PostgresStore
from loadtests.filling import Stock
from loadtests.publisher import write_pilot
from streams.queries import load_queries

ENTITIES = 100
_FEW, _MANY = 3_000, 40_000
# A tree of an index may get a level more, and members a little wider: 10,000 more rows read would be a thousand pages.
_MORE = 2.0
_ROOM = 150
_FILES = ("queries", "views", "keeping", "builds", "newest")


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
    others = [identity(f"load/members/none/{number}") for number in range(1000)]
    middle = count // 2 - count // 2 % 250
    return {
        "queries.known": ("load", others),
        "queries.bodies": ("load", others),
        "queries.newest": (1, count - 500),
        "queries.leaf": ("load", middle, middle + 250),
        "queries.since": ("load", moment),
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
        "keeping.outside": ("load", moment, 0),
        "keeping.dense": (1, moment + timedelta(milliseconds=1)),
        "builds.history": (1, middle, 1000, 0, count, park["view"]),
        "newest.numbered": (1,),
    }


async def _read(connection: Any) -> dict[str, int]:
    """Return how many pages of the database each question reads; what a question writes is undone."""
    count = await connection.fetchval("SELECT count FROM ldes.streams")
    texts = {f"{file}.{name}": text for file in _FILES for name, text in load_queries("ldes_server", file).items()}
    found = {}
    for name, arguments in (await _questions(connection, count)).items():
        transaction = connection.transaction()
        await transaction.start()
        told = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {texts[name]}", *arguments)
        await transaction.rollback()
        plan = orjson.loads(told)[0]["Plan"]
        found[name] = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return found


@pytest.mark.slow
async def test_no_query_reads_more_of_a_longer_stream(database_url: str, tmp_path: Path) -> None:
    """Each query of a request, a batch or a start reads as many pages of a stream a dozen times as long, whatever is known of it."""
    write_pilot(tmp_path, sources=1, views=4, more=["by-park: { by_property: entity }"])
    stock = Stock(tmp_path, base_url="https://data.example.org", entities=ENTITIES)
    connection = await asyncpg.connect(database_url, statement_cache_size=0)
    async with PostgresStore(database_url) as store:
        await stock.open(store)
        await stock.fill(store, _FEW, batch=500)
        few = await _read(connection)
        await stock.fill(store, _MANY - _FEW, batch=500)
        found: dict[tuple[str, str, str], tuple[int, int]] = {}
        for words in ("without statistics", "with statistics"):
            for plans in ("force_custom_plan", "force_generic_plan"):
                await connection.execute(f"SET plan_cache_mode = '{plans}'")
                many = await _read(connection)
                found |= {(words, plans, name): (few[name], read) for name, read in many.items()}
            await connection.execute("ANALYZE")
    await connection.close()
    assert {name: reads for name, reads in found.items() if reads[1] > _MORE * reads[0] + _ROOM} == {}
