"""A publisher over HTTP that a test scripts: it answers what a function says, and keeps what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question as it arrived: path with query, headers and body."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Script:
    """Answers every question with what `reply` makes of it."""

    def __init__(self, reply: Callable[[Asked], web.Response]) -> None:
        self.reply = reply
        self.delay = 0.0
        self.asked: list[Asked] = []
        self.at_once = 0
        self.most_at_once = 0
        self.origin = ""

    async def handle(self, request: web.Request) -> web.Response:
        """Take one question."""
        asked = Asked(
            method=request.method,
            path=request.path_qs,
            query=dict(request.query),
            headers=request.headers,
            body=await request.read(),
        )
        self.asked.append(asked)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.delay)
        self.at_once -= 1
        return self.reply(asked)


@asynccontextmanager
async def scripted(reply: Callable[[Asked], web.Response]) -> AsyncIterator[Script]:
    """Run a publisher on a free port of this machine."""
    script = Script(reply)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", script.handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        script.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield script
    finally:
        await runner.cleanup()


def as_json(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer JSON."""
    return web.Response(body=orjson.dumps(value), content_type="application/json", status=status, headers=headers)
