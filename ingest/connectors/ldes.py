"""The LDES connector: any event stream from its root to its newest member, each page that will not change once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from yarl import URL

from ingest.connector import Poll
from ingest.connectors.asking import Asker, shown
from ingest.connectors.bookmark import digest_of
from ingest.connectors.ldes_page import ACCEPT, MEDIA_TYPE, LdesPage, PageError, UnreadableError, read_page
from ingest.connectors.ldes_walk import Walk
from ingest.connectors.paging import same_host
from ingest.connectors.request import Answer, ClosedDoorError, Request
from ingest.transports.ldes import LdesOptions
from streams.errors import SourceError
from streams.record import Payload

_AT_ONCE = timedelta(0)
# Pages without news that one poll reads: stopping waits for a poll.
_PAGES = 10
_GONE = frozenset({410})


class Ldes:
    """Follows a Linked Data Event Stream (LDES 1.0) and gives the new members of each page as one payload of N-Quads.

    The cursor is the state of the walk, so a new connector goes on where the log ends. Pages that call themselves
    immutable are read once; the others again after `every`, and only members that they did not have before are given.
    A page that is gone (410) was taken away by retention and is left. A page that cannot be read is a payload as it is,
    for the normaliser to refuse; one that breaks a promise without which members would be missed is an error.
    """

    def __init__(self, source: str, options: LdesOptions) -> None:
        self._source = source
        self._options = options
        self._asker = Asker(source, options)
        self._entry = str(URL(options.url).with_fragment(None))
        self._walk = Walk(self._entry)
        self._after: bytes | None = None  # the cursor that the walk in hand goes on from
        self._tags: dict[str, str] = {}
        self._interval = options.every

    async def __aenter__(self) -> Self:
        """Open the connection pool; a closed connector may be opened again."""
        await self._asker.__aenter__()
        self._after, self._tags = None, {}
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; polling is refused from now on."""
        await self._asker.__aexit__(kind, error, trace)

    async def poll(self, cursor: bytes) -> Poll:
        """Return the new members of the next page that has some, or an empty poll.

        Raises:
            ClosedDoorError: the publisher asks for patience, or a page that is linked is not there.
            SourceError: no answer, an error status, too large a page, or a promise that is broken.

        """
        try:
            return await self._polled(cursor)
        except ClosedDoorError:
            raise
        except SourceError:
            self._after = None  # the walk in hand may be ahead of what was given
            raise

    async def _polled(self, cursor: bytes) -> Poll:
        if cursor != self._after:
            self._walk, self._after, self._tags = Walk.read(cursor, self._entry), cursor, {}
        elif self._walk.next is None and not self._walk.begin_round():
            return Poll(payloads=(), again_in=self._interval)
        for _ in range(_PAGES):
            page = self._walk.next
            if page is None:
                return Poll(payloads=(), again_in=self._interval)
            payload = await self._read(page)
            if payload is not None:
                self._after = payload.cursor
                return Poll(payloads=(payload,), again_in=_AT_ONCE if self._walk.next else self._interval)
        return Poll(payloads=(), again_in=_AT_ONCE if self._walk.next else self._interval)

    async def _read(self, page: str) -> Payload | None:
        """Read one page and turn the walk; None when it has no news."""
        tag = self._tags.get(page)
        headers = {"Accept": ACCEPT} | ({"If-None-Match": tag} if tag else {})
        allow = _GONE if page != self._entry else frozenset()
        try:
            answer = await self._asker.ask(Request(url=page, headers=headers, allow=allow))
        except ClosedDoorError:
            # The others are not kept waiting by one that is not there.
            self._walk.postpone(page)
            raise
        if answer.status == 410:
            self._walk.forget(page)
            return None
        digest = digest_of(answer.body)
        if answer.status in (204, 304):
            self._walk.repeat(page)
            return None
        # In a thread: a page of a megabyte would hold up every other source for a tenth of a second.
        found = await asyncio.to_thread(self._understood, answer)
        if found is None:
            return self._garbage(page, answer, digest)
        news = self._turned(page, answer, digest, found)
        return None if news is None else self._payload(await asyncio.to_thread(found.extract, news), MEDIA_TYPE)

    def _understood(self, answer: Answer) -> LdesPage | None:
        try:
            return read_page(answer.body, answer.media_type, answer.url)
        except UnreadableError:
            return None
        except PageError as error:
            raise self._error(str(error), answer.url, fix="tell the publisher; a conformity check shows it") from error

    def _garbage(self, page: str, answer: Answer, digest: str) -> Payload | None:
        """Pass on what is no RDF, once for each content; the page is asked again in the next round."""
        known = self._walk.news(page, digest, ()) is None
        self._walk.turn(page, digest, (), links=(), final=False)
        return None if known else self._payload(answer.body, answer.media_type)

    def _turned(self, page: str, answer: Answer, digest: str, found: LdesPage) -> list[str] | None:
        """Turn the walk, and return the members that are news; None when nothing is."""
        links = self._links(page, answer, found)
        if page == self._entry and not (links or found.members or found.blank or found.views):
            fix = "give the address of an event stream or of one of its views"
            raise self._error("there is no event stream: no tree:view, tree:relation or tree:member", page, fix=fix)
        news = self._walk.news(page, digest, found.members)
        final = found.immutable or "immutable" in answer.headers.get("Cache-Control", "").lower()
        self._walk.turn(page, digest, found.members, links=links, final=final)
        if self._walk.size > self._options.most:
            fix = "raise `most` in the source file if the feed really is so large; else it leads in circles"
            raise self._error(f"the feed leads to more than {self._options.most} pages", page, fix=fix)
        if found.interval:
            self._interval = max(self._options.every, timedelta(seconds=found.interval))
        if answer.headers.get("ETag") and not final:
            self._tags[page] = answer.headers["ETag"]
        # Members without a name cannot be told apart: those of a page that changed are all given.
        return news if news or (found.blank and news is not None) else None

    def _links(self, page: str, answer: Answer, found: LdesPage) -> list[str]:
        """List the addresses that a page leads to; the first view where the entry is the stream's own document."""
        targets = found.links
        own = {page, answer.url}
        if page == self._entry and not targets and not found.members and own.isdisjoint(found.views):
            targets = found.views[:1]
        links = []
        for target in targets:
            allowed = self._allowed(target)
            if allowed is None:
                fix = "add that host to `hosts` in the source file, if it may be asked"
                raise self._error(f"the page leads to another host, {shown(target)}", page, fix=fix)
            if allowed not in own:
                links.append(allowed)
        return links

    def _allowed(self, target: str) -> str | None:
        try:
            url = URL(target).with_fragment(None)
        except ValueError:
            return None
        if url.scheme in ("http", "https") and url.host in self._options.hosts:
            return str(url)
        return same_host(str(url), self._options.url)

    def _payload(self, body: bytes, media_type: str) -> Payload:
        now = datetime.now(UTC)
        return Payload(source=self._source, received_at=now, media_type=media_type, body=body, cursor=self._walk.pack())

    def _error(self, what: str, url: str, *, fix: str) -> SourceError:
        return SourceError(what, where=f"{self._source}, {shown(url)}", fix=fix, retriable=True)
