"""Waiting for the next batch of a log without missing the word to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from streams.errors import LogError
from streams.record import Entry


async def next_batch(batches: AsyncIterator[Sequence[Entry]], stop: asyncio.Event) -> Sequence[Entry]:
    """Return the next batch of `Log.read`, or nothing once `stop` is set and no batch had come.

    Raises:
        LogError: the log failed; unwrapped, so that supervision sees whether it is retriable.

    """
    if stop.is_set():
        return ()
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(_read(batches), name="next batch")
        stopping = group.create_task(stop.wait(), name="stop")
        await asyncio.wait((reading, stopping), return_when=asyncio.FIRST_COMPLETED)
        # Cancelling a read that waits loses nothing (streams.log.Log.read).
        reading.cancel()
        stopping.cancel()
    entries = () if reading.cancelled() else reading.result()
    if isinstance(entries, LogError):
        raise entries
    return entries


async def _read(batches: AsyncIterator[Sequence[Entry]]) -> Sequence[Entry] | LogError:
    # As a value, because a task group would wrap what is raised.
    try:
        return await anext(batches, ())
    except LogError as error:
        return error
