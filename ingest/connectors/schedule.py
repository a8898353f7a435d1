"""Schedule: when to ask again, on a grid that the time an answer takes does not shift."""

from __future__ import annotations

import asyncio
from datetime import timedelta


class Schedule:
    """Keeps a steady cadence on the clock of the running loop: call `begin` before a poll and `next` after it."""

    def __init__(self, every: timedelta) -> None:
        self._every = every.total_seconds()
        self._due: float | None = None  # when the poll in hand was due

    def begin(self) -> None:
        """Note that a poll begins; one that is late makes a new grid."""
        now = asyncio.get_running_loop().time()
        if self._due is None or self._due < now:
            self._due = now

    def next(self) -> timedelta:
        """Return how long to wait: the time a poll took does not push the following ones back; missed ones are skipped."""
        now = asyncio.get_running_loop().time()
        assert self._due is not None
        self._due += self._every * max(1, int((now - self._due) // self._every) + 1)
        return timedelta(seconds=max(0.0, self._due - now))
