"""One reader of one Kafka topic: a consumer with a position of its own, and entries out of its records."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import TopicPartition, errors

from streams.errors import LogError
from streams.kafka_client import stopped
from streams.record import Entry, Record

# A batch of a read ends with the entry that passes this many bytes of values, as in PostgresLog.
MAX_READ_BYTES = 16 * 2**20
# Entries decoded at once while a batch is gathered: few enough to keep the bound above, many enough to be quick.
_SLICE = 250
# How long one look into the consumer may last: a reader that is cancelled ends within it.
_LOOK = timedelta(milliseconds=100)
# After this much silence a reader asks for the end of the topic, which notices a cluster that is gone.
_SILENCE = timedelta(seconds=5)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Asks for the offset of the oldest entry kept and the one the next entry will get.
Bounds = Callable[[], Awaitable[tuple[int, int]]]


class Reader:
    """One consumer on one partition, with a position of its own; it holds at most one answer of the broker."""

    def __init__(self, consumer: Any, partition: TopicPartition, *, after: int, bounds: Bounds) -> None:
        self._consumer = consumer
        self._partition = partition
        self._position = after + 1
        self._bounds = bounds
        self._looking: asyncio.Task[Any] | None = None
        self._closing = asyncio.Lock()
        self._large = MAX_READ_BYTES
        consumer.assign([partition])
        consumer.seek(partition, self._position)

    async def take(self, limit: int) -> list[Entry]:
        """Wait for entries and return what there is, at most `limit`."""
        loop = asyncio.get_running_loop()
        taken: list[Entry] = []
        size = 0
        end: int | None = None
        quiet_since = loop.time()
        while len(taken) < limit and size < MAX_READ_BYTES:
            known = self._position < (self._consumer.highwater(self._partition) or 0)
            if taken and not known:
                # What was appended before the caller asked belongs to this batch.
                end = (await self._bounds())[1] if end is None else end
                if self._position >= end:
                    break
            # As many as fit, if the largest of the last look tells; the first look of all takes one.
            most = max(1, (MAX_READ_BYTES - size) // self._large)
            found = await self._look(min(limit - len(taken), _SLICE, most))
            taken += found
            if found:
                sizes = [len(entry.record.value) for entry in found]
                size += sum(sizes)
                self._large = max(*sizes, 1)
            if not found and not taken and loop.time() - quiet_since > _SILENCE.total_seconds():
                await self._bounds()
                quiet_since = loop.time()
        return taken

    async def _look(self, most: int) -> list[Entry]:
        # A look is never cancelled: aiokafka may have moved its position already. It ends by itself.
        wait = round(_LOOK.total_seconds() * 1000)
        looking = self._consumer.getmany(self._partition, timeout_ms=wait, max_records=most)
        self._looking = asyncio.get_running_loop().create_task(looking, name=f"read {self._partition.topic}")
        try:
            found = await asyncio.shield(self._looking)
        except errors.OffsetOutOfRangeError:
            await self._reposition()
            return []
        entries = list(entries_of(found.get(self._partition, ())))
        if entries:
            self._position = entries[-1].offset + 1
        return entries

    async def _reposition(self) -> None:
        """Go on with the oldest entry kept, when retention has dropped what comes next."""
        first, end = await self._bounds()
        if self._position > end:
            raise LogError(
                f"{self._partition.topic} ends at {end}, before the position {self._position}: entries were lost",
                where="log",
                fix="find out who deleted the topic; then replay the raw topic, or set the reader's position back",
            )
        self._position = max(self._position, first)
        self._consumer.seek(self._partition, self._position)

    def skip(self, partition: TopicPartition, first: int) -> None:
        """Forget what was fetched before retention dropped it; other processes may deliver that once more."""
        if partition == self._partition and self._position < first:
            self._position = first
            self._consumer.seek(partition, first)

    async def close(self) -> None:
        """Let the look in hand end, then close the connections."""
        # A reader that nobody holds any more is closed by the loop, perhaps while the log itself closes.
        async with self._closing:
            if self._looking is not None:
                await asyncio.wait([self._looking])
                if not self._looking.cancelled():
                    self._looking.exception()
            await stopped(self._consumer)


async def bounds_of(consumer: Any, partition: TopicPartition) -> tuple[int, int]:
    """Return the offset of the oldest entry kept, and the one the next entry will get."""
    first = await consumer.beginning_offsets([partition])
    end = await consumer.end_offsets([partition])
    return int(first[partition]), int(end[partition])


def entries_of(found: Iterable[Any]) -> Iterator[Entry]:
    """Make entries of a consumer's records."""
    at, stamp = EPOCH, 0
    for it in found:
        # All entries of a batch have one time.
        if it.timestamp != stamp:
            at, stamp = EPOCH + timedelta(milliseconds=it.timestamp), it.timestamp
        # Others may write records without a key or value; to us those are empty.
        record = Record(key=it.key or b"", value=it.value or b"", headers=dict(it.headers))
        yield Entry(offset=it.offset, at=at, record=record)
