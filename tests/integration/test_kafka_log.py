"""What KafkaLog promises beyond the contract: dying brokers, wrong topics, translated errors, logins, bounds."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.errors import ConfigError, LogError
from streams.kafka_log import KafkaLog
from streams.kafka_options import KafkaOptions
from streams.record import Entry, Record
from tests.conftest import start_kafka
from tests.support.broker import Broker, Kafka

TOPIC = "members.garages"
# Far above what any step takes on a loaded machine; a test that reaches it has failed.
PATIENCE = 60


def record(value: str) -> Record:
    """Make a record."""
    return Record(key=b"", value=value.encode())


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[Kafka]:
    """Start a broker that the test may hurt."""
    with start_kafka(tmp_path / "cluster") as cluster:
        yield cluster


@pytest.fixture
def three_brokers(tmp_path: Path) -> Iterator[Kafka]:
    """Start a cluster that can lose any one of its brokers."""
    with start_kafka(tmp_path / "cluster", size=3) as cluster:
        yield cluster


async def insist(call: Callable[[], Awaitable[int]]) -> tuple[int, int]:
    """Call again as long as the error says that this can help; return the result and how often it failed."""
    failed = 0
    while True:
        try:
            return await call(), failed
        except LogError as error:
            if not error.retriable:
                raise
            failed += 1
            await asyncio.sleep(0.1)


class Ledger:
    """A writer that numbers what it appends and a reader that follows, both as stubborn as supervised loops."""

    def __init__(self, options: KafkaOptions) -> None:
        self.options = options
        self.appended = 0
        self.failed = 0
        self.entries: list[Entry] = []
        self._stop = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write and read while the block does its harm, then until everything written is read."""
        async with asyncio.timeout(2 * PATIENCE), asyncio.TaskGroup() as group:
            group.create_task(self._write())
            reading = group.create_task(self._read())
            yield
            self._stop.set()
            await reading

    async def further(self, count: int) -> None:
        """Wait until so many more appends came through."""
        goal = self.appended + count
        while self.appended < goal:  # noqa: ASYNC110 - the condition is a number that grows
            await asyncio.sleep(0.02)

    async def _write(self) -> None:
        async with KafkaLog(self.options) as log:
            while not self._stop.is_set():
                number = self.appended
                _, failed = await insist(lambda number=number: log.append(TOPIC, [record(str(number))]))  # type: ignore[misc]
                self.failed += failed
                self.appended += 1
                await asyncio.sleep(0.01)
            await insist(lambda: log.append(TOPIC, [record("end")]))

    async def _read(self) -> None:
        async with KafkaLog(self.options) as log:
            while not self._has_ended():
                try:
                    await self._follow(log)
                except LogError as error:
                    if not error.retriable:
                        raise
                    await asyncio.sleep(0.1)

    async def _follow(self, log: KafkaLog) -> None:
        async for batch in log.read(TOPIC, after=self.entries[-1].offset if self.entries else -1):
            self.entries += batch
            if self._has_ended():
                return

    def _has_ended(self) -> bool:
        return bool(self.entries) and self.entries[-1].record.value == b"end"

    def check(self) -> None:
        """Nothing lost, numbers dense and in order, and doubled only where an append had failed."""
        assert [entry.offset for entry in self.entries] == list(range(len(self.entries)))
        numbers = [int(entry.record.value) for entry in self.entries if entry.record.value != b"end"]
        assert numbers == sorted(numbers)
        assert set(numbers) == set(range(self.appended))
        assert len(numbers) - self.appended <= self.failed
        print(f"appended {self.appended}, calls repeated {self.failed}, doubled {len(numbers) - self.appended}")


async def test_a_killed_broker_loses_nothing(own_kafka: Kafka) -> None:
    """While the only broker is killed and restarted, writer and reader wait or retry, then everything is there."""
    ledger = Ledger(KafkaOptions(servers=own_kafka.servers, replication=1, patience=timedelta(seconds=2)))
    (broker,) = own_kafka.brokers
    async with ledger.running():
        await ledger.further(20)
        broker.kill()
        await asyncio.sleep(3)
        await asyncio.to_thread(broker.restart)
        await ledger.further(20)
        broker.pause()
        await asyncio.sleep(3)
        broker.resume()
        await ledger.further(20)
    ledger.check()


