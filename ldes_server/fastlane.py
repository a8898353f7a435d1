"""The fast lane: answers what is ready in memory with one write, before the web framework sees the request.

A request through a route costs about sixty microseconds of scopes, tasks, events and response objects, an answer that
is ready about four. The lane extends uvicorn's protocol class after the complete parse of a request and takes only what
it fully understands: GET or HEAD without a body, an address the cache knows, on a connection with no answer pending.
Everything else goes the usual way, so a change of uvicorn can cost speed but not correctness.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from ldes_server.negotiate import accepts_gzip, choose, is_current
from ldes_server.responses import Ready, ReadyCache

# Distinct header values remembered; clients send a handful, and whoever sends thousands gains nothing by it.
_MEMO = 512
# Requests with any of these take the usual way: a body, an upgrade, conditions or promises that we do not weigh here.
_FOREIGN = frozenset({b"content-length", b"transfer-encoding", b"upgrade", b"expect", b"range"})
_CLOSE = b"connection: close\r\n"

_T = TypeVar("_T")


class Tally:
    """What the lane answered, as plain integers: cheap to count, collected into the metrics now and then."""

    __slots__ = ("bytes", "hits", "unchanged")

    def __init__(self) -> None:
        self.hits = 0
        self.unchanged = 0
        self.bytes = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    ready: Ready
    unchanged: bool
    bare: bool  # HEAD: no body
    close: bool


class Lane:
    """What all connections of a server share: the cache, the tally, and memories of header values."""

    def __init__(self, cache: ReadyCache) -> None:
        self.cache = cache
        self.tally = Tally()
        self._media: dict[bytes, str | None] = {}
        self._gzip: dict[bytes, bool] = {}
        self._dated: object = None
        self._ok = self._not_modified = b""

    def find(self, method: bytes, url: bytes, headers: list[tuple[bytes, bytes]]) -> _Request | None:
        """Return what to answer, or None when the request has to take the usual way."""
        accept = encoding = condition = connection = b""
        for name, value in headers:
            if name == b"accept":
                # Repeated fields are one list (RFC 9110, section 5.3).
                accept = accept + b"," + value if accept else value
            elif name == b"accept-encoding":
                encoding = encoding + b"," + value if encoding else value
            elif name == b"if-none-match":
                condition = condition + b"," + value if condition else value
            elif name == b"connection":
                connection = value
            elif name in _FOREIGN:
                return None
        media = self._choose(accept)
        ready = None if media is None else self.cache.get(url, media, self._squeeze(encoding))
        if ready is None:
            return None
        return _Request(
            ready=ready,
            unchanged=bool(condition) and is_current(condition.decode("latin-1"), ready.etag),
            bare=method == b"HEAD",
            close=b"close" in connection.lower(),
        )

    def wire(self, request: _Request, defaults: list[tuple[bytes, bytes]]) -> bytes:
        """Return the whole answer. `defaults` is uvicorn's list with the Date, a new one every second."""
        if defaults is not self._dated:
            self._dated = defaults
            lines = b"".join(b"%s: %s\r\n" % pair for pair in defaults)
            self._ok = b"HTTP/1.1 200 OK\r\n" + lines
            self._not_modified = b"HTTP/1.1 304 Not Modified\r\n" + lines
        ready, tally = request.ready, self.tally
        if request.unchanged:
            tally.unchanged += 1
            start, rest = self._not_modified, ready.unchanged
        else:
            start, rest = self._ok, ready.wire[: ready.head_size] if request.bare else ready.wire
        tally.hits += 1
        answer = start + _CLOSE + rest if request.close else start + rest
        tally.bytes += len(answer)
        return answer

    def _choose(self, accept: bytes) -> str | None:
        try:
            return self._media[accept]
        except KeyError:
            return _remember(self._media, accept, choose(accept.decode("latin-1")))

    def _squeeze(self, encoding: bytes) -> bool:
        try:
            return self._gzip[encoding]
        except KeyError:
            return _remember(self._gzip, encoding, accepts_gzip(encoding.decode("latin-1")))


def _remember(memo: dict[bytes, _T], key: bytes, value: _T) -> _T:
    if len(memo) >= _MEMO:
        memo.clear()
    memo[key] = value
    return value


class FastLaneProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with the lane in front; make it known to uvicorn with `with_lane`."""

    lane: Lane

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._request: _Request | None = None
        self._stopping = False

    def on_message_begin(self) -> None:
        """Start a request; uvicorn's scope is made only if it will be needed."""
        self._request = None
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """Take the request, or hand it on to uvicorn as if the lane were not there."""
        method = self.parser.get_method()
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None until the first request of a connection
        idle = cycle is None or cycle.response_complete
        if (
            idle  # an answer never overtakes the one before it on the same connection
            and method in (b"GET", b"HEAD")
            and not self.flow.write_paused  # a reader too slow for its last answer waits in uvicorn's queue
            and not self._stopping
            and self.parser.get_http_version() == "1.1"
        ):
            self._request = self.lane.find(method, self.url, self.headers)
            if self._request is not None:
                return
        self._usual_way()

    def on_body(self, body: bytes) -> None:
        """Leave bodies to uvicorn; requests in the lane have none."""
        if self._request is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Answer what the lane took, with one write."""
        request, self._request = self._request, None
        if request is None:
            super().on_message_complete()
            return
        if self.transport.is_closing():
            return
        self.transport.write(self.lane.wire(request, self.server_state.default_headers))
        self.server_state.total_requests += 1
        self._unset_keepalive_if_required()
        if request.close:
            self.transport.close()
            return
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def shutdown(self) -> None:
        """Stop taking requests; what is being answered is finished by uvicorn."""
        self._stopping = True
        super().shutdown()

    def _usual_way(self) -> None:
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        # The scope made just now refers to the list made just now; fill that one.
        self.headers.extend(headers)
        self.expect_100_continue = any(
            name == b"expect" and value.lower() == b"100-continue" for name, value in headers
        )
        super().on_headers_complete()


def with_lane(lane: Lane) -> Callable[..., asyncio.Protocol]:
    """Return a protocol class, as uvicorn's `http=` wants one, whose connections share this lane."""
    return type("BoundFastLaneProtocol", (FastLaneProtocol,), {"lane": lane})
