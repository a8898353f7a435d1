"""Publishers for the contract of connectors: places over HTTP and WebSocket where bodies appear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from aiohttp import WSMsgType, web

from ingest.connector import Connector
from ingest.connectors import open_connector
from ingest.transports.websocket import WebSocketOptions
from tests.support.ws_script import Stage, staged


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
async def websocket_publisher() -> AsyncIterator[WebSocketPublisher]:
    """Run a publisher over WebSocket."""
    publisher = WebSocketPublisher()
    async with staged(publisher.part) as stage:
        publisher.stage = stage
        yield publisher


ASKED: dict[str, Callable[[], AbstractAsyncContextManager[WebSocketPublisher]]] = {
    "websocket": websocket_publisher,
}
