"""The live streams: every new member to every listener, encoded once; and history first for whoever asks for it.

One pump per stream reads what is published into a ring and writes it to all listeners that have everything before it.
A listener that has not, because it asked for history or cannot take as much as is published, is behind: a task of its
own feeds it from the ring or from the store, as fast as it reads, until it is level. Both go by sequence numbers
alone, so whatever a listener gets is the log from where it began, without gap and without double.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ldes_server.events import HEARTBEAT, Ring, end, event, events, gap
from ldes_server.model import Published
from ldes_server.outlet import HIGH, Outlet, open_files
from ldes_server.store import History
from streams.errors import StoreError
from streams.logs import logger
from streams.metrics import LIVE_ENDED, LIVE_LISTENERS, LIVE_SENT

# Connections of readers, of the pool and files, which need descriptors, too.
_OTHER_FILES = 512

_log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What live streams may cost. The figures behind the defaults are in docs/performance.md."""

    listeners: int = 5_000  # of all streams together
    ring: int = 4 * 1024 * 1024  # bytes per stream: what a listener may miss and still be fed from memory
    tail: int = 200  # members before the first listener's place that the ring starts with: reconnects after a restart
    batch: int = 250  # members read from the store at once
    readers: int = 4  # reads at once for those who are behind: half of the pool, so that pages are not kept waiting
    heartbeat: timedelta = timedelta(seconds=15)  # below the 60 s after which proxies give a silent answer up
    patience: timedelta = timedelta(seconds=20)  # a listener that takes nothing for so long is cut off
    # Between two rounds of writing: what is published meanwhile goes out together, so that a burst of small batches
    # costs 50 rounds a second at most.
    pace: timedelta = timedelta(milliseconds=20)
    retry: timedelta = timedelta(seconds=1)  # before the store is asked again after an error


class Listener:
    """Somebody who listens: where to write, and `next`, the sequence number it gets next."""

    __slots__ = ("next", "outlet")

    def __init__(self, outlet: Outlet, start: int) -> None:
        self.outlet = outlet
        self.next = start


class _Channel:
    """One stream with listeners: all of them, and those that are level."""

    def __init__(self, name: str, context: bytes, ring: Ring) -> None:
        self.name = name
        self.context = context
        self.ring = ring
        self.listeners: set[Listener] = set()
        self.level: set[Listener] = set()
        self.news = asyncio.Event()


