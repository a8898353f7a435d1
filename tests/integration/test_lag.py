"""How far loops are behind, measured from outside on either log: nothing when idle, more and more when they are blocked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import cast

import pytest

from ingest.mapping import compile_mapping
from ingest.normalise import run_normaliser
from ingest.source import Source
from ldes_server.postgres_store import PostgresStore
from ldes_server.writer import run_writer
from smartflanders.logs_of import kept_for, open_log
from smartflanders.pilots import Plan, stream_of
from smartflanders.roles import ROLES, Tools, readings
from streams.kafka_options import KafkaOptions
from streams.lag import run_lag
from streams.metrics import REGISTRY
from streams.record import Payload, raw_topic
from streams.settings import load_settings
from tests.conftest import environ_of
from tests.unit.ingest.workbench import BASE, CONFIGURATION, TRAFFIC, document, pilot
from vocab.model import load_model

PATIENCE = 60


def lag(role: str, name: str) -> float | None:
    """Read the metric, None when nobody has measured."""
    return REGISTRY.get_sample_value("sf_loop_lag_entries", {"role": role, "name": name})


async def until_lag(role: str, name: str, value: int) -> None:
    """Wait until so much was measured."""
    async with asyncio.timeout(PATIENCE):
        while lag(role, name) != value:  # noqa: ASYNC110 - a metric tells nobody that it changes
            await asyncio.sleep(0.01)


@pytest.fixture(params=["postgres", "kafka"])
async def tools(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Tools]:
    """Open either log and the store, as a role does."""
    environ: dict[str, str] = {}
    if request.param == "kafka":
        environ = environ_of(cast("KafkaOptions", request.getfixturevalue("kafka_options")))
    settings = load_settings(environ)
    async with (
        open_log(settings, database_url, kept=kept_for(plan(), settings)) as log,
        PostgresStore(database_url, base_url=BASE) as store,
    ):
        yield Tools(settings=settings, log=log, store=store, stop=asyncio.Event())


def plan() -> Plan:
    """Plan the traffic pilot, whose normaliser waits for the configuration of the measuring points."""
    source = pilot(TRAFFIC)
    return Plan(sources=(source,), streams=(stream_of(source),))


@asynccontextmanager
async def running(tools: Tools, *loops: Awaitable[None]) -> AsyncIterator[None]:
    """Run loops while the block does, and end them in order."""
    async with asyncio.TaskGroup() as group:
        for loop in loops:
            group.create_task(_awaited(loop))
        try:
            yield
        finally:
            tools.stop.set()


async def _awaited(loop: Awaitable[None]) -> None:
    await loop


async def say(tools: Tools, source: Source, document_: bytes) -> None:
    """Append a document to a raw topic as a collector does."""
    payload = Payload(source=source.name, received_at=datetime.now(UTC), media_type="text/xml", body=document_)
    await tools.log.append(raw_topic(source.name), [payload.to_record()])


async def test_lag_of_blocked_and_idle_loops(tools: Tools) -> None:
    """It grows with every entry while a loop is blocked or does not run, and falls to 0 when all is done."""
    (source,), (stream,) = plan().sources, plan().streams
    mapper = compile_mapping(source, load_model(source.model), base_url=BASE)
    measuring = partial(run_lag, tools.log, every=timedelta(milliseconds=20), stop=tools.stop)
    normalising = run_normaliser(source, mapper, tools.log, stop=tools.stop)
    async with running(tools, measuring(readings(tuple(ROLES), plan(), tools)), normalising):
        await until_lag("normalise", source.name, 0)
        await until_lag("write", stream.name, 0)
        for number in range(1, 4):
            await say(tools, source, document("miv-verkeersdata.xml"))
            await until_lag("normalise", source.name, number)
        await say(tools, pilot(CONFIGURATION), document("miv-configuratie.xml"))
        await until_lag("normalise", source.name, 0)
        # Two lanes, once; nobody publishes them yet.
        await until_lag("write", stream.name, 2)
    assert lag("write", stream.name) == 2
    tools.stop.clear()
    writing = run_writer(stream, tools.log, tools.store, stop=tools.stop)
    # Another process, which knows nothing of the first one's measuring.
    async with running(tools, measuring(readings(("write",), plan(), tools)), writing):
        await until_lag("write", stream.name, 0)
