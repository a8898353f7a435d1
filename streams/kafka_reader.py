"""One reader of one Kafka topic: a consumer with a position of its own, and entries out of its records."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import TopicPartition, errors

from streams.errors import LogError
from streams.kafka_client import stopped
from streams.record import Entry, Record

# A batch of a read ends with the entry that passes this many bytes of values, as in PostgresLog.
MAX_READ_BYTES = 16 * 2**20
# Entries decoded at once while a batch is gathered: few enough to keep the bound above, many enough to be quick.
_SLICE = 500
# How long one look into the consumer may last: a reader that is cancelled ends within it.
_LOOK = timedelta(milliseconds=100)
# What was there when it was asked for is there sooner than this.
_PROMPT = timedelta(milliseconds=10)
# After this much silence a reader asks for the end of the topic, which notices a cluster that is gone; after as much
# again, it notices a client that brings nothing although there is something.
_SILENCE = timedelta(seconds=5)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Asks for the offset that the next entry will get, and for that and the one of the oldest entry kept, oldest first.
End = Callable[[], Awaitable[int]]
Bounds = Callable[[], Awaitable[tuple[int, int]]]


class Reader:
    """One consumer on one partition, with a position of its own; it holds at most one answer of the broker."""

    def __init__(self, consumer: Any, partition: TopicPartition, *, after: int, end: End, bounds: Bounds) -> None:
        self._consumer = consumer
        self._partition = partition
        self._position = after + 1
        self._end = end
        self._bounds = bounds
        self._looking: asyncio.Task[Any] | None = None
        self._closing = asyncio.Lock()
        self._large = MAX_READ_BYTES
        self._heard = asyncio.get_running_loop().time()
        # The position at which there was more to read when it was last asked, None when there was nothing.
        self._owed: int | None = None
        consumer.assign([partition])
        consumer.seek(partition, self._position)

    async def take(self, limit: int) -> list[Entry]:
        """Wait for entries and return what there is, at most `limit`."""
        taken: list[Entry] = []
        size = 0
        end: int | None = None
        wait = False
        began = asyncio.get_running_loop().time()
        while len(taken) < limit and size < MAX_READ_BYTES:
            # As many as fit, if the largest of the last look tells; the first look of all takes one.
            most = min(limit - len(taken), _SLICE, max(1, (MAX_READ_BYTES - size) // self._large))
            found = await self._look(most, wait=wait)
            if found:
                sizes = [it.serialized_value_size for it in found]
                self._large = max(1, *sizes)
                size += sum(sizes)
                if not taken and asyncio.get_running_loop().time() - began > _PROMPT.total_seconds():
                    # It was waited for, so there was nothing when the caller asked: no need to look for more.
                    end = self._position
                taken += entries_of(found)
            elif not taken:
                await self._check_now_and_then()
            elif self._position >= (self._consumer.highwater(self._partition) or 0):
                # What was appended before the caller asked belongs to this batch.
                end = await self._end() if end is None else end
                if self._position >= end:
                    break
            wait = not found
        self._heard = asyncio.get_running_loop().time()
        return taken

    async def _check_now_and_then(self) -> None:
        """Ask where the topic ends after a silence, which fails when the cluster is gone.

        Raises:
            LogError: retriable; for two silences there was more to read and the client brought none of it. Clients of
                Kafka are known to fall silent when a broker goes; a new one reads on.

        """
        now = asyncio.get_running_loop().time()
        if now - self._heard <= _SILENCE.total_seconds():
            return
        end = await self._end()
        # What only marks the end of somebody's transaction is read over without a record.
        place = max(self._position, await self._consumer.position(self._partition))
        if place < end and self._owed == place:
            what = f"the client reads nothing of {self._partition.topic} behind {place}, which ends at {end}"
            raise LogError(what, where="log", fix="none needed: a new client reads on", retriable=True)
        self._owed = place if place < end else None
        self._heard = asyncio.get_running_loop().time()

    async def _look(self, most: int, *, wait: bool) -> list[Any]:
        pause = round(_LOOK.total_seconds() * 1000) if wait else 0
        looking = self._consumer.getmany(self._partition, timeout_ms=pause, max_records=most)
        try:
            if not wait:
                # Takes what is there without giving way to anybody.
                found = await looking
            else:
                # Never cancelled: aiokafka may have moved its position already. It ends by itself.
                self._looking = asyncio.get_running_loop().create_task(looking, name=f"read {self._partition.topic}")
                found = await asyncio.shield(self._looking)
        except errors.OffsetOutOfRangeError:
            await self._reposition()
            return []
        records: list[Any] = found.get(self._partition, [])
        if records:
            self._position = records[-1].offset + 1
        return records

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


async def end_of(consumer: Any, partition: TopicPartition) -> int:
    """Return the offset that the next entry will get."""
    end = await consumer.end_offsets([partition])
    return int(end[partition])


async def bounds_of(consumer: Any, partition: TopicPartition) -> tuple[int, int]:
    """Return the offset of the oldest entry kept, and the one the next entry will get."""
    first = await consumer.beginning_offsets([partition])
    return int(first[partition]), await end_of(consumer, partition)


# Two thirds of the time of calling the classes; a reader that catches up spends much of its time there
# (tests/benchmarks/test_kafka.py).
_new: Any = tuple.__new__


def entries_of(found: Iterable[Any]) -> list[Entry]:
    """Make entries of a consumer's records."""
    entries = []
    at, stamp = EPOCH, 0
    for it in found:
        # All entries of a batch have one time.
        if it.timestamp != stamp:
            at, stamp = EPOCH + timedelta(milliseconds=it.timestamp), it.timestamp
        # Others may write records without a key, a value or that of a header; to us those are empty.
        headers = dict(it.headers)
        if None in headers.values():
            headers = {name: value or b"" for name, value in headers.items()}
        entries.append(_new(Entry, (it.offset, at, _new(Record, (it.key or b"", it.value or b"", headers)))))
    return entries
