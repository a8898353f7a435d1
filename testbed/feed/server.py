"""Serves documents of a feed on a loopback port, and misbehaves when it is told to."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import web

from testbed.feed.documents import FORMATS, Document

# Of a body without end: more than any reader should take.
_PIECE = b"# nothing but comments\n" * 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """What happens to one request instead of the answer it should have; the defaults change nothing."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media: str | None = None
    cut: bool = False  # ends in the middle of the body
    endless: bool = False  # never ends
    silent: float = 0.0  # seconds before the answer
    closed: bool = False  # the connection ends without an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as it came, and the status it got."""

    path: str
    headers: Mapping[str, str]
    status: int


class FeedServer:
    """An async context manager; documents and reactions may be changed while it runs.

    `on(path, …)` queues reactions for the next requests to a path; `always` holds those for every request.
    """

    def __init__(self, documents: Iterable[tuple[str, Document]] = (), *, port: int = 0) -> None:
        self.documents = dict(documents)
        self.always: dict[str, Reaction] = {}
        self.asked: list[Asked] = []
        self.at_once = 0
        self._now = 0
        self._next: dict[str, deque[Reaction]] = defaultdict(deque)
        self._port = port

    def on(self, path: str, *reactions: Reaction) -> None:
        """Meet the next requests to a path so, one after the other."""
        self._next[path].extend(reactions)

    def paths(self) -> list[str]:
        """Return the paths that were asked for, in order."""
        return [asked.path for asked in self.asked]

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_get("/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self._now += 1
        self.at_once = max(self.at_once, self._now)
        try:
            return await self._answer(request)
        finally:
            self._now -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path_qs
        queued = self._next[path]
        reaction = queued.popleft() if queued else self.always.get(path, Reaction())
        await asyncio.sleep(reaction.silent)
        media = negotiate(request.headers.get("Accept", "*/*"))
        status, headers, body = self._document(path, media, request.headers.get("If-None-Match"))
        status = reaction.status or status
        self.asked.append(Asked(path=path, headers=dict(request.headers), status=status))
        headers = {"Content-Type": reaction.media or headers.pop("Content-Type", media), **headers, **reaction.headers}
        if reaction.closed and request.transport is not None:
            request.transport.abort()
        if reaction.endless:
            return await self._endless(request, headers)
        if reaction.cut:
            return await self._cut(request, headers, body)
        return web.Response(status=status, headers=headers, body=body if status == 200 else b"")

    def _document(self, path: str, media: str, known: str | None) -> tuple[int, dict[str, str], bytes]:
        document = self.documents.get(path)
        if document is None:
            return 404, {}, b""
        url = self.base + path
        if document.raw is not None:
            media = document.raw[0]
        headers = {"Content-Type": media, "ETag": document.etag(media, url), "Vary": "Accept", **document.headers}
        status = 304 if known == headers["ETag"] else 200
        return status, headers, document.body(media, url)

    async def _cut(self, request: web.Request, headers: dict[str, str], body: bytes) -> web.StreamResponse:
        """Promise the whole body and send half of it."""
        response = web.StreamResponse(headers={**headers, "Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.close()
        return response

    async def _endless(self, request: web.Request, headers: dict[str, str]) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(_PIECE)
        return response


def negotiate(accept: str) -> str:
    """Return the media type that an Accept header prefers among the five; Turtle when it does not say."""
    best, media = 0.0, "text/turtle"
    for part in accept.split(","):
        name, _, parameters = part.strip().partition(";")
        weight = parameters.strip().removeprefix("q=")
        quality = float(weight) if weight else 1.0
        if name in FORMATS and quality > best:
            best, media = quality, name
    return media
