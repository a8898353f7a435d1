"""What 2,000 live listeners cost at ten members a second, against a bare loop that writes the same bytes to them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, cast

import psutil
import pytest
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from ldes_server.model import Head, Placed
from ldes_server.postgres_store import PostgresStore
from ldes_server.serve import Address, serve
from tests.conformance.kit import make_members, make_stream
from tests.support.running import ROOT, free_port
from vocab.model import load_model

LISTENERS = 2000
EACH_SECOND = 10
SECONDS = 10
STREAM = make_stream("gent-parking", load_model("parking"), page_size=250, fan=32)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
# Measured on two shared virtual cores: 0.4 to 1.4 times the bare loop, a route 2.2 to 4.5. Room for a busy machine.
CEILING = 2.0


class Ear(asyncio.Protocol):
    """One listener: notes how late each member was, and every number that does not follow the one before."""

    late: ClassVar[list[float]] = []
    wrong: ClassVar[list[tuple[int, int]]] = []
    stamps: ClassVar[dict[bytes, float]] = {}
    lost = 0

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._rest = b""
        self.greeted = asyncio.Event()
        self.last = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        cast("asyncio.Transport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take whole events; they are short and mostly come one at a time."""
        now = time.time()
        self.greeted.set()
        data = self._rest + data if self._rest else data
        whole = data.rfind(b"\n\n") + 2
        self._rest = data[whole:]
        for part in data[:whole].split(b"\n\n"):
            if b"event: member" not in part:
                continue
            number = int(part[part.index(b"id: ") + 4 : part.index(b"\n", part.index(b"id: "))])
            if self.last >= 0 and number != self.last + 1:
                Ear.wrong.append((self.last, number))
            self.last = number
            start = part.rindex(b'"generatedAtTime":"') + 19
            text = part[start : part.index(b'"', start)]
            if text not in Ear.stamps:
                Ear.stamps[text] = datetime.fromisoformat(text.decode()).timestamp()
            Ear.late.append(now - Ear.stamps[text])

    def connection_lost(self, _exc: Exception | None) -> None:
        """Count."""
        Ear.lost += 1


