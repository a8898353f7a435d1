"""A worker's door for probes, over real sockets."""

from __future__ import annotations

import asyncio

import pytest

from smartflanders.health import health_door
from streams.errors import ConfigError
from tests.support.running import free_port


async def ask(port: int, request: bytes) -> bytes:
    """Send a request and read the answer to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("request_line", "status", "part"),
    [
        (b"GET /healthz HTTP/1.1", b"200", b"ok"),
        (b"GET /metrics HTTP/1.1", b"200", b"sf_items_total"),
        (b"GET /other HTTP/1.1", b"404", b"/healthz"),
        (b"POST /healthz HTTP/1.1", b"405", b"GET"),
    ],
)
async def test_probes_are_answered(request_line: bytes, status: bytes, part: bytes) -> None:
    """Health and metrics are answered, everything else is refused, each with its length."""
    port = free_port()
    async with health_door("127.0.0.1", port):
        answer = await ask(port, request_line + b"\r\nHost: x\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert f"Content-Length: {len(body)}".encode() in head
    assert part in body


async def test_a_taken_port_is_told() -> None:
    """A port in use is a fault of the configuration with its fix."""
    port = free_port()
    async with health_door("127.0.0.1", port):
        with pytest.raises(ConfigError, match="--port"):
            async with health_door("127.0.0.1", port):
                pass
