"""Fetching over HTTP: polite, bounded, patient with what passes, and never at an origin that was not allowed."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self
from urllib.parse import urldefrag

import aiohttp

from streams.errors import FeedError
from testbed.client.limits import Limits, Origins, origin_of, resolve

# A page may be had as any of the five types (CLI-03). Those who want members as JSON ask for JSON-LD first.
_TYPES = ("application/n-quads", "application/trig", "application/n-triples", "text/turtle", "application/ld+json")
ACCEPT_QUADS = ", ".join(f"{name};q={1 - place / 10:.1f}" for place, name in enumerate(_TYPES))
ACCEPT_JSON = ", ".join(f"{name};q={1 - place / 10:.1f}" for place, name in enumerate((_TYPES[-1], *_TYPES[:-1])))
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FIXES = {
    401: "the feed wants a login, which this client does not have: ask its publisher for a public address",
    403: "the publisher does not let you in: ask them",
    404: "look whether the address is right; if the feed itself links there, tell its publisher (TREE-22)",
    406: "the feed has none of the five RDF types: tell its publisher (HTTP-01)",
}


class InterruptedWaitError(FeedError):
    """Somebody wants to stop while a request waits for its next try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came: status 200, 304 or 410. `names` are the final address and then those that redirected to it."""

    names: tuple[str, ...]
    status: int
    media: str = ""
    body: bytes = b""
    etag: str | None = None
    immutable: bool = False
    max_age: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One answer to one request, whatever its status."""

    answer: Answer
    location: str | None
    retry_after: str | None

    @property
    def status(self) -> int:
        return self.answer.status


class Fetcher:
    """An HTTP client for one feed; an async context manager. Counts requests, and stops waiting when `stop` is set."""

    def __init__(
        self, origins: Origins, limits: Limits, *, agent: str, contact: str | None = None, stop: asyncio.Event
    ) -> None:
        self.origins = origins
        self.limits = limits
        self.requests = 0
        self.notes: list[str] = []
        self._stop = stop
        self._headers = {"User-Agent": agent} | ({"From": contact} if contact else {})
        self._slots: dict[tuple[str, str, int], asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(limits.at_once)
        )

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(
            total=self.limits.answer_within.total_seconds(), sock_read=self.limits.silent_for.total_seconds()
        )
        self._session = aiohttp.ClientSession(
            timeout=timeout, headers=self._headers, cookie_jar=aiohttp.DummyCookieJar(), requote_redirect_url=False
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def fetch(self, url: str, *, accept: str, etag: str | None = None, most: int | None = None) -> Answer:
        """Fetch an address through its redirects; `most` bytes at most.

        Raises:
            FeedError: another origin, too many redirects, a status that cannot be read past, a body over the limit,
                or no answer after all tries. Says what, where and what to do.

        """
        origin_of(url)  # refuses what is no address
        names = [urldefrag(url).url]
        while True:
            headers = {"Accept": accept} | ({"If-None-Match": etag} if etag else {})
            asked = await self._try(names[0], headers, most or self.limits.page_bytes)
            if asked.status not in _REDIRECTS:
                return replace(_settled(names[0], asked.answer), names=tuple(names))
            if asked.location is None:
                what = f"answered {asked.status} without a Location"
                raise FeedError(what, where=names[0], fix="tell the feed's publisher")
            target = resolve(names[0], asked.location)
            self.origins.check(target, cause=f"the redirect of {names[0]}")
            if target in names or len(names) > self.limits.redirects:
                what = "redirects in a circle" if target in names else f"redirects more than {len(names) - 1} times"
                raise FeedError(what, where=names[-1], fix="tell the feed's publisher (TREE-05)")
            names.insert(0, target)

    async def _try(self, url: str, headers: dict[str, str], most: int) -> _Asked:
        """Ask until there is an answer that is worth reading."""
        tried = 0
        while True:
            tried += 1
            again = None
            try:
                asked = await self._ask(url, headers, most)
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                trouble = f"did not answer: {str(error) or type(error).__name__}"
            else:
                if asked.status not in _AGAIN:
                    return asked
                trouble, again = f"answered {asked.status}", asked.retry_after
            if tried >= self.limits.tries and not self.limits.patient:
                fix = "look whether the feed is up; then run this again, it goes on where it was"
                raise FeedError(f"{trouble}, {tried} times", where=url, fix=fix, retriable=True)
            if tried == self.limits.tries:
                self.notes.append(f"{url} {trouble}; trying on")
            await self._pause(url, tried, again)

    async def _ask(self, url: str, headers: dict[str, str], most: int) -> _Asked:
        """Send one request."""
        self.origins.check(url, cause="the feed")
        self.requests += 1
        if self.requests > self.limits.requests:
            fix = "run it again to go on; a feed that never ends is broken"
            raise FeedError(f"more than {self.limits.requests} requests in one run", where=url, fix=fix)
        async with (
            self._slots[origin_of(url)],
            self._session.get(url, headers=headers, allow_redirects=False) as answer,
        ):
            directives = [part.strip().lower() for part in answer.headers.get("Cache-Control", "").split(",")]
            return _Asked(
                answer=Answer(
                    names=(url,),
                    status=answer.status,
                    media=answer.content_type if answer.status == 200 else "",
                    body=await _body(answer, url, most) if answer.status == 200 else b"",
                    etag=answer.headers.get("ETag"),
                    immutable="immutable" in directives,
                    max_age=_max_age(directives),
                ),
                location=answer.headers.get("Location"),
                retry_after=answer.headers.get("Retry-After"),
            )

    async def _pause(self, url: str, tried: int, again: str | None) -> None:
        limits = self.limits
        doubled = limits.first_pause * 2 ** min(tried - 1, 16)
        # Clients that were thrown out together should not come back together.
        pause = min(doubled, limits.longest_pause) * random.uniform(0.75, 1.25)  # noqa: S311 - not a secret
        if again is not None and (wished := retry_after(again, datetime.now(UTC))) is not None:
            if wished > limits.longest_wait:
                fix = "run it again then, it goes on where it was"
                raise FeedError(f"asks to wait {wished.total_seconds():.0f} s", where=url, fix=fix, retriable=True)
            pause = wished
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), pause.total_seconds())
        if self._stop.is_set():
            raise InterruptedWaitError("stopped while it waited", where=url, fix="run it again to go on")


async def _body(answer: aiohttp.ClientResponse, url: str, most: int) -> bytes:
    pieces, size = [], 0
    async for piece in answer.content.iter_chunked(1 << 16):
        size += len(piece)
        if size > most:
            fix = "tell the feed's publisher: pages are to be of a bounded size (LDES-28)"
            raise FeedError(f"its body is larger than {most} bytes", where=url, fix=fix)
        pieces.append(piece)
    return b"".join(pieces)


def _settled(url: str, answer: Answer) -> Answer:
    if answer.status not in (200, 304, 410):
        fix = _FIXES.get(answer.status, "tell the feed's publisher; a page that is gone answers 410")
        raise FeedError(f"answered {answer.status}", where=url, fix=fix)
    return answer


def _max_age(directives: list[str]) -> timedelta | None:
    ages = [part.removeprefix("max-age=").strip('"') for part in directives if part.startswith("max-age=")]
    return next(
        (timedelta(seconds=int(age)) for age in ages if age.isascii() and age.isdigit() and len(age) < 10), None
    )


def retry_after(text: str, now: datetime) -> timedelta | None:
    """Read a Retry-After: seconds, or a date; None when it is neither, zero when it has passed."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return timedelta(seconds=int(text))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(moment.replace(tzinfo=moment.tzinfo or UTC) - now, timedelta())