@pytest.mark.slow
async def test_a_cluster_goes_on_without_any_one_broker(three_brokers: Kafka) -> None:
    """Each of three brokers is killed and restarted in turn; appends go on meanwhile and nothing is lost or doubled."""
    ledger = Ledger(KafkaOptions(servers=three_brokers.servers))
    waits = []
    loop = asyncio.get_running_loop()
    async with ledger.running():
        await ledger.further(20)
        for broker in three_brokers.brokers:
            broker.kill()
            began = loop.time()
            await ledger.further(20)
            waits.append(loop.time() - began)
            await asyncio.to_thread(broker.restart)
            await _in_sync(three_brokers, ledger.options)
    ledger.check()
    assert ledger.failed == 0
    assert len(ledger.entries) == ledger.appended + 1
    print("seconds until twenty appends came through without a broker:", [round(wait, 1) for wait in waits])


async def _in_sync(cluster: Kafka, options: KafkaOptions) -> None:
    """Wait until every broker has everything again, so that the next one may be lost."""
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.servers)
    await admin.start()
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                (topic,) = await admin.describe_topics([options.prefix + TOPIC])
                if len(topic["partitions"][0]["isr"]) == len(cluster.brokers):
                    return
                await asyncio.sleep(0.2)
    finally:
        await admin.close()


async def create(options: KafkaOptions, topic: str, *, partitions: int = 1, **settings: str) -> None:
    """Make a topic as somebody else would."""
    admin = AIOKafkaAdminClient(bootstrap_servers=options.servers)
    await admin.start()
    try:
        named = {name.replace("_", "."): value for name, value in settings.items()}
        await admin.create_topics([NewTopic(options.prefix + topic, partitions, 1, topic_configs=named)])
    finally:
        await admin.close()


async def test_wrong_topics_are_refused_with_every_fault_and_its_fix(kafka_options: KafkaOptions) -> None:
    """A topic that would break a promise of the log is refused, before use and on use, with what to type."""
    await create(kafka_options, TOPIC, partitions=2, cleanup_policy="compact", max_message_bytes="1000")
    await create(kafka_options, "raw.short", retention_ms="1000", message_timestamp_type="CreateTime")
    kept = {"raw.short": timedelta(days=7), TOPIC: timedelta(days=1), "raw.new": timedelta(days=7)}
    async with KafkaLog(kafka_options, kept=kept) as log:
        with pytest.raises(ConfigError) as caught:
            await log.verify(kept)
        text = str(caught.value)
        for expected in (
            "has 2 partitions",
            "cleanup.policy is compact, must be delete",
            "max.message.bytes is 1000",
            "retention.ms is 1000, must be -1",
            "message.timestamp.type is CreateTime, must be LogAppendTime",
            f"--entity-name {kafka_options.prefix}raw.short --add-config message.timestamp.type=LogAppendTime",
        ):
            assert expected in text
        assert "raw.new" not in text
        for use in (log.append(TOPIC, [record("a")]), log.last(TOPIC), anext(log.read(TOPIC, after=-1))):
            with pytest.raises(ConfigError):
                await use
        assert await log.append("raw.new", [record("a")]) == 0


async def test_too_few_copies_are_refused(kafka_options: KafkaOptions) -> None:
    """A topic with fewer copies than asked for is refused; so are more copies than there are brokers."""
    async with KafkaLog(kafka_options) as log:
        await log.append(TOPIC, [record("a")])
    async with KafkaLog(replace(kafka_options, replication=3)) as log:
        with pytest.raises(ConfigError, match="SF_KAFKA_REPLICATION=1"):
            await log.append(TOPIC, [record("b")])
        with pytest.raises(LogError, match="1 for a single one") as caught:
            await log.append("raw.new", [record("b")])
        assert not caught.value.retriable


