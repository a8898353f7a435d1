"""Reads what the doctor judges: streams, sizes, leases, lags and free disk; changes nothing, on either log."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ingest.source import Source
from ldes_server.database import Database
from ldes_server.descriptions import FEED_NAME
from ldes_server.postgres_store import PostgresStore
from smartflanders.diagnosis import SETTLED, BuildFacts, DiskFacts, Facts, LoopFacts, Sizes, StreamFacts
from smartflanders.forecast import Part
from smartflanders.logs_of import KAFKA, kafka_options, kept_topics
from smartflanders.pilots import Plan
from smartflanders.roles import ROLES, Tools, readings
from smartflanders.source_facts import SourceFacts, source_facts
from streams.errors import ConfigError, LogError, Problem
from streams.kafka_log import KafkaLog
from streams.lag import Reading
from streams.lease import lease_key
from streams.log import KeptLog
from streams.migrate import check
from streams.postgres_log import PostgresLog
from streams.queries import load_queries
from streams.record import members_topic, raw_topic, rejected_topic, state_topic, trouble_topic
from streams.settings import Settings

QUERIES = {**load_queries("ldes_server", "inspection"), **load_queries("streams", "inspection")}
# The sizes of kept pages are read from every row of their table: a second per million.
_PATIENCE = timedelta(seconds=60)
# A log that does not answer is told while somebody still looks.
_LOG_WITHIN = timedelta(seconds=8)
# Loops that end when their work is done hold nothing afterwards.
_ONCE = frozenset({"announce catalogue"})
_SESSION = "smartflanders lease "
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Whom to look at: the database at `dsn`, and the data folder where that database is ours."""

    plan: Plan
    settings: Settings
    dsn: str
    folder: Path | None


async def examine(patient: Patient) -> Facts:
    """Read everything there is to judge. With another schema only that is said, since nothing else can be read.

    Raises:
        LogError, StoreError: the database does not answer.

    """
    at = datetime.now(UTC)
    disk = None if patient.folder is None else disk_of(patient.folder)
    try:
        await check(patient.dsn)
    except ConfigError as error:
        return Facts(at=at, problems=error.problems, disk=disk)
    async with (
        Database(patient.dsn, queries=QUERIES, connections=2, patience=_PATIENCE) as database,
        PostgresStore(patient.dsn) as store,
    ):
        topics = await _topics(database, patient, at) if not patient.settings.log.startswith(KAFKA) else None
        streams = [each async for each in _streams(database, store, patient, topics, at)]
        builds = [BuildFacts(**row) for row in await _builds(database)]
        if disk is not None:
            (reserve,) = await database.rows("inspected_reserve")
            disk = replace(disk, reserve=reserve["bytes"])
        loops, sources, problems = await _loops(database, store, patient, at)
    found = Facts(at=at, streams=streams, loops=loops, builds=builds, problems=problems, sources=sources, disk=disk)
    return replace(found, topics=topics or ())


def disk_of(folder: Path) -> DiskFacts:
    """Ask how much room there is on the disk of a folder."""
    usage = shutil.disk_usage(folder)
    return DiskFacts(folder=folder, free=usage.free, total=usage.total)


async def _streams(
    database: Database, store: PostgresStore, patient: Patient, topics: Sequence[Part] | None, at: datetime
) -> AsyncIterator[StreamFacts]:
    rows = await database.rows("inspected_streams")
    sizes = await _sizes(database, rows)
    for row in rows:
        name, count = row["name"], row["count"]
        sources = [source for source in patient.plan.sources if source.stream == name]
        hour, day = [await _published(store, name, count, since=at - time) for time in (timedelta(hours=1), _DAY)]
        yield StreamFacts(
            name=name,
            members=count - row["dropped"],
            hour=hour,
            day=day,
            oldest=row["oldest"],
            newest=row["newest"],
            sizes=replace(sizes[name], log=_logged(name, sources, topics)),
            every=_expected(sources),
            kept=_kept(patient, name),
            planned=name == FEED_NAME or any(stream.name == name for stream in patient.plan.streams),
        )


