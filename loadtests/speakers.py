"""What live streams are compared with: `python -m loadtests.speakers bare|route PORT`, the same bytes without us.

`bare` writes them to sockets and does nothing else; `route` is a streaming response of the web framework with a queue for
each listener. Both say `ready` when they listen, and speak ten times a second until killed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import ClassVar, cast

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

# Events a second that each listener gets.
EACH_SECOND = 10
PATH = "/load/live"
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: welcome\n\n"
_BACKLOG = 2048


class Mouth(asyncio.Protocol):
    """One connection of the bare loop."""

    everybody: ClassVar[set[asyncio.Transport]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self.everybody.add(self._transport)
        self._transport.write(_HEAD)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget it."""
        self.everybody.discard(self._transport)


async def bare(port: int, size: int) -> None:
    """Write an event to everybody, ten times a second, until killed."""
    await asyncio.get_running_loop().create_server(Mouth, "127.0.0.1", port, backlog=_BACKLOG)
    print("ready", flush=True)
    for number in range(1 << 30):
        text = example(number, size)
        for transport in Mouth.everybody:
            transport.write(text)
        await asyncio.sleep(1 / EACH_SECOND)


async def route(port: int, size: int) -> None:
    """The same through the web framework: a streaming response and a bounded queue for each listener."""
    queues: set[asyncio.Queue[bytes]] = set()

    async def feed(queue: asyncio.Queue[bytes]) -> AsyncIterator[bytes]:
        while True:
            yield await queue.get()

    async def live(_: Request) -> StreamingResponse:
        queue: asyncio.Queue[bytes] = asyncio.Queue(100)
        queues.add(queue)
        queue.put_nowait(b": welcome\n\n")
        return StreamingResponse(feed(queue), media_type="text/event-stream")

    app = Starlette(routes=[Route(PATH, live)])
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, http="httptools", lifespan="off", log_config=None, backlog=_BACKLOG)
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve(), name="serve")
        while not server.started:  # noqa: ASYNC110 - uvicorn sets no event
            await asyncio.sleep(0.01)
        print("ready", flush=True)
        for number in range(1 << 30):
            text = example(number, size)
            for queue in queues:
                if not queue.full():
                    queue.put_nowait(text)
            await asyncio.sleep(1 / EACH_SECOND)


def example(number: int, size: int) -> bytes:
    """Write an event whose member has so many bytes."""
    stamp = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    return b'id: %d\nevent: member\ndata: {"text":"%s","generatedAtTime":"%s"}\n\n' % (
        number,
        b"x" * size,
        stamp.encode(),
    )


def main(argv: Sequence[str]) -> int:
    """Speak until killed."""
    kind, port, size = argv
    uvloop.run({"bare": bare, "route": route}[kind](int(port), int(size)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
