"""A worker's own door: GET /healthz and /metrics, for orchestrators and Prometheus; nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from streams.errors import ConfigError, Problem
from streams.metrics import render

# A request line and some headers; whoever sends more is no probe.
_LONGEST = 8192
_PATIENCE_SECONDS = 5.0


@asynccontextmanager
async def health_door(host: str, port: int) -> AsyncIterator[None]:
    """Answer probes at `host`:`port` while the block runs.

    Raises:
        ConfigError: the address cannot be listened on.

    """
    try:
        server = await asyncio.start_server(_answer, host, port, limit=_LONGEST)
    except OSError as error:
        fix = "choose a free port with --port (SF_PORT), or stop what listens there"
        what = f"cannot listen here: {(error.strerror or str(error)).lower()}"
        raise ConfigError([Problem(where=f"{host}:{port}", what=what, fix=fix)], where="the worker") from error
    async with server:
        yield


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(_response(head.split(b" ", 2)))
            await writer.drain()
    writer.close()


def _response(words: list[bytes]) -> bytes:
    status, body, kind = "404 Not Found", b"there is /healthz and /metrics\n", "text/plain; charset=utf-8"
    if words[0] != b"GET":
        status, body = "405 Method Not Allowed", b"only GET\n"
    elif words[1] == b"/healthz":
        status, body = "200 OK", b"ok\n"
    elif words[1] == b"/metrics":
        status = "200 OK"
        body, kind = render()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
