"""Turns: whoever wants the same thing made waits for the one who is making it."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from weakref import WeakValueDictionary


class Turns:
    """A lock for each key, kept for as long as somebody holds it or waits for it.

    When a page changes, all who read it ask at once: the first makes it, the others look again when it is their turn.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._locks)

    def of(self, key: Hashable) -> asyncio.Lock:
        """Return the lock of a key, to be held with `async with`."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock
