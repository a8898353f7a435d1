"""The HTTP connector against publishers that answer real bytes over real sockets, good ones and bad ones."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from ingest.connectors.http_poll import HttpPoll
from ingest.connectors.request import ClosedDoorError
from ingest.transports.http_poll import HttpPollOptions
from streams.errors import SourceError

MINUTE = timedelta(seconds=60)
BODY = b'{"results": []}'


def answer(body: bytes = BODY, *, status: str = "200 OK", **headers: str) -> bytes:
    """Write a whole HTTP answer; a keyword `Content_Length` replaces the right one."""
    fields = {"Content-Length": str(len(body)), "Content-Type": "application/json"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}Connection: close\r\n\r\n".encode() + body


class Publisher:
    """Answers the scripted bytes, the last ones for ever, and keeps the heads of the requests."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.heads: list[str] = []
        self.url = ""
        self.delay = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request; None keeps silent until the client leaves."""
        try:
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            await asyncio.sleep(self.delay)
            reply = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if reply is None:
                await reader.read()
            else:
                writer.write(reply)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def field(self, name: str) -> str | None:
        """Return a header of the newest request."""
        lines = (line.partition(": ") for line in self.heads[-1].split("\r\n"))
        return next((value for key, _, value in lines if key.lower() == name.lower()), None)


@asynccontextmanager
async def publishing(*answers: bytes | None) -> AsyncIterator[Publisher]:
    """Run a publisher on a free port."""
    publisher = Publisher(*answers)
    server = await asyncio.start_server(publisher.serve, "127.0.0.1", 0)
    async with server:
        publisher.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/feed"
        yield publisher


@asynccontextmanager
async def polling(
    url: str, change: Callable[[HttpPollOptions], HttpPollOptions] = lambda options: options
) -> AsyncIterator[HttpPoll]:
    """Open a connector on `url`."""
    options = change(HttpPollOptions(url=url, every=MINUTE, timeout=timedelta(seconds=5)))
    async with HttpPoll("demo", options) as connector:
        yield connector


async def failure(reply: bytes | None, **changes: object) -> SourceError:
    """Poll a publisher that answers `reply` and return the error it must raise."""
    async with publishing(reply) as publisher, polling(publisher.url, lambda o: replace(o, **changes)) as connector:  # type: ignore[arg-type]
        with pytest.raises(SourceError) as caught:
            await connector.poll(b"")
    assert caught.value.retriable
    assert "127.0.0.1" in caught.value.where
    return caught.value


async def test_validators_travel_in_the_cursor() -> None:
    """A new connector asks with the validators of the stored payload, and a 304 is an empty poll."""
    old = format_datetime(datetime(2026, 1, 1, tzinfo=UTC), usegmt=True)
    now = format_datetime(datetime.now(UTC), usegmt=True)
    good = answer(ETag='W/"a1"', Last_Modified=old, Date=now)
    async with publishing(good, answer(b"", status="304 Not Modified")) as publisher:
        async with polling(publisher.url) as connector:
            (payload,) = (await connector.poll(b"")).payloads
            assert publisher.field("If-None-Match") is None
        async with polling(publisher.url) as connector:
            assert (await connector.poll(payload.cursor)).payloads == ()
        assert publisher.field("If-None-Match") == 'W/"a1"'
        assert publisher.field("If-Modified-Since") == old


async def test_a_date_of_the_same_second_is_no_validator() -> None:
    """Last-Modified of the second of the answer is not asked with: a second change in it would go unseen."""
    now = format_datetime(datetime.now(UTC), usegmt=True)
    async with publishing(answer(Last_Modified=now, Date=now)) as publisher, polling(publisher.url) as connector:
        (payload,) = (await connector.poll(b"")).payloads
        await connector.poll(payload.cursor)
        assert publisher.field("If-Modified-Since") is None


async def test_the_same_body_is_no_news_without_validators() -> None:
    """A publisher without validators that repeats itself makes empty polls."""
    async with publishing(answer()) as publisher, polling(publisher.url) as connector:
        (payload,) = (await connector.poll(b"")).payloads
        assert (await connector.poll(payload.cursor)).payloads == ()


async def test_a_changed_address_voids_the_cursor() -> None:
    """Validators of one address are never shown to another."""
    async with publishing(answer(ETag='"a"')) as publisher:
        async with polling(publisher.url) as connector:
            (payload,) = (await connector.poll(b"")).payloads
        async with polling(publisher.url + "?page=2") as connector:
            assert len((await connector.poll(payload.cursor)).payloads) == 1
        assert publisher.field("If-None-Match") is None


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(BODY)),
        ("gzip", gzip.compress(BODY[:5]) + gzip.compress(BODY[5:])),
        ("deflate", zlib.compress(BODY)),
        ("deflate", zlib.compress(BODY)[2:-4]),
        ("identity", BODY),
    ],
)
async def test_bodies_are_decompressed(coding: str, packed: bytes) -> None:
    """Gzip (in one stream or several), deflate (with and without its header) and plain bodies come out the same."""
    async with publishing(answer(packed, Content_Encoding=coding)) as publisher, polling(publisher.url) as connector:
        (payload,) = (await connector.poll(b"")).payloads
    assert payload.body == BODY
    assert publisher.field("User-Agent") is not None
    assert str(publisher.field("User-Agent")).startswith("smartflanders/")


@pytest.mark.parametrize(
    "reply",
    [
        answer(b" " * 2000),
        answer(gzip.compress(b" " * 50_000_000), Content_Encoding="gzip"),
        answer(zlib.compress(b" " * 50_000_000), Content_Encoding="deflate"),
    ],
    ids=["plain", "gzip bomb", "deflate bomb"],
)
async def test_an_oversize_body_is_an_error_that_names_the_limit(reply: bytes) -> None:
    """A body over the limit is neither stored nor unpacked, and the error says the limit."""
    error = await failure(reply, max_bytes=1000)
    assert "1000 bytes" in error.what


async def test_a_body_of_exactly_the_limit_passes() -> None:
    """The limit itself is allowed."""
    async with (
        publishing(answer(gzip.compress(b"x" * 1000), Content_Encoding="gzip")) as publisher,
        polling(publisher.url, lambda options: replace(options, max_bytes=1000)) as connector,
    ):
        assert len((await connector.poll(b"")).payloads) == 1


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (answer(Content_Length="900"), "broke off"),
        (answer(gzip.compress(BODY)[:-6], Content_Encoding="gzip"), "stops before its end"),
        (answer(BODY, Content_Encoding="gzip"), "not a valid gzip stream"),
        (answer(BODY, Content_Encoding="br"), "content coding"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "broke off"),
        (b"", "no answer"),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", "no answer"),
        (answer(status="206 Partial Content"), "206"),
        (answer(status="500 Internal Server Error"), "500"),
    ],
)
async def test_a_bad_transfer_is_an_error(reply: bytes, says: str) -> None:
    """A truncated, broken, partial or refused transfer is never taken for a payload."""
    error = await failure(reply)
    assert says in error.what
    assert not isinstance(error, ClosedDoorError)


async def test_silence_ends_in_an_error() -> None:
    """A publisher that never answers costs the time-out, not the connector."""
    error = await failure(None, timeout=timedelta(seconds=0.3))
    assert "0.3 s" in error.what


async def test_nobody_at_home_is_an_error() -> None:
    """A refused connection is an error that hides keys in the query."""
    async with publishing(None) as publisher:
        url = publisher.url
    async with polling(url + "?apikey=secret") as connector:
        with pytest.raises(SourceError) as caught:
            await connector.poll(b"")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "wait"),
    [
        (answer(status="429 Too Many Requests", Retry_After="120"), timedelta(seconds=120)),
        (answer(status="503 Service Unavailable", Retry_After="999999999"), timedelta(hours=1)),
        (answer(status="404 Not Found"), timedelta(minutes=5)),
        (answer(status="403 Forbidden", Retry_After="1"), timedelta(minutes=5)),
    ],
)
async def test_a_publisher_that_asks_for_patience_gets_it(reply: bytes, wait: timedelta) -> None:
    """Retry-After, and a closed door, become a wait on the error, within bounds."""
    error = await failure(reply)
    assert isinstance(error, ClosedDoorError)
    assert error.again_in == wait


async def test_retry_after_may_be_a_date() -> None:
    """Retry-After as a date is a wait from now; nonsense is an ordinary error."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    error = await failure(answer(status="503 Service Unavailable", Retry_After=date))
    assert isinstance(error, ClosedDoorError)
    assert timedelta(seconds=80) < error.again_in <= timedelta(seconds=90)
    assert not isinstance(await failure(answer(status="503 Nope", Retry_After="soon")), ClosedDoorError)