async def _published(store: PostgresStore, stream: str, count: int, *, since: datetime) -> int:
    first = await store.since(stream, since)
    return 0 if first is None else count - first


def _kept(patient: Patient, name: str) -> timedelta | None:
    """Say for how long the stream's policies keep all of its members on the disk; None for ever.

    A policy that counts versions keeps as many members as there are entities: it is taken to keep everything, which is
    the safe side of a forecast.
    """
    stream = next((each for each in patient.plan.streams if each.name == name), None)
    if stream is None:
        return None
    times = [None if policy is None else policy.full_log for policy in stream.policies.values()]
    known = [time for time in times if time is not None]
    # What is no longer linked is handed out for a while.
    return max(known) + patient.settings.view_grace if len(known) == len(times) else None


def _expected(sources: Iterable[Source]) -> timedelta | None:
    """Say how often these sources bring a member at least; None where that depends on what changes."""
    found = []
    for source in sources:
        every = source.transport.every
        if not source.publish.changed:
            found.append(every)
        elif source.publish.heartbeat is not None:
            found.append(source.publish.heartbeat + every)
    return min(found, default=None)


async def _sizes(database: Database, streams: Sequence[Any]) -> Mapping[str, Sizes]:
    """Share what the tables take among the streams, by the rows that each has in them and by how wide those are."""
    tables = {row["name"]: row for row in await database.rows("inspected_tables", "ldes")}
    pages = {row["name"]: row["bytes"] for row in await database.rows("inspected_pages")}
    views = await database.rows("inspected_views")
    names = [row["name"] for row in streams]
    members = {row["name"]: row["count"] - row["dropped"] for row in streams}
    widths = {row["name"]: members[row["name"]] * row["width"] for row in streams}
    shares = {
        "rows": _shared(tables["members"]["rows"], widths),
        "indexes": _shared(tables["members"]["indexes"] + _whole(tables, "latest", "extents", "dropped"), members),
        "pages": _shared(_whole(tables, "kept_pages"), {name: pages.get(name, 0) for name in names}),
        "places": _shared(_whole(tables, "places", "survivors"), _summed(names, views, "places")),
        "buckets": _shared(_whole(tables, "buckets"), _summed(names, views, "buckets")),
    }
    return {
        name: Sizes(
            members=shares["rows"][name],
            indexes=shares["indexes"][name],
            pages=shares["pages"][name],
            views=shares["places"][name] + shares["buckets"][name],
        )
        for name in names
    }


def _whole(tables: Mapping[str, Any], *names: str) -> int:
    return sum(tables[name]["rows"] + tables[name]["indexes"] for name in names)


def _summed(names: Iterable[str], rows: Iterable[Any], column: str) -> dict[str, float]:
    found = dict.fromkeys(names, 0.0)
    for row in rows:
        found[row["stream"]] += row[column]
    return found


def _shared(whole: float, weights: Mapping[str, float]) -> dict[str, int]:
    """Share a number of bytes in proportion; nothing where nobody has anything."""
    total = sum(weights.values())
    return {name: round(whole * weight / total) if total else 0 for name, weight in weights.items()}


async def _topics(database: Database, patient: Patient, at: datetime) -> list[Part]:
    """Return the topics of a log on PostgreSQL with their share of its table, at the pace of what they hold."""
    rows = await database.rows("inspected_topics")
    (table,) = [row for row in await database.rows("inspected_tables", "log") if row["name"] == "packs"]
    weights = {row["name"]: (row["next"] - (row["first"] or 0)) * row["width"] for row in rows}
    sizes = _shared(table["rows"] + table["indexes"], weights)
    kept = kept_topics(patient.plan.sources, patient.settings)
    found = []
    for row in rows:
        held = timedelta(0) if row["since"] is None else max(timedelta(0), at - row["since"])
        size = sizes[row["name"]]
        daily = size / (held / _DAY) if held > SETTLED else 0.0
        found.append(Part(name=row["name"], size=size, daily=daily, held=held, kept=kept.get(row["name"])))
    return found


