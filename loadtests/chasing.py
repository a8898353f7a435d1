"""Asking for the newest leaf over and over while members arrive at a constant rate, and what an answer costs."""

from __future__ import annotations

import asyncio
import gzip
import mmap
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from ldes_server.postgres_store import PostgresStore
from loadtests.caller import Caller
from loadtests.ground import Ground
from loadtests.wrk import Answers, Volley, fire

# Transactions a second while members arrive: a few more than the writer makes at such a rate.
TRANSACTIONS = 25
# How often a reader of the root looks for a new leaf.
_LOOK_SECONDS = 0.02
_HEADERS = {"Accept-Encoding": "gzip"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chase:
    """What came back, the processor seconds of the server, and how many members arrived a second meanwhile."""

    answers: Answers
    spent: float
    arrived: float = 0.0

    @property
    def cost(self) -> float:
        """Microseconds of the server's processor for an answer."""
        return self.spent / self.answers.requests * 1e6


class Board:
    """A number in memory that other processes read from a file as it changes."""

    def __init__(self, memory: mmap.mmap, file: Path) -> None:
        self._memory = memory
        self.file = file

    def show(self, number: int) -> None:
        """Make it this number."""
        self._memory[:4] = number.to_bytes(4, sys.byteorder)


@contextmanager
def board(folder: Path) -> Iterator[Board]:
    """Open a board in a folder."""
    file = folder / "newest"
    file.write_bytes(bytes(4))
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 4) as memory:
        yield Board(memory, file)


async def chase(ground: Ground, path: str, *, seconds: int, newest: Path | None = None) -> Chase:
    """Let wrk ask for a path, behind which stands the number in `newest`, for so many seconds.

    Raises:
        RuntimeError: an answer was an error, or none came.

    """
    url, cpu = ground.base + path, ground.plan.generator
    before = ground.spent()
    volley = Volley(url=url, headers=_HEADERS, seconds=seconds, cpu=cpu, newest=newest)
    answers = await asyncio.to_thread(fire, volley)
    if answers.failures or not answers.requests:
        raise RuntimeError(f"{url}: {answers.failures} of {answers.requests} questions failed")
    return Chase(answers=answers, spent=ground.spent() - before)


async def _follow(ground: Ground, newest: Board, stop: asyncio.Event) -> None:
    """Keep the board at the newest leaf as a reader learns of it: by the last link of the root."""
    root = f"/{ground.stream}/log"
    async with Caller(ground.base, {"Accept": "application/ld+json"}) as caller:
        while not stop.is_set():
            answer = await caller.get(root)
            node: str = orjson.loads(gzip.decompress(answer.body))["view"]["relation"][-1]["node"]
            level, index = node.split("/")[-2:]
            if level == "0":
                newest.show(int(index))
            await asyncio.sleep(_LOOK_SECONDS)


async def chase_newest(ground: Ground, store: PostgresStore, *, rate: int, seconds: int) -> Chase:
    """The same for the newest leaf that the root links, while `rate` members a second are published in small transactions.

    Raises:
        RuntimeError: as `chase`.
        StoreError: the store fails.

    """
    size, stop = ground.stock.stream.page_size, asyncio.Event()
    first = count = (await store.head(ground.stream)).count
    with board(ground.plan.folder) as newest:
        newest.show((first - 1) // size)

        async def publish() -> None:
            nonlocal count
            began = time.perf_counter()
            while not stop.is_set():
                await asyncio.sleep(1 / TRANSACTIONS)
                due = first + int((time.perf_counter() - began) * rate) - count
                if due > 0:
                    await ground.stock.fill(store, due)
                    count += due

        async with asyncio.TaskGroup() as group:
            group.create_task(publish(), name="publish")
            group.create_task(_follow(ground, newest, stop), name="follow")
            try:
                path = f"/{ground.stream}/log/0/"
                found = await chase(ground, path, seconds=seconds, newest=newest.file)
                arrived = (count - first) / found.answers.seconds
            finally:
                stop.set()
    return Chase(answers=found.answers, spent=found.spent, arrived=arrived)