async def test_a_longer_retention_of_the_broker_is_its_own_affair(kafka_options: KafkaOptions) -> None:
    """What keeps entries longer than the platform needs them is accepted."""
    week = str(8 * 86_400_000)
    large = str(32 * 2**20)
    stamped = "LogAppendTime"
    await create(kafka_options, "raw.long", retention_ms=week, message_timestamp_type=stamped, max_message_bytes=large)
    async with KafkaLog(kafka_options, kept={"raw.long": timedelta(days=7)}) as log:
        await log.verify(["raw.long"])


async def test_a_broker_that_is_not_there_is_a_retriable_error() -> None:
    """Opening a log without a broker fails at once with one error that says what to look at."""
    began = asyncio.get_running_loop().time()
    with pytest.raises(LogError, match="SF_LOG") as caught:
        async with KafkaLog(KafkaOptions(servers="127.0.0.1:1,127.0.0.1:2")):
            pass
    assert caught.value.retriable
    assert asyncio.get_running_loop().time() - began < 5


async def test_every_call_ends_within_its_patience(own_kafka: Kafka) -> None:
    """Of a broker that stands still, or is gone, every method says so in time with an error worth a retry."""
    options = KafkaOptions(servers=own_kafka.servers, replication=1, patience=timedelta(seconds=1))
    (broker,) = own_kafka.brokers
    async with KafkaLog(options) as log:
        await log.append(TOPIC, [record("a")])
        reading = log.read(TOPIC, after=-1)
        assert [entry.record.value for entry in await anext(reading)] == [b"a"]
        for harm, calls in ((Broker.pause, _calls(log)), (Broker.kill, _calls(log)[:3])):
            harm(broker)
            for call in calls:
                await _fails_in_time(call)
        with pytest.raises(LogError) as caught:
            await anext(reading)
        assert caught.value.retriable


def _calls(log: KafkaLog) -> Sequence[Callable[[], Awaitable[object]]]:
    return (
        lambda: log.append(TOPIC, [record("b")]),
        lambda: log.append(TOPIC, []),
        lambda: anext(log.read(TOPIC, after=-1)),
        lambda: log.last(TOPIC),
        lambda: log.commit("group", TOPIC, 0),
        lambda: log.committed("group", TOPIC),
        lambda: log.expire(TOPIC, timedelta()),
        lambda: log.verify(["raw.new"]),
    )


async def _fails_in_time(call: Callable[[], Awaitable[object]]) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(LogError) as caught:
        await call()
    assert caught.value.retriable, caught.value
    assert loop.time() - began < 12


async def test_a_large_append_stays_together_in_order(kafka_options: KafkaOptions) -> None:
    """An append of several record batches is in order, and no other append of the process comes between."""
    size = 600
    large = [Record(key=b"", value=b"%d" % number + b"x" * 10_000) for number in range(size)]
    async with KafkaLog(kafka_options) as log:
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(log.append(TOPIC, large))
        seen: list[Entry] = []
        async for batch in log.read(TOPIC, after=-1):
            seen += batch
            if len(seen) == 3 * size:
                break
        assert [entry.record for entry in seen] == large * 3


@pytest.mark.slow
async def test_a_client_that_falls_silent_is_noticed(kafka_options: KafkaOptions) -> None:
    """A reader whose client brings nothing although there is something gives up, to be retried; a new one reads on."""
    async with KafkaLog(kafka_options) as log:
        await log.append(TOPIC, [Record(key=b"", value=b"first")])
        reading = log.read(TOPIC, after=-1)
        assert [entry.offset for entry in await anext(reading)] == [0]
        (reader,) = log._readers
        # What aiokafka itself does to a partition whose leader it has lost: it asks nobody for it.
        reader._consumer.pause(reader._partition)
        await log.append(TOPIC, [Record(key=b"", value=b"second")])
        with pytest.raises(LogError, match="reads nothing") as caught:
            async with asyncio.timeout(PATIENCE):
                await anext(reading)
        assert caught.value.retriable
        assert [entry.offset for entry in await anext(log.read(TOPIC, after=0))] == [1]


