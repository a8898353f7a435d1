"""The fast lane on real sockets: whatever bytes come, it answers what the routes would, and only who answers differs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from ldes_server.app import create_app
from ldes_server.fastlane import FastLaneProtocol, with_lane
from ldes_server.lane import Lane
from ldes_server.responses import FOR_EVER, ReadyCache, Variant, make_ready
from tests.conformance.kit import make_stream
from vocab.model import load_model

PATH = "/gent-parking/log/0/0"
OTHER = "/gent-parking/log/0/1"
MEDIA = "application/ld+json"
DATE = [(b"date", b"Sat, 28 Nov 2026 17:00:00 GMT")]
# A page that fills no socket buffer by itself.
BODY = bytes(range(32, 127)) * 40
PAGE = make_ready(BODY, Variant(media=MEDIA, gzip=True), cache_control=FOR_EVER)
ETAG = PAGE.etag
GET = f"GET {PATH} HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n".encode()
LINE = b"date: Sat, 28 Nov 2026 17:00:00 GMT\r\n"
PLAIN = make_ready(BODY, Variant(media=MEDIA), cache_control=FOR_EVER)
# Every answer of 200 or 304 there is, whole ones before their heads.
WHOLE = [
    *(b"HTTP/1.1 200 OK\r\n" + LINE + ready.wire for ready in (PAGE, PLAIN)),
    *(b"HTTP/1.1 200 OK\r\n" + LINE + ready.wire[: ready.head_size] for ready in (PAGE, PLAIN)),
    *(b"HTTP/1.1 304 Not Modified\r\n" + LINE + ready.unchanged for ready in (PAGE, PLAIN)),
]
REFUSED = (
    b"HTTP/1.1 400 Bad Request\r\n" + LINE + b"content-type: text/plain; charset=utf-8\r\ncontent-length: 30\r\n"
    b"connection: close\r\n\r\nInvalid HTTP request received."
)
# Loop turns until everything that can happen without waiting for anybody has happened.
TURNS = 12


def filled() -> ReadyCache:
    """Return a cache with two final pages in both codings."""
    cache = ReadyCache(1 << 24)
    for path in (PATH, OTHER):
        for gzip in (True, False):
            variant = Variant(media=MEDIA, gzip=gzip)
            cache.put(path.encode(), variant, make_ready(BODY, variant, cache_control=FOR_EVER))
    return cache


class House:
    """The application on one cache, with a lane, to be spoken to over pairs of sockets."""

    def __init__(self) -> None:
        cache = filled()
        stream = make_stream("gent-parking", load_model("parking"))
        app = create_app([stream], None, base_url="http://h", cache=cache)  # type: ignore[arg-type]
        self.lane = Lane(cache)
        self.state = ServerState()
        self.state.default_headers = list(DATE)
        self._config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None, access_log=False)
        self._config.timeout_keep_alive = 60

    async def connect(self, *, lane: bool) -> tuple[socket.socket, HttpToolsProtocol]:
        """Return our end of a connection and the protocol at the other."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        kind = with_lane(self.lane) if lane else HttpToolsProtocol
        loop = asyncio.get_running_loop()
        _, protocol = await loop.connect_accepted_socket(lambda: kind(self._config, self.state, {}), theirs)  # type: ignore[call-arg]
        assert isinstance(protocol, HttpToolsProtocol)
        return ours, protocol

    async def answers(self, segments: Sequence[bytes], *, lane: bool) -> tuple[bytes, bool]:
        """Send segments one by one over a new connection; return all that came back, and whether it was closed."""
        ours, protocol = await self.connect(lane=lane)
        received, closed = b"", False
        try:
            for segment in segments:
                try:
                    await asyncio.get_running_loop().sock_sendall(ours, segment)
                except OSError:  # closed by the other end
                    break
                await turns()
                part, closed = drain(ours)
                received += part
        finally:
            ours.close()
            protocol.transport.abort()
            await turns()
        return received, closed


async def turns(count: int = TURNS) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


def drain(ours: socket.socket) -> tuple[bytes, bool]:
    """Read what is there; say whether the other end is closed."""
    received = b""
    while True:
        try:
            part = ours.recv(1 << 20)
        except BlockingIOError:
            return received, False
        except OSError:
            return received, True
        if not part:
            return received, True
        received += part


