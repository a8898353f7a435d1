"""The web process: the application behind uvicorn with the fast lane, kept fresh by the store."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from urllib.parse import urlsplit

import uvicorn

from ldes_server.app import Site, create_app
from ldes_server.coverage import CoverageStore
from ldes_server.fastlane import with_lane
from ldes_server.lane import Lane
from ldes_server.live import Hub
from ldes_server.model import Stream
from ldes_server.posting import Door
from ldes_server.refreshing import Refresher
from ldes_server.responses import ReadyCache
from ldes_server.shelf import CACHE_BYTES, Shelf, Store
from ldes_server.shown import Shown
from ldes_server.upkeep import Figures
from streams.errors import ConfigError, Problem
from streams.hooks import Hooks
from streams.metrics import REQUESTS, render

# Connections the kernel holds while we are busy: a burst of consumers after a restart must not be refused.
_BACKLOG = 2048
# Answers in the making get this long once we are told to stop.
_GRACE = timedelta(seconds=5)
# How often the lane's plain integers go into the metrics.
_FLUSH = timedelta(seconds=1)

_log = logging.getLogger(__name__)


class WatchedStore(Store, CoverageStore, Protocol):
    """A store that tells of changes, and what they add up to."""

    async def watch(
        self, on_change: Callable[[str], None], *, stop: asyncio.Event, on_gone: Callable[[str, int], None] = ...
    ) -> None:
        """Call `on_change` with the name of every stream that changes, until `stop`.

        `on_gone` with a stream and the number before which its history is not handed out any more, soon after.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where we listen, and how clients call it: `base_url`, absolute, without a slash at the end (HTTP-18).

    `door` is where members may be posted; without one every stream is read-only. `hooks` takes what publishers push.
    """

    host: str
    port: int
    base_url: str
    door: Door | None = None
    hooks: Hooks | None = None


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Meter:
    """Moves the lane's tally into the metrics: now and then for other processes, and for who asks for them here."""

    def __init__(self, lane: Lane) -> None:
        self._tally = lane.tally
        self._hits = self._unchanged = 0

    def render(self) -> tuple[bytes, str]:
        """Return the metrics, with every answer of before."""
        self._flush()
        return render()

    async def run(self, stop: asyncio.Event) -> None:
        """Move it until `stop`, a last time at the end."""
        running = True
        while running:
            running = not await _wait(stop, _FLUSH)
            self._flush()

    def _flush(self) -> None:
        hits, unchanged = self._tally.hits, self._tally.unchanged
        REQUESTS.labels("lane", "not_modified").inc(unchanged - self._unchanged)
        REQUESTS.labels("lane", "ok").inc((hits - unchanged) - (self._hits - self._unchanged))
        self._hits, self._unchanged = hits, unchanged


async def serve(
    streams: Sequence[Stream],
    store: WatchedStore,
    *,
    address: Address,
    stop: asyncio.Event,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve the streams until `stop` is set, then finish what is being answered.

    Calls `ready` once, when requests are answered. The self-test after that warns and goes on: a proxy may not be up
    yet. Metrics are those of `streams.metrics`. Meant to run on uvloop; works on any loop.

    Raises:
        ConfigError: the address cannot be listened on, or a stream has the name of one of our addresses.

    """
    cache = ReadyCache(CACHE_BYTES)
    shown = Shown()
    lane = Lane(cache, shown)
    meter = _Meter(lane)
    app = create_app(streams, store, base_url=address.base_url, cache=cache, metrics=meter.render)
    app.state.door, app.state.hooks = address.door, address.hooks
    shelf: Shelf = app.state.shelf
    shelf.shown = shown
    site: Site = app.state.site
    live: Hub = site.live
    refresher = Refresher(shelf)
    shelf.late = refresher.changed
    figures = Figures((stream.name for stream in streams), store, site.describe)

    def on_change(name: str) -> None:
        shelf.changed(name)
        refresher.changed(name)
        live.changed(name)
        figures.changed(name)

    with _listen(address) as listener:
        server = _Server(_config(app, lane))
        async with asyncio.TaskGroup() as group:
            group.create_task(_until(stop, server, refresher), name="stop")
            group.create_task(refresher.run(), name="refresh")
            group.create_task(store.watch(on_change, stop=stop, on_gone=shelf.forget_before), name="watch")
            group.create_task(live.run(stop), name="live")
            group.create_task(meter.run(stop), name="meter")
            group.create_task(figures.keep(stop=stop), name="figures")
            group.create_task(_announce(server, streams, address, stop=stop, ready=ready), name="announce")
            await server.serve(sockets=[listener])
            # It ends by `stop` alone; should it ever end by itself, the process must not live on half.
            stop.set()


def _config(app: object, lane: Lane) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=with_lane(lane),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        # Longer than the usual polling interval, so that a poller keeps its connection.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(_GRACE.total_seconds()),
    )


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # With the protocol named, asyncio's own loop turns Nagle's algorithm off, too: 1 ms instead of 44 per answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address.host, address.port))
    except OSError as error:
        listener.close()
        what = f"cannot listen on {address.host}:{address.port}: {error.strerror}"
        fix = "choose a free port, or stop what listens there"
        raise ConfigError([Problem(where="port", what=what, fix=fix)], where="the web process") from error
    return listener


async def _until(stop: asyncio.Event, server: _Server, refresher: Refresher) -> None:
    await stop.wait()
    refresher.end()
    server.should_exit = True


async def _announce(
    server: _Server, streams: Sequence[Stream], address: Address, *, stop: asyncio.Event, ready: Callable[[], None]
) -> None:
    while not server.started:
        if await _wait(stop, timedelta(milliseconds=10)):
            return
    ready()
    if not streams:
        return
    expected = f"{address.base_url}/{streams[0].name}/log"
    try:
        found = await asyncio.wait_for(_own_root(address, streams[0].name), timeout=5)
    except (OSError, TimeoutError) as error:
        _log.warning("self_test_failed", extra={"reason": str(error)})
        return
    if f'"@id":"{expected}"'.encode() not in found:
        # Clients compare addresses byte by byte; a wrong public address loses them all pages below the root.
        _log.warning("self_test_failed", extra={"expected": expected})


async def _own_root(address: Address, stream: str) -> bytes:
    """Fetch the root of a stream through our own socket, asking as the public address says."""
    reader, writer = await asyncio.open_connection(address.host.replace("0.0.0.0", "127.0.0.1"), address.port)  # noqa: S104 - connecting, not listening
    try:
        host = urlsplit(address.base_url).netloc
        writer.write(f"GET /{stream}/log HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return await reader.read()
    finally:
        writer.close()


async def _wait(stop: asyncio.Event, duration: timedelta) -> bool:
    """Wait for `stop`, at most this long; return whether it was set."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), duration.total_seconds())
    return stop.is_set()
