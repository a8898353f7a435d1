"""A server of recorded documents: one file after another, at the path of the publisher they came from."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from testbed.simulator.answers import Answer, known_etags, send
from testbed.simulator.server import run_application

# By the first byte that says something; the last word when nothing does.
_MEDIA_TYPES = {b"<": "application/xml", b"{": "application/json", b"[": "application/json", b"@": "text/turtle"}
_SUFFIXES = {
    ".ndjson": "application/x-ndjson",
    ".csv": "text/csv",
    ".ttl": "text/turtle",
    ".nq": "application/n-quads",
    ".pb": "application/x-protobuf",
    ".html": "text/html",
}


async def serve_replay(
    documents: Mapping[str, Sequence[Path]], *, port: int = 0, ready: Callable[[str], None], stop: asyncio.Event
) -> None:
    """Serve `documents` (`<host>/<path>` → files) on 127.0.0.1 until `stop`; queries are ignored.

    Each path answers its first file until that was fetched once completely, then the next, and stays on the last. A
    client that shows the ETag of a file gets the one after it, or 304 after the last: so one that was killed between
    fetching and storing gets the file again. `GET /-/progress` tells per path how many files there are and how many
    were fetched. `ready` is called once with the origin.

    Raises:
        OSError: a file cannot be read, or the port is taken.

    """
    tapes = {path: await asyncio.to_thread(Tape, files) for path, files in documents.items()}
    application = web.Application()
    application.router.add_get("/-/progress", _progress(tapes))
    for path, tape in tapes.items():
        application.router.add_get(f"/{path.lstrip('/')}", tape.answer)
    await run_application(application, port, ready=ready, stop=stop)


class Tape:
    """The recorded documents of one path, and how far they were fetched."""

    def __init__(self, files: Sequence[Path]) -> None:
        if not files:
            raise ValueError("a path needs at least one recorded file")
        self._files = tuple(files)
        self._digests = tuple(hashlib.sha256(_body(file)).hexdigest()[:20] for file in self._files)
        self._fetched = [False] * len(self._files)

    @property
    def files(self) -> int:
        """Count the files."""
        return len(self._files)

    @property
    def served(self) -> int:
        """Count the files that were fetched completely."""
        return sum(self._fetched)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer the file whose turn it is for this client."""
        index = self._turn(known_etags(request))
        path = self._files[index]
        body = await asyncio.to_thread(_body, path)
        answer = Answer(
            body=body,
            media_type=_media_type(path, body),
            etag=f"{index}-{self._digests[index]}",
            modified=datetime.fromtimestamp(path.stat().st_mtime, UTC),
        )
        response, complete = await send(request, answer)
        if complete:
            self._fetched[index] = True
        return response

    def _turn(self, etags: Sequence[str]) -> int:
        last = len(self._files) - 1
        shown = [index for index, digest in enumerate(self._digests) if f"{index}-{digest}" in etags]
        if not shown:
            return next((index for index, fetched in enumerate(self._fetched) if not fetched), last)
        # What lies before the file the client shows, it has seen: perhaps from a server that was killed since.
        self._fetched[: shown[-1] + 1] = [True] * (shown[-1] + 1)
        turn = min(shown[-1] + 1, last)
        # A copy of what the client has would be no news to it, and it would never come past it.
        while turn < last and self._digests[turn] == self._digests[shown[-1]]:
            self._fetched[turn] = True
            turn += 1
        if self._digests[turn] == self._digests[shown[-1]]:
            self._fetched[turn] = True
        return turn


def _progress(tapes: Mapping[str, Tape]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.json_response({path: {"files": tape.files, "served": tape.served} for path, tape in tapes.items()})

    return handle


def _body(path: Path) -> bytes:
    body = path.read_bytes()
    return zlib.decompress(body, 16 + zlib.MAX_WBITS) if path.suffix == ".gz" else body


def _media_type(path: Path, body: bytes) -> str:
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    start = body[:200].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.lower().startswith((b"<!doctype html", b"<html")):
        return "text/html"
    return _SUFFIXES.get(suffix) or _MEDIA_TYPES.get(start[:1], "application/octet-stream")
