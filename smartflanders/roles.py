"""The roles of a platform: collect, normalise and write, each loop guarded by its own lease."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import MappingProxyType

from ingest.collect import collect
from ingest.connectors.table import open_connector
from ingest.mapping import compile_mapping
from ingest.normalise import checkpoint_offset, normalised_offset, run_normaliser
from ingest.source import Source
from ingest.staleness import run_staleness
from ingest.transports.webhook import WebhookOptions
from ldes_server.activities import publish_changes
from ldes_server.building import run_views
from ldes_server.digests import run_signing
from ldes_server.keeping import Pace, run_keeping
from ldes_server.model import Stream
from ldes_server.postgres_store import PostgresStore
from ldes_server.writer import run_writer
from smartflanders.logs_of import kept_for, kept_topics, open_log
from smartflanders.pilots import Plan
from streams.lag import Reading, run_lag
from streams.lease import Leases
from streams.log import KeptLog
from streams.logs import logger
from streams.metrics import DUE
from streams.record import members_topic, raw_topic
from streams.retention import Keep, run_retention
from streams.settings import Settings
from streams.supervise import Job, supervise
from vocab.model import load_model

# The batch in hand may take this long to finish when the platform stops (all of it has ten seconds).
_GRACE = timedelta(seconds=3)

_log = logger(__name__)

Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the loops of a process share."""

    settings: Settings
    log: KeptLog
    store: PostgresStore
    stop: asyncio.Event


async def run_roles(names: Sequence[str], plan: Plan, settings: Settings, dsn: str, *, stop: asyncio.Event) -> None:
    """Run every loop of these roles until told to stop; each is restarted alone when its outside world fails.

    Any number of processes may do this at once, on any machine: a loop runs in the one that holds its lease, and in
    another soon after that one has ended.
    """
    async with (
        open_log(settings, dsn, kept=kept_for(plan, settings)) as log,
        PostgresStore(dsn, base_url=settings.base_url) as store,
        Leases(dsn) as leases,
    ):
        tools = Tools(settings=settings, log=log, store=store, stop=stop)
        jobs: dict[str, Job] = {"lag": partial(run_lag, log, readings(names, plan, tools), stop=stop)}
        if "collect" in names:
            jobs["staleness"] = partial(run_staleness, plan.sources, log, stop=stop)
        for name in names:
            if name == "collect":
                _are_due(plan)
            for loop, work in ROLES[name](plan, tools).items():
                jobs[loop] = partial(leases.hold, loop, work, stop=stop)
        await supervise(jobs, stop=stop, grace=_GRACE)


def readings(names: Sequence[str], plan: Plan, tools: Tools) -> list[Reading]:
    """Say what to measure for these roles: in every process, since who waits for a lease can tell as well."""
    found: list[Reading] = []
    if "normalise" in names:
        for source in plan.sources:
            done = partial(normalised_offset, source, tools.log)
            found.append(Reading(role="normalise", name=source.name, topic=raw_topic(source.name), done=done))
    if "write" in names:
        for stream in plan.streams:
            done = partial(_written, stream, tools.store)
            found.append(Reading(role="write", name=stream.name, topic=members_topic(stream.name), done=done))
    return found


def _are_due(plan: Plan) -> None:
    """Count the lateness of publishers that never answered from here on."""
    for source in plan.sources:
        if isinstance(source.transport, WebhookOptions):
            continue
        DUE.labels(source=source.name).set(time.time())


def _collecting(plan: Plan, tools: Tools) -> Mapping[str, Work]:
    # What is posted is taken by the processes that answer HTTP (smartflanders/hooks.py).
    asked = [source for source in plan.sources if not isinstance(source.transport, WebhookOptions)]
    return {f"collect {source.name}": partial(_collect, source, tools) for source in asked}


def _normalising(plan: Plan, tools: Tools) -> Mapping[str, Work]:
    return {f"normalise {source.name}": partial(_normalise, source, tools) for source in plan.sources}


def _writing(plan: Plan, tools: Tools) -> Mapping[str, Work]:
    loops: dict[str, Work] = {f"write {stream.name}": partial(_write, stream, tools) for stream in plan.streams}
    for stream in plan.streams:
        loops[f"views {stream.name}"] = partial(_views, stream, tools)
        loops[f"keep {stream.name}"] = partial(_keep, stream, tools)
    # With the writers, because what is written may go. One loop per stream: two plans may share a database.
    for stream in plan.streams:
        loops[f"sign {stream.name}"] = partial(_sign, stream, tools)
        loops[f"expire {stream.name}"] = partial(_expire, plan, stream, tools)
    # Once per start: the catalogue changes with the source files, and those are read at start.
    loops["announce catalogue"] = partial(_announce, plan, tools)
    return loops


# Every role with the loops it is made of; `up` runs all of them in one process.
ROLES: Mapping[str, Callable[[Plan, Tools], Mapping[str, Work]]] = MappingProxyType(
    {"collect": _collecting, "normalise": _normalising, "write": _writing}
)


async def _collect(source: Source, tools: Tools) -> None:
    async with open_connector(source.name, source.transport) as connector:
        await collect(source.name, connector, tools.log, stop=tools.stop)


async def _normalise(source: Source, tools: Tools) -> None:
    mapper = compile_mapping(source, load_model(source.model), base_url=tools.settings.base_url)
    await run_normaliser(source, mapper, tools.log, stop=tools.stop)


async def _write(stream: Stream, tools: Tools) -> None:
    await run_writer(stream, tools.log, tools.store, stop=tools.stop)


async def _views(stream: Stream, tools: Tools) -> None:
    await run_views(stream, tools.store, stop=tools.stop, grace=tools.settings.view_grace)


async def _keep(stream: Stream, tools: Tools) -> None:
    # A member is forgotten a day after the last payload it may have been made of.
    memory = tools.settings.raw_retention + timedelta(days=1)
    await run_keeping(stream, tools.store, stop=tools.stop, pace=Pace(grace=tools.settings.view_grace, memory=memory))


async def _sign(stream: Stream, tools: Tools) -> None:
    await run_signing(stream, tools.store, stop=tools.stop)


async def _announce(plan: Plan, tools: Tools) -> None:
    count = await publish_changes(plan.streams, tools.store, base_url=tools.settings.base_url)
    _log.info("catalogue announced", activities=count)


async def _expire(plan: Plan, stream: Stream, tools: Tools) -> None:
    sources = [source for source in plan.sources if source.stream == stream.name]
    await run_retention(tools.log, _keeps(sources, stream, tools), stop=tools.stop)


def _keeps(sources: Sequence[Source], stream: Stream, tools: Tools) -> list[Keep]:
    """Say how long each topic keeps its entries, and whose reading it waits for."""
    done: dict[str, Callable[[], Awaitable[int]]] = {
        raw_topic(source.name): partial(checkpoint_offset, source, tools.log) for source in sources
    }
    done[members_topic(stream.name)] = partial(_written, stream, tools.store)
    kept = kept_topics(sources, tools.settings)
    return [Keep(topic=topic, older_than=time, done=done.get(topic)) for topic, time in kept.items()]


async def _written(stream: Stream, store: PostgresStore) -> int:
    return (await store.head(stream.name)).position