def agree(lane: tuple[bytes, bool], routes: tuple[bytes, bool]) -> bool:
    """Whether both answered alike.

    One difference is right: behind garbage uvicorn drops answers to good requests before it that came in the same
    packet, which the lane has given by then.
    """
    (ours, closed), (theirs, refused) = lane, routes
    if lane == routes:
        return True
    begun = theirs.removesuffix(REFUSED)
    if not (closed and refused and len(begun) < len(theirs) and ours.startswith(begun) and ours.endswith(REFUSED)):
        return False
    more = ours[len(begun) : -len(REFUSED)]
    for whole in WHOLE:
        more = more.replace(whole, b"")
    return more == b""


def request(line: str, *headers: str, body: bytes = b"", end: str = "\r\n") -> bytes:
    """Write a request with these line ends."""
    return (end.join([line, *headers, "", ""])).encode("latin-1") + body


GOOD = f"GET {PATH} HTTP/1.1"
# Name -> segments. What some proxy in front of us may read otherwise than we do is here on purpose.
ODD: dict[str, list[bytes]] = {
    "pipelined": [GET * 3],
    "pipelined with another": [GET + request(f"GET {OTHER} HTTP/1.1", "Host: h") + GET],
    "one and a half": [GET + GET[:20], GET[20:]],
    "split in the request line": [GET[:9], GET[9:]],
    "split in the headers": [GET[:60], GET[60:]],
    "split in the blank line": [GET[:-1], GET[-1:]],
    "a byte at a time": [bytes([byte]) for byte in GET],
    "half of one, then a whole one": [GET[:30], GET],
    "HEAD": [request(f"HEAD {PATH} HTTP/1.1", "Host: h", "Accept-Encoding: gzip")],
    "POST": [request(f"POST {PATH} HTTP/1.1", "Host: h", "Content-Length: 3", body=b"abc")],
    "POST cut": [request(f"POST {PATH} HTTP/1.1", "Host: h", f"Content-Length: {len(GET)}"), GET, GET],
    "GET with a body": [request(GOOD, "Host: h", "Content-Length: 3", body=b"abc")],
    "GET with a body that is a request": [request(GOOD, "Host: h", f"Content-Length: {len(GET)}"), GET],
    "GET of length 0": [request(GOOD, "Host: h", "Content-Length: 0")],
    "Content-Length twice": [request(GOOD, "Host: h", "Content-Length: 0", "Content-Length: 3", body=b"abc")],
    "Content-Length that is no number": [request(GOOD, "Host: h", "Content-Length: +3", body=b"abc")],
    "chunked": [request(GOOD, "Host: h", "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n")],
    "chunked, open": [request(GOOD, "Host: h", "Transfer-Encoding: chunked"), GET],
    "chunked and a length": [
        request(GOOD, "Host: h", "Content-Length: 4", "Transfer-Encoding: chunked", body=b"0\r\n\r\n") + GET
    ],
    "Transfer-Encoding of another name": [request(GOOD, "Host: h", "Transfer-Encoding: xchunked") + GET],
    "Transfer-Encoding with a space": [request(GOOD, "Host: h", "Transfer-Encoding : chunked") + GET],
    "Transfer-Encoding with a tab": [request(GOOD, "Host: h", "Transfer-Encoding:\tchunked", body=b"0\r\n\r\n")],
    "Range": [request(GOOD, "Host: h", "Range: bytes=0-3")],
    "Upgrade": [request(GOOD, "Host: h", "Connection: Upgrade", "Upgrade: websocket"), GET],
    "Upgrade to h2c": [request(GOOD, "Host: h", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"), GET],
    "CONNECT": [request("CONNECT h:80 HTTP/1.1", "Host: h"), GET],
    "Expect": [request(GOOD, "Host: h", "Expect: 100-continue"), GET],
    "HTTP/1.0": [request(f"GET {PATH} HTTP/1.0", "Host: h"), GET],
    "HTTP/1.0 that stays": [request(f"GET {PATH} HTTP/1.0", "Connection: keep-alive"), GET],
    "HTTP/2 preface": [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    "HTTP/0.9": [f"GET {PATH}\r\n\r\n".encode()],
    "Connection: close": [request(GOOD, "Host: h", "Connection: close"), GET],
    "Connection: close, twice at once": [request(GOOD, "Host: h", "Connection: close") * 2],
    "Connection of many": [request(GOOD, "Host: h", "Connection: keep-alive, x", "x: y"), GET],
    "long headers": [request(GOOD, "Host: h", f"Cookie: {'c' * 5000}")] * 2,
    "many headers": [request(GOOD, *(f"x-{number}: {number}" for number in range(90)))] * 2,
    "bare line feeds": [request(GOOD, "Host: h", end="\n"), GET],
    "a bare line feed in a header": [GET.replace(b"Host: h\r\n", b"Host: h\n"), GET],
    "a bare carriage return": [GET.replace(b"Host: h\r\n", b"Host: h\r"), GET],
    "a folded header": [GET.replace(b"Host: h\r\n", b"Host: h\r\n folded\r\n"), GET],
    "a NUL in a header": [GET.replace(b"Host: h", b"Host: \0h"), GET],
    "a header without a name": [GET.replace(b"Host: h", b": h"), GET],
    "line ends before the request": [b"\r\n\r\n" + GET, GET],
    "line ends behind the request": [GET + b"\r\n", GET],
    "garbage behind the request": [GET + b"\x16\x03\x01", GET],
    "garbage": [b"\x16\x03\x01\r\n\r\n", GET],
    "two spaces": [request(f"GET  {PATH} HTTP/1.1", "Host: h"), GET],
    "a space in the path": [request(f"GET {PATH} x HTTP/1.1", "Host: h"), GET],
    "lower case": [request(f"get {PATH} HTTP/1.1", "Host: h"), GET],
    "an absolute address": [request(f"GET http://h{PATH} HTTP/1.1", "Host: h"), GET],
    "a query": [request(f"GET {PATH}?x=1 HTTP/1.1", "Host: h"), GET],
    "a fragment": [request(f"GET {PATH}#x HTTP/1.1", "Host: h"), GET],
    "an escape in the path": [request(f"GET {PATH.replace('log', 'l%6Fg')} HTTP/1.1", "Host: h"), GET],
    "no Host": [request(GOOD), GET],
    "Host twice": [request(GOOD, "Host: a", "Host: b"), GET],
    "refused media": [request(GOOD, "Host: h", "Accept: image/png"), GET],
    "Accept twice": [request(GOOD, "Host: h", "Accept: image/png", f"Accept: {MEDIA}"), GET],
    "known tag": [request(GOOD, "Host: h", "Accept-Encoding: gzip", f"If-None-Match: {ETAG}")] * 3,
    "known tag, weak": [request(GOOD, "Host: h", "Accept-Encoding: gzip", f"If-None-Match: W/{ETAG}")] * 3,
    "known tag in a list": [request(GOOD, "Host: h", "Accept-Encoding: gzip", f'If-None-Match: "a", W/{ETAG} ,"b"')]
    * 3,
    "known tag in a second field": [
        request(GOOD, "Host: h", "Accept-Encoding: gzip", 'If-None-Match: "a"', f"If-None-Match: {ETAG}")
    ]
    * 3,
    "any tag": [request(GOOD, "Host: h", "If-None-Match: *")] * 3,
    "other tags": [request(GOOD, "Host: h", 'If-None-Match: "a", "b"')] * 3,
    "a tag of the other coding": [request(GOOD, "Host: h", f"If-None-Match: {ETAG}")] * 3,
    "header names in capitals": [request(GOOD, "HOST: h", "ACCEPT-ENCODING: GZIP", f"IF-NONE-MATCH: {ETAG}")] * 3,
}


@pytest.mark.parametrize("name", ODD)
async def test_the_lane_answers_as_the_routes_do(name: str) -> None:
    """Whatever comes, first or behind a request that was learnt, is answered byte for byte as without a lane."""
    house = House()
    for before in ([], [GET, GET]):
        segments = [*before, *ODD[name]]
        assert agree(await house.answers(segments, lane=True), await house.answers(segments, lane=False))


HEADERS = st.sampled_from(
    [
        b"Host: h",
        b"host:h",
        b"Accept: */*",
        b"Accept: text/turtle;q=0.1, application/ld+json",
        b"Accept-Encoding: gzip",
        b"Accept-Encoding: identity",
        b"Connection: keep-alive",
        b"Connection: close",
        b"Content-Length: 0",
        b"Content-Length: 2",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding : chunked",
        b"If-None-Match: *",
        f"If-None-Match: {ETAG}".encode(),
        b" folded",
        b"Expect: 100-continue",
        b"Upgrade: h2c",
        b"x",
        b"",
    ]
)
LINES = st.sampled_from(
    [
        GOOD,
        GOOD,
        GOOD,
        f"GET {OTHER} HTTP/1.1",
        f"HEAD {PATH} HTTP/1.1",
        f"POST {PATH} HTTP/1.1",
        f"GET {PATH} HTTP/1.0",
    ]
)
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"])


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    """Draw segments: requests of good and bad parts, cut anywhere, some of them sent before."""
    text = b""
    for _ in range(draw(st.integers(1, 4))):
        end = draw(ENDS)
        parts = [draw(LINES).encode(), *draw(st.lists(HEADERS, max_size=4))]
        text += draw(st.sampled_from([GET, end.join([*parts, b"", b""])])) + draw(
            st.sampled_from([b"", b"", b"ab", b"0\r\n\r\n"])
        )
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    pieces = [text[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(text)], strict=True) if stop > start]
    return [*draw(st.sampled_from([[], [GET], [GET, GET]])), *pieces, *pieces]


@given(conversations())
@settings(max_examples=200)
def test_no_bytes_are_understood_otherwise_than_by_the_parser(segments: list[bytes]) -> None:
    """However requests are put together and cut, what comes back and whether it is closed is as without a lane."""

    async def both() -> None:
        house = House()
        assert agree(await house.answers(segments, lane=True), await house.answers(segments, lane=False))

    asyncio.run(both())


async def test_what_was_learnt_is_answered_before_the_parse() -> None:
    """The second request with the same headers, of any page that is ready, needs no parser; each one is counted."""
    house = House()
    ours, protocol = await house.connect(lane=True)
    assert house.lane.at_once(GET, DATE) is None
    for number, path in enumerate((PATH, PATH, OTHER), start=1):
        ours.send(GET.replace(PATH.encode(), path.encode()))
        await turns()
        data, _ = drain(ours)
        assert data.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
        assert data.endswith(PAGE.body)
        assert house.lane.tally.hits == number
        # From the second on nothing has begun in the parser: the address it saw last is the first one's.
        assert protocol.url == PATH.encode()
    assert house.state.total_requests == 0  # of the routes
    ours.close()


@pytest.mark.parametrize(
    "name", ["long headers", "GET of length 0", "Range", "pipelined", "HEAD", "line ends behind the request"]
)
async def test_what_is_not_understood_is_not_learnt(name: str) -> None:
    """Headers that are too long, mean more than we weigh, or did not come alone are parsed each time."""
    house = House()
    first = ODD[name][0]
    await house.answers([first, first, first], lane=True)
    assert house.lane.at_once(first, DATE) is None


async def test_a_reader_too_slow_for_answers_gets_no_more_of_them_into_memory() -> None:
    """While a client does not read, its answers wait in the client, not with us; it gets all of them in the end."""
    house = House()
    ours, protocol = await house.connect(lane=True)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain = GET.replace(b"Accept-Encoding: gzip\r\n", b"")
    count, most = 600, 0
    loop = asyncio.get_running_loop()
    sending = loop.create_task(_send_one_by_one(ours, plain, count))
    for _ in range(50):
        await turns()
        most = max(most, protocol.transport.get_write_buffer_size())
    # The mark of asyncio is 64 KB; each answer is 4 KB, and all of them are 2.4 MB.
    assert 0 < most < 256 * 1024
    data = b""
    while data.count(b"HTTP/1.1 200 OK") < count or not data.endswith(BODY):
        await turns(2)
        data += drain(ours)[0]
    await sending
    assert data.count(BODY) == count
    ours.close()
    protocol.transport.abort()


async def _send_one_by_one(ours: socket.socket, data: bytes, count: int) -> None:
    for _ in range(count):
        await asyncio.get_running_loop().sock_sendall(ours, data)
        await asyncio.sleep(0)


async def test_an_idle_connection_is_closed_after_answers_at_once() -> None:
    """When nothing comes for the keep-alive time after an answer before the parse, the connection is closed."""
    house = House()
    ours, protocol = await house.connect(lane=True)
    assert isinstance(protocol, FastLaneProtocol)
    protocol.timeout_keep_alive = 1  # a whole number, says uvicorn
    for _ in range(2):
        ours.send(GET)
        await turns()
        data, closed = drain(ours)
        assert data.endswith(PAGE.body)
        assert not closed
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(30):
        assert await loop.sock_recv(ours, 10) == b""
    ours.close()


async def test_after_the_order_to_stop_nothing_is_taken() -> None:
    """Told to stop, a connection that is idle closes, whatever was learnt on it."""
    house = House()
    ours, protocol = await house.connect(lane=True)
    ours.send(GET)
    await turns()
    assert drain(ours)[0].endswith(PAGE.body)
    protocol.shutdown()
    ours.send(GET)
    await turns()
    assert drain(ours) == (b"", True)
    ours.close()
