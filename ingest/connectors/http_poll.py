"""The HTTP polling connector: conditional requests, bounded bodies, and an outage told apart from no news."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from ingest.connector import Poll
from ingest.connectors.inflate import BrokenError, Inflater, OversizeError
from ingest.transports.http_poll import HttpPollOptions
from streams.errors import SourceError
from streams.record import Payload


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
# The door is closed, not broken: asking every second again would only fill the publisher's logs.
_SLOW_STATUS = (401, 403, 404, 410)
_SLOW = timedelta(minutes=5)
# 429 and 503 may say when to come back; a publisher that says "next year" is asked again the same hour.
_LONGEST_WAIT = timedelta(hours=1)


class ClosedDoorError(SourceError):
    """The publisher answered that it will not answer now; `again_in` is how long to leave it alone."""

    def __init__(self, error: SourceError, *, again_in: timedelta) -> None:
        what = f"{error.what}; asking again in {again_in.total_seconds():.0f} s"
        super().__init__(what, where=error.where, fix=error.fix, retriable=True)
        self.again_in = again_in


class HttpPoll:
    """Asks one address at a steady cadence and returns its body when it is news.

    The cursor holds the address, the publisher's validators and a digest of the body it came with. Since it is the
    cursor of a payload that is safe in the log, a 304 or the same body again can lose nothing, across restarts too.
    An address changed in the source file makes the cursor void.
    """

    def __init__(self, source: str, options: HttpPollOptions) -> None:
        self._source = source
        self._options = options
        self._session: aiohttp.ClientSession | None = None
        self._due: float | None = None  # when the poll in hand was due, on the loop's clock

    async def __aenter__(self) -> Self:
        """Open the connection pool; a closed connector may be opened again."""
        seconds = self._options.timeout.total_seconds()
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=seconds, connect=min(seconds, _CONNECT_SECONDS)),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; polling is refused from now on."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def poll(self, cursor: bytes) -> Poll:
        """Return the body if it differs from the one `cursor` came with; one payload or none.

        Raises:
            ClosedDoorError: the publisher asks for patience, and the error says how long.
            SourceError: no answer in time, an error status, a broken transfer, or a body over `max_bytes`.

        """
        if self._session is None:
            raise RuntimeError(f"the http_poll connector of {self._source} is closed")
        now = asyncio.get_running_loop().time()
        if self._due is None or self._due < now:
            self._due = now
        known = _unpack(cursor, self._options.url)
        async with self._translated(), self._asked(self._session, known) as response:
            payload = await self._payload(response, known)
        return Poll(payloads=() if payload is None else (payload,), again_in=self._next())

    def _next(self) -> timedelta:
        """Keep to the schedule: the time a poll took does not push the following ones back; missed ones are skipped."""
        now = asyncio.get_running_loop().time()
        every = self._options.every.total_seconds()
        assert self._due is not None
        self._due += every * max(1, int((now - self._due) // every) + 1)
        return timedelta(seconds=max(0.0, self._due - now))

    @asynccontextmanager
    async def _asked(
        self, session: aiohttp.ClientSession, known: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send the request and follow a bounded number of redirects.

        By hand, because headers of a source file may be keys: they go to the origin they were written for only.
        """
        url = home = URL(self._options.url)
        general = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate"}
        headers = general | _conditions(known) | dict(self._options.headers)
        for _ in range(_MAX_REDIRECTS + 1):
            ours = headers if url.origin() == home.origin() else general | _conditions(known)
            async with session.get(url, headers=ours, allow_redirects=False) as response:
                target = response.headers.get("Location")
                if response.status not in _REDIRECTS or target is None:
                    yield response
                    return
                url = response.url.join(URL(target))
        raise self._error(f"more than {_MAX_REDIRECTS} redirects", fix="use the address the redirects lead to")

    async def _payload(self, response: aiohttp.ClientResponse, known: Mapping[str, str]) -> Payload | None:
        if response.status in (204, 304):
            return None
        # 206 without a Range of ours is a part that says so: storing it as a whole would lose the rest silently.
        if not 200 <= response.status < 300 or response.status == 206:
            raise self._refusal(response)
        body = await self._body(response)
        digest = hashlib.sha256(body).hexdigest()
        if digest == known.get("digest"):
            return None
        return Payload(
            source=self._source,
            received_at=datetime.now(UTC),
            media_type=self._options.media_type or response.headers.get("Content-Type") or "application/octet-stream",
            body=body,
            cursor=_pack(self._options.url, digest, response.headers),
        )

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        coding = response.headers.get("Content-Encoding", "identity").strip().lower().removeprefix("x-") or "identity"
        inflater = Inflater(coding, self._options.max_bytes)
        async for chunk in response.content.iter_chunked(_CHUNK):
            inflater.feed(chunk)
        return inflater.finish()

    def _refusal(self, response: aiohttp.ClientResponse) -> SourceError:
        """Name what the publisher answered, and when it may be asked again."""
        error = self._error(
            f"the publisher answered {response.status} {response.reason or ''}".rstrip(),
            fix="check the address and the key in the source file; an outage of the publisher passes by itself",
        )
        if response.status in _SLOW_STATUS:
            return ClosedDoorError(error, again_in=max(_SLOW, self._options.every))
        if response.status in (429, 503) and (wait := _retry_after(response.headers)):
            return ClosedDoorError(error, again_in=wait)
        return error

    def _error(self, what: str, *, fix: str, retriable: bool = True) -> SourceError:
        # Keys travel in queries and user parts; messages end up in logs.
        try:
            url = str(URL(self._options.url).with_user(None).with_query(None))
        except ValueError:
            url = self._options.url
        return SourceError(what, where=f"{self._source}, {url}", fix=fix, retriable=retriable)

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        """Turn whatever the transport raises into one `SourceError`, with its cause."""
        try:
            yield
        except OversizeError as error:
            raise self._error(
                f"{error}; nothing of it is kept", fix="raise max_bytes in the source file if the feed has grown"
            ) from error
        except BrokenError as error:
            raise self._error(f"broken transfer: {error}", fix="usually passes by itself") from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError) as error:
            raise self._error(f"no usable address: {error}", fix="write a whole http or https address") from error
        except TimeoutError as error:
            seconds = self._options.timeout.total_seconds()
            raise self._error(
                f"no complete answer within {seconds:g} s", fix="raise timeout in the source file if the feed is slow"
            ) from error
        except aiohttp.ClientPayloadError as error:
            raise self._error(f"the transfer broke off: {error}", fix="usually passes by itself") from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._error(
                f"no answer: {str(error) or type(error).__name__}",
                fix="check the address, the network and the certificate",
            ) from error


