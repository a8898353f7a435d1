"""The fast lane: answers what is ready in memory with one write, before the web framework sees the request.

A request through a route costs about sixty microseconds of scopes, tasks, events and response objects, an answer that
is ready about four. The lane extends uvicorn's protocol class after the complete parse of a request and takes only what
it fully understands: GET or HEAD without a body, an address the cache knows, on a connection with no answer pending.
Everything else goes the usual way, so a change of uvicorn can cost speed but not correctness.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from ldes_server.negotiate import PAGE_TYPES, QUERIED, accepts_gzip, choose, is_current
from ldes_server.responses import ReadyCache

# Distinct header values remembered; clients send a handful, and whoever sends thousands gains nothing by it.
_MEMO = 512
# Requests with any of these take the usual way: a body, an upgrade, conditions or promises that we do not weigh here.
_FOREIGN = frozenset({b"content-length", b"transfer-encoding", b"upgrade", b"expect", b"range"})
_METHODS = frozenset({b"GET", b"HEAD"})

_T = TypeVar("_T")

# The name in a request's state of what gives its connection away: `() -> Connection`.
HAND_OVER = "hand_over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A connection given away: nothing of the answer is written. `dated` are uvicorn's header lines with the Date,
    `paused` says whether the answers before this one wait for the reader.
    """

    transport: asyncio.Transport
    dated: bytes
    paused: bool


class Tally:
    """What the lane answered, as plain integers: cheap to count, collected into the metrics now and then."""

    __slots__ = ("bytes", "hits", "unchanged")

    def __init__(self) -> None:
        self.hits = 0
        self.unchanged = 0
        self.bytes = 0


class Lane:
    """What all connections of a server share: the cache, the tally, and memories of header values."""

    def __init__(self, cache: ReadyCache) -> None:
        self.cache = cache
        self.tally = Tally()
        self._media: dict[bytes, str | None] = {}
        self._gzip: dict[bytes, bool] = {}
        self._dated: object = None
        self._ok = self._not_modified = b""

    def find(
        self, url: bytes, headers: list[tuple[bytes, bytes]], defaults: list[tuple[bytes, bytes]], *, bare: bool
    ) -> bytes | None:
        """Return the whole answer, or None when the request has to take the usual way; `bare` leaves the body out.

        `defaults` is uvicorn's list of headers with the Date, a new list every second. What is returned is counted.
        """
        accept = encoding = condition = b""
        for name, value in headers:
            if name == b"accept":
                # Repeated fields are one list (RFC 9110, section 5.3).
                accept = accept + b"," + value if accept else value
            elif name == b"accept-encoding":
                encoding = encoding + b"," + value if encoding else value
            elif name == b"if-none-match":
                condition = condition + b"," + value if condition else value
            elif name in _FOREIGN or (name == b"connection" and value.lower() != b"keep-alive"):
                return None
        media = QUERIED.get(url.partition(b"?")[2]) if b"?" in url else self._choose(accept)
        ready = None if media is None else self.cache.get(url, media, self._squeeze(encoding))
        if ready is None:
            return None
        if defaults is not self._dated:
            self._date(defaults)
        tally = self.tally
        tally.hits += 1
        if condition and is_current(condition.decode("latin-1"), ready.etag):
            tally.unchanged += 1
            return self._not_modified + ready.unchanged
        return self._ok + (ready.wire[: ready.head_size] if bare else ready.wire)

    def _date(self, defaults: list[tuple[bytes, bytes]]) -> None:
        self._dated = defaults
        lines = b"".join(b"%s: %s\r\n" % pair for pair in defaults)
        self._ok = b"HTTP/1.1 200 OK\r\n" + lines
        self._not_modified = b"HTTP/1.1 304 Not Modified\r\n" + lines

    def _choose(self, accept: bytes) -> str | None:
        try:
            return self._media[accept]
        except KeyError:
            return _remember(self._media, accept, choose(accept.decode("latin-1"), PAGE_TYPES))

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
        self._answer: bytes | None = None
        self._stopping = False
        self._idle_since = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer with the connection."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Start a request; uvicorn's scope is made only if it will be needed."""
        self._answer = None
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Take the request, or hand it on to uvicorn as if the lane were not there."""
        method = self.parser.get_method()
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None until the first request of a connection
        if (
            (cycle is None or cycle.response_complete)  # an answer never overtakes the one before it
            and method in _METHODS
            and not self.flow.write_paused  # a reader too slow for its last answer waits in uvicorn's queue
            and not self._stopping
            and self.parser.should_keep_alive()  # HTTP/1.0 and whoever wants to close
        ):
            bare = method == b"HEAD"
            self._answer = self.lane.find(self.url, self.headers, self.server_state.default_headers, bare=bare)
            if self._answer is not None:
                return
        self._usual_way()

    def on_body(self, body: bytes) -> None:
        """Leave bodies to uvicorn; requests in the lane have none."""
        if self._answer is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Answer what the lane took, with one write."""
        answer, self._answer = self._answer, None
        if answer is None:
            super().on_message_complete()
            return
        if self.transport.is_closing():
            return
        self.transport.write(answer)
        self.lane.tally.bytes += len(answer)
        self.server_state.total_requests += 1
        # One timer that looks again instead of one per answer: arming and cancelling it cost a fifth of an answer.
        self._idle_since = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._look_idle)

    def _look_idle(self) -> None:
        """Close a connection that has been idle for the keep-alive time; otherwise look again when it may be."""
        self._idle_timer = None
        cycle = cast("RequestResponseCycle | None", self.cycle)
        idle = self.loop.time() - self._idle_since
        if idle < self.timeout_keep_alive:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive - idle, self._look_idle)
        elif (cycle is None or cycle.response_complete) and self.timeout_keep_alive_task is None:
            # With a timer of uvicorn's running, the last answer was uvicorn's, and so is the decision.
            self.timeout_keep_alive_handler()

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
        # Made after the request's task, which has not begun yet.
        self.scope["state"][HAND_OVER] = partial(self._hand_over, self.cycle)

    def _hand_over(self, cycle: RequestResponseCycle) -> Connection:
        """Give the connection away while a request is answered; uvicorn and the lane forget it."""
        cycle.response_started = cycle.response_complete = True
        self.connections.discard(self)
        self.server_state.total_requests += 1
        self._unset_keepalive_if_required()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        dated = b"".join(b"%s: %s\r\n" % pair for pair in self.server_state.default_headers)
        return Connection(transport=self.transport, dated=dated, paused=self.flow.write_paused)


def with_lane(lane: Lane) -> type[asyncio.Protocol]:
    """Return a protocol class, as uvicorn's `http=` wants one, whose connections share this lane."""
    return type("BoundFastLaneProtocol", (FastLaneProtocol,), {"lane": lane})
