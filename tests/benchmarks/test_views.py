"""Views beside the chronological one: what they cost while members are published, and how fast one is added later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import orjson
import psutil
import pytest

from ldes_server.building import fill
from ldes_server.definition import ByProperty, ByTile, ByTime, ViewDefinition, definition_text
from ldes_server.model import Head, Stream
from ldes_server.postgres_store import PostgresStore
from ldes_server.writer import claimed, place
from smartflanders.embedded import EmbeddedPostgres
from streams.migrate import migrate
from streams.record import Entry, Member
from vocab.model import load_model

pytestmark = pytest.mark.benchmark

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BATCH, ROUNDS, GARAGES, OPERATORS = 2000, 16, 4000, 40
MODEL = load_model("parking")
EXAMPLE = orjson.loads(MODEL.example)
VIEWS: dict[str, ViewDefinition] = {
    "by-hour": ByTime(name="observed_at", levels=("year", "month", "day", "hour")),
    "by-tile": ByTile(name="point", zooms=(8, 11, 14)),
    "by-operator": ByProperty(name="operator"),
    "by-garage": ByProperty(name="entity"),
}
STREAM = Stream(
    name="parking",
    model=MODEL,
    title={},
    description={},
    publisher_name="",
    publisher_iri="",
    licence="",
)


@pytest.fixture(scope="module")
def durable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a server with the platform's own settings: unlike that of the other tests it waits for the disk."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("durable")) as server:
        yield server.dsn


def entries(name: str, start: int) -> list[Entry]:
    """Make one batch of the member topic: bodies after the model's example, of garages by turns, all over Flanders."""
    made = []
    for number in range(start, start + BATCH):
        garage = number % GARAGES
        observed_at = NOON + timedelta(minutes=number // GARAGES)
        stamp = f"{observed_at:%Y-%m-%dT%H:%M:%S}.000Z"
        member = {
            **EXAMPLE,
            "@id": f"https://data.example.org/{name}/members/{garage}/{stamp}",
            "isVersionOf": f"https://data.example.org/garages/{garage}",
            "observedAt": stamp,
            "operator": {"@type": "Agent", "label": f"Operator {garage % OPERATORS}"},
            "geometry": {
                "@type": "Point",
                "wkt": f"POINT ({2.6 + garage % 40 / 12} {50.8 + garage % 1000 // 40 / 40})",
            },
        }
        member.pop("@context")
        record = Member(
            id=f"{name}/members/{garage}/{stamp}",
            entity=f"https://data.example.org/garages/{garage}",
            observed_at=observed_at,
            body=orjson.dumps(member),
        ).to_record()
        made.append(Entry(offset=number, at=observed_at, record=record))
    return made


async def open_stream(store: PostgresStore, name: str, views: int) -> Stream:
    """Bring a stream into being that has the first of the views, live."""
    stream = replace(STREAM, name=name, views=dict(list(VIEWS.items())[:views]))
    await store.ensure_stream(stream)
    await store.builds.reconcile(name, {view: definition_text(each) for view, each in stream.views.items()})
    for build in await store.builds.states(name):
        await store.builds.fill(name, build.id, limit=1)
    return stream


def spent() -> tuple[float, float]:
    """Return the processor seconds that this process and the database have used."""
    times = [server.cpu_times() for server in psutil.Process().children(recursive=True)]
    return time.process_time(), sum(each.user + each.system for each in times)


class Meter:
    """Adds up the processor seconds of blocks, ours and the database's: load beside us changes them little."""

    def __init__(self) -> None:
        self.ours = self.database = 0.0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Measure the block."""
        ours, database = spent()
        yield
        after = spent()
        self.ours += after[0] - ours
        self.database += after[1] - database

    @property
    def total(self) -> float:
        """Both together, in seconds."""
        return self.ours + self.database

    def __str__(self) -> str:
        ours, database = (seconds * 1000 / ROUNDS for seconds in (self.ours, self.database))
        return f"{ours + database:5.1f} ms a batch ({ours:5.1f} ours, {database:5.1f} the database's)"


async def publish(store: PostgresStore, stream: Stream, head: Head, arrived: list[Entry]) -> Head:
    """Publish a batch as the writer does, and return the head after it."""
    known = await store.known(stream.name, claimed(arrived))
    placed = place(arrived, stream, head=head, known=known)
    await store.append(stream.name, placed)
    return placed.head


async def test_views_while_publishing(durable: str) -> None:
    """Print the rate with one to four more views over that of the chronological view alone, batches by turns."""
    await migrate(durable)
    meters = {views: Meter() for views in range(len(VIEWS) + 1)}
    async with PostgresStore(durable) as store:
        streams = {views: await open_stream(store, f"live{views}", views) for views in range(len(VIEWS) + 1)}
        heads = dict.fromkeys(streams, Head())
        for start in range(0, ROUNDS * BATCH, BATCH):
            for views, stream in streams.items():
                arrived = entries(stream.name, start)
                with meters[views]():
                    heads[views] = await publish(store, stream, heads[views], arrived)
    print()
    for views, meter in meters.items():
        names = ", ".join(["log", *list(VIEWS)[:views]])
        print(f"{names:>46}: {meter}, ratio {meters[0].total / meter.total:.2f}")


@pytest.mark.parametrize("view", list(VIEWS))
async def test_a_view_added_later(durable: str, view: str) -> None:
    """Print how fast a view is filled from stored members, over the rate at which they are published with it."""
    await migrate(durable)
    async with PostgresStore(durable) as store:
        name = f"later-{view}"
        await store.ensure_stream(replace(STREAM, name=name))
        await store.builds.reconcile(name, {view: definition_text(VIEWS[view])})
        (build,) = await store.builds.states(name)
        await store.builds.fill(name, build.id, limit=1)
        head, live, later = Head(), Meter(), Meter()
        for start in range(0, ROUNDS * BATCH, BATCH):
            arrived = entries(name, start)
            with live():
                head = await publish(store, replace(STREAM, name=name), head, arrived)
        anew = await store.builds.rebuild(name, view)
        assert anew is not None
        with later():
            done = await fill(name, anew, store.builds, stop=asyncio.Event(), progress=lambda _: None)
        assert (done.state, done.placed) == ("live", head.count)
    await _print_size(durable, done.id, view)
    print(f"{view:>12}: published {live}; later {later}, ratio {live.total / later.total:.1f}")


async def _print_size(dsn: str, build: int, view: str) -> None:
    connection = await asyncpg.connect(dsn)
    row = await connection.fetchrow(
        "SELECT (SELECT sum(pg_column_size(p.*)) FROM ldes.places p WHERE view = $1) AS places,"
        " (SELECT sum(pg_column_size(b.*)) FROM ldes.buckets b WHERE view = $1) AS buckets",
        build,
    )
    await connection.close()
    print(f"\n{view:>12}: {row['places'] / ROUNDS / BATCH:.1f} B of places a member, {row['buckets']:,} B of buckets")
