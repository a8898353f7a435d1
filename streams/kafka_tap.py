"""A tap: reads a topic that is not ours, all partitions of it, from positions that its reader keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition, errors

from streams.kafka_client import LONG_POLL, quiet, started, stopped, translated
from streams.kafka_options import MAX_BATCH_BYTES, KafkaOptions
from streams.kafka_reader import EPOCH

# After so much silence the tap asks where the topic ends, which notices a cluster that is gone.
_SILENCE = timedelta(seconds=5)


class Drop(NamedTuple):
    """A record of a topic. `key` and `value` are None where it has none: a value that is None deletes its key."""

    partition: int
    offset: int
    at: datetime
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class Tap:
    """Reads a topic without a group: nothing of it is written at the cluster, so that it needs the right to read only.

    Every method raises `LogError` where the cluster fails; `retriable` says whether another try may help.
    """

    def __init__(self, options: KafkaOptions, topic: str) -> None:
        self._options = options
        self._topic = topic
        self._consumer: Any = None
        self._partitions: frozenset[int] = frozenset()
        self._heard = 0.0

    async def open(self, positions: Mapping[int, int], *, at_end: bool) -> None:
        """Connect, and go to the positions; partitions without one begin at their beginning, or `at_end`."""
        quiet()
        consumer = AIOKafkaConsumer(
            **self._options.client(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            # What its writer took back was never said.
            isolation_level="read_committed",
            fetch_max_wait_ms=round(LONG_POLL.total_seconds() * 1000),
            max_partition_fetch_bytes=MAX_BATCH_BYTES,
        )
        with translated(f"read {self._topic}"):
            self._consumer = await started(consumer, self._options)
            async with asyncio.timeout(self._options.patience.total_seconds()):
                known = await consumer._client._wait_on_metadata(self._topic)  # noqa: SLF001 - nothing public waits for the metadata of a topic that is not subscribed
            self._partitions = frozenset(known)
            consumer.assign([TopicPartition(self._topic, each) for each in sorted(known)])
            await self._go(positions, at_end=at_end)
        self._heard = asyncio.get_running_loop().time()

    async def seek(self, positions: Mapping[int, int]) -> None:
        """Go to these positions, and to the beginning of all other partitions."""
        with translated(f"read {self._topic}"):
            await self._go(positions, at_end=False)

    async def _go(self, positions: Mapping[int, int], *, at_end: bool) -> None:
        absent = [TopicPartition(self._topic, each) for each in self._partitions if each not in positions]
        for each in self._partitions - {one.partition for one in absent}:
            self._consumer.seek(TopicPartition(self._topic, each), positions[each])
        if absent:
            ask = self._consumer.end_offsets if at_end else self._consumer.beginning_offsets
            for partition, offset in (await ask(absent)).items():
                self._consumer.seek(partition, offset)

    async def take(self, *, limit: int, wait: timedelta) -> list[Drop]:
        """Return what there is, at most `limit`, or wait for it a while; nothing when nothing came."""
        with translated(f"read {self._topic}"):
            try:
                found = await self._consumer.getmany(timeout_ms=round(wait.total_seconds() * 1000), max_records=limit)
            except errors.OffsetOutOfRangeError as error:
                await self._pass_over([partition for one in error.args for partition in one])
                found = {}
            if not found:
                await self._check_now_and_then()
                return []
            self._heard = asyncio.get_running_loop().time()
        return [_drop(record) for records in found.values() for record in records]

    async def _pass_over(self, partitions: Iterable[TopicPartition]) -> None:
        """Go on with the oldest record kept, where the cluster dropped the one that comes next."""
        for partition, offset in (await self._consumer.beginning_offsets(list(partitions))).items():
            self._consumer.seek(partition, offset)

    async def _check_now_and_then(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._heard <= _SILENCE.total_seconds():
            return
        async with asyncio.timeout(self._options.patience.total_seconds()):
            await self._consumer.end_offsets([TopicPartition(self._topic, each) for each in self._partitions])
        self._heard = now

    @property
    def has_grown(self) -> bool:
        """Whether the topic has partitions that were not there when it was opened."""
        known = self._consumer.partitions_for_topic(self._topic)
        return bool(known) and frozenset(known) != self._partitions

    async def close(self) -> None:
        """Close the connections."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stopped(consumer)


def _drop(record: Any) -> Drop:
    at = EPOCH + timedelta(milliseconds=max(0, record.timestamp))
    return Drop(record.partition, record.offset, at, record.key, record.value, tuple(record.headers))
