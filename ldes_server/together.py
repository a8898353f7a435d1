"""Together: what many ask for at once is made once, and nobody gets what was begun before it was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from itertools import count
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")


class _Line(Generic[T]):
    """Those who wait for one thing: the last one made, and when making it began."""

    __slots__ = ("__weakref__", "began", "lock", "made")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.began = -1
        self.made: T | None = None


class Together(Generic[T]):
    """Makes things by key, for all who ask meanwhile.

    When a page changes, its readers ask at once. The first has it made; those who come while it is being made might miss
    the change after, so the first of them has it made once more, for all of them. Nobody waits for more than two.
    """

    def __init__(self) -> None:
        self._lines: WeakValueDictionary[Hashable, _Line[T]] = WeakValueDictionary()
        self._moments = count()

    def __len__(self) -> int:
        return len(self._lines)

    async def make(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """Return what `make` makes, begun after this call; an error goes to who had it made, and the next one tries."""
        asked = next(self._moments)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line()
        async with line.lock:
            if line.began < asked or line.made is None:
                began = next(self._moments)
                line.made = await make()
                line.began = began
            return line.made
