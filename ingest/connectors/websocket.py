"""The WebSocket connector: messages as they come, held until they are safe, and silence that is not believed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Literal, Self
from uuid import uuid4

import aiohttp
import orjson

from ingest.connector import Poll
from ingest.connectors.asking import USER_AGENT, patience, shown
from ingest.connectors.request import ClosedDoorError
from ingest.transports.websocket import WebSocketOptions
from streams.errors import SourceError
from streams.record import Payload

# A poll waits so long for a first message, since stopping waits for it; then so long for company, and for so much.
_PATIENCE = 1.0
_GATHER = 0.05
_MOST = 1000
_MOST_BYTES = 8 * 1024 * 1024
_SOON = timedelta(milliseconds=10)
_AT_ONCE = timedelta(0)
# Bytes stay bytes: texts are not decoded, and what is no UTF-8 is a payload like any garbage.
Socket = aiohttp.ClientWebSocketResponse[Literal[False]]
_CLOSING = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)


class WebSocket:
    """Listens to one address; every message is a payload, and is given again until its cursor says that it is safe.

    Nothing is read while a batch waits to be safe: the network's own buffers fill, and then the publisher has to wait
    or to drop. What was said while nobody listened is lost; a publisher that can tell it again does so when it is
    asked in `subscribe`. The connection is made in the first poll and after each error.
    """

    def __init__(self, source: str, options: WebSocketOptions) -> None:
        self._source = source
        self._options = options
        self._session: aiohttp.ClientSession | None = None
        self._socket: Socket | None = None
        self._held: list[Payload] = []
        self._broken: SourceError | None = None
        self._heard = 0.0  # when data came last, on the loop's clock
        self._name, self._count = "", 0

    async def __aenter__(self) -> Self:
        """Get ready; a closed connector may be opened again."""
        seconds = self._options.timeout.total_seconds()
        timeout = aiohttp.ClientTimeout(total=None, connect=seconds, sock_connect=seconds)
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout)
        self._name, self._count = uuid4().hex, 0
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye; polling is refused from now on."""
        self._held, self._broken = [], None
        await self._hang_up()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def poll(self, cursor: bytes) -> Poll:
        """Return the messages after `cursor`, waiting a second for one.

        Raises:
            ClosedDoorError: the publisher refuses the connection for now.
            SourceError: it cannot be reached, closed the connection, sent an error or too large a message, or was
                silent for too long.

        """
        if self._session is None:
            raise RuntimeError(f"the websocket connector of {self._source} is closed")
        cursors = [payload.cursor for payload in self._held]
        if cursor in cursors:
            del self._held[: cursors.index(cursor) + 1]
        if not self._held:
            await self._listen(self._session)
        return Poll(payloads=tuple(self._held), again_in=_AT_ONCE if self._held else _SOON)

    async def _listen(self, session: aiohttp.ClientSession) -> None:
        """Fill what is held; an error that comes behind messages waits for the next poll."""
        if self._broken is not None:
            broken, self._broken = self._broken, None
            raise broken
        try:
            async with self._translated():
                await self._gather(self._socket or await self._connect(session))
        except SourceError as error:
            await self._hang_up()
            if not self._held:
                raise
            self._broken = error

    async def _connect(self, session: aiohttp.ClientSession) -> Socket:
        options = self._options
        async with asyncio.timeout(options.timeout.total_seconds()):
            self._socket = socket = await session.ws_connect(
                options.url,
                protocols=(options.protocol,) if options.protocol else (),
                headers={"User-Agent": USER_AGENT, **options.headers},
                heartbeat=options.ping.total_seconds(),
                max_msg_size=options.max_bytes + 1,
                decode_text=False,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
            )
            for text in options.subscribe:
                await socket.send_str(text)
        self._heard = asyncio.get_running_loop().time()
        return socket

    async def _gather(self, socket: Socket) -> None:
        clock = asyncio.get_running_loop().time
        end, size = clock() + _PATIENCE, 0
        while len(self._held) < _MOST and size < _MOST_BYTES and (left := end - clock()) > 0:
            try:
                async with asyncio.timeout(left):
                    message = await socket.receive()
            except TimeoutError:
                break
            payload = self._payload(message, socket)
            if payload is not None:
                self._held.append(payload)
                size += len(payload.body)
                self._heard = clock()
                end = min(end, self._heard + _GATHER)
        silent = clock() - self._heard
        if not self._held and silent >= self._options.silence.total_seconds():
            fix = "raise silence in the source file if the publisher has so little to say; else ask it"
            raise self._error(f"no data for {silent:.0f} s; connecting again", fix=fix)

    def _payload(self, message: Any, socket: Socket) -> Payload | None:
        """Make the payload of a message; None for one that holds no data."""
        if message.type in _CLOSING:
            said = f" ({message.extra})" if message.extra else ""
            code = message.data if message.type is aiohttp.WSMsgType.CLOSE else socket.close_code
            raise self._error(f"the publisher closed the connection: {code}{said}", fix=_PASSES)
        if message.type is aiohttp.WSMsgType.ERROR:
            raise self._broken_off(message.data)
        body = bytes(message.data)
        if not self._is_data(body):
            return None
        self._count += 1
        text = message.type is aiohttp.WSMsgType.TEXT
        return Payload(
            source=self._source,
            received_at=datetime.now(UTC),
            media_type=self._options.media_type or ("application/json" if text else "application/octet-stream"),
            body=body,
            cursor=json.dumps({"connection": self._name, "message": self._count}).encode(),
        )

    def _is_data(self, body: bytes) -> bool:
        """Say whether a message holds data, and raise one that is an error; what is no JSON is data, and judged later."""
        only, wrong = self._options.only, self._options.error_when
        if only is None and wrong is None:
            return True
        try:
            document: Any = orjson.loads(body)
        except orjson.JSONDecodeError:
            return True
        if wrong is not None and wrong.shown_by(document):
            raise self._error(
                f"the publisher sent an error: {wrong.words(document)}", fix="check `subscribe` and the key"
            )
        return only is None or only.shown_by(document)

    async def _hang_up(self) -> None:
        if self._socket is not None:
            socket, self._socket = self._socket, None
            await socket.close()

    def _broken_off(self, error: object) -> SourceError:
        if isinstance(error, aiohttp.WebSocketError) and error.code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
            what = f"a message is larger than {self._options.max_bytes} bytes; nothing of it is kept"
            return self._error(what, fix="raise max_bytes in the source file if messages have grown")
        return self._error(f"the connection broke off: {error or 'no sign of life'}", fix=_PASSES)

    def _error(self, what: str, *, fix: str) -> SourceError:
        return SourceError(what, where=f"{self._source}, {shown(self._options.url)}", fix=fix, retriable=True)

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        """Turn whatever the library raises into one `SourceError`, with its cause."""
        try:
            yield
        except aiohttp.WSServerHandshakeError as error:
            fix = "check the address and the key in the source file; an outage of the publisher passes by itself"
            refused = self._error(f"the publisher answered {error.status} instead of listening", fix=fix)
            wait = patience(error.status, error.headers or {}, self._options.every)
            raise (ClosedDoorError(refused, again_in=wait) if wait else refused) from error
        except TimeoutError as error:
            what = f"no connection within {self._options.timeout.total_seconds():g} s"
            raise self._error(what, fix="check the address and the network") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            what = f"no connection: {str(error) or type(error).__name__}"
            raise self._error(what, fix="check the address, the network and the certificate") from error


_PASSES = "usually passes by itself; if it happens at once each time, check `subscribe` and the key"
