"""Builds of views on PostgreSQL: declared, filled from history, switched live, retired, and swept away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from ldes_server.database import Database
from ldes_server.fragmentations import kept
from ldes_server.log_view import VIEW
from ldes_server.model import Published, ViewState
from ldes_server.postgres_keeping import decide, need_nothing
from ldes_server.postgres_newest import DEFINITION, number_some
from ldes_server.postgres_placing import Build, Placer
from ldes_server.postgres_views import ViewPages
from ldes_server.retention import BUFFER
from ldes_server.rows import published
from streams.queries import load_queries

QUERIES = load_queries("ldes_server", "builds")
# How old what a glance tells may be: the loops of all streams look every two seconds, each in its own time.
_GLANCE_SECONDS = 1.0
# Rows that one statement of a sweep deletes: a few milliseconds each, so that nobody waits for it.
_SWEEP = 5000
# Members that may be placed under the stream's lock: the writer waits for it once per build, 30 ms.
_LAST = 2000


class Builds:
    """What changes a stream's views; safe with any number of processes at once.

    Whoever changes which builds are live holds the stream's lock, as the writer does for a batch, and takes it before
    the lock of a build. `lock` and `announce` are the store's own statements for that. `clock` is what policies are
    measured by.
    """

    def __init__(self, database: Database, placer: Placer, *, lock: str, announce: str) -> None:
        self._database = database
        self._placer = placer
        self._lock = lock
        self._announce = announce
        self._pages = ViewPages(database)
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._glancing = asyncio.Lock()
        self._glance: Mapping[str, Sequence[ViewState]] = {}
        self._glance_until = 0.0

    async def states(self, stream: str) -> Sequence[ViewState]:
        """Return every build of the stream's views there ever was, oldest first."""
        return await self._pages.states(stream)

    async def glance(self, stream: str) -> Sequence[ViewState]:
        """Return what `states` does, as it was at most a second ago: one question for all who look at their streams."""
        clock = asyncio.get_running_loop().time
        async with self._glancing:
            if clock() >= self._glance_until:
                began = clock()
                self._glance = await self._pages.all_states()
                self._glance_until = began + _GLANCE_SECONDS
            return self._glance.get(stream, ())

    async def reconcile(self, stream: str, declared: Mapping[str, str]) -> None:
        """Make an existing stream's builds what is declared: view name → text of its definition.

        What is new or different gets a build to fill; the live build stays until that one takes its place. What is no
        longer declared is retired at once. Unfinished builds of what is declared are gone on with.
        """
        states = await self.states(stream)
        found = {(each.name, each.state): each for each in states}
        async with self._database.connection(f"declare views of {stream}") as connection, connection.transaction():
            row = await connection.fetchrow(self._lock, stream)
            for name, definition in declared.items():
                building, live = found.get((name, "building")), found.get((name, "live"))
                if building is not None and building.definition != definition:
                    await connection.execute(QUERIES["drop_view"], building.id)
                    building = None
                if building is None and (live is None or live.definition != definition):
                    await _declare(connection, row["id"], name, definition)
            removed = [each for each in states if each.name not in declared and each.name != VIEW]
            for each in removed:
                if each.state == "building":
                    await connection.execute(QUERIES["drop_view"], each.id)
                elif each.state == "live":
                    await connection.execute(QUERIES["retire_view"], row["id"], each.name)
            if any(each.state == "live" for each in removed):
                await self._tell(connection, stream, row["id"])

    async def rebuild(self, stream: str, name: str) -> ViewState | None:
        """Begin to build a live view anew, as it is defined, and return the build; one under way is gone on with.

        None when the stream has no such view.
        """
        live = await self._find(stream, name, "live")
        if live is not None and await self._find(stream, name, "building") is None:
            async with self._database.connection(f"rebuild {name}") as connection, connection.transaction():
                row = await connection.fetchrow(self._lock, stream)
                await _declare(connection, row["id"], name, live.definition)
        return await self._find(stream, name, "building")

    async def shrink(self, stream: str, name: str) -> None:
        """Begin to build a live view anew with only what its policy keeps; one under way is gone on with.

        `log` is the history: its build holds those of its older members that it keeps.
        """
        if name != VIEW:
            await self.rebuild(stream, name)
        elif await self._find(stream, name, "building") is None:
            async with self._database.connection(f"shrink {stream}") as connection, connection.transaction():
                row = await connection.fetchrow(self._lock, stream)
                await _declare(connection, row["id"], name, kept.DEFINITION)

    async def fill(self, stream: str, build: int, *, limit: int) -> ViewState | None:
        """Place the next members of the history in the build with this id, at most `limit`, in one transaction.

        Before the first ones it is decided by the view's policy which members these are. The last ones are placed under the stream's
        lock, then the build is switched live and the one before it retired: it holds exactly what it is to hold, and
        from then on the writer places in it. Several processes may do this for one build at once: each goes on where
        the last transaction ended. Returns the state after it, or None when there was nothing to fill.
        """
        now = await self._of(stream, build)
        if now is None or now.state != "building":
            return None
        if now.definition == DEFINITION:
            await self._number(stream, now, limit=limit)
            return await self._of(stream, build)
        await self._decide(now)
        async with self._database.connection(f"fill {now.name}") as connection, connection.transaction():
            last = await self._left(connection, now) <= min(limit, _LAST)
            if last:
                await connection.fetchrow(self._lock, stream)
            row = await connection.fetchrow(QUERIES["lock_view"], build)
            if row is None:
                return None
            end = row["dense"] if row["name"] == VIEW else row["count"]
            span = (row["placed"], limit, row["dense"], end, build)
            members = [published(each) for each in await connection.fetch(QUERIES["history"], row["stream"], *span)]
            buckets = await self._place(connection, stream, row, members)
            placed = members[-1].sequence + 1 if len(members) == limit else end
            await connection.execute(QUERIES["fill_view"], build, placed, buckets)
            if last and placed >= end:
                await self._switch(connection, stream, row)
        return await self._of(stream, build)

    async def _decide(self, build: ViewState) -> None:
        """Decide what a build will hold unless that is decided, without the stream's lock: it may take a while."""
        async with self._database.connection(f"decide {build.name}") as connection, connection.transaction():
            row = await connection.fetchrow(QUERIES["lock_view"], build.id)
            if row is not None and row["policy"] is None:
                await decide(connection, row, now=self.clock() - BUFFER)

    async def _left(self, connection: Any, build: ViewState) -> int:
        """Count what is still to be placed in a build, at most; of survivors no more than decides."""
        if build.name == VIEW:
            return int(await connection.fetchval(QUERIES["survivors_left"], build.id, build.placed, _LAST + 1))
        return build.count - build.placed

    async def _place(self, connection: Any, stream: str, row: Any, members: Sequence[Published]) -> int:
        buckets: int = row["buckets"]
        if members:
            todo = Build(id=row["id"], name=row["name"], definition=row["definition"], buckets=buckets)
            touched = self._placer.touch(stream, todo, ((each, orjson.loads(each.body)) for each in members))
            (buckets,) = await self._placer.place(connection, stream, [todo], [touched])
        return buckets

    async def _number(self, stream: str, build: ViewState, *, limit: int) -> None:
        """Number the next entities of a view of newest versions, and switch it live after the last one.

        The writer gives the rows of entities new members at any time, so it waits for this one.
        """
        async with self._database.connection(f"fill {build.name}") as connection, connection.transaction():
            await connection.fetchrow(self._lock, stream)
            row = await connection.fetchrow(QUERIES["lock_view"], build.id)
            if row is not None and await number_some(connection, row["stream"], limit=limit):
                await need_nothing(connection, build.id)
                await connection.execute(QUERIES["fill_view"], build.id, row["count"], row["buckets"])
                await self._switch(connection, stream, row)

    async def _switch(self, connection: Any, stream: str, row: Any) -> None:
        await connection.execute(QUERIES["retire_view"], row["stream"], row["name"])
        await connection.execute(QUERIES["switch_view"], row["id"])
        if row["name"] == VIEW:
            await connection.execute(QUERIES["begin_at"], row["stream"], row["dense"], self.clock())
        await self._tell(connection, stream, row["stream"])

    async def expire(self, stream: str, *, grace: timedelta) -> None:
        """Hand out nothing any more of builds that were retired this long ago."""
        if not any(each.state == "retired" for each in await self.states(stream)):
            return
        async with self._database.connection(f"expire views of {stream}") as connection, connection.transaction():
            row = await connection.fetchrow(self._lock, stream)
            if await connection.fetch(QUERIES["expire_views"], row["id"], grace):
                await self._tell(connection, stream, row["id"])

    async def sweep(self, stream: str) -> bool:
        """Delete some of what is left of builds that are gone; False when nothing is left."""
        async with self._database.connection(f"sweep views of {stream}") as connection:
            for view in await connection.fetch(QUERIES["unswept_views"], stream):
                prefix = f"{view['name']}/{view['build']}/"
                deleted = [
                    await connection.execute(QUERIES["sweep_places"], view["id"], _SWEEP),
                    await connection.execute(QUERIES["sweep_buckets"], view["id"], _SWEEP),
                    await connection.execute(QUERIES["sweep_survivors"], view["id"], _SWEEP),
                    await connection.execute(QUERIES["sweep_pages"], stream, prefix, _SWEEP),
                ]
                if all(tag == "DELETE 0" for tag in deleted):
                    await connection.execute(QUERIES["swept_view"], view["id"])
                return True
        return False

    async def _tell(self, connection: Any, stream: str, number: int) -> None:
        await connection.execute(QUERIES["changed_views"], number)
        await connection.execute(self._announce, stream)

    async def _find(self, stream: str, name: str, state: str) -> ViewState | None:
        states = await self.states(stream)
        return next((each for each in states if (each.name, each.state) == (name, state)), None)

    async def _of(self, stream: str, build: int) -> ViewState | None:
        return next((each for each in await self.states(stream) if each.id == build), None)


async def _declare(connection: Any, stream: int, name: str, definition: str) -> None:
    row = await connection.fetchrow(QUERIES["declare_view"], stream, name, definition)
    if row is not None:
        await connection.execute(QUERIES["root_bucket"], row["id"])
