"""An address to a parsed page: fetched, contexts put in place, parsed whole."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.client.contexts import Contexts
from testbed.client.fetching import Answer, Fetcher
from testbed.client.graph import Dataset
from testbed.client.parsing import JSON_LD, parse_page


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """An answer and what it says; nothing, when it says that a page is unchanged (304) or gone (410)."""

    answer: Answer
    data: Dataset

    @property
    def url(self) -> str:
        """The final address."""
        return self.answer.names[0]


class Reader:
    """Reads pages in the media types that `accept` prefers."""

    def __init__(self, fetcher: Fetcher, accept: str) -> None:
        self.fetcher = fetcher
        self._accept = accept
        self._contexts = Contexts(fetcher)

    async def read(self, url: str, *, etag: str | None = None) -> Reading:
        """Read a page; with the tag of what is known of it, if something is.

        Raises:
            FeedError: as `Fetcher.fetch`, `Contexts.inline` and `parse_page`.

        """
        answer = await self.fetcher.fetch(url, accept=self._accept, etag=etag)
        if answer.status != 200:
            return Reading(answer=answer, data=Dataset(()))
        body = answer.body
        if answer.media == JSON_LD:
            body = await self._contexts.inline(body, answer.names[0])
        return Reading(answer=answer, data=parse_page(body, answer.media, answer.names[0]))
