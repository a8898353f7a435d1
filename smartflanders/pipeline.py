"""The pipeline process: collect, normalise and write, for every source and stream of a plan."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

from ingest.collect import collect
from ingest.connectors.table import open_connector
from ingest.mapping import compile_mapping
from ingest.normalise import run_normaliser
from ingest.source import Source
from ldes_server.model import Stream
from ldes_server.postgres_store import PostgresStore
from ldes_server.writer import run_writer
from smartflanders.logs_of import kept_for, open_log
from smartflanders.pilots import Plan
from streams.log import Log
from streams.postgres_log import run_retention
from streams.settings import Settings
from streams.supervise import Job, supervise
from vocab.model import load_model

# The batch in hand may take this long to finish when the platform stops (all of it has ten seconds).
_GRACE = timedelta(seconds=3)


async def run_pipeline(plan: Plan, settings: Settings, dsn: str, *, stop: asyncio.Event) -> None:
    """Run every loop of the plan until told to stop; each loop is restarted alone when its outside world fails."""
    kept = kept_for(plan, settings)
    async with (
        open_log(settings, dsn, kept=kept) as log,
        PostgresStore(dsn, base_url=settings.base_url) as store,
    ):
        jobs: dict[str, Job] = {}
        for source in plan.sources:
            jobs[f"collect {source.name}"] = partial(_collect, source, log, stop)
            jobs[f"normalise {source.name}"] = partial(_normalise, source, log, settings, stop)
        for stream in plan.streams:
            jobs[f"write {stream.name}"] = partial(_write, stream, log, store, stop)
        jobs["retention"] = partial(run_retention, log, kept, stop=stop)
        await supervise(jobs, stop=stop, grace=_GRACE)


async def _collect(source: Source, log: Log, stop: asyncio.Event) -> None:
    async with open_connector(source.name, source.transport) as connector:
        await collect(source.name, connector, log, stop=stop)


async def _normalise(source: Source, log: Log, settings: Settings, stop: asyncio.Event) -> None:
    mapper = compile_mapping(source, load_model(source.model), base_url=settings.base_url)
    await run_normaliser(source, mapper, log, stop=stop)


async def _write(stream: Stream, log: Log, store: PostgresStore, stop: asyncio.Event) -> None:
    await run_writer(stream, log, store, stop=stop)
