"""The loop that lets a log drop what is old enough, and never what its reader has not come to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from streams.log import KeptLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How long a topic keeps its entries. What `done` has not reached stays, however old: a reader that was down for
    a week must find everything it missed.
    """

    topic: str
    older_than: timedelta
    done: Callable[[], Awaitable[int]] | None = None


async def run_retention(
    log: KeptLog, keeps: Sequence[Keep], *, stop: asyncio.Event, every: timedelta = timedelta(minutes=1)
) -> None:
    """Drop what is old enough, topic by topic, at once and then every so often, until `stop` is set."""
    while not stop.is_set():
        for keep in keeps:
            done = None if keep.done is None else await keep.done()
            await log.expire(keep.topic, keep.older_than, done=done)
        with suppress(TimeoutError):
            async with asyncio.timeout(every.total_seconds()):
                await stop.wait()
