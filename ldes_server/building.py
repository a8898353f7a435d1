"""The loop that keeps a stream's views as declared: fills new builds aside, switches them, removes what is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

from ldes_server.definition import definition_text
from ldes_server.model import Stream, ViewState
from ldes_server.store import MemberSink, ViewBuilds
from streams.logs import logger
from streams.metrics import VIEW_BUCKETS, VIEW_LEFT

# Members placed in one transaction: what a chunk costs per bucket is paid less often when it is larger, and the loops
# that share our thread wait for it, a tenth of a second.
CHUNK = 8000
# How long pages of a retired build are handed out: whoever reads them when it is retired finishes in an hour.
GRACE = timedelta(hours=1)
# How often the loop looks for builds that others began, and for those whose grace period is over.
_LOOK = timedelta(seconds=2)

_log = logger(__name__)


class Sink(MemberSink, Protocol):
    """What the loop needs of a store."""

    @property
    def builds(self) -> ViewBuilds:
        """The builds of its views."""
        ...


async def run_views(stream: Stream, store: Sink, *, stop: asyncio.Event, grace: timedelta = GRACE) -> None:
    """Make the stream's views those that are declared, and keep them until `stop`.

    What is new is built aside while readers keep what there is; all builds at once, each a chunk by turns. May be
    stopped or killed anywhere: it goes on where the last chunk ended. Raises `StoreError`; where that is retriable,
    calling again goes on.
    """
    await store.ensure_stream(stream)
    declared = {name: definition_text(definition) for name, definition in stream.views.items()}
    await store.builds.reconcile(stream.name, declared)
    rested = False
    while not stop.is_set():
        # Who rested had nothing to do, and most likely has nothing now; who works must see what it has done.
        states = await (store.builds.glance(stream.name) if rested else store.builds.states(stream.name))
        building = [each for each in states if each.state == "building"]
        for each in building:
            if not stop.is_set():
                await fill_chunk(stream.name, each, store.builds)
        for each in states:
            if each.state == "live":
                VIEW_BUCKETS.labels(stream=stream.name, view=each.name).set(each.buckets)
        rested = not building and not await _clean(stream.name, states, store.builds, grace=grace)
        if rested:
            await _rest(stop)


async def fill(
    stream: str, build: ViewState, builds: ViewBuilds, *, stop: asyncio.Event, progress: Callable[[int], None]
) -> ViewState:
    """Fill one build until it is live, gone or `stop` is set, and return what it is then.

    `progress` is told how many members it holds. May run beside `run_views` of the same stream.
    """
    while build.state == "building" and not stop.is_set():
        filled = await fill_chunk(stream, build, builds)
        build = filled or next(each for each in await builds.states(stream) if each.id == build.id)
        progress(build.placed)
    return build


async def fill_chunk(stream: str, build: ViewState, builds: ViewBuilds) -> ViewState | None:
    """Place the next chunk of members in a build, and return its state; None when it needs no more."""
    filled = await builds.fill(stream, build.id, limit=CHUNK)
    if filled is not None:
        left = 0 if filled.state == "live" else filled.count - filled.placed
        VIEW_LEFT.labels(stream=stream, view=build.name).set(left)
        if filled.state == "live":
            _log.info("view live", stream=stream, view=build.name, build=build.build, members=filled.placed)
    # Others in this thread have their turn, however fast the database answers.
    await asyncio.sleep(0)
    return filled


async def _clean(stream: str, states: Sequence[ViewState], builds: ViewBuilds, *, grace: timedelta) -> bool:
    """Take away what is over; False when there is nothing left to sweep. Asks nothing where the states say enough."""
    if any(each.state == "retired" for each in states):
        await builds.expire(stream, grace=grace)
    # The buckets of a build that is gone are its number until they are swept.
    return any(each.state == "gone" and each.buckets for each in states) and await builds.sweep(stream)


async def _rest(stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_LOOK.total_seconds()):
            await stop.wait()
