"""Readers that ask for the newest leaf over and over while members arrive at a constant rate, and what an answer costs."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from ldes_server.postgres_store import PostgresStore
from loadtests.ground import Ground

CONNECTIONS = 24
# Transactions a second while members arrive: a few more than the writer makes at such a rate.
TRANSACTIONS = 25
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_OK = b"HTTP/1.1 200 "
_LEAST_SECONDS = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Chase:
    """What came: answers, the processor seconds of the server, members that arrived, and seconds by the clock."""

    answers: int
    spent: float
    members: int
    seconds: float

    @property
    def cost(self) -> float:
        """Microseconds of the server's processor for an answer."""
        return self.spent / self.answers * 1e6


class Reader(asyncio.Protocol):
    """A kept connection that asks for what `path` gives as soon as it has its answer; `broken` says what went wrong."""

    def __init__(self, path: Callable[[], str]) -> None:
        self._path = path
        self._held = b""
        self._missing = 0
        self.done = 0
        self.broken = ""
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        self.transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer; with its last one ask again."""
        if self._missing:
            self._missing -= len(data)
        else:
            self._held += data
            head, found, body = self._held.partition(b"\r\n\r\n")
            if not found:
                return
            self._held = b""
            length = _LENGTH.search(head)
            if not head.startswith(_OK) or length is None:
                self.broken = head[:200].decode("latin-1")
                self.transport.close()
                return
            self._missing = int(length[1]) - len(body)
        if self._missing == 0:
            self.done += 1
            if self.open:
                self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note an end that nobody wanted."""
        if self.open and not self.broken:
            self.broken = f"the connection ended: {exc}"

    def _ask(self) -> None:
        self.transport.write(b"GET %s HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n" % self._path().encode())


async def chase(ground: Ground, path: Callable[[], str], *, seconds: float) -> Chase:
    """Let 24 connections ask for what `path` gives at that moment, for so many seconds.

    Raises:
        RuntimeError: an answer was not 200, or a connection ended.

    """
    loop, where = asyncio.get_running_loop(), urlsplit(ground.base)
    assert where.hostname is not None
    assert where.port is not None
    before, began = ground.spent(), time.perf_counter()
    readers = []
    for _ in range(CONNECTIONS):
        _, reader = await loop.create_connection(lambda: Reader(path), where.hostname, where.port)
        readers.append(reader)
    await asyncio.sleep(seconds)
    spent, passed = ground.spent() - before, time.perf_counter() - began
    answers = sum(reader.done for reader in readers)
    for reader in readers:
        reader.open = False
        reader.transport.abort()
    broken = [reader.broken for reader in readers if reader.broken]
    if broken or not answers:
        raise RuntimeError(f"{len(broken)} of {CONNECTIONS} readers failed: {broken[:1]}")
    return Chase(answers=answers, spent=max(spent, _LEAST_SECONDS), members=0, seconds=passed)


async def chase_newest(ground: Ground, store: PostgresStore, *, rate: int, seconds: float) -> Chase:
    """The same for the newest leaf, while `rate` members a second are published, many small transactions a second.

    Raises:
        RuntimeError: as `chase`.
        StoreError: the store fails.

    """
    size = ground.stock.stream.page_size
    count = (await store.head(ground.stream)).count
    first, stop = count, asyncio.Event()

    def newest() -> str:
        return f"/{ground.stream}/log/0/{(count - 1) // size}"

    async def publish() -> None:
        nonlocal count
        began = time.perf_counter()
        while not stop.is_set():
            await asyncio.sleep(1 / TRANSACTIONS)
            due = first + int((time.perf_counter() - began) * rate) - count
            if due > 0:
                await ground.stock.fill(store, due)
                # Known to readers from now on, as it is from the root's links.
                count += due

    async with asyncio.TaskGroup() as group:
        group.create_task(publish(), name="publish")
        try:
            found = await chase(ground, newest, seconds=seconds)
            arrived = count - first
        finally:
            stop.set()
    return Chase(answers=found.answers, spent=found.spent, members=arrived, seconds=found.seconds)
