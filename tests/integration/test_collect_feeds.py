"""Collecting feeds into a real log across restarts: an event stream of this platform, observations, a WebSocket."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import orjson
from aiohttp import web
from pyoxigraph import RdfFormat, parse

from ingest.collect import collect
from ingest.connectors import open_connector
from ingest.transports.ldes import LdesOptions
from ingest.transports.sensorthings import SensorThingsOptions
from ingest.transports.websocket import WebSocketOptions
from streams.log import Log
from streams.postgres_log import PostgresLog
from streams.record import Payload, raw_topic
from tests.conformance.kit import Site, two_streams
from tests.support.frost import Frost
from tests.support.http_script import scripted
from tests.support.ws_script import keep_open, staged

MOMENT = timedelta(milliseconds=50)


async def payloads(log: Log, source: str) -> list[Payload]:
    """Read all payloads of a source."""
    newest = await log.last(raw_topic(source))
    found: list[Payload] = []
    if newest is not None:
        async for entries in log.read(raw_topic(source), after=-1):
            found += [Payload.from_record(entry.record) for entry in entries]
            if entries[-1].offset >= newest.offset:
                break
    return found


async def gather(source: str, options: object, log: Log, *, until: int, at_most: float = 60) -> list[Payload]:
    """Collect until the log holds so many payloads, then stop as a process does; return them."""
    stop = asyncio.Event()

    async def watch() -> None:
        while len(await payloads(log, source)) < until:  # noqa: ASYNC110 - a log tells nobody what it got
            await asyncio.sleep(0.02)
        stop.set()

    async with asyncio.timeout(at_most), asyncio.TaskGroup() as group:
        group.create_task(watch())
        async with open_connector(source, options) as connector:
            await collect(source, connector, log, stop=stop)
    return await payloads(log, source)


def members(found: list[Payload]) -> list[str]:
    """List the members of payloads of an event stream."""
    quads = [quad for payload in found for quad in parse(payload.body, format=RdfFormat.N_QUADS)]
    return [quad.object.value for quad in quads if quad.predicate.value == "https://w3id.org/tree#member"]


async def test_a_feed_of_this_platform_is_copied_once_across_restarts(database_url: str) -> None:
    """Stopped at any page, the next run goes on: each member is in the log once, and the bookmark stays small."""
    with Site(database_url, two_streams()) as site:
        await asyncio.to_thread(site.append, "gent-parking", 137)
        options = LdesOptions(url=f"{site.base}/gent-parking/log", every=MOMENT)
        async with PostgresLog(database_url) as log:
            for until in (1, 4, 9, 14):
                await gather("copy", options, log, until=until)
            assert len(members(await payloads(log, "copy"))) == 137
            await asyncio.to_thread(site.append, "gent-parking", 30)
            before = len(await payloads(log, "copy"))
            while len(set(members(found := await gather("copy", options, log, until=before + 1)))) < 167:
                before = len(found)
    copied = members(found)
    assert len(copied) == len(set(copied)) == 167
    assert max(len(payload.cursor) for payload in found) < 1500


async def test_observations_are_collected_once_across_restarts(database_url: str) -> None:
    """A run that is stopped between two pages is gone on with, and what comes later is found."""
    now = datetime.now(UTC)
    frost = Frost(most=4)
    for minute in range(30, 0, -1):
        frost.add(f"{now - timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}", minute)
    async with PostgresLog(database_url) as log, scripted(frost) as script:
        options = SensorThingsOptions(url=f"{script.origin}/v1.1", every=MOMENT)
        for until in (2, 5, 8):
            await gather("frost", options, log, until=until)
        frost.add(f"{now:%Y-%m-%dT%H:%M:%SZ}", 0)
        found = await gather("frost", options, log, until=9)
    results = [it["result"] for payload in found for it in orjson.loads(payload.body)["value"]]
    assert results == list(range(30, -1, -1))


async def test_messages_are_in_the_log_as_they_were_sent(database_url: str) -> None:
    """A burst of messages is in the log whole and in order."""

    async def part(socket: web.WebSocketResponse) -> None:
        for number in range(2500):
            await socket.send_str(f'{{"n":{number}}}')
        await keep_open(socket)

    async with PostgresLog(database_url) as log, staged(part) as stage:
        found = await gather("live", WebSocketOptions(url=stage.url), log, until=2500)
    assert [orjson.loads(payload.body)["n"] for payload in found] == list(range(2500))
