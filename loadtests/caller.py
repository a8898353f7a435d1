"""A client for constant rates: requests over kept connections, each answer whole, little work for this process."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TAG = re.compile(rb"\r\netag: *([^\r]+)", re.IGNORECASE)
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came: the status, the entity tag if there is one, and the body as it came."""

    status: int
    etag: str
    body: bytes


class Caller:
    """Asks a server over as many connections as requests are in hand at once; an async context manager.

    `headers` go with every request.
    """

    def __init__(self, base: str, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(base)
        assert parts.hostname is not None
        self._where = (parts.hostname, parts.port or 80)
        self._common = _lines({"Host": parts.netloc, "Accept-Encoding": "gzip", **(headers or {})})
        self._idle: list[_Connection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._idle:
            await connection.close()

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for a path and return the answer, whatever its status.

        Raises:
            OSError: no connection, or it ended in the middle of an answer.
            TimeoutError: the answer took half a minute.

        """
        connection = self._idle.pop() if self._idle else await _connect(*self._where)
        request = b"GET %s HTTP/1.1\r\n%s%s\r\n" % (path.encode(), self._common, _lines(headers or {}))
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                answer = await connection.ask(request)
        except BaseException:
            # What was half read cannot be used again.
            await connection.close()
            raise
        self._idle.append(connection)
        return answer


def _lines(headers: Mapping[str, str]) -> bytes:
    return b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items())


class _Connection:
    """One kept connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> Answer:
        """Send a request and read its answer."""
        self._writer.write(request)
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            status = int(head[9:12])
            body = await self._reader.readexactly(int(length[1])) if length and status != 304 else b""
        except asyncio.IncompleteReadError as error:
            raise ConnectionError("the connection ended in the middle of an answer") from error
        tag = _TAG.search(head)
        return Answer(status=status, etag=tag[1].decode("latin-1") if tag else "", body=body)

    async def close(self) -> None:
        """End the connection."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


async def _connect(host: str, port: int) -> _Connection:
    # The buffer's limit is that of a head; a body is read whatever its size.
    return _Connection(*await asyncio.open_connection(host, port))
