"""Streams kept to policies in tests: members by hand, a clock by hand, and readings that know nothing of policies."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ldes_server.keeping import MEMORY, Pace, declare, keep
from ldes_server.model import Published, Stream
from ldes_server.postgres_store import PostgresStore
from ldes_server.retention import Retention, Version
from tests.support.views import MORNING, NAME, make_members, make_stream

HOUR = timedelta(hours=1)


@dataclass(slots=True, kw_only=True)
class Clock:
    """A clock that stands where it is set."""

    now: datetime = field(default=MORNING)

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now


def kept_stream(policy: Retention | None, **views: Retention | None) -> Stream:
    """Make the stream of tests.support.views with policies: of the stream, and of views by `by_hour=` and the like."""
    own: Mapping[str, Retention | None] = {name.replace("_", "-"): kept for name, kept in views.items()}
    return replace(make_stream(), retention=policy, view_retention=own)


async def begin(store: PostgresStore, stream: Stream, clock: Clock) -> None:
    """Declare the stream's policies."""
    store.builds.clock = clock
    await declare(stream, store, now=clock())


async def step(store: PostgresStore, clock: Clock, *, memory: timedelta = MEMORY) -> None:
    """Take the steps whose time has come, an hour after each other, and fill what was begun to be built."""
    await keep(NAME, store, pace=Pace(grace=HOUR, memory=memory, clock=clock), stop=asyncio.Event())
    for each in await store.builds.states(NAME):
        while each.state == "building" and (await store.builds.fill(NAME, each.id, limit=50)) is not None:
            pass


def promised(policy: Retention, count: int, *, now: datetime, garages: int = 7) -> set[int]:
    """Return the numbers of the first `count` members that a policy keeps at a moment, each judged by itself."""
    members = make_members(range(count), garages=garages)
    return {each.sequence for each in members if policy.keeps(_version(each, members), now=now)}


def _version(member: Published, members: tuple[Published, ...]) -> Version:
    mine = (member.observed_at, member.sequence)
    newer = sum(each.entity == member.entity and (each.observed_at, each.sequence) > mine for each in members)
    return Version(published_at=member.published_at, observed_at=member.observed_at, rank=newer + 1)
