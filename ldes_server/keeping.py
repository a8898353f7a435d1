"""The loop that keeps a stream to its policies: what they do not keep is unlinked, then refused, then deleted.

Each step is one transaction that leaves everything true, so the loop may be stopped or killed anywhere. Between two
steps a grace period passes, in which those finish who read before: a policy that is declared is shown for so long before
anything is dropped by it (RET-20), and what was unlinked answers for so long (HTTP-15). The history drops whole leaves
from its beginning. Where versions are kept however old they are, and in other views, what is left is built anew beside
what there is and switched (building.py fills it), so that no page that promised to be final ever changes (RET-21).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ldes_server.building import GRACE
from ldes_server.log_view import VIEW
from ldes_server.model import Stream
from ldes_server.postgres_keeping import Keeping
from ldes_server.retention import BUFFER, Retention
from ldes_server.shrinking import Holding, is_due, leaf_edge
from ldes_server.store import MemberSink, ViewBuilds
from streams.logs import logger
from streams.metrics import MEMBERS_DROPPED, OLDEST_KEPT, STORED_BYTES, STORED_MEMBERS

# How often the loop looks what may go: a policy speaks of days.
_LOOK = timedelta(minutes=1)
# Raw payloads are kept a week and may be read again as long; a day more for what was on its way.
MEMORY = timedelta(days=8)

_log = logger(__name__)


def _utc() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long readers get between two steps (`grace`), how long deleted members are known (`memory`), and a clock."""

    grace: timedelta = GRACE
    memory: timedelta = MEMORY
    look: timedelta = _LOOK
    clock: Callable[[], datetime] = _utc


class Keeper(MemberSink, Protocol):
    """What the loop needs of a store."""

    @property
    def builds(self) -> ViewBuilds:
        """The builds of its views."""
        ...

    @property
    def keeping(self) -> Keeping:
        """What policies do to it."""
        ...


async def run_keeping(stream: Stream, store: Keeper, *, stop: asyncio.Event, pace: Pace | None = None) -> None:
    """Keep the stream to what it declares until `stop`.

    Raises `StoreError`; where that is retriable, calling again goes on.
    """
    pace = pace or Pace()
    await declare(stream, store, now=pace.clock())
    while not stop.is_set():
        await keep(stream.name, store, pace=pace, stop=stop)
        with suppress(TimeoutError):
            async with asyncio.timeout(pace.look.total_seconds()):
                await stop.wait()


async def declare(stream: Stream, store: Keeper, *, now: datetime) -> None:
    """Make the policies of the stream those it declares."""
    await store.ensure_stream(stream)
    changed = await store.keeping.declare(stream.name, stream.policies, now=now)
    policies = await store.keeping.policies(stream.name)
    for name in changed:
        start = policies[name].starts_at if name in policies else None
        if start is not None:
            _log.warning("what was dropped before does not come back", stream=stream.name, view=name, kept_from=start)


async def keep(stream: str, store: Keeper, *, pace: Pace, stop: asyncio.Event) -> None:
    """Take every step whose time has come, once."""
    now = pace.clock()
    await store.keeping.expire(stream, unlinked_by=now - pace.grace)
    policies = await store.keeping.policies(stream)
    in_force = {
        name: policy.kept
        for name, policy in policies.items()
        if policy.kept is not None and policy.since + pace.grace <= now
    }
    # In this order: while it is not decided what a build will hold, nothing is deleted.
    await _sweep(stream, store, now=now, pace=pace, stop=stop)
    if in_force:
        await _shrink(stream, store, in_force, now=now)
    await _measure(stream, store)


async def _shrink(stream: str, store: Keeper, policies: dict[str, Retention], *, now: datetime) -> None:
    """Unlink what left the window of the history, and begin to build anew what holds too much."""
    edges = await store.keeping.edges(stream)
    if edges is None:
        return
    building = {each.name for each in await store.builds.states(stream) if each.state == "building"}
    found = {each.view: each for each in await store.keeping.holdings(stream)}
    older = found.pop(VIEW, Holding(view=VIEW, dense=edges.first, survivors=0))
    history = replace(older, dense=edges.first)
    for holding in (history, *found.values()):
        policy = policies.get(holding.view)
        if policy is None or holding.view in building or (holding.view == VIEW and not edges.is_settled):
            continue
        window = policy.window(now=now - BUFFER)
        outside = await store.keeping.outside(stream, window, start=holding.dense)
        if holding.view == VIEW and not policy.by_version and not holding.survivors:
            await store.keeping.unlink(stream, leaf_edge(outside, edges), now=now)
        elif is_due(holding, edges, outside=outside, versions=await _versions(stream, store, policy, outside)):
            await store.builds.shrink(stream, holding.view)
            _log.info("view is built anew without what need not be kept", stream=stream, view=holding.view)


async def _versions(stream: str, store: Keeper, policy: Retention, outside: int) -> int:
    """Return how many members before a number a policy can keep for their version, at most, deletions aside."""
    if policy.versions is None:
        return 1 if policy.by_version else 0
    # The newest one of an entity is there where it is; of the others nobody knows.
    before = outside if policy.versions == 1 else 2**63 - 1
    found = policy.versions * await store.keeping.entities(stream, before=before)
    return found if policy.deleted_for is None else max(1, found)


async def _sweep(stream: str, store: Keeper, *, now: datetime, pace: Pace, stop: asyncio.Event) -> None:
    """Delete what nothing needs any more, in steps that leave the writer its turn."""
    behind: int | None = -1
    while behind is not None and not stop.is_set():
        behind, deleted = await store.keeping.sweep(stream, behind, now=now)
        MEMBERS_DROPPED.labels(stream=stream).inc(deleted)
        await asyncio.sleep(0)
    more = not stop.is_set()
    while more:
        more = await store.keeping.sweep_pages(stream, forget_by=now - pace.memory) and not stop.is_set()


async def _measure(stream: str, store: Keeper) -> None:
    for view, published_at in (await store.keeping.oldest(stream)).items():
        OLDEST_KEPT.labels(stream=stream, view=view).set(published_at.timestamp())
    sizes = await store.keeping.sizes(stream)
    if sizes is not None:
        STORED_MEMBERS.labels(stream=stream).set(sizes.members)
        STORED_BYTES.labels(stream=stream).set(sizes.bytes)
