"""The table of transports: which options of a source file open which connector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ingest.connector import Connector, FilesOptions, HttpPollOptions
from ingest.connectors.files import Files
from ingest.connectors.http_poll import HttpPoll

# A new transport is its options class in ingest/connector.py, one file here, and one line in this table.
CONNECTORS: Mapping[type, Callable[[str, Any], Connector]] = {
    HttpPollOptions: HttpPoll,
    FilesOptions: Files,
}


def open_connector(source: str, options: object) -> Connector:
    """Make the connector of a source, to be entered with `async with`; it does nothing before that."""
    return CONNECTORS[type(options)](source, options)
