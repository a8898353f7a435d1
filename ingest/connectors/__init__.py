"""One transport per file; each is an async context manager with one verb, `poll`."""

from __future__ import annotations

from ingest.connectors.table import CONNECTORS, open_connector

__all__ = ["CONNECTORS", "open_connector"]
