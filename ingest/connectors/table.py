"""The table of transports: which options of a source file open which connector."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from ingest.connector import Connector
from ingest.transports.files import FilesOptions
from ingest.transports.gbfs import GbfsOptions
from ingest.transports.http_poll import HttpPollOptions
from ingest.transports.kafka import KafkaSourceOptions
from ingest.transports.ldes import LdesOptions
from ingest.transports.mqtt import MqttOptions
from ingest.transports.sensorthings import SensorThingsOptions
from ingest.transports.websocket import WebSocketOptions

# A new transport is its options in ingest/transports, one module here, and one line in this table: module and class.
# Named, not imported: who collects nothing needs no HTTP client, the largest library of the collector.
CONNECTORS: Mapping[type, tuple[str, str]] = {
    HttpPollOptions: ("http_poll", "HttpPoll"),
    FilesOptions: ("files", "Files"),
    WebSocketOptions: ("websocket", "WebSocket"),
    LdesOptions: ("ldes", "Ldes"),
    SensorThingsOptions: ("sensorthings", "SensorThings"),
    GbfsOptions: ("gbfs", "Gbfs"),
    MqttOptions: ("mqtt", "Mqtt"),
    KafkaSourceOptions: ("kafka", "Kafka"),
}


def open_connector(source: str, options: object) -> Connector:
    """Make the connector of a source, to be entered with `async with`; it does nothing before that."""
    module, name = CONNECTORS[type(options)]
    return cast("Connector", getattr(import_module(f"ingest.connectors.{module}"), name)(source, options))
