"""The collecting loop: publisher to raw topic, each payload safe before the next one is asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from ingest.connector import Connector, Poll
from ingest.trouble import Troubles
from streams.errors import SourceError
from streams.log import Log
from streams.logs import logger
from streams.metrics import COLLECTED_BYTES, COLLECTED_PAYLOADS, DUE, LAST_COLLECTED, POLLS
from streams.record import Payload, Record, raw_topic

# Bytes packed on the spot: a fifth of a millisecond, no more than handing them to a thread and back.
_LITTLE = 16 * 1024

_log = logger(__name__)


async def collect(source: str, connector: Connector, log: Log, *, stop: asyncio.Event) -> None:
    """Poll `connector` and append what it brings to `raw.<source>`, until `stop`.

    The caller has entered the connector. Polling starts from the cursor of the newest payload in the log, so a crash
    anywhere repeats a poll and loses nothing. Stopping interrupts the waiting between polls at once; a poll in hand
    is finished and its payloads are stored. Where a publisher says when to come back, that is kept to.

    Raises:
        SourceError: the publisher failed; counted, and left to supervision, which runs this job again with back-off.
        LogError: the log failed; what was in hand is asked for again by the next run.

    """
    topic = raw_topic(source)
    newest = await log.last(topic)
    cursor = b"" if newest is None else newest.record.headers.get("cursor", b"")
    troubles = Troubles(log)
    while not stop.is_set():
        poll = await _poll(source, connector, cursor, troubles)
        if poll.payloads:
            await log.append(topic, await _records(poll.payloads))
            cursor = poll.payloads[-1].cursor
            # Only now: whoever sees the poll counted finds its payloads in the log.
            POLLS.labels(source=source, outcome="news").inc()
            _count(source, poll.payloads)
        DUE.labels(source=source).set(time.time() + poll.again_in.total_seconds())
        await _pause(stop, poll.again_in)


async def _poll(source: str, connector: Connector, cursor: bytes, troubles: Troubles) -> Poll:
    try:
        poll = await connector.poll(cursor)
    except SourceError as error:
        POLLS.labels(source=source, outcome="failed").inc()
        await troubles.tell(source, error)
        # Some publishers say when to come back (Retry-After); supervision's back-off would knock much sooner.
        wait = getattr(error, "again_in", None)
        if not isinstance(wait, timedelta):
            raise
        _log.warning("publisher asks for patience", source=source, where=error.where, what=error.what)
        return Poll(payloads=(), again_in=wait)
    await troubles.over(source)
    if not poll.payloads:
        POLLS.labels(source=source, outcome="empty").inc()
    return poll


async def _records(payloads: Sequence[Payload]) -> list[Record]:
    if sum(len(payload.body) for payload in payloads) <= _LITTLE:
        return _packed(payloads)
    return await asyncio.to_thread(_packed, payloads)


def _packed(payloads: Sequence[Payload]) -> list[Record]:
    """Pack in a thread: deflating ten megabytes of XML would hold up every other source for a tenth of a second."""
    return [payload.to_record() for payload in payloads]


def _count(source: str, payloads: Sequence[Payload]) -> None:
    COLLECTED_PAYLOADS.labels(source=source).inc(len(payloads))
    COLLECTED_BYTES.labels(source=source).inc(sum(len(payload.body) for payload in payloads))
    LAST_COLLECTED.labels(source=source).set(payloads[-1].received_at.timestamp())


async def _pause(stop: asyncio.Event, wait: timedelta) -> None:
    """Wait for the next poll or for the end, whichever comes first."""
    with suppress(TimeoutError):
        async with asyncio.timeout(wait.total_seconds()):
            await stop.wait()
