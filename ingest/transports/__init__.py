"""The registry of transports: what a source file may name, each in a module of its own."""

from __future__ import annotations

from collections.abc import Mapping

from ingest.transports.files import FILES
from ingest.transports.gbfs import GBFS
from ingest.transports.http_poll import HTTP_POLL
from ingest.transports.ldes import LDES
from ingest.transports.sensorthings import SENSORTHINGS
from ingest.transports.transport import Options, Transport
from ingest.transports.websocket import WEBSOCKET

# A new transport is its module here, its connector with a line in ingest/connectors/table.py, and one line below.
TRANSPORTS: Mapping[str, Transport] = {
    transport.name: transport
    for transport in (
        HTTP_POLL,
        FILES,
        GBFS,
        WEBSOCKET,
        LDES,
        SENSORTHINGS,
    )
}

__all__ = ["TRANSPORTS", "Options", "Transport"]
