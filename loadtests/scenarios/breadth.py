"""Breadth: what an observation costs with more views, with smaller and larger payloads, and spread over more streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from ldes_server.postgres_store import PostgresStore
from loadtests.end_to_end import QUERIES, STREAM
from loadtests.filling import Stock
from loadtests.million import Measured, Meter
from loadtests.outcome import Figure, Outcome
from loadtests.publisher import VIEWS, Publisher, payload, stamped, write_pilot
from loadtests.sampling import OtherWork
from loadtests.scenario import Plan, Scenario, Tell
from loadtests.stand import Stand, Wish
from loadtests.whole import resident
from streams.migrate import migrate
from streams.postgres_log import PostgresLog
from streams.record import Payload, Record, raw_topic

_VIEWS = (1, 4, 16)
_ENTITIES = (1, 100, 10_000)
_STREAMS = (1, 10, 50)
# Twelve views beside the four: tiles of one zoom each, and times of one level.
_MORE = (
    *(f"tile-{zoom}: {{ by_tile: point, zooms: [{zoom}] }}" for zoom in range(4, 13)),
    *(f"per-{level}: {{ by_time: observed_at, levels: [{level}] }}" for level in ("month", "day", "hour")),
)
_START = datetime(2026, 11, 1, tzinfo=UTC)
# Observations a second of all streams together: far from what the machine can do, so that idle work shows.
_RATE = 500
_LOOK_SECONDS = 0.05
_WITHIN_SECONDS = 600.0


class Breadth:
    """Three rows of figures: views, entities of a payload, streams; each compared with the least of its kind."""

    name = "breadth"
    summary = "cost of an observation with 1, 4, 16 views, 1 to 10,000 entities a payload, and 1 to 50 streams"
    rows: tuple[str, ...] = ()

    async def run(self, plan: Plan, tell: Tell) -> Outcome:
        """Run once."""
        began, clock, others = datetime.now(UTC), time.perf_counter(), OtherWork(dict)
        figures: list[Figure] = []
        stored = {}
        for views in _some(plan, _VIEWS):
            tell(f"{views} views")
            stored[views] = await _stored(plan, views, _folder(plan, f"views-{views}"))
        figures += compared("views", stored, "storing and placing a member")
        published = await _published(plan, _folder(plan, "entities"), tell)
        figures += compared("entities", published, "from a collected payload to a committed member")
        spread = {}
        for streams in _some(plan, _STREAMS):
            tell(f"{streams} streams")
            spread[streams], held = await _spread(plan, streams, _folder(plan, f"streams-{streams}"))
            note = "the pipeline's process, at the end"
            figures.append(Figure(row=f"streams {streams}, memory", value=held, unit="MB", note=note))
        figures += compared("streams", spread, f"{_RATE} observations a second in all, from poll to committed member")
        return Outcome(
            scenario=self.name,
            began=began,
            seconds=time.perf_counter() - clock,
            others=others.cores(),
            figures=tuple(figures),
            notes=("Costs are processor time of all processes and of the database for one observation.",),
        )


SCENARIO: Scenario = Breadth()


def _some(plan: Plan, kinds: tuple[int, int, int]) -> tuple[int, ...]:
    """Return what to compare: the least with the most, in the long form all three, in a mere check the least two."""
    return kinds[:2] if plan.seconds is not None else kinds if plan.long else kinds[::2]


def _folder(plan: Plan, name: str) -> Path:
    folder = plan.folder / name
    folder.mkdir()
    return folder


def compared(kind: str, costs: Mapping[int, float], what: str) -> Iterator[Figure]:
    """Make a figure of each cost, and one of the last against the first."""
    for number, cost in costs.items():
        yield Figure(row=f"{kind} {number:,}", value=cost, unit="us", note=what)
    least, most = min(costs), max(costs)
    yield Figure(
        row=f"{kind} {most:,} of {least:,}",
        value=costs[most] / costs[least],
        unit="ratio",
        note=f"{what}: the cost with {most:,} against that with {least:,}",
    )


def extra_views(views: int) -> tuple[str, ...]:
    """Return what to declare beside the views of the load pilot to have so many."""
    return _MORE[: max(0, views - len(VIEWS) - 1)]


async def _stored(plan: Plan, views: int, folder: Path) -> float:
    """Return the microseconds of a member that is stored and placed in so many views."""
    pilot = folder / "pilot"
    write_pilot(pilot, sources=1, views=min(views, len(VIEWS) + 1), more=extra_views(views))
    count = plan.count(6_000, 100_000, least=2_000)
    with Stand(Wish(folder=folder, log="postgres")) as stand:
        await migrate(stand.dsn)
        stock = Stock(pilot, base_url=stand.base)
        async with PostgresStore(stand.dsn) as store:
            await stock.open(store)
            # The buckets that come into being with the first members are no part of what a member costs.
            await stock.fill(store, 2_000)
            before = stand.seconds()["database"]
            filled = await stock.fill(store, count)
            return (filled.processor + stand.seconds()["database"] - before) / count * 1e6


async def _published(plan: Plan, folder: Path, tell: Tell) -> dict[int, float]:
    """Return the microseconds of an observation from the log to the store, by how many are in a payload."""
    pilot = folder / "pilot"
    write_pilot(pilot, sources=len(_ENTITIES))
    found, until = {}, 0
    with Stand(Wish(folder=folder, log="postgres")) as stand:
        await migrate(stand.dsn)
        connection = await asyncpg.connect(stand.dsn)
        try:
            for role in ("write", "normalise"):
                stand.start_role(role, pilot)
            async with PostgresLog(stand.dsn) as log:
                for source, entities in enumerate(_ENTITIES):
                    tell(f"payloads of {entities:,}")
                    # What follows comes to processes that are awake, in caches that are warm.
                    for count in (
                        entities,
                        # Processor time is told in hundredths of a second; fewer payloads may take none.
                        entities * plan.count(_payloads(entities), 5 * _payloads(entities), least=_few(entities)),
                    ):
                        until, meter, start = until + count, Meter(stand), until // entities
                        async with meter():
                            await log.append(
                                raw_topic(f"load-{source}"), list(payloads(source, entities, count, start))
                            )
                            await _until(until, [STREAM], stand, connection)
                        found[entities] = meter.measured.cost(count)
        finally:
            await connection.close()
    return found


def _payloads(entities: int) -> int:
    """Return how many payloads the short form takes: some seconds of work."""
    return max(2, min(2_000, 20_000 // entities))


def _few(entities: int) -> int:
    """Return how many payloads a mere check takes."""
    return max(2, 200 // entities)


def payloads(source: int, entities: int, count: int, start: int) -> Iterator[Record]:
    """Yield records of payloads of so many entities, `count` observations in all, each payload a second after the other.

    `start` is the second of the first one.
    """
    prepared = payload(source, entities)
    for number in range(start, start + count // entities):
        moment = _START + number * timedelta(seconds=1)
        body = stamped(prepared, moment)
        heard = Payload(source=f"load-{source}", received_at=moment, media_type="application/json", body=body)
        yield heard.to_record()


async def _spread(plan: Plan, streams: int, folder: Path) -> tuple[float, float]:
    """Return the microseconds of an observation at a fixed rate over so many streams, and the pipeline's memory in MB."""
    pilot = folder / "pilot"
    write_streams(pilot, streams)
    items = max(1, _RATE // streams)
    publisher = Publisher(lambda: items)
    publisher.prepare(streams, items)
    names = [f"load-{number}" for number in range(streams)]
    with Stand(Wish(folder=folder, log="postgres", together=True)) as stand:
        await migrate(stand.dsn)
        connection = await asyncpg.connect(stand.dsn)
        try:
            async with publisher.serving() as origin:
                stand.start_role("pipeline", pilot, f"--origin={origin}", "--speed=1")
                await _until(streams * items, names, stand, connection)
                measured, done = await _steady(plan.phase(4, 30), names, stand, connection)
                return measured.cost(done), resident(stand.pids["pipeline"])
        finally:
            await connection.close()


async def _steady(seconds: float, names: Sequence[str], stand: Stand, connection: Any) -> tuple[Measured, int]:
    """Measure for so many seconds; return it with how many members were committed meanwhile."""
    meter, first = Meter(stand), await _committed(names, connection)
    async with meter():
        await asyncio.sleep(seconds)
    return meter.measured, max(1, await _committed(names, connection) - first)


def write_streams(folder: Path, streams: int) -> None:
    """Write a pilot of so many sources that feed a stream each."""
    write_pilot(folder, sources=streams)
    for number in range(streams):
        file = folder / f"load-{number}.yaml"
        file.write_text(file.read_text("utf-8").replace("stream: load\n", f"stream: load-{number}\n"), "utf-8")


async def _until(count: int, names: Sequence[str], stand: Stand, connection: Any) -> None:
    async with asyncio.timeout(_WITHIN_SECONDS):
        while await _committed(names, connection) < count:
            if complaint := stand.complaint():
                raise RuntimeError(complaint)
            await asyncio.sleep(_LOOK_SECONDS)


async def _committed(names: Sequence[str], connection: Any) -> int:
    return sum([await connection.fetchval(QUERIES["committed"], name) or 0 for name in names])
