"""Growth: what publishing and reading cost as ever more members are stored; flat is the aim, a logarithm the limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg

from ingest.mapping import Mapper, compile_mapping
from ldes_server.postgres_store import PostgresStore
from loadtests.end_to_end import QUERIES, STREAM
from loadtests.filling import PARKS, Stock
from loadtests.growing import TREES, Timed, arithmetic, narrow, times_of_reads
from loadtests.million import Measured, Meter, batches
from loadtests.outcome import Figure, Outcome, Series
from loadtests.publisher import write_pilot
from loadtests.sampling import OtherWork
from loadtests.scenario import Plan, Scenario, Tell
from loadtests.stand import Stand, Wish
from loadtests.whole import resident
from smartflanders.diagnosis import Sizes
from smartflanders.examination import Patient, examine
from smartflanders.pilots import load_plan
from streams.migrate import migrate
from streams.postgres_log import PostgresLog
from streams.record import members_topic
from streams.settings import load_settings
from vocab.model import load_model

# Sizes of the two forms; the first is what the others are compared with.
_SHORT, _LONG, _LEAST = (10_000, 100_000), (100_000, 1_000_000, 10_000_000), (2_000, 6_000)
_NARROW_SHORT, _NARROW_LONG, _NARROW_LEAST = (10_000, 100_000), (1_000_000, 10_000_000, 100_000_000), (1_000, 10_000)
_READS = ("leaf", "node", "root", "since", "newest")
_LOOK_SECONDS = 0.02
_PUBLISHED_WITHIN_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What was found with so many members stored: a step of the writer, its memory and that of the server, and reads."""

    members: int
    ingest: Measured
    published: int
    writer: float
    server: float
    reads: Mapping[str, Timed]
    sizes: Sizes


class Growth:
    """Fills one stream step by step, and at each size publishes some more, reads, and looks at the processes."""

    name = "growth"
    summary = "ingest, pages, ?since= and memory as the store grows to ten million members; the index arithmetic beyond"
    rows: tuple[str, ...] = ("growth-ingest", "growth-page", "growth-since", "growth-memory")

    async def run(self, plan: Plan, tell: Tell) -> Outcome:
        """Run once."""
        began, clock, others = datetime.now(UTC), time.perf_counter(), OtherWork(dict)
        with Stand(Wish(folder=plan.folder, log="postgres")) as stand:
            await migrate(stand.dsn)
            store_grows = _Growing(plan, stand)
            points = await store_grows.points(_of(plan, _SHORT, _LONG, _LEAST), tell)
            tell("narrow rows")
            counts = _of(plan, _NARROW_SHORT, _NARROW_LONG, _NARROW_LEAST)
            rows = await narrow(stand.dsn, counts, rounds=_rounds(plan), database=stand.pids["database"])
        turns = plan.count(200, 2_000, least=20)
        trees = {count: arithmetic(count, size=250, fan=100, turns=turns) for count in TREES}
        return Outcome(
            scenario=self.name,
            began=began,
            seconds=time.perf_counter() - clock,
            others=others.cores(),
            figures=(*figures_of(points), *_beyond(rows, trees)),
            series=tuple(series_of(points)),
            notes=(
                "Before each measurement the table was vacuumed and a checkpoint made; filling is no part of a figure.",
                "After a checkpoint the first touch of each page of an index is written in full: ingest is that of the worst moment.",
                "Series of this scenario have the number of stored members where others have seconds.",
                "A root links at most 99 nodes of each level, and few of them where the size is a round number of nodes.",
                "Nothing was pinned; what is compared was measured one after the other.",
            ),
        )


SCENARIO: Scenario = Growth()


def _of(plan: Plan, short: Sequence[int], long: Sequence[int], least: Sequence[int]) -> Sequence[int]:
    return least if plan.seconds is not None else long if plan.long else short


def _rounds(plan: Plan) -> int:
    return plan.count(3, 7, least=1)


