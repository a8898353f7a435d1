"""What single reads cost at the size that a store has: each many times, by the clock and by processor time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import asyncpg

from ldes_server.log_view import ROOT, LogView
from ldes_server.model import PageId, Stream
from ldes_server.postgres_store import QUERIES as STORE
from ldes_server.postgres_store import PostgresStore
from loadtests.sampling import processor_seconds
from streams.queries import load_queries

NARROW = load_queries("loadtests", "narrow")
# Members for trees that no disk of ours holds; one less than a power, so that the root has as many links as it ever has.
TREES = tuple(10**power - 1 for power in range(5, 13))
# What is quick is asked more often: processor time is told in hundredths of a second.
_EACH = {"since": 400, "one": 400}
_NARROW_START = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A read: the median of its times in milliseconds of each round, and the processor time of one in microseconds."""

    medians: tuple[float, ...]
    processor: float

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.medians)


async def timed(read: Callable[[Random], Awaitable[object]], *, rounds: int, each: int, database: int) -> Timed:
    """Time a read `each` times in every round; the random numbers are the same whenever this is called.

    `database` is the process of the server, whose processor time counts with ours.
    """
    random = Random(5)
    medians, spent = [], time.process_time() + processor_seconds(database)
    for _ in range(rounds):
        times = []
        for _ in range(each):
            began = time.perf_counter()
            await read(random)
            times.append(time.perf_counter() - began)
        medians.append(statistics.median(times) * 1000)
    spent = time.process_time() + processor_seconds(database) - spent
    return Timed(medians=tuple(medians), processor=spent / (rounds * each) * 1e6)


async def times_of_reads(
    store: PostgresStore, stream: Stream, connection: Any, *, rounds: int, database: int
) -> dict[str, Timed]:
    """Time every kind of read from a store, nothing of it cached by us: pages, `since`, the newest, and `SELECT 1`."""
    head = await store.head(stream.name)
    leaves, nodes = head.count // stream.page_size, head.count // (stream.page_size * stream.fan)
    first, last = await _published(store, stream, 0), await _published(store, stream, leaves - 1)

    def some_leaf(random: Random) -> Awaitable[object]:
        return store.page(stream, PageId(level=0, index=random.randrange(leaves)))

    def some_node(random: Random) -> Awaitable[object]:
        return store.page(stream, PageId(level=1, index=random.randrange(nodes)))

    def since(random: Random) -> Awaitable[object]:
        return store.since(stream.name, first + (last - first) * random.random())

    reads: dict[str, Callable[[Random], Awaitable[object]]] = {
        "leaf": some_leaf,
        "root": lambda _: store.page(stream, ROOT),
        "since": since,
        "newest": lambda _: store.latest(stream.name, limit=100),
        "one": lambda _: connection.fetchval("SELECT 1"),
    }
    if nodes:
        reads["node"] = some_node
    return {
        name: await timed(read, rounds=rounds, each=_EACH.get(name, 100), database=database)
        for name, read in sorted(reads.items())
    }


async def _published(store: PostgresStore, stream: Stream, leaf: int) -> datetime:
    page = await store.page(stream, PageId(level=0, index=leaf))
    if page is None:
        raise RuntimeError(f"leaf {leaf} is not there")
    return page.members[0].published_at


async def narrow(dsn: str, counts: Sequence[int], *, rounds: int, database: int) -> Mapping[int, Timed]:
    """Time the store's own query `since` over ever more narrow rows, in a database of their own beside the store's."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(NARROW["make"])
    await connection.close()
    connection = await asyncpg.connect(dsn, database="narrow")
    found, held = {}, 0
    try:
        await connection.execute(NARROW["tables"])
        await connection.execute(NARROW["memory"])
        for count in counts:
            await connection.execute(NARROW["unindexed"])
            await connection.execute(NARROW["rows"], held, count, timeout=600)
            await connection.execute(NARROW["indexed"], timeout=600)
            await connection.execute(NARROW["counted"], count)
            held = count
            found[count] = await timed(partial(_since, connection, count), rounds=rounds, each=200, database=database)
    finally:
        await connection.close()
    return found


async def _since(connection: Any, count: int, random: Random) -> None:
    number = random.randrange(count)
    got = await connection.fetchval(STORE["since"], "load", _NARROW_START + number * timedelta(milliseconds=1), None)
    if got != number:
        raise RuntimeError(f"since found {got} instead of {number}")


def arithmetic(count: int, *, size: int, fan: int, turns: int) -> tuple[float, int]:
    """Return the microseconds that the pages of a tree of so many members take to work out, and the links of its root.

    A turn is what a request for each kind of page needs: the root with its edges, a leaf by a number, a node and its
    children.
    """
    view = LogView(size=size, fan=fan, count=count)
    random = Random(5)
    began = time.process_time()
    for _ in range(turns):
        leaf = view.leaf_of(random.randrange(count))
        node = PageId(level=2, index=leaf.index // fan**2)
        if not view.exists(leaf) or view.edges(ROOT)[0] or len(view.children(node)) != fan or view.is_final(ROOT):
            raise RuntimeError(f"the tree of {count} members is wrong")
    return (time.process_time() - began) / turns * 1e6, len(view.root_children())