class Hub:
    """All live streams of a process. `contexts` has the address of each stream's context.

    `run` moves everything; before it began and after its end nobody can join. `changed` is to be called when a stream
    got members; without it they are seen after a heartbeat.
    """

    def __init__(self, contexts: Mapping[str, str], store: History, *, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._contexts = contexts
        self._store = store
        self._channels: dict[str, _Channel] = {}
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._readers = asyncio.Semaphore(self.limits.readers)
        self._count = 0
        self._most = 0

    @property
    def has_room(self) -> bool:
        """Whether one more may join."""
        return self._group is not None and self._count < self._most

    def changed(self, stream: str) -> None:
        """Look what is new in a stream, if anybody listens."""
        if (channel := self._channels.get(stream)) is not None:
            channel.news.set()

    def join(self, stream: str, outlet: Outlet, *, start: int, count: int) -> None:
        """Give a listener everything from sequence number `start` on, for ever; only while `has_room`.

        `count` members are published; where nobody listens yet, the ring begins shortly before that.
        """
        if outlet.closed:
            return
        channel = self._channels.get(stream)
        if channel is None:
            ring = Ring(max(0, count - self.limits.tail), capacity=self.limits.ring)
            channel = _Channel(stream, self._contexts[stream].encode(), ring)
            self._channels[stream] = channel
            self._spawn(self._pump(channel), name=f"live {stream}")
        listener = Listener(outlet, start)
        channel.listeners.add(listener)
        self._count += 1
        LIVE_LISTENERS.labels(stream).set(len(channel.listeners))
        outlet.on_lost(lambda: self._leave(channel, listener))
        self._place(channel, listener)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep everything moving until `stop`; then end every stream, so that the listeners come back elsewhere."""
        for stream in self._contexts:
            LIVE_LISTENERS.labels(stream).set(0)
        self._most = min(self.limits.listeners, open_files() - _OTHER_FILES)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                await stop.wait()
                self._group = None
                for task in tuple(self._tasks):
                    task.cancel()
        finally:
            self._group = None
            for channel in tuple(self._channels.values()):
                for listener in tuple(channel.listeners):
                    self._end(channel, listener, "stopped")

    # Everybody who is level.

    async def _pump(self, channel: _Channel) -> None:
        heartbeat = self.limits.heartbeat.total_seconds()
        speak_by = time.monotonic() + heartbeat
        while channel.listeners:
            channel.news.clear()
            wait_until = speak_by
            try:
                members = await self._store.after(channel.name, channel.ring.high - 1, limit=self.limits.batch)
            except StoreError as error:
                _log.warning("live stream waits for the store", stream=channel.name, reason=error.what)
                members, wait_until = (), time.monotonic() + self.limits.retry.total_seconds()
            if members:
                self._publish(channel, members)
                speak_by = time.monotonic() + heartbeat
                await asyncio.sleep(self.limits.pace.total_seconds())
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, wait_until - time.monotonic())):
                    await channel.news.wait()
            if time.monotonic() >= speak_by:
                speak_by = time.monotonic() + heartbeat
                for listener in channel.level:
                    listener.outlet.write(HEARTBEAT)
        # Nobody waited between the last look and here, so whoever joins next starts a pump of its own.
        del self._channels[channel.name]

    def _publish(self, channel: _Channel, members: Sequence[Published]) -> None:
        ring = channel.ring
        if members[0].sequence != ring.high:
            # What lies between is no longer kept; each listener is told by the task that brings it level.
            ring.restart(members[0].sequence)
        start = ring.high
        encoded = [event(member, channel.context) for member in members]
        ring.extend(encoded)
        shared = b"".join(encoded)
        sent = 0
        for listener in tuple(channel.level):
            if listener.next == start:
                listener.outlet.write(shared)
                sent += len(encoded)
                listener.next = ring.high
            if listener.outlet.paused or listener.next < ring.high:
                self._place(channel, listener)
        LIVE_SENT.labels(channel.name).inc(sent)

    # Those who are behind.

    def _place(self, channel: _Channel, listener: Listener) -> None:
        """Put a listener among those who are level, or have it fed until it is."""
        if not listener.outlet.paused and listener.next >= channel.ring.high:
            channel.level.add(listener)
            return
        channel.level.discard(listener)
        self._spawn(self._feed(channel, listener), name=f"feed {channel.name}")

    async def _feed(self, channel: _Channel, listener: Listener) -> None:
        outlet = listener.outlet
        while True:
            if not await outlet.drained(patience=self.limits.patience):
                self._end(channel, listener, "slow")
            if outlet.closed:
                return
            if listener.next >= channel.ring.high:
                channel.level.add(listener)
                return
            try:
                data, following = await self._more(channel, listener.next)
            except StoreError as error:
                _log.warning("listener cut off", stream=channel.name, reason=error.what)
                self._end(channel, listener, "store")
                return
            outlet.write(data)
            LIVE_SENT.labels(channel.name).inc(following - listener.next)
            listener.next = following
            # Others have their turn, and what was written a chance to leave.
            await asyncio.sleep(0)

    async def _more(self, channel: _Channel, start: int) -> tuple[bytes, int]:
        """Return events from `start` on for a listener that is behind the ring's end, and the number behind them."""
        if start < channel.ring.low:
            async with self._readers:
                members = await self._store.after(channel.name, start - 1, limit=self.limits.batch)
            if members:
                return events(members, channel.context, start=start), members[-1].sequence + 1
            # The ring has members, so there were some: retention has taken those between.
            return gap(start, channel.ring.low), channel.ring.low
        return channel.ring.take(start, most=HIGH)

    def _end(self, channel: _Channel, listener: Listener, reason: str) -> None:
        if listener.outlet.closed:
            return
        LIVE_ENDED.labels(channel.name, reason).inc()
        listener.outlet.end(end(reason))
        channel.level.discard(listener)

    def _leave(self, channel: _Channel, listener: Listener) -> None:
        channel.listeners.discard(listener)
        channel.level.discard(listener)
        self._count -= 1
        LIVE_LISTENERS.labels(channel.name).set(len(channel.listeners))
        if not channel.listeners:
            channel.news.set()

    def _spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        assert self._group is not None, "join only while has_room"
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
