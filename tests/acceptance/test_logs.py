"""The same payloads through the real loops on either log: the same members are published."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

import pytest

from ingest.mapping import compile_mapping
from ingest.memory import Memory
from ingest.normalise import normalise, run_normaliser
from ingest.source import Source
from ldes_server.log_view import ROOT
from ldes_server.model import PageId, Published, Stream
from ldes_server.postgres_store import PostgresStore
from ldes_server.writer import run_writer
from smartflanders.logs_of import kept_for, open_log
from smartflanders.pilots import Plan, stream_of
from streams.errors import ConfigError
from streams.kafka_options import KafkaOptions
from streams.log import Log
from streams.record import Payload, Rejection, raw_topic, rejected_topic
from streams.settings import Settings, load_settings
from tests.conftest import environ_of
from tests.integration.test_kafka_log import create
from tests.unit.ingest.workbench import BASE, CONFIGURATION, GARAGES, TRAFFIC, document, entry, lane_tables, pilot
from vocab.model import load_model

RECEIVED = datetime(2026, 11, 23, 12, tzinfo=UTC)
PATIENCE = 60


@pytest.fixture(params=["postgres", "kafka"])
def settings(request: pytest.FixtureRequest) -> Settings:
    """Choose either log."""
    if request.param == "kafka":
        return load_settings(environ_of(cast("KafkaOptions", request.getfixturevalue("kafka_options"))))
    return load_settings({})


def payloads() -> list[tuple[str, bytes, str]]:
    """Return what the publishers sent: good, unchanged, corrected, cut off, and no document at all."""
    garages = document("garages.json")
    corrected = garages.replace(b'"availablecapacity": 88', b'"availablecapacity": 87')
    sent = (garages, garages, garages[:-4], b"<html>502</html>", corrected)
    return [
        ("miv-configuratie", document("miv-configuratie.xml"), "text/xml"),
        ("miv-verkeersdata", document("miv-verkeersdata.xml"), "text/xml"),
        *((pilot(GARAGES).name, body, "application/json") for body in sent),
    ]


async def published(store: PostgresStore, stream: Stream, page_id: PageId = ROOT) -> list[Published]:
    """Fetch all members of a stream through its pages."""
    page = await store.page(stream, page_id)
    if page is None:
        return []
    found = list(page.members)
    for relation in page.relations:
        found += await published(store, stream, relation.target)
    return found


def expected(source: Source) -> list[tuple[str, bytes]]:
    """Say what the members must be: the pure function over the same payloads, without log, store and loops."""
    mapper = compile_mapping(source, load_model(source.model), base_url=BASE)
    own = [(body, media_type) for name, body, media_type in payloads() if name == source.name]
    entries = [entry(body, media_type=media_type, offset=offset) for offset, (body, media_type) in enumerate(own)]
    outcome = normalise(entries, mapper, Memory(), tables=lane_tables())
    return [(member.id, member.body) for member in outcome.members]


async def rejections(log: Log, source: str) -> list[Rejection]:
    """Read what a source sent and we refused."""
    last = await log.last(rejected_topic(source))
    found: list[Rejection] = []
    while last is not None and len(found) <= last.offset:
        batch = await anext(log.read(rejected_topic(source), after=len(found) - 1))
        found += [Rejection.from_record(entry.record) for entry in batch]
    return found


async def run(log: Log, store: PostgresStore, sources: Sequence[Source], *, members: int) -> None:
    """Run the loops until so many members are published, then stop them in order."""
    stop = asyncio.Event()
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for source in sources:
            mapper = compile_mapping(source, load_model(source.model), base_url=BASE)
            group.create_task(run_normaliser(source, mapper, log, stop=stop))
            group.create_task(run_writer(stream_of(source), log, store, stop=stop))
        while not stop.is_set():
            await asyncio.sleep(0.05)
            if sum([(await store.head(source.stream)).count for source in sources]) >= members:
                stop.set()


async def test_either_log_publishes_the_same(settings: Settings, database_url: str) -> None:
    """Members, their order and the rejections are the same, whichever log they went through; a restart adds none."""
    sources = [pilot(name) for name in (CONFIGURATION, TRAFFIC, GARAGES)]
    kept = kept_for(Plan(sources=tuple(sources), streams=tuple(map(stream_of, sources))), settings)
    async with (
        open_log(settings, database_url, kept=kept) as log,
        PostgresStore(database_url, base_url=BASE) as store,
    ):
        for source, body, media_type in payloads():
            payload = Payload(source=source, received_at=RECEIVED, media_type=media_type, body=body)
            await log.append(raw_topic(source), [payload.to_record()])
        await run(log, store, sources, members=7)
        await run(log, store, sources, members=7)
        for each in sources:
            found = await published(store, stream_of(each))
            assert [member.sequence for member in found] == list(range(len(found)))
            assert [(member.id, member.body) for member in found] == expected(each)
        refused = await rejections(log, pilot(GARAGES).name)
    assert [rejection.offset for rejection in refused] == [2, 3]


async def test_wrong_topics_are_told_before_anything_runs(kafka_options: KafkaOptions, database_url: str) -> None:
    """Opening the log for a plan refuses a topic that somebody made differently."""
    settings = load_settings(environ_of(kafka_options))
    source = pilot(GARAGES)
    await create(kafka_options, raw_topic(source.name), partitions=3)
    kept = kept_for(Plan(sources=(source,), streams=()), settings)
    with pytest.raises(ConfigError, match="has 3 partitions"):
        async with open_log(settings, database_url, kept=kept):
            pass
