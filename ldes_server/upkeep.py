"""Keeps the catalogue's figures true: asks the store what the streams cover, now and then, never per request."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from ldes_server.coverage import Coverage, CoverageStore
from ldes_server.model import Head
from streams.errors import StoreError
from streams.logs import logger

# A harvester comes once an hour or once a day; asking costs two short queries per stream that got members.
EVERY = timedelta(seconds=60)

_log = logger(__name__)

Coverages = Mapping[str, Coverage | None]


class MeasuredStore(CoverageStore, Protocol):
    """Who can tell how far a stream is, and what it covers. Raises `StoreError`."""

    async def head(self, stream: str) -> Head:
        """Return how far the stream is."""
        ...


async def keep_figures(
    streams: Sequence[str],
    store: MeasuredStore,
    tell: Callable[[Coverages], None],
    *,
    stop: asyncio.Event,
    every: timedelta = EVERY,
) -> None:
    """Tell what the streams cover, at once and after every pause in which one of them changed, until `stop`.

    `tell` gets all streams each time and runs in a thread: it makes the catalogue. A database that does not answer is
    asked again after the pause; meanwhile the figures stay as they are.
    """
    heads: dict[str, Head] = {}
    found: dict[str, Coverage | None] = {}
    while not stop.is_set():
        try:
            news = False
            for name in streams:
                head = await store.head(name)
                if heads.get(name) != head:
                    found[name], heads[name], news = await store.coverage(name), head, True
            if news:
                await asyncio.to_thread(tell, dict(found))
        except StoreError as error:
            _log.warning("figures of the catalogue not read", reason=error.what)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every.total_seconds())
