"""A Log on Apache Kafka, 3.9 or 4: for clusters; one partition per topic, so that offsets are dense from 0."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from aiokafka import TopicPartition, errors
from aiokafka.admin import NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams import kafka_client
from streams.errors import ConfigError, Problem
from streams.kafka_client import LONG_POLL, SHORT_POLL, abandoned, flushed, insist, started, stopped, translated, whole
from streams.kafka_looker import Looker
from streams.kafka_options import KafkaOptions, Topic, faults, wanted
from streams.kafka_reader import EPOCH, Reader, bounds_of, end_of, entries_of
from streams.record import Entry, Record


class KafkaLog:
    """The Log protocol on Kafka topics; an async context manager.

    An append whose records fit one record batch (`MAX_BATCH_BYTES` before compression) is stored whole or not at all.
    A larger one is several batches, in order and without another append of this process between them; when it raises,
    a first part of it may be stored, which the same call again repeats. Topics come into being on first use and are
    checked then: `ConfigError` names each wrong setting with its fix. `kept` says per topic how long its entries are
    kept, so that a shorter retention of the broker's is refused. A reader waits through the loss of brokers and
    raises a retriable error when the cluster did not answer for `patience`.
    """

    def __init__(self, options: KafkaOptions, *, kept: Mapping[str, timedelta] | None = None) -> None:
        self._options = options
        self._kept = dict(kept or {})
        self._patience = options.patience.total_seconds()
        self._admin: Any = None
        self._producer: Any = None
        # Fetching an entry takes a while, and readers ask for the end of their topic before each batch.
        self._looker = Looker(options)
        self._ends = Looker(options)
        self._readers: set[Reader] = set()
        self._checked: set[str] = set()
        self._checking = asyncio.Lock()
        self._producing = asyncio.Lock()
        # One line per topic: the batches of an append stay together.
        self._lines: dict[str, asyncio.Lock] = {}

    async def __aenter__(self) -> Self:
        kafka_client.quiet()
        with translated("connect"):
            self._admin = await started(kafka_client.admin(self._options), self._options)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for reader in list(self._readers):
            await reader.close()
        for looker in (self._looker, self._ends):
            await looker.close()
        producer, self._producer = self._producer, None
        if producer is not None:
            await flushed(producer)
        await stopped(self._admin)

    async def verify(self, topics: Iterable[str]) -> None:
        """Make the topics that are missing and check the others, before anybody depends on them.

        Raises:
            ConfigError: with every fault of every topic.

        """
        problems: list[Problem] = []
        for topic in topics:
            try:
                await self._ensure(topic)
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(problems, where="the Kafka topics")

    async def append(self, topic: str, records: Sequence[Record]) -> int:
        """Append all records (see Log; for more than a batch, see the class)."""
        partition = await self._ensure(topic)
        if not records:
            return await self._end(topic) - 1
        with translated("append"):
            producer = await self._started_producer()
            try:
                async with asyncio.timeout(self._patience), self._lines.setdefault(topic, asyncio.Lock()):
                    last = -1
                    for batch in _batches(producer, records):
                        sent = await producer.send_batch(batch, partition.topic, partition=partition.partition)
                        last = (await sent).offset + batch.record_count() - 1
                    return last
            except (errors.KafkaError, TimeoutError):
                # Nobody knows what becomes of its batches: whoever calls again gets a new producer.
                self._checked.discard(topic)
                if self._producer is producer:
                    self._producer = None
                await abandoned(producer)
                raise

    async def append_together(self, parts: Sequence[tuple[str, Sequence[Record]]]) -> None:
        """Append to several topics, one after the other (see Log)."""
        for topic, records in parts:
            if records:
                await self.append(topic, records)

    async def read(self, topic: str, *, after: int, limit: int = 500) -> AsyncIterator[Sequence[Entry]]:
        """Yield batches of at most `limit` entries and about `MAX_READ_BYTES` bytes of values (see Log)."""
        partition = await self._ensure(topic)
        with translated("read"):
            consumer = await started(kafka_client.consumer(self._options, wait=LONG_POLL), self._options)
        reader = Reader(
            *(consumer, partition),
            after=after,
            end=lambda: self._end(topic),
            bounds=lambda: self._bounds(topic),
        )
        self._readers.add(reader)
        try:
            while True:
                with translated("read"):
                    entries = await reader.take(limit)
                yield entries
        finally:
            await reader.close()
            self._readers.discard(reader)

    async def last(self, topic: str) -> Entry | None:
        """Return the newest entry (see Log)."""
        partition = await self._ensure(topic)

        async def newest(consumer: Any) -> Entry | None:
            first, end = await bounds_of(consumer, partition)
            if first == end:
                return None
            consumer.assign([partition])
            consumer.seek(partition, end - 1)
            while True:
                found = await consumer.getmany(partition, timeout_ms=1000, max_records=1)
                if found:
                    return entries_of(found[partition])[0]

        with translated("read"):
            entry: Entry | None = await self._looker.ask(newest)
        return entry

    async def commit(self, group: str, topic: str, offset: int) -> None:
        """Save how far a group is (see Log): for positions saved now and then, as each call makes a connection."""
        partition = await self._ensure(topic)

        async def save() -> None:
            consumer = kafka_client.consumer(self._options, wait=SHORT_POLL, group=self._options.prefix + group)
            await started(consumer, self._options)
            try:
                consumer.assign([partition])
                consumer.pause(partition)
                await consumer.commit({partition: offset + 1})
            finally:
                await stopped(consumer)

        with translated("commit"):
            await whole(insist(save, patience=self._options.patience))

    async def committed(self, group: str, topic: str) -> int:
        """Return how far a group is (see Log); Kafka forgets a group that saved nothing for a week."""
        partition = TopicPartition(self._options.prefix + topic, 0)
        with translated("read a position"):
            found = await self._call(
                lambda: self._admin.list_consumer_group_offsets(self._options.prefix + group, partitions=[partition])
            )
        return max(found[partition].offset - 1, -1) if partition in found else -1

    async def topics(self) -> frozenset[str]:
        """Return the names of the topics of this platform, without their prefix (see KeptLog)."""
        with translated("list topics"):
            names = await self._call(self._admin.list_topics)
        prefix = self._options.prefix
        return frozenset(name.removeprefix(prefix) for name in names if name.startswith(prefix))

    async def expire(self, topic: str, older_than: timedelta, *, done: int | None = None) -> int:
        """Drop the entries older than this, never the newest one nor one after `done`; return how many there were.

        The brokers drop what is older than the topic's own retention, too, and ask nobody.
        """
        partition = await self._ensure(topic)
        before = (datetime.now(UTC) - older_than - EPOCH) // timedelta(milliseconds=1)

        async def keep_from(consumer: Any) -> tuple[int, int]:
            first, end = await bounds_of(consumer, partition)
            young = (await consumer.offsets_for_times({partition: before}))[partition]
            return first, min(end - 1, end if young is None else young.offset)

        with translated("drop old entries"):
            first, keep = await self._looker.ask(keep_from)
            keep = keep if done is None else min(keep, done + 1)
            if keep <= first:
                return 0
            dropping = {partition: RecordsToDelete(before_offset=keep)}
            await self._call(lambda: self._admin.delete_records(dropping))
        for reader in self._readers:
            reader.skip(partition, keep)
        return int(keep - first)

    async def _end(self, topic: str) -> int:
        partition = TopicPartition(self._options.prefix + topic, 0)
        with translated("read"):
            end: int = await self._ends.ask(lambda consumer: end_of(consumer, partition))
        return end

    async def _bounds(self, topic: str) -> tuple[int, int]:
        partition = TopicPartition(self._options.prefix + topic, 0)
        with translated("read"):
            first, end = await self._ends.ask(lambda consumer: bounds_of(consumer, partition))
        return first, end

    async def _ensure(self, topic: str) -> TopicPartition:
        """Make the topic if it is missing, check it once, and return its partition."""
        partition = TopicPartition(self._options.prefix + topic, 0)
        if topic in self._checked:
            return partition
        with translated(f"prepare topic {partition.topic}"):
            # Whoever stands in line behind a cluster that does not answer is told in time, too.
            async with asyncio.timeout(self._patience), self._checking:
                if topic not in self._checked:
                    found = await self._call(lambda: self._made(partition.topic))
                    if problems := faults(found, self._options, kept=self._kept.get(topic)):
                        raise ConfigError(problems, where=f"the Kafka topic {partition.topic}")
                    self._checked.add(topic)
        return partition

    async def _made(self, name: str) -> Topic:
        # Made before it is looked at: looking makes a topic with the broker's settings where that is allowed.
        new = NewTopic(name, 1, self._options.replication, topic_configs=wanted(self._options))
        for _, code, *_ in (await self._admin.create_topics([new])).topic_errors:
            kind = errors.for_code(code)
            if kind not in (errors.NoError, errors.TopicAlreadyExistsError):
                raise kind(name)
        (seen,) = await self._admin.describe_topics([name])
        if seen["error_code"]:
            raise errors.for_code(seen["error_code"])(name)
        (answer,) = await self._admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
        ((code, _, _, _, settings),) = answer.resources
        if code:
            raise errors.for_code(code)(name)
        copies = [len(partition["replicas"]) for partition in seen["partitions"]]
        return Topic(name=name, copies=copies, settings={setting[0]: setting[1] for setting in settings})

    async def _call(self, call: Callable[[], Awaitable[Any]]) -> Any:
        return await whole(insist(call, patience=self._options.patience))

    async def _started_producer(self) -> Any:
        async with self._producing:
            if self._producer is None:
                self._producer = await started(kafka_client.producer(self._options), self._options)
            return self._producer


def _batches(producer: Any, records: Sequence[Record]) -> Iterator[Any]:
    """Pack records into as few batches as hold them, in order; each is made when the one before is safe."""
    batch = producer.create_batch()
    for record in records:
        headers = list(record.headers.items())
        if batch.append(key=record.key, value=record.value, timestamp=None, headers=headers) is None:
            yield batch
            batch = producer.create_batch()
            batch.append(key=record.key, value=record.value, timestamp=None, headers=headers)
    batch.close()
    yield batch
