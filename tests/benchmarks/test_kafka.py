"""KafkaLog against a bare aiokafka loop in the same minute: what the Log's promises cost."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
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

pytestmark = pytest.mark.benchmark

# What the normaliser appends of a MIV minute, and what the writer takes at once.
SIZE, APPENDS, ROUNDS = 2000, 50, 5


def members() -> list[Record]:
    """Make one append: members of some 600 bytes that look like each other, as those of one source do."""
    made = []
    for number in range(SIZE):
        entity = f"https://data.example.org/traffic/sensors/{number}"
        values = ",".join(f'"kenmerk-{field}":{(number * 7919 + field * 104_729) % 1000}' for field in range(24))
        body = f'{{"@id":"{entity}/20261123T120000.000Z","@type":"Observation","sensor":"{entity}",{values}}}'
        headers = {"id": f"traffic/members/{number}/20261123T120000.000Z".encode(), "observed_at": b"2026-11-23T12:00Z"}
        made.append(Record(key=entity.encode(), value=body.encode(), headers=headers))
    return made


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


async def append_ours(log: KafkaLog, topic: str, records: Sequence[Record]) -> None:
    """Append with the log."""
    for _ in range(APPENDS):
        await log.append(topic, records)


def touched(record: Any) -> bool:
    """Look at the value only: the least that a loop can do."""
    return len(record.value) > 0


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


async def read_ours(log: KafkaLog, topic: str) -> None:
    """Read with the log."""
    seen = 0
    async for entries in log.read(topic, after=-1, limit=SIZE):
        seen += sum(touched(entry.record) for entry in entries)
        if seen >= SIZE * APPENDS:
            return


async def read_ours_of(log: KafkaLog, topic: str, _: Sequence[Record]) -> None:
    """Read with the log what was appended from these records."""
    await read_ours(log, topic)


async def timed(step: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Measure one step in seconds, and in seconds of this process's processor."""
    start, own = time.perf_counter(), time.process_time()
    await step()
    return time.perf_counter() - start, time.process_time() - own


async def compare(name: str, steps: dict[str, Callable[[int], Awaitable[object]]]) -> None:
    """Run all steps by turns and print the rate of each over that of the first."""
    spent: dict[str, list[tuple[float, float]]] = {step: [] for step in steps}
    for turn in range(ROUNDS + 1):
        for step, run in steps.items():
            cost = await timed(lambda run=run, turn=turn: run(turn))  # type: ignore[misc]
            if turn:  # the first turn warms up
                spent[step].append(cost)
    rates = {
        step: [SIZE * APPENDS / statistics.median(cost[kind] for cost in costs) for kind in (0, 1)]
        for step, costs in spent.items()
    }
    bare = next(iter(rates.values()))
    for step, (wall, own) in rates.items():
        print(
            f"{name:8} {step:6} {wall / 1000:7.0f} k/s {own / 1000:7.0f} k/cpu-s"
            f"   ratio {wall / bare[0]:.2f} wall, {own / bare[1]:.2f} cpu"
        )


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


async def test_compressions(kafka_options: KafkaOptions) -> None:
    """Print the rates of append and read with each compression over those without."""
    records = members()
    async with AsyncExitStack() as stack:
        logs: dict[str, KafkaLog] = {}
        for kind in (None, "zstd", "lz4", "gzip"):
            options = replace(kafka_options, compression=kind, prefix=f"{kafka_options.prefix}{kind}.")
            logs[str(kind)] = await stack.enter_async_context(KafkaLog(options))
        for name, step in (("append", append_ours), ("read", read_ours_of)):
            await compare(
                name,
                {
                    kind: lambda turn, log=log, step=step: step(log, f"members.{turn}", records)  # type: ignore[misc]
                    for kind, log in logs.items()
                },
            )
