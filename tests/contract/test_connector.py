"""What every connector promises, run against each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest
from aiohttp import web

from ingest.connector import Connector
from ingest.connectors import open_connector
from ingest.transports.files import FilesOptions
from ingest.transports.gbfs import GbfsOptions
from ingest.transports.http_poll import HttpPollOptions
from streams.record import Payload
from tests.support.asked_publishers import ASKED

FIRST, SECOND, GARBAGE = b'{"n": 1}', b'{"n": 2}', b"\x00<html>{{{"


class Publisher(Protocol):
    """A place where bodies appear, and a way to make the connector that reads them."""

    def publish(self, body: bytes) -> None:
        """Make `body` the newest there is."""

    def connector(self) -> Connector:
        """Make a connector, not opened yet."""


class HttpPublisher:
    """A web server that answers its newest body."""

    def __init__(self) -> None:
        self.body = b""
        self.port = 0

    def publish(self, body: bytes) -> None:
        """Replace the body."""
        self.body = body

    def connector(self) -> Connector:
        """Poll this server."""
        url = f"http://127.0.0.1:{self.port}/feed"
        return open_connector("demo", HttpPollOptions(url=url, every=timedelta(seconds=60)))

    async def answer(self, request: web.Request) -> web.Response:
        """Answer like a server that knows conditional requests."""
        response = web.Response(body=self.body, content_type="application/json")
        response.etag = str(hash(self.body))
        if request.headers.get("If-None-Match") == response.headers["ETag"]:
            return web.Response(status=304)
        return response


class GbfsPublisher(HttpPublisher):
    """A mobility system with one feed, and a discovery file that leads to it."""

    def connector(self) -> Connector:
        """Read the feed of this system."""
        url = f"http://127.0.0.1:{self.port}/gbfs.json"
        return open_connector(
            "demo", GbfsOptions(url=url, every=timedelta(seconds=60), feeds=("station_status",), language="nl")
        )

    async def discover(self, _: web.Request) -> web.Response:
        """Lead to the feed."""
        feeds = [{"name": "station_status", "url": f"http://127.0.0.1:{self.port}/feed"}]
        return web.json_response({"last_updated": 1, "ttl": 0, "version": "2.3", "data": {"nl": {"feeds": feeds}}})


class FilesPublisher:
    """A folder that gains files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def publish(self, body: bytes) -> None:
        """Add a file."""
        self.count += 1
        (self.folder / f"{self.count:04d}.json").write_bytes(body)

    def connector(self) -> Connector:
        """Read this folder."""
        return open_connector("demo", FilesOptions(folder=self.folder, pattern="*.json", settle=timedelta(0)))


@pytest.fixture(params=["http_poll", "files", "gbfs", *ASKED])
async def publisher(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Publisher]:
    """Run the publisher of one transport; a new transport is one new parameter."""
    if request.param == "files":
        yield FilesPublisher(tmp_path)
        return
    if request.param in ASKED:
        async with ASKED[request.param]() as asked:
            yield asked
        return
    publisher = GbfsPublisher() if request.param == "gbfs" else HttpPublisher()
    application = web.Application()
    if isinstance(publisher, GbfsPublisher):
        application.router.add_get("/gbfs.json", publisher.discover)
    application.router.add_get("/feed", publisher.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        publisher.port = runner.addresses[0][1]
        yield publisher
    finally:
        await runner.cleanup()


async def one(connector: Connector, cursor: bytes) -> Payload:
    """Poll and expect exactly one payload."""
    (payload,) = (await connector.poll(cursor)).payloads
    return payload


async def test_a_new_connector_resumes_after_the_cursor(publisher: Publisher) -> None:
    """A connector built anew goes on after the cursor: the next item, not the same one."""
    publisher.publish(FIRST)
    async with publisher.connector() as connector:
        first = await one(connector, b"")
    publisher.publish(SECOND)
    async with publisher.connector() as connector:
        second = await one(connector, first.cursor)
    assert (first.body, second.body) == (FIRST, SECOND)
    assert first.cursor != second.cursor


async def test_no_news_is_an_empty_poll(publisher: Publisher) -> None:
    """Without news the poll is empty, as often as one asks, and the old cursor still finds the next item."""
    publisher.publish(FIRST)
    async with publisher.connector() as connector:
        cursor = (await one(connector, b"")).cursor
        for _ in range(3):
            poll = await connector.poll(cursor)
            assert poll.payloads == ()
            assert poll.again_in > timedelta(0)
        publisher.publish(SECOND)
        assert (await one(connector, cursor)).body == SECOND


async def test_the_same_cursor_gives_the_same_payload(publisher: Publisher) -> None:
    """What was not said to be safe is given again: at least once."""
    publisher.publish(FIRST)
    async with publisher.connector() as connector:
        twice = [await one(connector, b"") for _ in range(2)]
    assert [payload.body for payload in twice] == [FIRST, FIRST]
    assert twice[0].cursor == twice[1].cursor


async def test_garbage_is_a_payload(publisher: Publisher) -> None:
    """Bytes that are not what their media type says are passed on as they are."""
    publisher.publish(GARBAGE)
    async with publisher.connector() as connector:
        payload = await one(connector, b"")
    assert payload.body == GARBAGE
    assert payload.media_type.startswith("application/json")


async def test_a_cursor_of_another_transport_means_from_the_start(publisher: Publisher) -> None:
    """A source whose transport was changed starts over instead of failing on the old cursor."""
    publisher.publish(FIRST)
    async with publisher.connector() as connector:
        for cursor in (b"\xff\x00", b"[]", b'{"offset": 7}', b"7"):
            assert (await one(connector, cursor)).body == FIRST


async def test_a_closed_connector_refuses(publisher: Publisher) -> None:
    """Polling before opening or after closing is a mistake of the caller, said at once; opening again is fine."""
    publisher.publish(FIRST)
    connector = publisher.connector()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="closed"):
            await connector.poll(b"")
        async with connector:
            assert (await one(connector, b"")).body == FIRST


async def test_payloads_name_their_source_and_survive_the_log(publisher: Publisher) -> None:
    """A payload carries its source and receipt time, and comes out of its record as it went in."""
    publisher.publish(FIRST)
    async with publisher.connector() as connector:
        payload = await one(connector, b"")
    again = Payload.from_record(payload.to_record())
    assert (again.source, again.body, again.cursor) == ("demo", FIRST, payload.cursor)


async def test_a_cancelled_poll_loses_nothing(publisher: Publisher) -> None:
    """Cancelling a poll leaves the connector able to give the same item."""
    publisher.publish(FIRST)
    async with publisher.connector() as connector:
        task = asyncio.create_task(connector.poll(b""))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await one(connector, b"")).body == FIRST
