"""Asker: questions over HTTP with bounded answers, keys that stay at home, and every failure as one kind of error."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from ingest.connectors.inflate import BrokenError, Inflater, OversizeError
from ingest.connectors.manners import host_of
from ingest.connectors.request import Answer, ClosedDoorError, Request
from ingest.connectors.tokens import Tokens
from ingest.transports.access import Access
from streams.errors import SourceError


def _user_agent() -> str:
    try:
        return f"smartflanders/{version('smartflanders')}"
    except PackageNotFoundError:  # a checkout that is run without being installed
        return "smartflanders/checkout"


USER_AGENT = _user_agent()

_MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
# A name that resolves to a dead address should not eat the time meant for the answer.
_CONNECT_SECONDS = 10.0
_CHUNK = 64 * 1024
# A token service answers a kilobyte.
_MAX_TOKEN = 64 * 1024
# The door is closed, not broken: asking every second again would only fill the publisher's logs.
_SLOW_STATUS = (401, 403, 404, 410)
_SLOW = timedelta(minutes=5)
# 429 and 503 may say when to come back; a publisher that says "next year" is asked again the same hour.
_LONGEST_WAIT = timedelta(hours=1)


class Asker:
    """Asks for one source: an async context manager with one verb.

    Headers and tokens of the source file are keys: they go to the origin they were written for only, over redirects
    and links alike.
    """

    def __init__(self, source: str, access: Access) -> None:
        self._source = source
        self._access = access
        self._session: aiohttp.ClientSession | None = None
        self._tokens = None if access.oauth2 is None else Tokens(source, access.oauth2, self._token)
        shown = repr((sorted(access.headers.items()), access.oauth2))
        self._key = hashlib.sha256(shown.encode()).hexdigest()

    async def __aenter__(self) -> Self:
        """Open the connection pool; a closed one may be opened again."""
        seconds = self._access.timeout.total_seconds()
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=seconds, connect=min(seconds, _CONNECT_SECONDS)),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; asking is refused from now on."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(self, request: Request, *, taken: int = 0) -> Answer:
        """Return the answer: with the `taken` bytes of pages before it at most `max_bytes`, after decompression.

        A token that is refused is renewed once.

        Raises:
            ClosedDoorError: the publisher asks for patience, and the error says how long.
            SourceError: no answer in time, an error status, a broken transfer, or a body over the limit.

        """
        most = self._access.max_bytes - taken
        async with self._translated(request.url, pages=taken > 0):
            answer = await self._sent(request, most)
            if answer.status == 401 and self._tokens is not None:
                self._tokens.drop()
                answer = await self._sent(request, most)
        # 206 without a Range of ours is a part that says so: storing it as a whole would lose the rest silently.
        good = 200 <= answer.status < 300 and answer.status != 206
        if good or answer.status == 304 or answer.status in request.allow:
            return answer
        raise self._refusal(answer)

    async def _token(self, request: Request) -> Answer:
        """Ask a token service, which is shown nothing but what the request itself holds."""
        assert self._session is not None
        url, headers = URL(request.url), {"User-Agent": USER_AGENT, **request.headers}
        async with (
            self._translated(request.url),
            host_of(str(url.origin())).turn(timedelta(0)),
            self._session.post(url, headers=headers, data=request.body, allow_redirects=False) as response,
        ):
            return await _read(response, _MAX_TOKEN, whole=True)

    async def _sent(self, request: Request, limit: int) -> Answer:
        """Send the request and follow a bounded number of redirects, by hand: see the class about keys."""
        if self._session is None:
            raise RuntimeError(f"the connector of {self._source} is closed")
        url, home, body = URL(request.url), URL(self._access.url).origin(), request.body
        general = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate", **request.headers}
        for _ in range(_MAX_REDIRECTS + 1):
            at_home = url.origin() == home
            if body is not None and not at_home:
                fix = "name the address it leads to in the source file, if what is sent may be sent there"
                raise self._error(f"what is posted would go to another host, {url.host}", url=str(url), fix=fix)
            headers = {**general, **(await self._keys() if at_home else {})}
            self._is_open(url)
            async with (
                host_of(str(url.origin())).turn(self._access.pause),
                self._session.request(
                    "GET" if body is None else "POST", url, headers=headers, data=body, allow_redirects=False
                ) as response,
            ):
                target = response.headers.get("Location")
                if response.status not in _REDIRECTS or target is None:
                    return await _read(response, limit, whole=200 <= response.status < 300)
                if response.status not in (307, 308):
                    body = None
                url = response.url.join(URL(target))
        fix = "use the address the redirects lead to"
        raise self._error(f"more than {_MAX_REDIRECTS} redirects", url=request.url, fix=fix)

    async def _keys(self) -> Mapping[str, str]:
        token = {} if self._tokens is None else await self._tokens.header()
        return {**self._access.headers, **token}

    def _is_open(self, url: URL) -> None:
        """Refuse to knock at a host that has asked another source with the same key for patience."""
        wait = host_of(str(url.origin())).closed_for(self._key)
        if wait > timedelta(0):
            error = self._error("the host has asked for patience", url=str(url), fix="passes by itself; ask less often")
            raise ClosedDoorError(error, again_in=wait)

    def _refusal(self, answer: Answer) -> SourceError:
        """Name what the publisher answered, and when it may be asked again."""
        error = self._error(
            f"the publisher answered {answer.status} {_phrase(answer.status)}".rstrip(),
            url=answer.url,
            fix="check the address and the key in the source file; an outage of the publisher passes by itself",
        )
        wait = patience(answer.status, answer.headers, self._access.every)
        if wait and answer.status not in _SLOW_STATUS:
            host_of(str(URL(answer.url).origin())).close(self._key, wait)
        return ClosedDoorError(error, again_in=wait) if wait else error

    def _error(self, what: str, *, url: str, fix: str) -> SourceError:
        return SourceError(what, where=f"{self._source}, {shown(url)}", fix=fix, retriable=True)

    @asynccontextmanager
    async def _translated(self, url: str, *, pages: bool = False) -> AsyncIterator[None]:
        """Turn whatever the transport raises into one `SourceError`, with its cause."""
        try:
            yield
        except OversizeError as error:
            fix = "raise max_bytes in the source file if the feed has grown"
            what = f"{'the pages together are' if pages else 'the body is'} larger than {self._access.max_bytes} bytes"
            raise self._error(f"{what}; nothing of it is kept", url=url, fix=fix) from error
        except BrokenError as error:
            raise self._error(f"broken transfer: {error}", url=url, fix="usually passes by itself") from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError) as error:
            fix = "write a whole http or https address"
            raise self._error(f"no usable address: {error}", url=url, fix=fix) from error
        except TimeoutError as error:
            what = f"no complete answer within {self._access.timeout.total_seconds():g} s"
            fix = "raise timeout in the source file if the feed is slow"
            raise self._error(what, url=url, fix=fix) from error
        except aiohttp.ClientPayloadError as error:
            fix = "usually passes by itself"
            raise self._error(f"the transfer broke off: {error}", url=url, fix=fix) from error
        except (aiohttp.ClientError, OSError) as error:
            what = f"no answer: {str(error) or type(error).__name__}"
            raise self._error(what, url=url, fix="check the address, the network and the certificate") from error


async def _read(response: aiohttp.ClientResponse, limit: int, *, whole: bool) -> Answer:
    body = b""
    if whole:
        coding = response.headers.get("Content-Encoding", "").strip().lower().removeprefix("x-")
        inflater = Inflater(coding or "identity", limit)
        async for chunk in response.content.iter_chunked(_CHUNK):
            inflater.feed(chunk)
        body = inflater.finish()
    return Answer(status=response.status, url=str(response.url), headers=response.headers, body=body)


def shown(url: str) -> str:
    """Write an address for messages, which end up in logs: keys travel in queries and user parts."""
    try:
        return str(URL(url).with_user(None).with_query(None))
    except ValueError:
        return url.partition("?")[0]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def patience(status: int, headers: Mapping[str, str], every: timedelta) -> timedelta:
    """Return how long a publisher that answered this is left alone; nothing where supervision's back-off will do."""
    if status in _SLOW_STATUS:
        return max(_SLOW, every)
    return _retry_after(headers) if status in (429, 503) else timedelta(0)


def _retry_after(headers: Mapping[str, str]) -> timedelta:
    """Read `Retry-After`, seconds or a date; nothing or nonsense means no wish."""
    text = headers.get("Retry-After", "").strip()
    try:
        wait = timedelta(seconds=int(text)) if text.isdecimal() else parsedate_to_datetime(text) - datetime.now(UTC)
    except (ValueError, TypeError, OverflowError):
        return timedelta(0)
    return min(max(wait, timedelta(0)), _LONGEST_WAIT)
