"""Publishers that speak first, for the contract of connectors: each makes a body the newest there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.connector import Connector
from ingest.connectors import open_connector
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


@contextmanager
def broker_of(folder: Path) -> Iterator[MqttPublisher]:
    """Run a broker."""
    with Mosquitto(folder / "broker") as broker:
        yield MqttPublisher(broker)
