"""KafkaLog against a bare aiokafka loop in the same minute: what the Log's promises cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.kafka_log import KafkaLog
from streams.kafka_options import MAX_BATCH_BYTES, KafkaOptions
from streams.kafka_reader import EPOCH
from streams.record import Record
from tests.benchmarks.logs import APPENDS, ROUNDS, SIZE, append_ours, compare, members, read_ours, touched

pytestmark = pytest.mark.benchmark


async def append_bare(options: KafkaOptions, topic: str, records: Sequence[Record]) -> None:
    """Append with the client alone: one batch per append, each awaited, the same promises of the broker."""
    producer = AIOKafkaProducer(
        bootstrap_servers=options.servers,
        acks="all",
        enable_idempotence=True,
        compression_type=options.compression,
        max_batch_size=MAX_BATCH_BYTES,
    )
    await producer.start()
    try:
        for _ in range(APPENDS):
            batch = producer.create_batch()
            for record in records:
                batch.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers.items()))
            await (await producer.send_batch(batch, topic, partition=0))
    finally:
        await producer.stop()


def used(record: Any) -> bool:
    """Take what a member is made of: offset, time, key, value and the headers by name."""
    at = EPOCH + timedelta(milliseconds=record.timestamp)
    return bool((record.offset, at, record.key, record.value, dict(record.headers)))


async def read_bare(options: KafkaOptions, topic: str, use: Callable[[Any], bool]) -> None:
    """Read with the client alone, as its documentation shows for batches."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=options.servers, auto_offset_reset="earliest", max_partition_fetch_bytes=MAX_BATCH_BYTES
    )
    partition = TopicPartition(topic, 0)
    await consumer.start()
    try:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        seen = 0
        while seen < SIZE * APPENDS:
            found = await consumer.getmany(timeout_ms=1000, max_records=SIZE)
            seen += sum(use(record) for records in found.values() for record in records)
    finally:
        await consumer.stop()


async def test_the_log_against_the_bare_client(kafka_options: KafkaOptions) -> None:
    """Print the rates of append and read over those of the client alone, and what each compression costs."""
    records = members()
    size = sum(len(record.value) for record in records) // SIZE
    print(f"\nappends of {SIZE} members of {size} bytes")
    async with KafkaLog(kafka_options) as log:
        for turn in range(ROUNDS + 1):
            await log.verify([f"members.bare-{turn}", f"members.ours-{turn}"])
        await compare(
            "append",
            {
                "bare": lambda turn: append_bare(kafka_options, f"{kafka_options.prefix}members.bare-{turn}", records),
                "ours": lambda turn: append_ours(log, f"members.ours-{turn}", records),
            },
        )
        await compare(
            "read",
            {
                "bare": lambda turn: read_bare(kafka_options, f"{kafka_options.prefix}members.ours-{turn}", touched),
                "used": lambda turn: read_bare(kafka_options, f"{kafka_options.prefix}members.ours-{turn}", used),
                "ours": lambda turn: read_ours(log, f"members.ours-{turn}"),
            },
        )


async def read_after(log: KafkaLog, topic: str, _: Sequence[Record]) -> None:
    """Read what was appended from these records."""
    await read_ours(log, topic)


async def test_compressions(kafka_options: KafkaOptions) -> None:
    """Print the rates of append and read with each compression over those without."""
    records = members()
    async with AsyncExitStack() as stack:
        logs: dict[str, KafkaLog] = {}
        for kind in (None, "zstd", "lz4", "gzip"):
            options = replace(kafka_options, compression=kind, prefix=f"{kafka_options.prefix}{kind}.")
            logs[str(kind)] = await stack.enter_async_context(KafkaLog(options))
        for name, step in (("append", append_ours), ("read", read_after)):
            await compare(
                name,
                {
                    kind: lambda turn, log=log, step=step: step(log, f"members.{turn}", records)  # type: ignore[misc]
                    for kind, log in logs.items()
                },
            )
