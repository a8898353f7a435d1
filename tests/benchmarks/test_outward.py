"""What NGSI-LD and SensorThings cost: saying members beside GeoJSON, searching a history beside reading a leaf."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
import pytest

from ldes_server.coverage import BLOCK
from ldes_server.hypermedia import describe
from ldes_server.model import PageId
from ldes_server.negotiate import PlainForm
from ldes_server.ngsi_ld.entity import Teller as Ngsi
from ldes_server.ngsi_ld.entity import simplified
from ldes_server.plain import render_plain
from ldes_server.postgres_store import PostgresStore
from ldes_server.sensorthings.entity import Teller as Things
from ldes_server.sensorthings.scope import Names
from ldes_server.trail import MOST_BLOCKS, Trail, bounds_of, step
from loadtests.filling import Stock
from loadtests.publisher import write_pilot
from streams.migrate import migrate
from tests.benchmarks.test_views import durable
from tests.support.worlds import members, streams

pytestmark = pytest.mark.benchmark
__all__ = ["durable"]
_BASE = "https://data.example.org"
_ROUNDS = 9


def _seconds(work: Callable[[], object]) -> float:
    """Return the processor time of a call: the middle of some."""
    found = []
    for _ in range(_ROUNDS):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return statistics.median(found)


@pytest.mark.parametrize("stream", streams(), ids=lambda stream: stream.model.name)
def test_saying_members_in_other_words(stream: object) -> None:
    """Print the time for members as NGSI-LD, key-values and Observations over that for the same members as GeoJSON."""
    known = next(each for each in streams() if each == stream)
    made = members(known, range(500), _BASE)
    frame = describe(known, _BASE)
    ngsi, things = Ngsi(known, frame.flat), Things(known, frame.flat, Names(_BASE), _BASE)

    def observations() -> list[object]:
        rows = [(member, things.row(member)) for member in made]
        return [things.observation(member, column, row) for member, row in rows for column in things.columns]

    geojson = _seconds(lambda: render_plain(made, PlainForm.GEOJSON, frame=frame))
    for name, work in {
        "NGSI-LD": lambda: orjson.dumps([ngsi.entity(member) for member in made]),
        "key-values": lambda: orjson.dumps([simplified(ngsi.entity(member)) for member in made]),
        "Observations": lambda: orjson.dumps(observations()),
    }.items():
        taken = _seconds(work)
        print(
            f"\n{known.model.name} {name}: {taken / geojson:.2f} x GeoJSON, {taken / len(made) * 1e6:.0f} us a member"
        )


async def test_searching_a_history(durable: str, tmp_path: Path) -> None:
    """Print the time to search as many blocks as one answer may for an entity, over that to read a leaf of 250 members."""
    await migrate(durable)
    write_pilot(tmp_path, sources=1)
    stock = Stock(tmp_path, base_url=_BASE, entities=2000)
    async with PostgresStore(durable) as store:
        await stock.open(store)
        await stock.fill(store, (MOST_BLOCKS + 1) * BLOCK)
        head = await store.head("load")
        bounds = bounds_of(head, newest_first=True)
        entity = (await store.trails.trail("load", range(5, 6), Trail(), limit=1))[0].entity

        async def timed(work: Callable[[], Awaitable[object]]) -> float:
            found = []
            for _ in range(_ROUNDS):
                started = time.perf_counter()
                await work()
                found.append(time.perf_counter() - started)
            return statistics.median(found)

        leaf = await timed(lambda: store.page(stock.stream, PageId(level=0, index=9)))
        none = await timed(lambda: step(store.trails, "load", Trail(entities=("urn:none",)), bounds, limit=100))
        some = await timed(lambda: step(store.trails, "load", Trail(entities=(entity,)), bounds, limit=5))
        print(f"\n{MOST_BLOCKS} blocks, nothing found: {none * 1000:.1f} ms, {none / leaf:.1f} x a leaf of 250")
        print(f"5 members of one of 2,000 entities: {some * 1000:.1f} ms, {some / leaf:.1f} x a leaf of 250")
