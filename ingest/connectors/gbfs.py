"""The GBFS connector: finds the feeds of a mobility system through its discovery file, and asks each as its ttl allows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import orjson

from ingest.connector import Connector, Poll
from ingest.connectors.http_poll import HttpPoll
from ingest.transports.gbfs import RENAMED, GbfsOptions
from ingest.transports.http_poll import HttpPollOptions
from streams.errors import SourceError
from streams.record import Payload

# Seconds that a publisher may ask for at most; some write a year where they mean that a file seldom changes.
_LONGEST = 86_400.0
# Seconds for which a discovery file counts at least: feeds move seldom, and its ttl is often 0.
_DISCOVERY = 300.0
_MOMENT = timedelta(milliseconds=50)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Feed:
    """A feed in use: its address, its connector, when it may be asked again, and the cursor it gave last."""

    url: str
    connector: Connector
    due: float = 0.0
    given: str = ""


class Gbfs:
    """Asks the feeds of one system; each is a payload, as JSON.

    The cursor holds those of the feeds, by name: what is not known to be safe is asked again, whatever its ttl. The
    discovery file is read again when its own ttl is over, and when a feed is not where it was. A feed that fails does not
    keep the others back: its error is raised by the next poll.
    """

    def __init__(self, source: str, options: GbfsOptions) -> None:
        self._source = source
        self._options = options
        self._stack: AsyncExitStack | None = None
        self._feeds: dict[str, _Feed] = {}
        self._discovered_until = 0.0
        self._failed: SourceError | None = None

    async def __aenter__(self) -> Self:
        """Begin; the first poll reads the discovery file."""
        self._stack = AsyncExitStack()
        await self._stack.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection; polling is refused from now on."""
        stack, self._stack = self._stack, None
        self._feeds = {}
        self._discovered_until = 0.0
        self._failed = None
        if stack is not None:
            await stack.__aexit__(kind, error, trace)

    async def poll(self, cursor: bytes) -> Poll:
        """Return the feeds that are due and say something else than at `cursor`, one payload each.

        Raises:
            SourceError: the discovery file or a feed does not answer, or lacks what is asked for.

        """
        if self._stack is None:
            raise RuntimeError(f"the gbfs connector of {self._source} is closed")
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed
        clock = asyncio.get_running_loop().time
        begun = clock()
        known = _unpack(cursor)
        if begun >= self._discovered_until:
            await self._look_again(self._stack, begun)
        payloads = []
        for name, feed in self._feeds.items():
            if begun < feed.due and known.get(name, "") == feed.given:
                continue
            try:
                (payload,) = (await feed.connector.poll(known.get(name, "").encode())).payloads or (None,)
            except SourceError as error:
                self._discovered_until = 0.0
                self._failed = error
                continue
            if payload is None:
                # No news: asked again as soon as `every` allows.
                self._feeds[name] = replace(feed, given=known.get(name, ""), due=begun)
                continue
            known[name] = payload.cursor.decode()
            self._feeds[name] = replace(feed, given=known[name], due=begun + _ttl(payload.body))
            payloads.append(replace(payload, cursor=_pack(known)))
        if self._failed is not None and not payloads:
            failed, self._failed = self._failed, None
            raise failed
        return Poll(payloads=tuple(payloads), again_in=self._again_in(clock() - begun, begun))

    def _again_in(self, taken: float, begun: float) -> timedelta:
        """Wait for `every`, and until the first feed is due; not at all where an error waits to be told."""
        if self._failed is not None:
            return _MOMENT
        first = min((feed.due for feed in self._feeds.values()), default=begun) - begun
        return max(timedelta(seconds=max(self._options.every.total_seconds(), first) - taken), _MOMENT)

    async def _look_again(self, stack: AsyncExitStack, now: float) -> None:
        """Read the discovery file; while it does not answer, feeds that were found before are used."""
        try:
            await self._discover(stack, now)
        except SourceError as error:
            if len(self._feeds) < len(self._options.feeds):
                raise
            self._failed = error
            self._discovered_until = now + _DISCOVERY

    async def _discover(self, stack: AsyncExitStack, now: float) -> None:
        """Read the discovery file; feeds that stay where they are keep what is known of them."""
        async with HttpPoll(self._source, self._access(self._options.url)) as connector:
            (payload,) = (await connector.poll(b"")).payloads or (None,)
        addresses = self._addresses(payload)
        for name in self._options.feeds:
            url = addresses.get(name) or addresses.get(RENAMED.get(name, ""))
            if url is None:
                has = ", ".join(sorted(addresses)) or "none"
                raise self._error(
                    f"the system has no feed {name}; it has {has}", fix="correct feeds in the source file"
                )
            if name not in self._feeds or self._feeds[name].url != url:
                connector = await stack.enter_async_context(HttpPoll(self._source, self._access(url)))
                self._feeds[name] = _Feed(url=url, connector=connector)
        assert payload is not None
        self._discovered_until = now + max(_ttl(payload.body), _DISCOVERY)

    def _access(self, url: str) -> HttpPollOptions:
        """Return how one file is asked for; keys go to the host of the discovery file only."""
        options, mine = self._options, urlsplit(self._options.url)
        is_home = (mine.scheme, mine.netloc) == urlsplit(url)[:2]
        return HttpPollOptions(
            url=url,
            every=options.every,
            headers=options.headers if is_home else {},
            oauth2=options.oauth2 if is_home else None,
            pause=options.pause,
            timeout=options.timeout,
            max_bytes=options.max_bytes,
            media_type="application/json",
        )

    def _addresses(self, payload: Payload | None) -> dict[str, str]:
        """Read the addresses of all feeds: version 3 has one list, those before one per language."""
        try:
            data = orjson.loads(payload.body if payload is not None else b"")["data"]
            if "feeds" not in data:
                data = self._in_language(data)
            found = dict(_named(data["feeds"], self._options.url))
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
            fix = "name the gbfs.json of the system as url in the source file"
            raise self._error("what is there is no GBFS discovery file", fix=fix) from error
        return found

    def _in_language(self, data: Mapping[str, Any]) -> Any:
        wanted = self._options.language
        if not wanted:
            return next(iter(data.values()))
        if wanted not in data:
            has = ", ".join(data) or "none"
            raise self._error(
                f"no feeds in language {wanted}; there are {has}", fix="correct language in the source file"
            )
        return data[wanted]

    def _error(self, what: str, *, fix: str) -> SourceError:
        parts = urlsplit(self._options.url)
        where = f"{self._source}, {parts.scheme}://{parts.hostname}{parts.path}"
        return SourceError(what, where=where, fix=fix, retriable=True)


def _named(feeds: Any, base: str) -> Iterator[tuple[str, str]]:
    for feed in feeds:
        url = urljoin(base, feed["url"])
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"{url!r} is no web address")
        yield str(feed["name"]), url


def _ttl(body: bytes) -> float:
    """Read for how many seconds a file counts; 0 where it does not say, or says nonsense."""
    try:
        ttl = orjson.loads(body)["ttl"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return 0.0
    is_number = isinstance(ttl, int | float) and not isinstance(ttl, bool)
    return min(max(float(ttl), 0.0), _LONGEST) if is_number else 0.0


def _pack(known: Mapping[str, str]) -> bytes:
    return json.dumps({"gbfs": dict(known)}).encode()


def _unpack(cursor: bytes) -> dict[str, str]:
    """Read a cursor; one of another transport knows nothing."""
    try:
        return {str(name): str(inner) for name, inner in json.loads(cursor)["gbfs"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
