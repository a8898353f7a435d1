"""One run through a view: every page that is new or may have changed, every member that is new, once."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

import orjson

from streams.errors import FeedError
from testbed.client.description import Description
from testbed.client.extraction import extract
from testbed.client.fetching import InterruptedWaitError
from testbed.client.hypermedia import Page, Relation, read_page
from testbed.client.lines import expanded, nquads, written_members
from testbed.client.order import Bound, Order
from testbed.client.output import Output
from testbed.client.parsing import JSON_LD
from testbed.client.query import Query
from testbed.client.reading import Reader, Reading
from testbed.client.state import Known, Stage, State, identity, nanoseconds
from testbed.client.waiting import Waiting

# Seconds between two saves: what a killed copy does again at most.
_SAVE_EVERY = 1.0
# Pages that are fetched or held beside the one that is read.
_AHEAD = 4
# A feed with one fault per page is not worth a million sentences.
_MOST_NOTES = 100
# Members are forgotten by the tenth of a million, since each time looks at all of them.
_SLACK = 1.1


class Format(Enum):
    """How members are written."""

    NDJSON = "ndjson"  # one JSON-LD object a line
    NQUADS = "nquads"  # one statement a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a copy is to be."""

    query: Query = Query()  # noqa: RUF009 - frozen
    ordered: bool = False
    format: Format = Format.NDJSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How far a copy is: members read and written since it began, members in all as far as is known, pages of this run."""

    read: int
    written: int
    total: int
    pages: int


class Crawl:
    """Reads a view into an output; what it needs to go on is in the state. `seen` is told how far it is."""

    def __init__(
        self,
        reader: Reader,
        state: State,
        output: Output,
        *,
        wish: Wish,
        seen: Callable[[Tally], None] = lambda _: None,
    ) -> None:
        self._reader = reader
        self._state = state
        self._output = output
        self._wish = wish
        self._seen = seen
        self.notes: dict[str, None] = {}
        self._read = int(state.facts.get("read", "0"))
        self._written = int(state.facts.get("written", "0"))
        self._newest = Fraction(newest) if (newest := state.facts.get("newest")) else None
        self._forgotten = int(forgotten) if (forgotten := state.facts.get("forgotten")) else None

    async def run(self, about: Description, first: Reading, *, stop: asyncio.Event) -> bool:
        """Read everything there is now; True at the end of the run (CLI-16), False when `stop` was set before.

        `first` is the root, read a moment ago. Raises FeedError; what was written until then is saved.
        """
        self._about, self._order = about, Order(about)
        self._first: Reading | None = first
        self._pages = 0
        self._waiting = Waiting(self._order)
        self._saved = asyncio.get_running_loop().time()
        self._queue = [(_place(page), page) for page in self._state.pages()]
        self._remaining = sum(page.remaining for _, page in self._queue if page.stage is Stage.WAITING)
        heapq.heapify(self._queue)
        self._flights: list[tuple[Known, asyncio.Task[Reading | FeedError]]] = []
        # Whoever dies from here on leaves lines behind that its state does not know.
        self._state.note(writing=1)
        self._state.save()
        try:
            await self._walk(stop)
        finally:
            if not self._queue and not self._flights:
                self._write(until=None)
                self._close_by_bound()
            self._save(writing=0)
        return not self._queue and not self._flights

    async def _walk(self, stop: asyncio.Event) -> None:
        """Fetch some pages ahead, and take them in the order of the queue."""
        trouble: FeedError | None = None
        async with asyncio.TaskGroup() as group:
            stopped = group.create_task(stop.wait(), name="stop")
            while (self._queue or self._flights) and trouble is None and not stop.is_set():
                while self._queue and len(self._flights) < _AHEAD:
                    _, page = heapq.heappop(self._queue)
                    self._flights.append((page, group.create_task(self._load(page), name=page.url)))
                page, task = self._flights[0]
                await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
                if not task.done():
                    break
                try:
                    if isinstance(outcome := task.result(), FeedError):
                        raise outcome
                    self._take(page, outcome)
                except InterruptedWaitError:
                    break
                except FeedError as error:
                    trouble = error
            for each in (stopped, *(task for _, task in self._flights)):
                each.cancel()
        if trouble is not None:
            raise trouble

    async def _load(self, page: Known) -> Reading | FeedError:
        if self._first is not None and page.url == self._first.url:
            first, self._first = self._first, None
            return first
        try:
            return await self._reader.read(page.url, etag=page.etag)
        except FeedError as error:
            return error

    def _take(self, page: Known, reading: Reading) -> None:
        """Take over what a page says; it counts as read once all of its members are written."""
        answer = reading.answer
        stage, etag = Stage.OPEN, answer.etag
        if answer.status == 304:
            stage, etag = (Stage.FINAL if answer.immutable else Stage.OPEN), page.etag
        elif answer.status == 410 or self._is_known_by_another_name(page, reading):
            # What is gone is empty, and stays so (CLI-05).
            stage = Stage.FINAL
        else:
            found = read_page(reading.data, answer.names, self._about.stream)
            self._note(*found.notes)
            if found.immutable or answer.immutable:
                stage = Stage.FINAL
            self._links(page, found)
            self._members(page, found, reading)
        del self._flights[0]
        self._pages += 1
        self._remaining -= page.remaining if page.stage is Stage.WAITING else 0
        self._waiting.close(page.id, lambda: self._state.settle(page.id, stage, etag))
        self._write(until=min((it.lower for it in self._open()), key=lambda bound: bound.sorted_by, default=None))
        self._seen(self.tally)
        if asyncio.get_running_loop().time() - self._saved > _SAVE_EVERY:
            self._save()

    @property
    def tally(self) -> Tally:
        """How far it is."""
        return Tally(read=self._read, written=self._written, total=self._read + self._remaining, pages=self._pages)

    def _is_known_by_another_name(self, page: Known, reading: Reading) -> bool:
        """Say whether this page redirects to one that is read by itself; else remember that name, too."""
        if reading.url == page.url:
            return False
        known = self._state.known(reading.url)
        if known is None:
            alias = self._state.add(Known(id=0, url=reading.url, parent=page.id, depth=page.depth))
            self._state.settle(alias.id, Stage.FINAL)
        return known is not None and known[1] != page.id

    def _links(self, page: Known, found: Page) -> None:
        """Queue what the page links, unless it is known or cannot hold what is wanted."""
        limits = self._reader.fetcher.limits
        if len(found.relations) > limits.relations:
            fix = "tell the publisher: a tree links a few dozen pages per node"
            raise FeedError(f"links more than {limits.relations} pages", where=found.url, fix=fix)
        # Relations to one node belong together, wherever they stand (TREE-17).
        by_node: dict[str, list[Relation]] = {}
        for relation in found.relations:
            by_node.setdefault(relation.node, []).append(relation)
        for node, relations in by_node.items():
            known = self._state.known(node)
            if known is not None:
                if known[0] in self._state.ancestors(page.id):
                    self._note(f"{found.url} links {node}, which is above it: the feed goes in a circle (TREE-21)")
                elif known[1] == page.id:
                    # The bound of a page that grows may grow with it; an old one would close it too early.
                    self._state.bound(known[0], self._order.upper(relations, page.upper))
                continue
            if self._wish.query.prunes(relations, self._about):
                continue
            self._reader.fetcher.origins.check(node, cause=f"a relation of {found.url}")
            if page.depth >= limits.depth:
                fix = "tell the publisher: a feed this deep is endless or a list"
                raise FeedError(f"is more than {limits.depth} links below the root", where=node, fix=fix)
            self._queue_new(page, node, relations)

    def _queue_new(self, page: Known, node: str, relations: list[Relation]) -> None:
        new = self._state.add(
            Known(
                id=0,
                url=node,
                parent=page.id,
                depth=page.depth + 1,
                remaining=max((it.remaining or 0 for it in relations), default=0),
                lower=self._order.lower(relations, page.lower),
                upper=self._order.upper(relations, page.upper),
            )
        )
        self._remaining += new.remaining
        heapq.heappush(self._queue, (_place(new), new))

    def _members(self, page: Known, found: Page, reading: Reading) -> None:
        """Line up the members of a page that are new and wanted."""
        written: Mapping[str, bytes] = {}
        if self._wish.format is Format.NDJSON and reading.answer.media == JSON_LD:
            written = written_members(reading.answer.body, found.url)
        for iri in found.members:
            name = identity(iri)
            if self._state.has(name) or self._waiting.has(name):
                continue
            at = self._order.time(iri, found.data)
            if self._is_forgotten(at):
                continue
            self._read += 1
            if at is not None and (self._newest is None or at > self._newest):
                self._newest = at
            line = self._line(iri, found, written.get(iri))
            if line is not None:
                key = self._order.key(iri, found.data, found.url) if self._wish.ordered else None
                self._waiting.add(page.id, key, (name, at, line))

    def _line(self, iri: str, found: Page, written: bytes | None) -> bytes | None:
        """Return a member's line, None for one that is not wanted; it is taken apart only where that is needed."""
        if written is not None and not self._wish.query.conditions:
            return written + b"\n"
        member = extract(found.data, iri)
        if not member.data.quads:
            self._note(f"{found.url} says nothing of its member {iri} (LDES-14)")
        if not self._wish.query.matches(iri, member.data, self._about):
            return None
        if self._wish.format is Format.NQUADS:
            return nquads(member)
        return (orjson.dumps(expanded(member)) if written is None else written) + b"\n"

    def _is_forgotten(self, at: Fraction | None) -> bool:
        number = nanoseconds(at)
        if number is None or self._forgotten is None or number >= self._forgotten:
            return False
        self._note("members were met that are older than what was read long ago: known already, or against LDES-29")
        return True

    def _open(self) -> Iterator[Known]:
        """Give what is not taken yet; of the queue only its head, before which no other comes."""
        yield from (page for page, _ in self._flights)
        yield from (page for _, page in self._queue[:1])

    def _write(self, until: Bound | None) -> None:
        """Write what waits, as far as nothing can come before it any more."""
        for name, at, line in self._waiting.ready(until):
            self._output.write(line)
            self._state.remember(name, at)
            self._written += 1

    def _close_by_bound(self) -> None:
        """Close pages whose members would all be older than the newest that was read (CLI-08, third test)."""
        if self._newest is not None:
            for page in self._state.pages():
                if page.stage is Stage.OPEN and page.upper is not None and page.upper < self._newest:
                    self._state.settle(page.id, Stage.FINAL)

    def _save(self, *, writing: int = 1) -> None:
        self._output.flush()
        self._forget()
        newest = "" if self._newest is None else str(self._newest)
        self._state.note(position=self._output.position, writing=writing)
        self._state.note(read=self._read, written=self._written, newest=newest)
        self._state.save()
        self._saved = asyncio.get_running_loop().time()

    def _forget(self) -> None:
        if self._state.remembered <= self._reader.fetcher.limits.remembered * _SLACK or self._newest is None:
            return
        # What is not taken or not written yet, pages included that are only looked at again.
        unread = [*self._open(), *(page for page in self._state.pages() if page.stage is Stage.WAITING)]
        times = [*(page.lower.time for page in unread), *self._waiting.times()]
        if any(time is None for time in times):
            return
        horizon = nanoseconds(min([self._newest, *(time for time in times if time is not None)]))
        if horizon is not None and (self._forgotten is None or horizon > self._forgotten):
            self._forgotten = horizon
            self._state.forget(horizon)
            self._state.note(forgotten=horizon)

    def _note(self, *notes: str) -> None:
        for note in notes[: _MOST_NOTES - len(self.notes)]:
            self.notes.setdefault(note)


def _place(page: Known) -> tuple[object, ...]:
    """Return where a page comes in the queue: oldest first; where nothing is known, the deepest first, as found."""
    return (*page.lower.sorted_by, -page.depth, page.id)
