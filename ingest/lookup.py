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
from streams.logs import logger
from streams.record import Entry, Payload, raw_topic

Rows = Mapping[str, Any]

# Documents read at once while the newest good one is looked for; the largest are half a megabyte.
_AT_ONCE = 20

_log = logger(__name__)


def build_table(payload: Payload, lookup: Lookup) -> Rows:
    """Read the rows of a document; a row without key is left out, of two with one key the last counts."""
    key = parse_path(lookup.key)
    rows: dict[str, Any] = {}
    wanted = Wanted(each=lookup.each, format=lookup.format)
    for found in decode(payload.body, payload.media_type, wanted, received=payload.received_at):
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

        A new document without a single row (an error page, a record that is no document) leaves the table as it was;
        where there is none yet, because this process has just begun, the newest one that has rows is looked for.
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
        lookup = self._lookups[name]
        rows = await asyncio.to_thread(_rows, entry, lookup)
        if not rows and name not in self.tables:
            rows = await self._before(lookup, end=entry.offset)
        if rows or (name not in self.tables and not lookup.required):
            self.tables[name] = rows
        self._offsets[name] = entry.offset

    async def _before(self, lookup: Lookup, *, end: int) -> Rows:
        """Read the newest table there is before an entry; the raw topic is as short as its source is quiet."""
        found: Rows = {}
        if end <= 0:
            return found
        async for entries in self._log.read(raw_topic(lookup.source), after=-1, limit=_AT_ONCE):
            for entry in entries:
                if entry.offset >= end:
                    return found
                found = await asyncio.to_thread(_rows, entry, lookup) or found
        return found


def _rows(entry: Entry, lookup: Lookup) -> Rows:
    try:
        return build_table(Payload.from_record(entry.record), lookup)
    except Exception as error:  # noqa: BLE001 - whatever somebody else wrote there is no table, and not our end
        _log.warning(
            "no lookup table", source=lookup.source, offset=entry.offset, error=f"{type(error).__name__}: {error}"
        )
        return {}
