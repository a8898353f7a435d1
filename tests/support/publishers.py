"""Publishers that speak first, for the contract of connectors: each makes a body the newest there is."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from ingest.connector import Connector
from ingest.connectors import open_connector
from ingest.transports.kafka import KafkaSourceOptions
from ingest.transports.mqtt import MqttOptions
from tests.support.mosquitto import Mosquitto


class MqttPublisher:
    """A broker that knows our session, and whoever publishes on it."""

    def __init__(self, broker: Mosquitto) -> None:
        self._broker = broker

    def publish(self, body: bytes) -> None:
        """Publish it."""
        self._broker.publish("city/demo", body)

    def connector(self) -> Connector:
        """Subscribe."""
        return open_connector("demo", MqttOptions(host="127.0.0.1", port=self._broker.port, topics=("city/+",)))


class KafkaPublisher:
    """A topic of somebody's cluster, made anew, and whoever writes to it."""

    def __init__(self, servers: str, *, partitions: int = 1) -> None:
        self.servers = servers
        self.topic = f"theirs-{uuid.uuid4().hex}"
        _run(self._make(partitions))

    async def _make(self, partitions: int) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.servers)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(self.topic, partitions, 1)])
        finally:
            await admin.close()

    def publish(self, body: bytes) -> None:
        """Write it."""
        self.write([(None, body, 0)])

    def write(self, records: Iterable[tuple[bytes | None, bytes | None, int]], **headers: bytes) -> None:
        """Write records of key, value and partition, in order, and wait until the cluster has them."""
        _run(self._write(list(records), list(headers.items())))

    async def _write(
        self, records: list[tuple[bytes | None, bytes | None, int]], headers: list[tuple[str, bytes]]
    ) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.servers, acks="all")
        await producer.start()
        try:
            for key, value, partition in records:
                await producer.send(self.topic, value, key=key, partition=partition, headers=headers)
            await producer.flush()
        finally:
            await producer.stop()

    def options(self, **changes: Any) -> KafkaSourceOptions:
        """Name the topic as a source file does."""
        return KafkaSourceOptions(**{"servers": self.servers, "topic": self.topic, **changes})

    def connector(self) -> Connector:
        """Read it."""
        return open_connector("demo", self.options())


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run something to its end, also where a loop runs already."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


@contextmanager
def broker_of(folder: Path) -> Iterator[MqttPublisher]:
    """Run a broker."""
    with Mosquitto(folder / "broker") as broker:
        yield MqttPublisher(broker)
