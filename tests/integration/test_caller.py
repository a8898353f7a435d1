"""The client of constant rates against a real socket: answers whole, connections kept, broken ones given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from loadtests.caller import Caller


@asynccontextmanager
async def serving(answer: Callable[[bytes], bytes]) -> AsyncIterator[tuple[str, list[int]]]:
    """Answer each request's head with these bytes; an empty answer ends the connection. Lists requests by connection."""
    counts: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counts.append(0)
        number = len(counts) - 1
        try:
            while said := answer(await reader.readuntil(b"\r\n\r\n")):
                counts[number] += 1
                writer.write(said)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", counts


async def test_answers_come_whole_over_kept_connections() -> None:
    """Status, tag and body are read, a 304 has no body whatever it says, and the next request takes the same connection."""
    body = b"x" * 300_000

    def answer(head: bytes) -> bytes:
        assert b"\r\nAccept: text/csv\r\n" in head
        if b'\r\nIf-None-Match: "a"\r\n' in head:
            return b'HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: "a"\r\n\r\n'
        return b'HTTP/1.1 200 OK\r\netag: "a"\r\ncontent-length: %d\r\n\r\n%s' % (len(body), body)

    async with serving(answer) as (base, counts), Caller(base, {"Accept": "text/csv"}) as caller:
        first = await caller.get("/page")
        assert (first.status, first.etag, first.body) == (200, '"a"', body)
        second = await caller.get("/page", {"If-None-Match": first.etag})
        assert (second.status, second.body) == (304, b"")
        assert (await caller.get("/page")).body == body
    assert counts == [3]


async def test_a_connection_that_breaks_is_an_error_and_the_next_one_is_new() -> None:
    """Half an answer raises, and the request after it is answered over another connection."""
    answers = [b"HTTP/1.1 200 OK\r\ncontent-le", b""]
    later = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"

    async with serving(lambda _: answers.pop(0) if answers else later) as (base, _), Caller(base) as caller:
        asking = asyncio.create_task(caller.get("/a"))
        await asyncio.sleep(0.05)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        with pytest.raises(OSError, match=r"in the middle|reset"):
            await caller.get("/b")
        assert (await caller.get("/c")).status == 404
