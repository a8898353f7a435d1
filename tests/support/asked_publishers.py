"""Publishers for the contract of connectors: places over HTTP and WebSocket where bodies appear."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Protocol, Self

import orjson
from aiohttp import WSMsgType, web
from pyoxigraph import RdfFormat, parse

from ingest.connector import Connector, Poll
from ingest.connectors import open_connector
from ingest.transports.ldes import LdesOptions
from ingest.transports.sensorthings import SensorThingsOptions
from ingest.transports.websocket import WebSocketOptions
from streams.record import Payload
from tests.support.frost import Frost
from tests.support.http_script import Asked, Script, scripted
from tests.support.ws_script import Stage, staged

MINUTE = timedelta(minutes=1)


class Asking(Protocol):
    """What the contract asks of a publisher."""

    def publish(self, body: bytes) -> None:
        """Make `body` the newest there is."""

    def connector(self) -> Connector:
        """Make a connector, not opened yet."""


class Opened:
    """A connector whose payloads carry a body inside members or observations: gives those bodies, as JSON."""

    def __init__(self, connector: Connector, opened: Callable[[bytes], bytes]) -> None:
        self._connector = connector
        self._opened = opened

    async def __aenter__(self) -> Self:
        """Open the connector."""
        await self._connector.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self._connector.__aexit__(kind, error, trace)

    async def poll(self, cursor: bytes) -> Poll:
        """Poll it."""
        poll = await self._connector.poll(cursor)
        return replace(poll, payloads=tuple(self._open(payload) for payload in poll.payloads))

    def _open(self, payload: Payload) -> Payload:
        return replace(payload, body=self._opened(payload.body), media_type="application/json")


class WebSocketPublisher:
    """Says its newest body to whoever connects, and each later one as it appears."""

    def __init__(self) -> None:
        self.body = b""
        self.count = 0
        self.stage: Stage | None = None

    def publish(self, body: bytes) -> None:
        """Make `body` the newest there is."""
        self.body = body
        self.count += 1

    def connector(self) -> Connector:
        """Listen to this publisher."""
        assert self.stage is not None
        return open_connector("demo", WebSocketOptions(url=self.stage.url))

    async def part(self, socket: web.WebSocketResponse) -> None:
        """Say what there is until the listener leaves."""
        said = 0
        while not socket.closed:
            if self.count != said:
                said = self.count
                await socket.send_frame(self.body, WSMsgType.TEXT)
            try:
                await socket.receive(timeout=0.02)
            except TimeoutError:
                await asyncio.sleep(0)


@asynccontextmanager
async def websocket_publisher() -> AsyncIterator[Asking]:
    """Run a publisher over WebSocket."""
    publisher = WebSocketPublisher()
    async with staged(publisher.part) as stage:
        publisher.stage = stage
        yield publisher


class LdesPublisher:
    """An event stream of one open page; each body is in a member, whose number is its place."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.script: Script | None = None

    def publish(self, body: bytes) -> None:
        """Add a member."""
        self.bodies.append(body)

    def connector(self) -> Connector:
        """Follow this stream."""
        assert self.script is not None
        return Opened(open_connector("demo", LdesOptions(url=f"{self.script.origin}/", every=MINUTE)), self.opened)

    def page(self, _: Asked) -> web.Response:
        """Write the page."""
        members = [
            f"<https://x.example/s> <https://w3id.org/tree#member> <https://x.example/{number}> .\n"
            f'<https://x.example/{number}> <https://x.example/body> "{b64encode(body).decode()}" .'
            for number, body in enumerate(self.bodies)
        ]
        return web.Response(text="\n".join(members), content_type="application/n-triples")

    @staticmethod
    def opened(body: bytes) -> bytes:
        """Take the body out of a payload of one member."""
        quads = parse(body, format=RdfFormat.N_QUADS)
        (found,) = [quad.object.value for quad in quads if quad.predicate.value.endswith("/body")]
        return b64decode(found)


@asynccontextmanager
async def ldes_publisher() -> AsyncIterator[Asking]:
    """Run an event stream."""
    publisher = LdesPublisher()
    async with scripted(publisher.page) as script:
        publisher.script = script
        yield publisher


class SensorThingsPublisher:
    """A service whose observations have a body as result."""

    def __init__(self) -> None:
        self.frost = Frost()
        self.script: Script | None = None

    def publish(self, body: bytes) -> None:
        """Add an observation of now."""
        self.frost.add(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z", b64encode(body).decode())

    def connector(self) -> Connector:
        """Ask this service."""
        assert self.script is not None
        options = SensorThingsOptions(url=f"{self.script.origin}/v1.1", every=MINUTE)
        return Opened(open_connector("demo", options), self.opened)

    @staticmethod
    def opened(body: bytes) -> bytes:
        """Take the body out of a payload of one observation."""
        (observation,) = orjson.loads(body)["value"]
        return b64decode(observation["result"])


@asynccontextmanager
async def sensorthings_publisher() -> AsyncIterator[Asking]:
    """Run a service."""
    publisher = SensorThingsPublisher()
    async with scripted(publisher.frost) as script:
        publisher.script = script
        yield publisher


ASKED: dict[str, Callable[[], AbstractAsyncContextManager[Asking]]] = {
    "websocket": websocket_publisher,
    "ldes": ldes_publisher,
    "sensorthings": sensorthings_publisher,
}