def _conditions(known: Mapping[str, str]) -> dict[str, str]:
    names = {"etag": "If-None-Match", "modified": "If-Modified-Since"}
    return {header: known[name] for name, header in names.items() if known.get(name)}


def _pack(url: str, digest: str, headers: Mapping[str, str]) -> bytes:
    fields = {"url": _fingerprint(url), "digest": digest}
    if etag := headers.get("ETag"):
        fields["etag"] = etag
    if (modified := headers.get("Last-Modified")) and _settled(modified, headers.get("Date")):
        fields["modified"] = modified
    return json.dumps(fields).encode()


def _unpack(cursor: bytes, url: str) -> dict[str, str]:
    """Read a cursor; one of another address or another transport knows nothing."""
    try:
        fields = json.loads(cursor)
        return {str(k): str(v) for k, v in fields.items()} if fields["url"] == _fingerprint(url) else {}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _fingerprint(url: str) -> str:
    """Recognise an address without keeping the keys that may be in it."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def _settled(modified: str, date: str | None) -> bool:
    """Say whether Last-Modified is safe to ask with: a second change in its own second would go unseen (RFC 9110 8.8.2.2)."""
    try:
        return date is not None and parsedate_to_datetime(modified) < parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return False


def _retry_after(headers: Mapping[str, str]) -> timedelta:
    """Read `Retry-After`, seconds or a date; nothing or nonsense means no wish."""
    text = headers.get("Retry-After", "").strip()
    try:
        wait = timedelta(seconds=int(text)) if text.isdecimal() else parsedate_to_datetime(text) - datetime.now(UTC)
    except (ValueError, TypeError, OverflowError):
        return timedelta(0)
    return min(max(wait, timedelta(0)), _LONGEST_WAIT)
