"""Everybody who reads while others write: pollers at a constant rate, a client that copies on and on, and listeners."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from loadtests.arrivals import Offer, Offered, offer
from loadtests.caller import Caller
from loadtests.histogram import Histogram
from loadtests.processes import replicate, start
from loadtests.replicator import links

_MEDIA = "application/ld+json"
# By turns, what a poller asks for: is there news, the news, and two pages of history.
_ROOT, _NEWEST = 0, 1
_TURNS = 4
_WIDTH = 24
_SEED = 20261128


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Who reads: `polls` a second, copying clients, and listeners."""

    polls: float
    copies: int
    listeners: int


class Read:
    """What readers got in one phase; complete when the block of `reading` has ended.

    `times` has the pollers' times from due to done; `copied` and `heard` what the processes of the others said.
    """

    def __init__(self) -> None:
        self.times = Histogram()
        self.offered: Offered | None = None
        self.unchanged = 0
        self.copied: list[dict[str, Any]] = []
        self.heard: dict[str, Any] = {}

    @property
    def pages(self) -> int:
        """Pages that the copying clients fetched."""
        return sum(each["pages"] for each in self.copied)

    @property
    def faults(self) -> int:
        """Copies with gaps, and events missed or doubled: wrong on any machine, however busy."""
        gaps = sum(not each["dense"] for each in self.copied)
        return gaps + int(self.heard.get("wrong", 0)) + int(self.heard.get("lost", 0))

    @property
    def refused(self) -> int:
        """Polls that failed or were given up for want of an answer."""
        return self.offered.failed + self.offered.given_up if self.offered else 0


class Poller:
    """Asks for the root, for its newest page, and for pages of history, the first on the condition that it changed."""

    def __init__(self, caller: Caller, stream: str, read: Read) -> None:
        self._caller = caller
        self._root = f"/{stream}/log"
        self._read = read
        self._tag, self._newest = "", self._root
        self._random = random.Random(_SEED)

    async def ask(self, number: int) -> None:
        """Ask for what is due as arrival `number`.

        Raises:
            RuntimeError: the answer is not a page.

        """
        turn = number % _TURNS
        if turn == _ROOT:
            await self._look()
        else:
            await self._page(self._newest if turn == _NEWEST else self._old())

    async def _look(self) -> None:
        answer = await self._caller.get(self._root, {"If-None-Match": self._tag} if self._tag else {})
        if answer.status == 304:
            self._read.unchanged += 1
            return
        if answer.status != 200:
            raise RuntimeError(f"{self._root} answered {answer.status}")
        self._tag = answer.etag
        found = links(answer.body)
        self._newest = "/" + found[-1].split("/", 3)[3] if found else self._root

    def _old(self) -> str:
        """Choose a leaf before the newest one."""
        parts = self._newest.rsplit("/", 2)
        # Where the newest page is a node or the root, nothing older is known by its number.
        if parts[-2:-1] != ["0"] or parts[-1] == "0":
            return self._newest
        return f"{self._root}/0/{self._random.randrange(int(parts[-1]))}"

    async def _page(self, path: str) -> None:
        answer = await self._caller.get(path)
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")


@asynccontextmanager
async def reading(base: str, stream: str, crowd: Crowd, seconds: float) -> AsyncIterator[Read]:
    """Let the crowd read for so many seconds, beginning with the block; the block ends when all of them have.

    Raises:
        RuntimeError: a process of theirs failed.

    """
    read = Read()
    url = f"{base}/{stream}"
    listeners = await start("listeners", f"{url}/live", f"--listeners={crowd.listeners}") if crowd.listeners else None
    try:
        if listeners is not None:
            assert listeners.stdout is not None
            # Greeted before the clock runs.
            await listeners.stdout.readline()
        async with asyncio.TaskGroup() as group:
            polling = group.create_task(_poll(base, stream, crowd, seconds, read), name="pollers")
            copying = [
                group.create_task(
                    replicate(f"{url}/log", f"--seconds={seconds}", "--connections=4"), name=f"copy {number}"
                )
                for number in range(crowd.copies)
            ]
            yield read
        read.offered = polling.result()
        read.copied = [each.result() for each in copying]
        if listeners is not None:
            said, _ = await listeners.communicate(b"")
            read.heard = orjson.loads(said)
    finally:
        if listeners is not None and listeners.returncode is None:
            listeners.kill()
            await listeners.communicate()


async def _poll(base: str, stream: str, crowd: Crowd, seconds: float, read: Read) -> Offered:
    async with Caller(base, {"Accept": _MEDIA}) as caller:
        wanted = Offer(rate=crowd.polls, seconds=seconds, width=_WIDTH)
        return await offer(Poller(caller, stream, read).ask, wanted, read.times)
