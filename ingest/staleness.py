"""The loop that tells which sources have not delivered within the interval that their files declare.

It asks the log and not the loops that collect: what is in the log was delivered, whoever collected it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from ingest.source import Source
from ingest.transports.kafka import KafkaSourceOptions
from ingest.transports.mqtt import MqttOptions
from ingest.transports.webhook import WebhookOptions
from streams.log import Log
from streams.metrics import STALE
from streams.record import raw_topic

# Those that speak first: their `every` is a promise of news. Who is asked may truthfully say for days that nothing is new.
TOLD = (MqttOptions, WebhookOptions, KafkaSourceOptions)


def declared(source: Source) -> timedelta | None:
    """Return the interval within which a source delivers, by its file; None where that says nothing of it."""
    if source.expect is not None:
        return source.expect
    return source.transport.every if isinstance(source.transport, TOLD) else None


async def run_staleness(
    sources: Sequence[Source], log: Log, *, stop: asyncio.Event, every: timedelta = timedelta(seconds=10)
) -> None:
    """Set `sf_source_stale` of each source that declares an interval, at once and then every so often, until `stop`.

    A source that never delivered is late from when this loop began.

    Raises:
        LogError: the log did not answer, and the metric stays as it was.

    """
    began = datetime.now(UTC)
    while not stop.is_set():
        for source in sources:
            if (interval := declared(source)) is not None:
                newest = await log.last(raw_topic(source.name))
                since = began if newest is None else newest.at
                STALE.labels(source=source.name).set(datetime.now(UTC) - since > interval)
        with suppress(TimeoutError):
            async with asyncio.timeout(every.total_seconds()):
                await stop.wait()
