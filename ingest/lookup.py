"""Lookup tables: the newest document of another source, as rows by key."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ingest.decoders.items import Item, Wanted
from ingest.decoders.table import decode
from ingest.paths import dig, parse_path
from ingest.source import Lookup
from streams.log import Log
from streams.record import Entry, Payload, raw_topic

Rows = Mapping[str, Any]


def build_table(payload: Payload, lookup: Lookup) -> Rows:
    """Read the rows of a document; a row without key is left out, of two with one key the last counts."""
    key = parse_path(lookup.key)
    rows: dict[str, Any] = {}
    for found in decode(payload.body, payload.media_type, Wanted(each=lookup.each)):
        if isinstance(found, Item) and (name := dig(found.value, key.steps)) not in (None, ""):
            rows[str(name)] = found.value
    return rows


class Lookups:
    """The tables of one source, read again when the document they come from changes."""

    def __init__(self, lookups: Mapping[str, Lookup], log: Log) -> None:
        self._lookups = lookups
        self._log = log
        self._offsets: dict[str, int] = {}
        self.tables: dict[str, Rows] = {}

    async def refresh(self) -> list[str]:
        """Read what changed; return the sources that a required table still waits for.

        A new document without a single row (an error page) leaves the table as it was.
        """
        missing = []
        for name, lookup in self._lookups.items():
            entry = await self._log.last(raw_topic(lookup.source))
            if entry is not None and self._offsets.get(name) != entry.offset:
                await self._read(name, entry)
            if lookup.required and name not in self.tables:
                missing.append(lookup.source)
        return missing

    async def _read(self, name: str, entry: Entry) -> None:
        payload = Payload.from_record(entry.record)
        rows = await asyncio.to_thread(build_table, payload, self._lookups[name])
        if rows or (name not in self.tables and not self._lookups[name].required):
            self.tables[name] = rows
        self._offsets[name] = entry.offset