async def test_a_position_behind_the_end_is_told(kafka_options: KafkaOptions) -> None:
    """A reader that was further than the topic ever got does not wait for ever: entries were lost."""
    async with KafkaLog(kafka_options) as log:
        await log.append(TOPIC, [record("a")])
        with pytest.raises(LogError, match="entries were lost") as caught:
            await anext(log.read(TOPIC, after=7))
        assert not caught.value.retriable


async def test_a_name_that_is_no_topic_is_refused(kafka_options: KafkaOptions) -> None:
    """What Kafka would not take as a topic is told with what to do."""
    async with KafkaLog(kafka_options) as log:
        with pytest.raises(LogError, match="letters, digits") as caught:
            await log.append("raw.a b", [record("a")])
        assert not caught.value.retriable


def guarded(kafka: Kafka, kind: str) -> KafkaOptions:
    """Say how a client gets through a guarded door of a broker, in a part of the cluster of its own."""
    authorities = kafka.certificate if kind.endswith("SSL") else None
    options = KafkaOptions(servers=kafka.guarded[kind], replication=1, prefix=f"t{uuid.uuid4().hex}.")
    if kind.startswith("SASL"):
        options = replace(options, user="gent", password="hush")
    return replace(options, tls=authorities is not None, authorities=authorities)


@pytest.mark.parametrize(
    ("kind", "mechanism"),
    [
        ("SASL_PLAINTEXT", "SCRAM-SHA-512"),
        ("SASL_PLAINTEXT", "SCRAM-SHA-256"),
        ("SASL_PLAINTEXT", "PLAIN"),
        ("SSL", "PLAIN"),
        ("SASL_SSL", "SCRAM-SHA-512"),
    ],
)
async def test_a_guarded_broker_lets_in_who_may(guarded_kafka: Kafka, kind: str, mechanism: str) -> None:
    """With login, encryption or both everything works that works without."""
    async with KafkaLog(replace(guarded(guarded_kafka, kind), mechanism=mechanism)) as log:
        assert await log.append(TOPIC, [record("a")]) == 0
        assert [entry.record.value for entry in await anext(log.read(TOPIC, after=-1))] == [b"a"]
        await log.commit("group", TOPIC, 0)
        assert await log.committed("group", TOPIC) == 0


WRONG: Sequence[tuple[str, dict[str, Any], str]] = [
    ("SASL_PLAINTEXT", {"password": "loud"}, "SF_KAFKA_PASSWORD"),
    ("SASL_SSL", {"password": "loud"}, "SF_KAFKA_PASSWORD"),
    ("SASL_PLAINTEXT", {"user": "nobody", "mechanism": "PLAIN"}, "SF_KAFKA_PASSWORD"),
    ("SASL_SSL", {"authorities": None}, "SF_KAFKA_CA"),
    ("SASL_PLAINTEXT", {"user": "stranger", "password": "alone"}, "let the user of SF_KAFKA_USER"),
]


@pytest.mark.parametrize(("kind", "change", "fix"), WRONG)
async def test_a_guarded_broker_says_why_not(guarded_kafka: Kafka, kind: str, change: dict[str, Any], fix: str) -> None:
    """Who may not is told which setting to mend, and it is not tried again."""
    with pytest.raises(LogError, match=fix) as caught:
        async with KafkaLog(replace(guarded(guarded_kafka, kind), **change)) as log:
            await log.verify([TOPIC])
    assert not caught.value.retriable


@pytest.mark.parametrize(("kind", "tls"), [("SASL_PLAINTEXT", False), ("SSL", False), ("SASL_PLAINTEXT", True)])
async def test_a_broker_that_hangs_up_without_a_word(guarded_kafka: Kafka, kind: str, tls: bool) -> None:
    """Of who does not talk its protocol a broker knows nothing: the error names the settings that choose it."""
    with pytest.raises(LogError, match=r"SF_KAFKA_USER and SF_KAFKA_TLS"):
        async with KafkaLog(replace(guarded(guarded_kafka, kind), user=None, tls=tls)):
            pass
