"""The loop that measures how far other loops are behind: the end of their topic less the position they have saved.

Neither belongs to a process. So whoever measures says the same, before, during and after a loop that hangs, dies or
moves to another process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from streams.log import Log
from streams.metrics import LAG


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A loop that reads a topic: its `role` and `name` in the metric, and how to ask for the offset it has done."""

    role: str
    name: str
    topic: str
    done: Callable[[], Awaitable[int]]


async def run_lag(
    log: Log, readings: Sequence[Reading], *, stop: asyncio.Event, every: timedelta = timedelta(seconds=5)
) -> None:
    """Set `sf_loop_lag_entries` of each loop, at once and then every so often, until `stop` is set.

    Raises:
        LogError: the log did not answer, and the metric stays as it was.
        StoreError: or the store, where that knows what is done.

    """
    while not stop.is_set():
        for reading in readings:
            # What is done is asked first: asked second, it could be beyond the end.
            done = await reading.done()
            # Appending nothing tells the offset of the newest entry, without fetching it.
            LAG.labels(role=reading.role, name=reading.name).set(max(0, await log.append(reading.topic, ()) - done))
        with suppress(TimeoutError):
            async with asyncio.timeout(every.total_seconds()):
                await stop.wait()
