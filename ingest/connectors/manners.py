"""Manners: what all sources of one process owe together to a host that several of them ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from weakref import WeakKeyDictionary

# What a browser opens to one host; a publisher that can serve people can serve this.
_AT_ONCE = 6


class Host:
    """One origin: so many questions at once, so long a pause between two of them, and doors that it has closed.

    A door is closed to whoever shows the same key, since limits are counted per key; the pause is the longest that any
    source of the host has asked for.
    """

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._pace = asyncio.Lock()
        self._pause = 0.0
        self._next = 0.0
        self._closed: dict[str, float] = {}

    @asynccontextmanager
    async def turn(self, pause: timedelta) -> AsyncIterator[None]:
        """Wait for a slot and for the pause since the question before."""
        self._pause = max(self._pause, pause.total_seconds())
        async with self._slots:
            if self._pause:
                clock = asyncio.get_running_loop().time
                async with self._pace:
                    await asyncio.sleep(max(0.0, self._next - clock()))
                    self._next = clock() + self._pause
            yield

    def close(self, key: str, wait: timedelta) -> None:
        """Remember that the host asked this key to stay away."""
        self._closed[key] = asyncio.get_running_loop().time() + wait.total_seconds()

    def closed_for(self, key: str) -> timedelta:
        """Return how long this key has to stay away still; nothing when it need not."""
        left = self._closed.get(key, 0.0) - asyncio.get_running_loop().time()
        if left <= 0:
            self._closed.pop(key, None)
        return timedelta(seconds=max(0.0, left))


# Per loop, because what waits belongs to one; a process has one.
_HOSTS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Host]] = WeakKeyDictionary()


def host_of(origin: str) -> Host:
    """Return the host behind an origin, the same one for every source of this process."""
    return _HOSTS.setdefault(asyncio.get_running_loop(), {}).setdefault(origin, Host())
