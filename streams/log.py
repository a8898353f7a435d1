"""The Log protocol: ordered topics that several processes append to and read from.

Every implementation passes `tests/contract/test_log.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Protocol

from streams.record import Entry, Record


class Log(Protocol):
    """Topics of records, each numbered densely from 0 in the order in which readers will see them.

    All methods raise `LogError`; `retriable` says whether trying again can help. Topics come into being on first use.
    """

    async def append(self, topic: str, records: Sequence[Record]) -> int:
        """Append all records or none, durably, and return the offset of the last one (-1 for an empty topic).

        When this returns, every reader will see the records, in this order, without a gap. When it raises, nobody
        knows: call again with the same records; readers tell twins apart by identity, not by offset.
        """
        ...

    async def append_together(self, parts: Sequence[tuple[str, Sequence[Record]]]) -> None:
        """Append to several topics, each named once, durably and in this order: what is there of one part tells that all
        of the parts before it are, too.

        A log that can appends all parts or none. When it raises, nobody knows (see `append`).
        """
        ...

    def read(self, topic: str, *, after: int, limit: int = 500) -> AsyncIterator[Sequence[Entry]]:
        """Yield non-empty batches of at most `limit` entries with offsets above `after`, in order, for ever.

        `after=-1` starts at the oldest entry kept. Waits for news when it has caught up. The next batch is fetched
        when the caller asks for it, so a slow caller slows reading and nothing grows. When retention has dropped
        entries above `after`, reading goes on with the oldest kept one. Cancelling while it waits loses nothing.
        """
        ...

    async def last(self, topic: str) -> Entry | None:
        """Return the newest entry, or None for an empty topic. Retention never drops the newest entry."""
        ...

    async def commit(self, group: str, topic: str, offset: int) -> None:
        """Save that `group` is done with everything up to and including `offset`; going back is allowed."""
        ...

    async def committed(self, group: str, topic: str) -> int:
        """Return the saved offset, or -1 if the group never committed on this topic."""
        ...


class KeptLog(Log, Protocol):
    """A Log that drops what is old when it is told to; who runs a platform runs this too."""

    async def topics(self) -> frozenset[str]:
        """Return the names of the topics that have come into being."""
        ...

    async def expire(self, topic: str, older_than: timedelta, *, done: int | None = None) -> int:
        """Drop the entries older than this, never the newest one, and return how many there were.

        With `done`, nothing after that offset is dropped: its reader has not come there yet.
        """
        ...
