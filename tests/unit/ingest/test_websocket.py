"""The WebSocket connector against a real server: batches, subscriptions, silence, refusals and broken connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import orjson
import pytest
from aiohttp import WSCloseCode, web

from ingest.connectors.request import ClosedDoorError
from ingest.connectors.websocket import WebSocket
from ingest.transports.websocket import WebSocketOptions
from streams.errors import SourceError
from tests.support.ws_script import Stage, keep_open, staged
from tests.unit.ingest.transporting import faults, read


@asynccontextmanager
async def listening(stage: Stage, more: str = "", **changes: Any) -> AsyncIterator[WebSocket]:
    """Open a connector on the stage; `changes` are options that a file may not say so short."""
    options = read("websocket", f"url: {stage.url}\n{more}", {"KEY": "s3cr3t"})
    assert isinstance(options, WebSocketOptions)
    fields = {name: getattr(options, name) for name in WebSocketOptions.__dataclass_fields__}
    async with WebSocket("demo", WebSocketOptions(**{**fields, **changes})) as connector:
        yield connector


async def heard(connector: WebSocket, count: int, cursor: bytes = b"") -> list[bytes]:
    """Poll until so many messages came, each batch safe before the next."""
    bodies: list[bytes] = []
    for _ in range(100):
        for payload in (await connector.poll(cursor)).payloads:
            bodies.append(payload.body)
            cursor = payload.cursor
        if len(bodies) >= count:
            return bodies
    raise AssertionError(f"only {len(bodies)} messages came")


async def failure(connector: WebSocket) -> SourceError:
    """Poll until an error comes."""
    with pytest.raises(SourceError) as caught:
        await heard(connector, 1_000_000)
    assert caught.value.retriable
    assert "s3cr3t" not in str(caught.value)
    return caught.value


def saying(*messages: str | bytes) -> Any:
    """Make a part that says these messages and then listens."""

    async def part(socket: web.WebSocketResponse) -> None:
        for message in messages:
            await (socket.send_bytes(message) if isinstance(message, bytes) else socket.send_str(message))
        await keep_open(socket)

    return part


async def test_messages_come_in_order_and_in_batches() -> None:
    """Three thousand messages arrive as they were sent, several per poll, with their kinds."""
    messages = [f'{{"n":{n}}}' for n in range(3000)]
    async with staged(saying(*messages)) as stage, listening(stage) as connector:
        first = await connector.poll(b"")
        assert 1 < len(first.payloads) <= 1000
        assert await heard(connector, 3000) == [message.encode() for message in messages]
    async with staged(saying("{}", b"\x00\x01")) as stage, listening(stage) as connector:
        found = (await connector.poll(b"")).payloads
        assert [it.media_type for it in found] == ["application/json", "application/octet-stream"]


async def test_what_is_not_safe_is_given_again() -> None:
    """The cursor of a message in the middle of a batch leaves those behind it to be given again."""
    async with staged(saying("1", "2", "3")) as stage, listening(stage) as connector:
        first = (await connector.poll(b"")).payloads
        again = (await connector.poll(first[0].cursor)).payloads
        assert [payload.body for payload in again] == [b"2", b"3"]
        assert (await connector.poll(again[-1].cursor)).payloads == ()


async def test_subscriptions_are_sent_first_with_their_secrets() -> None:
    """Texts and mappings are sent in order before anything is read; key and subprotocol go with the handshake."""
    async with staged(saying("{}")) as stage:
        stage.wanted = 2
        more = """
        subscribe: [{ type: subscribe, api_key: "${KEY}", lines: [1, 2] }, "hello ${KEY}"]
        protocol: data.v1
        headers: { Authorization: "Bearer ${KEY}" }
        """
        async with listening(stage, "\n".join(line.strip() for line in more.splitlines())) as connector:
            assert await heard(connector, 1) == [b"{}"]
    assert orjson.loads(stage.heard[0]) == {"type": "subscribe", "api_key": "s3cr3t", "lines": [1, 2]}
    assert stage.heard[1] == "hello s3cr3t"
    assert stage.headers[0]["Authorization"] == "Bearer s3cr3t"
    assert stage.headers[0]["Sec-WebSocket-Protocol"] == "data.v1"


async def test_greetings_are_left_out_and_errors_named() -> None:
    """Only messages that hold data become payloads; one that says error ends the connection with its own words."""
    said = (
        '{"type":"welcome"}',
        '{"type":"data","n":1}',
        '{"type":"beat"}',
        "no json",
        '{"type":"oops","why":"bad token"}',
    )
    more = "only: { path: type, equals: data }\nerror_when: { path: type, equals: oops, message: why }"
    async with staged(saying(*said)) as stage, listening(stage, more) as connector:
        found = (await connector.poll(b"")).payloads
        assert [payload.body for payload in found] == [b'{"type":"data","n":1}', b"no json"]
        with pytest.raises(SourceError, match="the publisher sent an error: bad token"):
            await connector.poll(found[-1].cursor)


async def test_silence_is_not_believed() -> None:
    """Without data for too long, signs of life or not, the poll ends in an error and the next one connects anew."""

    async def part(socket: web.WebSocketResponse) -> None:
        await socket.send_str('{"type":"data"}')
        for _ in range(50):
            await asyncio.sleep(0.05)
            await socket.send_str('{"type":"beat"}')

    more = "only: { path: type, equals: data }"
    async with staged(part) as stage, listening(stage, more, silence=timedelta(seconds=0.5)) as connector:
        error = await failure(connector)
        assert "no data for" in error.what
        assert await heard(connector, 1) == [b'{"type":"data"}']
        assert len(stage.headers) == 2


async def test_a_dead_connection_is_found_by_a_ping() -> None:
    """A publisher that answers no ping is given up, long before its silence would be noticed."""
    async with staged(lambda _: asyncio.sleep(8)) as stage:
        stage.autoping = False
        async with listening(stage, ping=timedelta(seconds=0.4)) as connector:
            assert "broke off" in (await failure(connector)).what


@pytest.mark.parametrize("code", [WSCloseCode.POLICY_VIOLATION, WSCloseCode.SERVICE_RESTART])
async def test_a_closed_connection_is_named_and_made_again(code: WSCloseCode) -> None:
    """What came before the end is given first; then the publisher's code and words are an error."""

    async def part(socket: web.WebSocketResponse) -> None:
        await socket.send_str("1")
        await socket.close(code=code, message=b"come back later")

    async with staged(part) as stage, listening(stage) as connector:
        (payload,) = (await connector.poll(b"")).payloads
        with pytest.raises(SourceError, match=f"closed the connection: {code.value} .*come back later"):
            await connector.poll(payload.cursor)
        assert await heard(connector, 1) == [b"1"]