def _logged(stream: str, sources: Iterable[Source], topics: Sequence[Part] | None) -> int | None:
    if topics is None:
        return None
    names = {members_topic(stream)}
    for source in sources:
        names |= {of(source.name) for of in (raw_topic, rejected_topic, state_topic, trouble_topic)}
    return round(sum(part.size for part in topics if part.name in names))


async def _builds(database: Database) -> list[dict[str, Any]]:
    return [
        {
            "stream": row["stream"],
            "view": row["name"],
            "build": row["build"],
            "state": row["state"],
            "placed": row["placed"],
            "count": row["count"],
            "rows": row["places"] + row["buckets"],
        }
        for row in await database.rows("inspected_views")
    ]


async def _loops(
    database: Database, store: PostgresStore, patient: Patient, at: datetime
) -> tuple[list[LoopFacts], list[SourceFacts], list[Problem]]:
    """Say of every loop of the plan who runs it and how far it is behind, how sources are, and what is wrong with the log."""
    holders = {row["key"]: _holder(row["holder"]) for row in await database.rows("inspected_leases")}
    behind: dict[str, tuple[int, timedelta]] = {}
    sources: list[SourceFacts] = []
    problems: list[Problem] = []
    try:
        async with _open_log(patient) as log:
            tools = Tools(settings=patient.settings, log=log, store=store, stop=asyncio.Event())
            there = await log.topics()
            for reading in readings(tuple(ROLES), patient.plan, tools):
                if reading.topic in there and (reading.role != "normalise" or state_topic(reading.name) in there):
                    behind[f"{reading.role} {reading.name}"] = await _behind(log, reading, at)
            sources = await source_facts(patient.plan.sources, log, there)
    except ConfigError as error:
        problems += error.problems
    except LogError as error:
        problems.append(Problem(where="SF_LOG", what=error.what, fix=error.fix))
    loops = [_loop(name, holders.get(lease_key(name)), behind.get(name)) for name in _names(patient)]
    return loops, sources, problems


def _holder(session: str) -> str:
    host, _, process = session.removeprefix(_SESSION).rpartition(" ")
    return f"{host}, process {process}"


def _names(patient: Patient) -> list[str]:
    # What the loops would work with is of no interest: only their names are asked.
    nothing: Any = None
    tools = Tools(settings=patient.settings, log=nothing, store=nothing, stop=asyncio.Event())
    return [loop for role in ROLES.values() for loop in role(patient.plan, tools) if loop not in _ONCE]


def _loop(name: str, holder: str | None, behind: tuple[int, timedelta] | None) -> LoopFacts:
    role, _, of = name.partition(" ")
    entries, waiting = behind or (None, None)
    return LoopFacts(role=role, name=of, holder=holder, behind=entries, waiting=waiting)


async def _behind(log: KeptLog, reading: Reading, at: datetime) -> tuple[int, timedelta]:
    """Count the entries that a loop has not done, and say how long the first of them waits."""
    done = await reading.done()
    behind = max(0, await log.append(reading.topic, ()) - done)
    if not behind:
        return 0, timedelta(0)
    batches: Any = log.read(reading.topic, after=done, limit=1)
    try:
        async with asyncio.timeout(_LOG_WITHIN.total_seconds()), aclosing(batches):
            entries = await anext(batches)
    except TimeoutError:
        # Done by now, or nothing that anybody reads.
        return behind, timedelta(0)
    return behind, max(timedelta(0), at - entries[0].at)


@asynccontextmanager
async def _open_log(patient: Patient) -> AsyncIterator[KeptLog]:
    """Open the log without making or checking any topic."""
    async with AsyncExitStack() as stack:
        if patient.settings.log.startswith(KAFKA):
            options = replace(kafka_options(patient.settings), patience=_LOG_WITHIN)
            kept = kept_topics(patient.plan.sources, patient.settings)
            yield await stack.enter_async_context(KafkaLog(options, kept=kept))
        else:
            yield await stack.enter_async_context(PostgresLog(patient.dsn))
