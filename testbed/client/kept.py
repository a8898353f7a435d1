"""What a feed still has of its history: how far back it goes, and the older members that it keeps for their version."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import orjson
from pyoxigraph import Literal, NamedNode

from streams.errors import FeedError
from testbed.client.fetching import ACCEPT_JSON, Answer, Fetcher
from testbed.client.hypermedia import Page, read_page
from testbed.client.lines import written_members
from testbed.client.reading import Reader
from testbed.client.retention import read_policies
from testbed.client.terms import DIGESTS, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Every member from number `begin` on is linked (none is, if that is None); `older` are pages with some before it.

    `in_part` says that older members are kept, or were, for what else is known of their entity. `digests` is where the
    root says that pages are signed off, if it does.
    """

    begin: int | None
    older: tuple[str, ...]
    in_part: bool
    digests: str | None


class History:
    """Reads the log of a stream, whose pages of signed members have addresses of the form LOG/LEVEL/INDEX."""

    def __init__(self, fetcher: Fetcher, stream: str) -> None:
        self._reader = Reader(fetcher, ACCEPT_JSON)
        self._stream = stream
        self._log = re.compile(rf"{re.escape(stream)}/log/\d+/\d+")

    async def kept(self) -> Kept:
        """Read what the root links now, which is less than what still answers; nothing of a feed without such a root."""
        try:
            reading = await self._reader.read(f"{self._stream}/log")
        except FeedError as error:
            if error.retriable:
                raise
            return Kept(begin=None, older=(), in_part=False, digests=None)
        root = read_page(reading.data, reading.answer.names, self._stream)
        policies, _ = read_policies(reading.data, reading.url)
        older = tuple(dict.fromkeys(it.node for it in root.relations if not self._log.fullmatch(it.node)))
        signed = [
            it.value for it in reading.data.objects(NamedNode(self._stream), DIGESTS) if isinstance(it, NamedNode)
        ]
        return Kept(
            begin=await self._begin(root),
            older=older,
            in_part=bool(older) or any(it.by_version for it in policies),
            digests=next(iter(signed), None),
        )

    async def members(self, urls: tuple[str, ...]) -> AsyncIterator[tuple[int, bytes]]:
        """Yield the members at and below pages, each with its number, as the pages write them."""
        waiting, met = [*urls], set(urls)
        while waiting:
            answer, page = await self._read(waiting.pop())
            for number, text in numbered(answer).items():
                yield number, text
            found = [it.node for it in page.relations if it.node not in met]
            waiting += dict.fromkeys(found)
            met |= set(found)

    async def _begin(self, page: Page) -> int | None:
        """Go down from page to page by what was published first, and return the number of the first member there."""
        while True:
            lower = [
                (it.value.value, it.node)
                for it in page.relations
                if it.kind is Kind.AT_LEAST and isinstance(it.value, Literal) and self._log.fullmatch(it.node)
            ]
            if not lower:
                return None
            answer, page = await self._read(min(lower)[1])
            if page.members or not page.relations:
                return min(numbered(answer), default=None)

    async def _read(self, url: str) -> tuple[Answer, Page]:
        reading = await self._reader.read(url)
        return reading.answer, read_page(reading.data, reading.answer.names, self._stream)


def numbered(answer: Answer) -> dict[int, bytes]:
    """Return the members of a page in JSON-LD by their number, as they are written there; none of another answer."""
    if answer.status != 200:
        return {}
    return {orjson.loads(text)["sequence"]: text for text in written_members(answer.body, answer.names[0]).values()}
