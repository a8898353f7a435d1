"""The fast lane: answers what is ready in memory with one write, before the web framework sees the request.

A request through a route costs about sixty microseconds of scopes, tasks, events and response objects, an answer that
is ready about one. The lane extends uvicorn's protocol class in two places and takes only what it fully understands.

After the complete parse of a request: GET or HEAD without a body, an address that is ready, on a connection with no
answer pending. Before the parse: a request in one piece whose block of headers the parser has seen before, byte for
byte, in a request that the lane took then. Everything else goes the usual way, so a change of uvicorn can cost speed
but not correctness.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from ldes_server.lane import Lane, Wish

_METHODS = frozenset({b"GET", b"HEAD"})

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
        # Whether the parser stands between two messages of a connection on which nothing odd has come.
        self._between = True
        self._messages = 0
        self._wish: Wish | None = None
        self._stopping = False
        self._idle_since = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer with the connection."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Answer at once what was understood before; have everything else parsed, and remember what can be."""
        # Not asked whether it is closing: nothing is received on a transport that is.
        if self._between and not self._stopping and not self.flow.write_paused:
            cycle = cast("RequestResponseCycle | None", self.cycle)  # None until the first request of a connection
            if cycle is None or cycle.response_complete:  # an answer never overtakes the one before it
                answer = self.lane.at_once(data, self.server_state.default_headers)
                if answer is not None:
                    if self.timeout_keep_alive_task is not None:
                        self._unset_keepalive_if_required()
                    self._write(answer)
                    return
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        alone, self._messages = self._between, 0
        super().data_received(data)
        if alone and self._between and self._messages == 1 and self._wish is not None:
            self.lane.learn(data, self.url, self._wish)

    def on_message_begin(self) -> None:
        """Start a request; uvicorn's scope is made only if it will be needed."""
        self._between = False
        self._answer = None
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Take the request, or hand it on to uvicorn as if the lane were not there."""
        self._wish = None
        method = self.parser.get_method()
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if (
            (cycle is None or cycle.response_complete)
            and method in _METHODS
            and not self.flow.write_paused  # a reader too slow for its last answer waits in uvicorn's queue
            and not self._stopping
            and self.parser.should_keep_alive()  # whoever wants to close is told so
            and self.parser.get_http_version() == "1.1"  # an older client that stays would have to be told so
            and (wish := self.lane.weigh(self.headers)) is not None
        ):
            bare = method == b"HEAD"
            self._answer = self.lane.answer(self.url, wish, self.server_state.default_headers, bare=bare)
            if self._answer is not None:
                self._wish = None if bare else wish
                return
        self._usual_way()

    def on_body(self, body: bytes) -> None:
        """Leave bodies to uvicorn; requests in the lane have none."""
        if self._answer is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Answer what the lane took, with one write."""
        self._messages += 1
        # After an upgrade or a last request the parser is no longer what it was at the beginning.
        self._between = self.parser.should_keep_alive() and not self.parser.should_upgrade()
        answer, self._answer = self._answer, None
        if answer is None:
            super().on_message_complete()
        elif not self.transport.is_closing():
            self._write(answer)

    def _write(self, answer: bytes) -> None:
        self.transport.write(answer)
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
