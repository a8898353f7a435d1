"""Refreshing: the next version of a page that is being read is made once, by us, while readers still get the one before."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from ldes_server.log_view import VIEW
from ldes_server.shelf import Missing, Shelf
from streams.errors import StoreError
from streams.logs import logger

# Between two rounds: however often a stream changes, its pages are made 40 times a second at most.
PACE = timedelta(milliseconds=25)

_log = logger(__name__)


class Refresher:
    """Makes shown pages anew when their stream changes; `run` does the work, `changed` tells of it.

    Without it each change sends all readers of a page to the store at once, and they wait for it.
    """

    def __init__(self, shelf: Shelf, *, pace: timedelta = PACE) -> None:
        self._shelf = shelf
        self._pace = pace
        self._changed: set[str] = set()
        self._news = asyncio.Event()
        self._ended = False

    def changed(self, stream: str) -> None:
        """Make what is shown of a stream anew, soon."""
        self._changed.add(stream)
        self._news.set()

    def end(self) -> None:
        """Let `run` return."""
        self._ended = True
        self._news.set()

    async def run(self) -> None:
        """Make pages anew until `end`. What the store cannot give now ceases to be shown by itself."""
        while True:
            await self._news.wait()
            if self._ended:
                return
            self._news.clear()
            changed, self._changed = self._changed, set()
            for stream in changed:
                try:
                    await self.refresh(stream)
                except StoreError as error:
                    _log.warning("shown pages are not made anew", stream=stream, reason=error.what)
            await asyncio.sleep(self._pace.total_seconds())

    async def refresh(self, stream: str) -> None:
        """Make what is shown of a stream and asked for anew, now.

        Raises:
            StoreError: the store fails.

        """
        shelf = self._shelf
        for page, variant in shelf.shown.asked(stream):
            if isinstance(await shelf.page(stream, page, variant), Missing):
                shelf.shown.forget(stream, page, variant)
            elif page.view == VIEW and page.level == 0 and not page.bucket:
                # Whoever reads the newest leaf reads the next one as soon as the root, made last, links it.
                following = replace(page, index=page.index + 1)
                head = await shelf.head(stream)
                if following.index * shelf.streams[stream].page_size < head.count:
                    await shelf.page(stream, following, variant)
                    shelf.expect(stream, following, variant)