async def test_too_large_a_message_is_an_error_that_names_the_limit() -> None:
    """A message over the limit is not kept; one of exactly the limit is."""
    async with staged(saying("x" * 1000, "x" * 5000)) as stage, listening(stage, "max_bytes: 1000") as connector:
        assert [len(body) for body in await heard(connector, 1)] == [1000]
        assert "larger than 1000 bytes" in (await failure(connector)).what


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [(401, {}, 300), (404, {}, 300), (503, {"Retry-After": "7"}, 7), (500, {}, None), (200, {}, None)],
)
async def test_a_refused_handshake_is_named(status: int, headers: dict[str, str], wait: float | None) -> None:
    """A publisher that answers a status instead of listening is named, and left alone as it asks."""
    async with staged(keep_open) as stage:
        stage.status, stage.answer = status, headers
        async with listening(stage) as connector:
            error = await failure(connector)
    assert f"answered {status}" in error.what
    assert isinstance(error, ClosedDoorError) is (wait is not None)
    if isinstance(error, ClosedDoorError):
        assert error.again_in.total_seconds() == wait


async def test_nobody_at_home_is_an_error() -> None:
    """A refused connection is named without the key in its address."""
    async with staged(keep_open) as stage:
        pass
    stage.url += "?token=${KEY}"
    async with listening(stage) as connector:
        assert "no connection" in (await failure(connector)).what


async def test_a_slow_log_makes_the_publisher_wait() -> None:
    """While a batch waits to be safe no more than the network's buffers is taken from a publisher that never stops."""
    sent, over = 0, False

    async def part(socket: web.WebSocketResponse) -> None:
        nonlocal sent
        while not over and sent < 30_000:
            await socket.send_str("x" * 10_000)
            sent += 1
            await asyncio.sleep(0)

    async with staged(part) as stage, listening(stage) as connector:
        held = (await connector.poll(b"")).payloads
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.3)
        assert [it.cursor for it in (await connector.poll(b"")).payloads] == [it.cursor for it in held]
        assert len(held) <= 1000
        assert sent - len(held) < 3000  # 30 MB: what the sockets of this machine buffer, and no more
        over = True


async def test_the_type_of_messages_may_be_said() -> None:
    """What the source file says about the messages wins."""
    async with staged(saying("a;b")) as stage, listening(stage, "media_type: text/csv") as connector:
        (payload,) = (await connector.poll(b"")).payloads
    assert payload.media_type == "text/csv"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("url: https://x.example/", "is no web address"),
        ("url: wss://a:b@x.example/", "holds a password"),
        ("url: wss://x.example/\nsilence: 0s", "silence: 0 s is too short"),
        ("url: wss://x.example/\nping: soon", "is no duration"),
        ("url: wss://x.example/\nsubscribe: { token: abc }", "token holds a secret"),
        ("url: wss://x.example/\nonly: { equals: a }", "path is missing"),
        ("url: wss://x.example/\nevery: 5s", "unknown key 'every'"),
    ],
)
def test_faults_of_a_websocket_are_told(text: str, says: str) -> None:
    """What cannot work is refused when the file is read."""
    assert any(says in fault for fault in faults("websocket", text))
