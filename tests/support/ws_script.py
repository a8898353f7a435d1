"""A publisher over WebSocket that a test scripts: it plays a part for each connection, and keeps what it heard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

Part = Callable[[web.WebSocketResponse], Awaitable[None]]


class Stage:
    """Plays `part` for whoever connects, after the `wanted` messages came; refuses with `status` where that is set."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.wanted = 0
        self.status = 101
        self.answer: Mapping[str, str] = {}
        self.autoping = True
        self.heard: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Take one connection."""
        self.headers.append(request.headers)
        if self.status != 101:
            return web.Response(status=self.status, headers=self.answer)
        socket = web.WebSocketResponse(protocols=("data.v1",), autoping=self.autoping)
        await socket.prepare(request)
        for _ in range(self.wanted):
            self.heard.append(await socket.receive_str())
        await self.part(socket)
        return socket


@asynccontextmanager
async def staged(part: Part) -> AsyncIterator[Stage]:
    """Run a publisher on a free port of this machine."""
    stage = Stage(part)
    application = web.Application()
    application.router.add_get("/live", stage.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        stage.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/live"
        yield stage
    finally:
        await runner.cleanup()


async def keep_open(socket: web.WebSocketResponse) -> None:
    """Listen until the other side leaves."""
    async for _ in socket:
        pass