async def listen(port: int, *, until_quiet: bool) -> None:
    """Open all listeners, say so, listen until standard input ends, print what was heard."""
    request = b"GET /gent-parking/live HTTP/1.1\r\nhost: h\r\naccept: text/event-stream\r\n\r\n"
    loop = asyncio.get_running_loop()
    ears = []
    for _ in range(LISTENERS):
        _, ear = await loop.create_connection(lambda: Ear(request), "127.0.0.1", port)
        ears.append(ear)
    async with asyncio.TaskGroup() as group:
        for ear in ears:
            group.create_task(ear.greeted.wait(), name="greeting")
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    before = -1
    while until_quiet and before < len(Ear.late):  # a busy machine gives the last ones late
        before = len(Ear.late)
        await asyncio.sleep(1)
    late = sorted(Ear.late)
    told = {"heard": len(late), "wrong": len(Ear.wrong), "lost": Ear.lost, "last": sorted({ear.last for ear in ears})}
    if late:
        told |= {f"p{part}": round(late[len(late) * part // 100] * 1000) for part in (50, 99)}
    print(json.dumps(told), flush=True)


async def ours(port: int, dsn: str) -> None:
    """Serve the stream until killed."""
    base = f"http://127.0.0.1:{port}"
    async with PostgresStore(dsn, base_url=base) as store:
        address = Address(host="127.0.0.1", port=port, base_url=base)
        await serve((STREAM,), store, address=address, stop=asyncio.Event())


class Mouth(asyncio.Protocol):
    """One connection of the bare loop."""

    everybody: ClassVar[set[asyncio.Transport]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.everybody.add(cast("asyncio.Transport", transport))
        cast("asyncio.Transport", transport).write(HEAD)


async def bare(port: int) -> None:
    """Write an event as long as ours to everybody, ten times a second, until killed."""
    await asyncio.get_running_loop().create_server(Mouth, "127.0.0.1", port, backlog=2048)
    for number in range(1 << 30):
        text = example(number)
        for transport in Mouth.everybody:
            transport.write(text)
        await asyncio.sleep(1 / EACH_SECOND)


async def route(port: int) -> None:
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

    app = Starlette(routes=[Route("/gent-parking/live", live)])
    config = uvicorn.Config(app, port=port, http="httptools", lifespan="off", log_config=None, backlog=2048)
    async with asyncio.TaskGroup() as group:
        group.create_task(uvicorn.Server(config).serve(), name="serve")
        for number in range(1 << 30):
            text = example(number)
            for queue in queues:
                if not queue.full():
                    queue.put_nowait(text)
            await asyncio.sleep(1 / EACH_SECOND)


def example(number: int) -> bytes:
    """Write an event as long as ours."""
    body = make_members(STREAM, range(1), "http://127.0.0.1")[0].body
    stamp = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    return b'id: %d\nevent: member\ndata: %s"generatedAtTime":"%s"}\n\n' % (number, body, stamp.encode())


async def publish(dsn: str, seconds: float) -> None:
    """Publish members one by one at the rate."""
    async with PostgresStore(dsn, connections=1) as store:
        await store.ensure_stream(STREAM)
        head = await store.head(STREAM.name)
        begun = time.monotonic()
        for turn in range(int(seconds * EACH_SECOND)):
            await asyncio.sleep(max(0.0, begun + turn / EACH_SECOND - time.monotonic()))
            now = datetime.now(UTC)
            now = now.replace(microsecond=now.microsecond // 1000 * 1000)
            members = make_members(STREAM, [head.count], "http://127.0.0.1")
            members = tuple(member._replace(published_at=now) for member in members)
            after = Head(count=head.count + 1, published_at=now, position=head.position + 1)
            await store.append(STREAM.name, Placed(base=head, head=after, members=members))
            head = after


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a part of this file as a process of its own."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def measure(kind: str, dsn: str) -> dict[str, Any]:
    """Serve, listen and publish; return the server's processor time per event, its memory, and what was heard."""
    port = free_port()
    with running(kind, str(port), dsn) as server:
        process = psutil.Process(server.pid)
        while not any(it.status == "LISTEN" for it in process.net_connections()):
            time.sleep(0.1)
        empty = process.memory_info().rss
        with running("listen", str(port), kind) as ears:
            assert ears.stdin is not None
            assert ears.stdout is not None
            assert ears.stdout.readline() == "ready\n"
            before = sum(process.cpu_times()[:2])
            if kind == "ours":
                uvloop.run(publish(dsn, SECONDS))
            else:
                time.sleep(SECONDS)
            ears.stdin.close()
            told: dict[str, Any] = json.loads(ears.stdout.readline())
            cost = (sum(process.cpu_times()[:2]) - before) / told["heard"]
            memory = process.memory_info().rss
    return {**told, "cost": cost, "memory": memory / 1e6, "each": (memory - empty) / LISTENERS / 1e3}


@pytest.mark.benchmark
def test_two_thousand_listeners(database_url: str) -> None:
    """2,000 listeners get ten members a second, each once and in order, for little more than writing them costs."""
    found = {kind: measure(kind, database_url) for kind in ("bare", "ours", "route")}
    for kind, it in found.items():
        print(f"{kind:6}{it['cost'] * 1e6:.1f} us an event, {it['cost'] * LISTENERS * EACH_SECOND:.2f} cores", end="")
        print(f"  p50 {it['p50']} ms  p99 {it['p99']} ms  {it['memory']:.0f} MB", end="")
        print(f"  {it['each']:.1f} kB each  heard {it['heard']:,}  wrong {it['wrong']}  lost {it['lost']}")
    ratio = found["ours"]["cost"] / found["bare"]["cost"]
    print(f"ours is {ratio:.2f} of the bare loop, a route {found['route']['cost'] / found['bare']['cost']:.2f}")
    assert found["ours"]["wrong"] == 0
    assert found["ours"]["lost"] == 0
    assert found["ours"]["heard"] == LISTENERS * SECONDS * EACH_SECOND
    assert found["ours"]["last"] == [SECONDS * EACH_SECOND - 1]
    assert ratio <= CEILING


if __name__ == "__main__":
    _, what, number, *more = sys.argv
    parts = {
        "ours": lambda: ours(int(number), *more),
        "bare": lambda: bare(int(number)),
        "route": lambda: route(int(number)),
        "listen": lambda: listen(int(number), until_quiet=more == ["ours"]),
    }
    uvloop.run(parts[what]())
