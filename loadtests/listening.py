"""Many listeners to one live stream: what they cost the server, how late they hear, and whether they hear everything."""

from __future__ import annotations

import asyncio
import base64
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import psutil

from ldes_server.postgres_store import PostgresStore
from loadtests.filling import Stock
from loadtests.ground import Ground, fine_seconds
from loadtests.histogram import Histogram
from loadtests.processes import ROOT, free_port
from loadtests.sampling import pin
from loadtests.speakers import EACH_SECOND, PATH

# Besides the listeners' sockets a process has files of its own.
_OTHER_FILES = 200
# Of a member of the pilot, so that references speak as much.
EVENT_BYTES = 620


@dataclass(frozen=True, slots=True, kw_only=True)
class Listened:
    """What so many listeners heard in so many seconds of speech, and what that took of the server.

    `gaps` counts numbers that did not follow the one before, members never heard, and connections that broke. `memory`
    is in bytes, `each` what a listener adds to it.
    """

    listeners: int
    seconds: float
    heard: int
    gaps: int
    server: float
    memory: float
    each: float
    times: Histogram

    @property
    def cost(self) -> float:
        """Microseconds of the server's processor for an event heard."""
        return self.server / max(1, self.heard) * 1e6

    @property
    def cores(self) -> float:
        """Processors that the server takes when every listener hears ten events a second."""
        return self.cost * self.listeners * EACH_SECOND / 1e6


def affordable(wanted: int) -> int:
    """Raise the limit on open files as far as it may be, and return how many listeners it is enough for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _OTHER_FILES
    limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        soft = limit
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - _OTHER_FILES))


async def ours(ground: Ground, listeners: int, seconds: float) -> Listened:
    """Let listeners hear our live stream while members are published one by one."""
    url, pid = f"{ground.base}/{ground.stream}/live", ground.stand.pids["serve"]
    async with PostgresStore(ground.stand.dsn, connections=1) as store:

        async def speak() -> int:
            return await publish(ground.stock, store, seconds)

        command = [url, f"--listeners={listeners}", "--until-quiet"]
        return await _listened(ground, command, pid, speak, listeners=listeners)


async def reference(ground: Ground, kind: str, listeners: int, seconds: float) -> Listened:
    """Let listeners hear as much from a `bare` loop of writes, or from a `route` of the web framework."""
    port = free_port()
    command = ["-m", "loadtests.speakers", kind, str(port), str(EVENT_BYTES)]
    async with _running(command) as server:
        pin(server.pid, ground.plan.server)

        async def speak() -> int:
            await asyncio.sleep(seconds)
            # It speaks until it is killed, so nobody knows what all should have heard.
            return 0

        command = [f"http://127.0.0.1:{port}{PATH}", f"--listeners={listeners}"]
        return await _listened(ground, command, server.pid, speak, listeners=listeners)


async def publish(stock: Stock, store: PostgresStore, seconds: float) -> int:
    """Publish members one by one at the rate, and return how many."""
    head = await store.head(stock.stream.name)
    began, count = time.monotonic(), max(1, round(seconds * EACH_SECOND))
    for turn in range(count):
        await asyncio.sleep(max(0.0, began + turn / EACH_SECOND - time.monotonic()))
        placed = stock.placed(head, 1, now=datetime.now(UTC))
        await store.append(stock.stream.name, placed)
        head = placed.head
    return count


async def _listened(
    ground: Ground, command: Sequence[str], pid: int, speak: Callable[[], Awaitable[int]], *, listeners: int
) -> Listened:
    process = psutil.Process(pid)
    empty = process.memory_info().rss
    async with _running(["-m", "loadtests.listeners", *command]) as ears:
        pin(ears.pid, ground.plan.generator)
        assert ears.stdin is not None
        assert ears.stdout is not None
        before, began = fine_seconds(pid), time.perf_counter()
        spoken = await speak()
        seconds = time.perf_counter() - began
        ears.stdin.close()
        told: dict[str, Any] = orjson.loads(await ears.stdout.readline())
        server, memory = fine_seconds(pid) - before, process.memory_info().rss
    return Listened(
        listeners=listeners,
        seconds=seconds,
        heard=told["heard"],
        gaps=told["wrong"] + told["lost"] + max(0, listeners * spoken - told["heard"]),
        server=server,
        memory=memory,
        each=(memory - empty) / listeners,
        times=Histogram.from_bytes(base64.b64decode(told["times"])),
    )


@asynccontextmanager
async def _running(command: list[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a module as a process of its own while the block runs, from its `ready` on.

    Raises:
        RuntimeError: it ended before it was ready.

    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe
    )
    assert process.stdout is not None
    try:
        if await process.stdout.readline() != b"ready\n":
            _, errors = await process.communicate()
            raise RuntimeError(f"{' '.join(command)} failed: {errors.decode()[-2000:]}")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
