"""Three clients that nobody here wrote, from npm; and a proxy that makes them ask for the format we choose."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import ClientSession, DummyCookieJar, web

from tests.support.packages import UnavailableError, installed, refuse

# Each in a folder of its own: the components loader of the older two reads every package beside it.
REFERENCE, OLDER, TRAVERSAL = "ldes-client", "actor-init", "comunica"
_BINARIES = {REFERENCE: "ldes-client", OLDER: "actor-init-ldes-client"}
_RUN_WITHIN = 240.0
# Belong to one connection, not to what is handed on.
_HOP = frozenset({"host", "connection", "keep-alive", "transfer-encoding", "content-length"})


def client(name: str) -> Path:
    """Return the command of a client; the test is skipped where it cannot be had, in CI it fails."""
    try:
        return installed(name) / "node_modules" / ".bin" / _BINARIES[name]
    except UnavailableError as error:
        refuse(str(error))


def run_reference(url: str, *, state: Path | None = None, tree: bool = False) -> str:
    """Replicate a feed with ldes-client in its ordered mode; return the triples it prints.

    With `state` it goes on where the run before ended. A `tree`, whose inner pages link more, it must read page by page:
    version 0.3.0 loses pages when two that link others arrive together (docs/clients.md).
    """
    remembered = [] if state is None else ["-s", str(state)]
    alone = ["--concurrent", "1"] if tree else []
    return _run([str(client(REFERENCE)), "-o", "ascending", *alone, *remembered, url])


def run_older(url: str) -> str:
    """Replicate a feed once with actor-init-ldes-client; return the triples it prints."""
    return _run([str(client(OLDER)), "--disableSynchronization", "true", "--mimeType", "application/n-quads", url])


def run_followers(*urls: str, states: Sequence[Path] = ()) -> list[str]:
    """Replicate feeds with actor-init-ldes-client, in one process of its own interface; return N-Quads for each.

    With `states`, a file for each, it goes on where the run before ended: its command cannot.
    """
    kept = map(str, states) if states else ["-"] * len(urls)
    return _run_to_files(OLDER, "follow.cjs", *zip(urls, kept, strict=True))


def run_traversal(*urls: str) -> list[str]:
    """Ask Comunica, which follows the TREE links from each address, for all it finds; return N-Triples for each."""
    return _run_to_files(TRAVERSAL, "traverse.cjs", *((url,) for url in urls))


def _run_to_files(name: str, script: str, *jobs: tuple[str, ...]) -> list[str]:
    """Run a script of ours beside a package; it gets for each job the file to write first, then the job's words."""
    if not jobs:
        return []
    try:
        folder = installed(name)
    except UnavailableError as error:
        refuse(str(error))
    with tempfile.TemporaryDirectory() as out:
        files = [Path(out) / str(number) for number in range(len(jobs))]
        words = [word for file, job in zip(files, jobs, strict=True) for word in (str(file), *job)]
        _run(["node", str(folder / script), *words], within=_RUN_WITHIN * len(jobs))
        return [file.read_text("utf-8") for file in files]


def _run(command: list[str], *, within: float = _RUN_WITHIN) -> str:
    # Into a file, not a pipe: actor-init 4.0.9 ends early, with status 0, when whoever reads its pipe is slower.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        done = subprocess.run(command, stdout=printed, stderr=subprocess.PIPE, text=True, timeout=within, check=False)
        assert done.returncode == 0, f"{command[1:]} ended with {done.returncode}:\n{done.stderr[-4000:]}"
        printed.seek(0)
        return printed.read()


class AcceptProxy:
    """Hands requests on, with the Accept header we choose; entering starts it in a thread of its own.

    The feed behind it must have `base` as its public address, so that what a page says of itself is true.
    """

    def __init__(self, port: int, upstream: str) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.accept: str | None = None
        self.served: Counter[str] = Counter()
        self.handed: set[str] = set()  # the addresses that were answered with a document
        self.refused: list[str] = []  # the addresses that were answered with 404 or 410
        self._port = port
        self._upstream = upstream
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def only(self, media_type: str | None) -> None:
        """From now on ask for this media type, whatever the client wishes; None asks for what it wishes."""
        self.accept = media_type
        self.served.clear()
        self.handed.clear()
        self.refused.clear()

    async def _start(self) -> None:
        self._session = ClientSession(auto_decompress=False, cookie_jar=DummyCookieJar())
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._hand_on)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()

    async def _hand_on(self, request: web.Request) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        if self.accept is not None:
            headers["Accept"] = self.accept
        url = f"{self._upstream}{request.path_qs}"
        async with self._session.request(request.method, url, headers=headers, allow_redirects=False) as answer:
            body = await answer.read()
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
            if answer.status == 200:
                self.served[answer.content_type] += 1
                self.handed.add(f"{self.base}{request.path_qs}")
            if answer.status in (404, 410):
                self.refused.append(f"{self.base}{request.path_qs}")
            return web.Response(status=answer.status, headers=kept, body=body)

    async def _close(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