async def test_an_html_error_page_is_a_payload() -> None:
    """A 200 with a web page is passed on with its media type: the normaliser refuses it."""
    async with (
        publishing(answer(b"<html>", Content_Type="text/html")) as publisher,
        polling(publisher.url) as connector,
    ):
        (payload,) = (await connector.poll(b"")).payloads
    assert (payload.body, payload.media_type) == (b"<html>", "text/html")


async def test_redirects_are_followed_but_not_for_ever() -> None:
    """A redirect on the same host is followed; a circle ends in an error."""
    there = answer(b"", status="302 Found", Location="/other")
    async with publishing(there, answer()) as publisher, polling(publisher.url) as connector:
        assert len((await connector.poll(b"")).payloads) == 1
        assert publisher.heads[-1].startswith("GET /other ")
    assert "redirects" in (await failure(there)).what


async def test_keys_do_not_follow_a_redirect_to_another_host() -> None:
    """Headers of the source file go to the origin they were written for only."""
    async with publishing(answer()) as other:
        there = answer(b"", status="302 Found", Location=other.url)
        async with (
            publishing(there) as publisher,
            polling(publisher.url, lambda options: replace(options, headers={"X-Api-Key": "secret"})) as connector,
        ):
            assert len((await connector.poll(b"")).payloads) == 1
            assert publisher.field("X-Api-Key") == "secret"
            assert other.field("X-Api-Key") is None


async def test_the_cadence_does_not_drift() -> None:
    """The wait is counted from when the poll was due, not from when its answer was there."""
    async with (
        publishing(answer()) as publisher,
        polling(publisher.url, lambda options: replace(options, every=timedelta(seconds=0.5))) as connector,
    ):
        publisher.delay = 0.15
        start = asyncio.get_running_loop().time()
        for _ in range(3):
            await asyncio.sleep((await connector.poll(b"")).again_in.total_seconds())
        # Three answers of 0.15 s each would have pushed the fourth poll 0.45 s off the grid.
        assert (asyncio.get_running_loop().time() - start) % 0.5 < 0.25


async def test_a_media_type_in_the_options_wins() -> None:
    """What the source file says about the media type overrides the publisher."""
    async with (
        publishing(answer()) as publisher,
        polling(publisher.url, lambda options: replace(options, media_type="text/csv")) as connector,
    ):
        (payload,) = (await connector.poll(b"")).payloads
    assert payload.media_type == "text/csv"
    assert set(json.loads(payload.cursor)) == {"url", "digest"}
