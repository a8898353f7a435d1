"""Remote JSON-LD contexts: fetched once from allowed origins, of bounded size and number, and put in their place."""

from __future__ import annotations

import re
from typing import Any

import orjson

from streams.errors import FeedError
from testbed.client.fetching import Fetcher
from testbed.client.limits import resolve

_ACCEPT = "application/ld+json, application/json;q=0.9"
# Whether a page could refer to a context at all: most have theirs inline, and are not taken apart.
_REMOTE = re.compile(rb'"@context"\s*:\s*["\[]|"@import"')
_DEEPEST = 8


class Contexts:
    """The contexts of one feed; each is fetched once (CLI-18)."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._known: dict[str, Any] = {}

    async def inline(self, body: bytes, base: str) -> bytes:
        """Return a JSON-LD document that needs no other document.

        Raises:
            FeedError: a context is at another origin, too large, one too many, part of a circle, or no context.

        """
        if not _REMOTE.search(body):
            return body
        try:
            document = orjson.loads(body)
        except ValueError as error:
            raise FeedError(f"is not JSON: {error}", where=base, fix="tell the feed's publisher") from error
        try:
            return orjson.dumps(await self._document(document, base, depth=0))
        except RecursionError as error:
            raise FeedError("is nested without end", where=base, fix="tell the feed's publisher") from error

    async def _document(self, value: Any, base: str, *, depth: int) -> Any:
        """Replace the contexts anywhere in a document."""
        if isinstance(value, list):
            return [await self._document(item, base, depth=depth) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            key: await self._context(item, base, depth=depth)
            if key == "@context"
            else await self._document(item, base, depth=depth)
            for key, item in value.items()
        }

    async def _context(self, value: Any, base: str, *, depth: int) -> Any:
        """Replace what a context refers to, also inside the contexts of its terms."""
        if depth > _DEEPEST:
            fix = "tell the publisher: a context refers to itself"
            raise FeedError("contexts refer to contexts without end", where=base, fix=fix)
        if isinstance(value, list):
            found: list[Any] = []
            for item in value:
                inner = await self._context(item, base, depth=depth)
                found += inner if isinstance(inner, list) else [inner]
            return found
        if isinstance(value, str):
            address = resolve(base, value)
            return await self._context(await self._load(address, base), address, depth=depth + 1)
        if not isinstance(value, dict):
            return value
        replaced = await self._document(value, base, depth=depth + 1)
        if isinstance(imported := replaced.pop("@import", None), str):
            address = resolve(base, imported)
            below = await self._context(await self._load(address, base), address, depth=depth + 1)
            replaced = {**(below if isinstance(below, dict) else {}), **replaced}
        return replaced

    async def _load(self, address: str, page: str) -> Any:
        if address in self._known:
            return self._known[address]
        limits = self._fetcher.limits
        if len(self._known) >= limits.contexts:
            fix = "tell the publisher: one context is enough"
            raise FeedError(f"uses more than {limits.contexts} remote contexts", where=page, fix=fix)
        self._fetcher.origins.check(address, cause=f"the context of {page}")
        answer = await self._fetcher.fetch(address, accept=_ACCEPT, most=limits.context_bytes)
        try:
            context = orjson.loads(answer.body)["@context"]
        except (ValueError, KeyError, TypeError) as error:
            fix = "tell the publisher: its pages cannot be read without it"
            raise FeedError("is no JSON-LD context", where=address, fix=fix) from error
        self._known[address] = context
        return context