class _Growing:
    """One stream in the chronological view alone, and the roles that are started on it."""

    def __init__(self, plan: Plan, stand: Stand) -> None:
        self._plan = plan
        self._stand = stand
        self._pilot = plan.folder / "pilot"
        write_pilot(self._pilot, sources=1)
        self._stock = Stock(self._pilot, base_url=stand.base)
        (self._source,) = load_plan([self._pilot]).sources
        model = load_model(self._source.model)
        self._mapper: Mapper = compile_mapping(self._source, model, base_url=stand.base)
        self._more = plan.count(20_000, 100_000, least=6_000)
        self._turn = 0

    async def points(self, sizes: Sequence[int], tell: Tell) -> list[Point]:
        """Grow to each of the sizes and measure there."""
        found = []
        connection = await asyncpg.connect(self._stand.dsn)
        try:
            async with PostgresStore(self._stand.dsn) as store:
                await self._stock.open(store)
                for size in sizes:
                    missing = size - (await store.head(STREAM)).count
                    await self._stock.fill(store, missing, tell)
                    tell(f"measuring at {size:,}")
                    found.append(await self._point(size, store, connection))
        finally:
            await connection.close()
        return found

    async def _point(self, members: int, store: PostgresStore, connection: Any) -> Point:
        await self._settle(connection)
        reads = await times_of_reads(
            store, self._stock.stream, connection, rounds=_rounds(self._plan), database=self._stand.pids["database"]
        )
        sizes = await self._sizes()
        server = await self._serve()
        await self._append()
        await self._settle(connection)
        ingest, published, writer = await self._publish(members + self._more, connection)
        return Point(
            members=members,
            ingest=ingest,
            published=published,
            writer=writer,
            server=server,
            reads=reads,
            sizes=sizes,
        )

    async def _settle(self, connection: Any) -> None:
        for query in ("settled", "checkpoint"):
            await connection.execute(QUERIES[query], timeout=600)

    async def _append(self) -> None:
        """Put the next members on the topic, for the writer to find."""
        async with PostgresLog(self._stand.dsn) as log:
            for records in batches(self._source, self._mapper, self._more, turn=self._turn):
                await log.append(members_topic(STREAM), records)
        self._turn += -(-self._more // PARKS)

    async def _publish(self, until: int, connection: Any) -> tuple[Measured, int, float]:
        """Let the writer publish them; return what it took from its first batch on, of how many, and the most it held in MB."""
        stand, meter, held = self._stand, Meter(self._stand), 0.0

        async def reach(count: int) -> int:
            nonlocal held
            while (there := int(await connection.fetchval(QUERIES["committed"], STREAM))) < count:
                if complaint := stand.complaint():
                    raise RuntimeError(complaint)
                held = max(held, resident(stand.pids["write"]))
                await asyncio.sleep(_LOOK_SECONDS)
            return there

        stand.start_role("write", self._pilot)
        async with asyncio.timeout(_PUBLISHED_WITHIN_SECONDS):
            first = await reach(until - self._more + 1)
            async with meter():
                await reach(until)
        stand.stop_role("write")
        return meter.measured, max(1, until - first), held

    async def _serve(self) -> float:
        """Start a server on the store, let it answer for a moment, and return what it holds in MB."""
        self._stand.start_role("serve", self._pilot)
        await asyncio.sleep(self._plan.phase(1, 10))
        held = resident(self._stand.pids["serve"])
        self._stand.stop_role("serve")
        return held

    async def _sizes(self) -> Sizes:
        patient = Patient(
            plan=load_plan([self._pilot]),
            settings=load_settings({}),
            dsn=self._stand.dsn,
            folder=self._plan.folder / "database",
        )
        return next(each.sizes for each in (await examine(patient)).streams if each.name == STREAM)


def figures_of(points: Sequence[Point]) -> Iterator[Figure]:
    """Compare the largest size with the first, and give the figures of each."""
    base, most = points[0], points[-1]
    what = f"{most.members:,} against {base.members:,} stored members"
    costs = [point.ingest.cost(point.published) for point in points]
    note = f"{what}, {base.published:,} published by the writer at each, by processor time of writer and database"
    yield Figure(row="growth-ingest", value=costs[0] / costs[-1], unit="ratio", note=note)
    clock = most.ingest.rate(most.published) / base.ingest.rate(base.published)
    yield Figure(row="growth-ingest-clock", value=clock, unit="ratio", note=f"{what}, by the clock")
    for row, names in (("growth-page", ("leaf", "root")), ("growth-since", ("since",))):
        spent = {name: most.reads[name].processor / base.reads[name].processor for name in names}
        worst = max(spent, key=lambda name: spent[name])
        yield Figure(
            row=row,
            value=spent[worst],
            unit="ratio",
            note=f"{what}; processor time of {worst}, ours and the database's",
        )
        waited = most.reads[worst].value / base.reads[worst].value
        yield Figure(row=f"{row}-clock", value=waited, unit="ratio", note=f"{what}; {worst} by the clock")
    yield Figure(row="growth-memory", value=most.writer / base.writer, unit="ratio", note=what)
    yield Figure(row="growth-memory-serve", value=most.server / base.server, unit="ratio", note=what)
    stored = most.sizes.members + most.sizes.indexes + most.sizes.views
    yield Figure(
        row="disk at the largest",
        value=stored / most.members,
        unit="B",
        note=f"of {most.members:,} members, without kept pages and log",
    )
    for point, cost in zip(points, costs, strict=True):
        at = f"{point.members:,} members"
        yield Figure(
            row=f"ingest at {at}", value=cost, unit="us", note="processor time of a member, writer and database"
        )
        for name in ("one", *_READS):
            if name in point.reads:
                read = point.reads[name]
                note = f"by the clock; {read.processor:.0f} us of processor time, ours and the database's"
                yield Figure(row=f"{name} at {at}", value=read.value, unit="ms", samples=read.medians, note=note)
        yield Figure(row=f"write at {at}", value=point.writer, unit="MB", note="memory while publishing, the most")
        yield Figure(row=f"serve at {at}", value=point.server, unit="MB", note="memory soon after its start")


def _beyond(rows: Mapping[int, Timed], trees: Mapping[int, tuple[float, int]]) -> Iterator[Figure]:
    for count, read in rows.items():
        note = "the store's query, over rows of its columns alone"
        yield Figure(
            row=f"since over {count:,} narrow rows", value=read.value, unit="ms", samples=read.medians, note=note
        )
    for count, (spent, links) in trees.items():
        yield Figure(
            row=f"tree of {count:,} members", value=spent, unit="us", note=f"a root of {links} links, a leaf, a node"
        )
    each = [spent / links for spent, links in trees.values()]
    note = f"{max(trees):,} against {min(trees):,} members, the time of each link of the root; links grow with the logarithm"
    yield Figure(row="growth-arithmetic", value=each[-1] / each[0], unit="ratio", note=note)


def series_of(points: Sequence[Point]) -> Iterator[Series]:
    """Show what was found over the number of stored members."""

    def of(name: str, unit: str, values: Sequence[float]) -> Series:
        pairs = zip(points, values, strict=True)
        return Series(name=name, unit=unit, points=tuple((float(point.members), value) for point, value in pairs))

    yield of("ingest", "us", [point.ingest.cost(point.published) for point in points])
    for name in ("leaf", "root", "since", "newest"):
        yield of(name, "ms", [point.reads[name].value for point in points])
    yield of("memory write", "MB", [point.writer for point in points])
    yield of("memory serve", "MB", [point.server for point in points])
