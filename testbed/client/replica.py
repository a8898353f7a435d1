"""A copy of a feed: found from one IRI, read to its end, and followed if wished."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

from streams.errors import FeedError
from testbed.client.crawl import Crawl, Format, Tally, Wish
from testbed.client.description import Description, describe
from testbed.client.discovery import linked_view, view_of_page
from testbed.client.fetching import ACCEPT_JSON, ACCEPT_QUADS, Fetcher
from testbed.client.hypermedia import read_page
from testbed.client.output import Output
from testbed.client.query import Since
from testbed.client.reading import Reader, Reading
from testbed.client.retention import shortest_window
from testbed.client.state import Known, State

# Between two looks at a feed that does not say how often it has something new.
_UNSAID = timedelta(seconds=60)


class Replica:
    """Copies the view at `url` into `output`; `fetcher` and `state` are open, and `state` is that of this copy."""

    def __init__(self, url: str, *, fetcher: Fetcher, state: State, output: Output, wish: Wish) -> None:
        self._url = url
        self._state = state
        self._output = output
        self._wish = wish
        self._fetcher = fetcher
        self._reader = Reader(fetcher, ACCEPT_JSON if wish.format is Format.NDJSON else ACCEPT_QUADS)
        self._notes: dict[str, None] = {}

    async def runs(
        self,
        *,
        stop: asyncio.Event,
        every: timedelta | None = None,
        seen: Callable[[Tally], None] = lambda _: None,
        last: bool = False,
    ) -> AsyncIterator[Tally]:
        """Read everything, and again after the polling interval (or `every`), until `stop`; give a tally at each end.

        `last` makes it one run. When a run was stopped before its end none is given for it. Raises FeedError; what was read until then is kept.
        """
        crawl = Crawl(self._reader, self._state, self._output, wish=self._wish, seen=seen)
        found: tuple[Description, Reading] | None = None
        while True:
            found = await (self._find() if found is None else self._look_again(*found))
            about, first = found
            self._notes |= dict.fromkeys(about.notes)
            wait = pause(about, first, every)
            shortest = shortest_window(about.policies)
            if not last and shortest is not None and wait > shortest:
                self._note(
                    f"looks every {wait}, but the view keeps some members only {shortest}: it will miss some (RET-22)"
                )
            ended = await crawl.run(about, first, stop=stop)
            self._notes |= crawl.notes
            if not ended:
                return
            yield crawl.tally
            if last:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait.total_seconds())
            if stop.is_set():
                return

    @property
    def notes(self) -> list[str]:
        """Faults that were met and read past, each once."""
        return [*self._notes, *dict.fromkeys(self._fetcher.notes)]

    def _note(self, text: str) -> None:
        self._notes.setdefault(text)

    async def _find(self) -> tuple[Description, Reading]:
        """Read the root and what it says of its stream; from the given address, whose redirect may lead elsewhere by now."""
        reading = await self._reader.read(self._url)
        stream, reading = await self._discover(reading)
        known = self._state.facts.get("stream", stream)
        if known != stream:
            fix = "copy it to another file"
            raise FeedError(f"is {stream} now, and was {known} when this copy began", where=self._url, fix=fix)
        self._state.note(stream=stream)
        if self._state.known(reading.url) is None:
            self._state.add(Known(id=0, url=reading.url, parent=None, depth=0))
        return self._described(reading, stream), reading

    async def _look_again(self, about: Description, before: Reading) -> tuple[Description, Reading]:
        """Read the root again, if it has changed or is another one, and what it says of its stream."""
        if not self._direct:
            reading = await self._reader.read(about.root, etag=before.answer.etag)
        else:
            reading = await self._reader.read(self._url, etag=before.answer.etag)
            if reading.answer.status == 200 and reading.url != about.root:
                return await self._find()
        if reading.answer.status == 304:
            return about, Reading(answer=replace(reading.answer, etag=before.answer.etag), data=reading.data)
        return self._described(reading, about.stream), reading

    def _described(self, reading: Reading, stream: str) -> Description:
        if reading.answer.status == 410:
            raise FeedError("is gone", where=reading.url, fix="ask the publisher for the address of the feed now")
        page = read_page(reading.data, reading.answer.names, stream)
        about = describe(reading.data, stream, reading.url, page.relations)
        self._check(about)
        return about

    async def _discover(self, reading: Reading) -> tuple[str, Reading]:
        stream = view_of_page(reading.data, reading.answer.names)
        self._direct = stream is not None
        if stream is not None:
            return stream, reading
        stream, root = linked_view(reading.data, self._url, reading.answer.names)
        self._fetcher.origins.check(root, cause=f"tree:view of {stream}")
        found = await self._reader.read(root)
        if view_of_page(found.data, found.answer.names) not in (None, stream):
            fix = "give the address of the view; tell the publisher (TREE-02)"
            raise FeedError(f"is the view of another stream than {stream}", where=found.url, fix=fix)
        return stream, found

    def _check(self, about: Description) -> None:
        """Refuse what the feed cannot give."""
        if self._wish.ordered and about.timestamp is None and about.sequence is None:
            _refuse(about, "has neither timestampPath nor sequencePath, so its members have no order", "--ordered")
        if about.timestamp is None and any(isinstance(it, Since) for it in self._wish.query.conditions):
            _refuse(about, "has no timestampPath, so nobody knows when its members were published", "--since")


def _refuse(about: Description, what: str, option: str) -> NoReturn:
    raise FeedError(what, where=about.stream, fix=f"copy without {option}")


async def find_stream(fetcher: Fetcher, url: str) -> str:
    """Return the stream that a person means by an address. Raises FeedError when it is none."""
    reading = await Reader(fetcher, ACCEPT_JSON).read(url)
    stream = view_of_page(reading.data, reading.answer.names)
    return stream if stream is not None else linked_view(reading.data, url, reading.answer.names)[0]


def pause(about: Description, root: Reading, every: timedelta | None) -> timedelta:
    """Return how long to wait between runs: as wished, else the later of pollingInterval and the root's max-age (A19)."""
    if every is not None:
        return every
    said = [wait for wait in (about.polling, root.answer.max_age) if wait is not None]
    return max(said, default=_UNSAID)
