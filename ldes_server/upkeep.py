"""Keeps the catalogue's figures true: asks the store what changed streams cover, now and then, never per request."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from ldes_server.coverage import Coverage, CoverageStore
from streams.errors import StoreError
from streams.logs import logger

# A harvester comes once an hour or once a day; asking costs three short queries.
EVERY = timedelta(seconds=60)
# How soon the first members of a stream show.
_LOOK = timedelta(seconds=1)
# How long a database that did not answer is left alone.
_REST = timedelta(seconds=10)

_log = logger(__name__)

Coverages = Mapping[str, Coverage | None]


class Figures:
    """What the streams of these names cover, as far as `tell` was told: at once at first, then at most every `every`.

    `changed` is to be called with the name of a stream that got members. `tell` gets all streams each time and runs in a
    thread, because it makes the catalogue.
    """

    def __init__(
        self,
        streams: Iterable[str],
        store: CoverageStore,
        tell: Callable[[Coverages], None],
        *,
        every: timedelta = EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._tell = tell
        self._every = every.total_seconds()
        self._clock = clock
        self._found: dict[str, Coverage | None] = dict.fromkeys(streams)
        self._asked: dict[str, float] = {}
        self._changed: set[str] = set(self._found)

    def changed(self, stream: str) -> None:
        """Remember to ask for a stream; one that is not among ours is nobody's business."""
        if stream in self._found:
            self._changed.add(stream)

    async def refresh(self) -> int:
        """Ask for the streams whose time has come, tell if there were any, and return how many.

        Raises `StoreError`; what was not read is asked again by the next call.
        """
        now = self._clock()
        due = [name for name in sorted(self._changed) if self._is_due(name, now)]
        for name in due:
            self._changed.discard(name)
            try:
                self._found[name] = await self._store.coverage(name)
            except StoreError:
                self._changed.add(name)
                raise
            self._asked[name] = now
        if due:
            await asyncio.to_thread(self._tell, dict(self._found))
        return len(due)

    async def keep(self, *, stop: asyncio.Event) -> None:
        """Refresh until `stop`; a database that does not answer leaves the figures as they are."""
        while not stop.is_set():
            pause = _LOOK
            try:
                await self.refresh()
            except StoreError as error:
                pause = _REST
                _log.warning("figures of the catalogue not read", reason=error.what)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause.total_seconds())

    def _is_due(self, name: str, now: float) -> bool:
        # A stream without figures shows its first ones soon: nobody waits a minute to see that a feed is alive.
        return self._found[name] is None or now - self._asked[name] >= self._every
