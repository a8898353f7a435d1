"""An outlet: a connection that only gives, taken over from the web server once its request is understood."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from datetime import timedelta

# Bytes that may wait for one reader before it counts as behind; the kernel keeps as many again. Together they bound
# what a reader that stands still costs.
HIGH, LOW = 128 * 1024, 32 * 1024
# How long a reader gets to take what is left once its stream has ended.
_LINGER = timedelta(seconds=5)


class Outlet(asyncio.Protocol):
    """Writes to one reader; what it sends is ignored. `lost` is called once, when the connection has ended.

    Made by `open_outlet`. A few hundred bytes each, where uvicorn's protocol with its parser, request and task takes
    some twenty thousand.
    """

    __slots__ = ("_last_call", "_lost", "_moved", "_transport", "closed", "paused")

    def __init__(self, transport: asyncio.Transport, *, paused: bool) -> None:
        self._transport = transport
        self._moved: asyncio.Event | None = None
        self._lost: Callable[[], None] | None = None
        self._last_call: asyncio.TimerHandle | None = None
        # Whether more waits for the reader than `HIGH`, until less than `LOW` does.
        self.paused = paused
        # Whether nothing more can be written.
        self.closed = transport.is_closing()

    def on_lost(self, call: Callable[[], None]) -> None:
        """Have this called when the connection has ended; to be set before it has."""
        self._lost = call

    def write(self, data: bytes) -> None:
        """Send, or keep until the reader takes it; never waits."""
        if not self.closed:
            self._transport.write(data)

    async def drained(self, *, patience: timedelta) -> bool:
        """Wait until it is not paused, or closed; return False when that took longer than `patience`."""
        while self.paused and not self.closed:
            self._moved = self._moved or asyncio.Event()
            self._moved.clear()
            try:
                async with asyncio.timeout(patience.total_seconds()):
                    await self._moved.wait()
            except TimeoutError:
                return False
        return True

    def end(self, last: bytes) -> None:
        """Send the last bytes and close; a reader that does not take them in time loses what it did not take."""
        if self.closed:
            return
        self._transport.write(last)
        self.closed = True
        self._wake()
        self._transport.close()
        loop = asyncio.get_running_loop()
        self._last_call = loop.call_later(_LINGER.total_seconds(), self._transport.abort)

    def pause_writing(self) -> None:
        """Note that the reader does not keep up."""
        self.paused = True

    def resume_writing(self) -> None:
        """Note that the reader has caught up."""
        self.paused = False
        self._wake()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Tell whoever writes here."""
        self.closed = True
        if self._last_call is not None:
            self._last_call.cancel()
        self._wake()
        lost, self._lost = self._lost, None
        if lost is not None:
            lost()

    def _wake(self) -> None:
        if self._moved is not None:
            self._moved.set()


def open_outlet(transport: asyncio.Transport, *, paused: bool) -> Outlet:
    """Take a connection over: from now on it writes what the outlet is given, and tells it what happens."""
    outlet = Outlet(transport, paused=paused)
    transport.set_write_buffer_limits(high=HIGH, low=LOW)
    transport.set_protocol(outlet)
    transport.resume_reading()  # or its end would go unnoticed
    return outlet


def open_files() -> int:
    """Return how many files and connections this process may have open, once it has asked for all it may get."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 20
