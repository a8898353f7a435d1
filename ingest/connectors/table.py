"""The table of transports: which options of a source file open which connector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ingest.connector import Connector
from ingest.connectors.files import Files
from ingest.transports.files import FilesOptions
from ingest.transports.gbfs import GbfsOptions
from ingest.transports.http_poll import HttpPollOptions
from ingest.transports.ldes import LdesOptions
from ingest.transports.sensorthings import SensorThingsOptions
from ingest.transports.websocket import WebSocketOptions


def _gbfs(source: str, options: GbfsOptions) -> Connector:
    from ingest.connectors.gbfs import Gbfs  # noqa: PLC0415  # imported here for the same reason

    return Gbfs(source, options)


def _http_poll(source: str, options: HttpPollOptions) -> Connector:
    # Imported here: who collects nothing needs no HTTP client, the largest library of the collector.
    from ingest.connectors.http_poll import HttpPoll  # noqa: PLC0415

    return HttpPoll(source, options)


def _websocket(source: str, options: WebSocketOptions) -> Connector:
    from ingest.connectors.websocket import WebSocket  # noqa: PLC0415 - as above

    return WebSocket(source, options)


def _ldes(source: str, options: LdesOptions) -> Connector:
    from ingest.connectors.ldes import Ldes  # noqa: PLC0415 - as above

    return Ldes(source, options)


def _sensorthings(source: str, options: SensorThingsOptions) -> Connector:
    from ingest.connectors.sensorthings import SensorThings  # noqa: PLC0415 - as above

    return SensorThings(source, options)


# A new transport is its options in ingest/transports, one file here, and one line in this table.
CONNECTORS: Mapping[type, Callable[[str, Any], Connector]] = {
    HttpPollOptions: _http_poll,
    FilesOptions: Files,
    GbfsOptions: _gbfs,
    WebSocketOptions: _websocket,
    LdesOptions: _ldes,
    SensorThingsOptions: _sensorthings,
}


def open_connector(source: str, options: object) -> Connector:
    """Make the connector of a source, to be entered with `async with`; it does nothing before that."""
    return CONNECTORS[type(options)](source, options)
