"""Entities and their history on PostgreSQL: the queries behind trail.py."""

from __future__ import annotations

from collections.abc import Sequence

from ldes_server.database import Database
from ldes_server.model import Published
from ldes_server.rows import published
from ldes_server.trail import Trail
from streams.queries import load_queries

QUERIES = load_queries("ldes_server", "trails")


class Trails:
    """Reads newest states by their entities, and histories, in sessions of the store's pool."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest_of(self, streams: Sequence[str], entities: Sequence[str]) -> Sequence[tuple[str, Published]]:
        """Return the newest members of some entities, deletions too, with the names of their streams."""
        # PostgreSQL's text cannot hold a zero byte, so no member has it.
        names = [each for each in dict.fromkeys(entities) if "\0" not in each]
        async with self._database.connection("newest of entities") as connection:
            rows = await connection.fetch(QUERIES["newest_of"], list(streams), names)
        return [(row[0], published(row[1:])) for row in map(tuple, rows)]

    async def entities(self, stream: str, *, placed: bool = False) -> int:
        """Return how many entities of a stream are not deleted; only `placed` ones, that have a point, if asked."""
        async with self._database.connection("count entities") as connection:
            return int(await connection.fetchval(QUERIES["entities"], stream, placed))

    async def blocks(self, stream: str, span: range, trail: Trail, *, limit: int) -> Sequence[int]:
        """Return the blocks among `span` that may hold what is wanted, in the order of the trail, at most `limit`."""
        times = (trail.low, trail.high, trail.newest_first)
        async with self._database.connection("look for blocks") as connection:
            rows = await connection.fetch(QUERIES["blocks"], stream, span.start, span.stop, *times, limit)
        return [row["block"] for row in rows]

    async def trail(self, stream: str, span: range, trail: Trail, *, limit: int) -> Sequence[Published]:
        """Return the members with numbers in `span` that are wanted, in the order of the trail, at most `limit`."""
        arguments = (trail.low, trail.high, trail.newest_first, limit, list(trail.entities))
        async with self._database.connection("read a trail") as connection:
            rows = await connection.fetch(QUERIES["trail"], stream, span.start, span.stop, *arguments)
        return [published(row) for row in rows]
