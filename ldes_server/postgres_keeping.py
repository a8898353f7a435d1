"""Keeping streams to their policies on PostgreSQL: declared, unlinked, no longer handed out, and deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ldes_server.database import Database
from ldes_server.keys import former, key_of
from ldes_server.log_view import VIEW
from ldes_server.retention import Retention, read_retention, retention_text
from ldes_server.shrinking import Edges, Holding, Policy, Sizes
from streams.queries import load_queries

QUERIES = load_queries("ldes_server", "keeping")
_SINCE = load_queries("ldes_server", "queries")["since"]
# Rows that one statement of a sweep looks at: some ten milliseconds, so that the writer hardly notices.
SWEEP = 2000


class Keeping:
    """What a stream's policies do to it, one step per call, each one transaction; safe with any number of processes.

    `lock` and `announce` are the store's own statements: whoever changes what readers find holds the stream's lock.
    Moments are given by the caller, so that all steps of a decision have the same one.
    """

    def __init__(self, database: Database, *, lock: str, announce: str) -> None:
        self._database = database
        self._lock = lock
        self._announce = announce

    async def policies(self, stream: str) -> Mapping[str, Policy]:
        """Return what each view of the stream keeps, as it was declared last; views that say nothing keep everything."""
        async with self._database.connection(f"policies of {stream}") as connection:
            rows = await connection.fetch(QUERIES["policies"], stream)
        return {
            row["view"]: Policy(kept=read_retention(row["policy"]), since=row["since"], starts_at=row["starts_at"])
            for row in rows
        }

    async def declare(self, stream: str, policies: Mapping[str, Retention | None], *, now: datetime) -> Sequence[str]:
        """Make the policies of an existing stream those declared, by name of the view; return the names that changed.

        A view that keeps everything and from which nothing was dropped says nothing.
        """
        found = await self.policies(stream)
        changed = [name for name, kept in policies.items() if kept != (found[name].kept if name in found else None)]
        removed = [name for name in found if name not in policies]
        if not changed and not removed:
            return ()
        async with self._database.connection(f"declare policies of {stream}") as connection, connection.transaction():
            row = await connection.fetchrow(self._lock, stream)
            for name in changed:
                old = found[name].kept if name in found else None
                chosen = old is not None and old.by_version
                text = retention_text(policies[name])
                await connection.execute(QUERIES["declare_policy"], row["id"], name, text, now, chosen)
            for name in removed:
                await connection.execute(QUERIES["forget_policy"], row["id"], name)
            await connection.execute(QUERIES["changed_policies"], row["id"])
            await connection.execute(self._announce, stream)
        return changed

    async def edges(self, stream: str) -> Edges | None:
        """Return how far dropping has come; None for a stream nobody declared."""
        async with self._database.connection(f"edges of {stream}") as connection:
            row = await connection.fetchrow(QUERIES["edges"], stream)
        return None if row is None or row["page_size"] is None else Edges(**row)

    async def holdings(self, stream: str) -> Sequence[Holding]:
        """Return what the live builds of views hold, that of the history's older members (`log`) included."""
        async with self._database.connection(f"holdings of {stream}") as connection:
            return [Holding(**row) for row in await connection.fetch(QUERIES["holdings"], stream)]

    async def entities(self, stream: str, *, before: int) -> int:
        """Count the entities of the stream whose newest member is before a number."""
        async with self._database.connection(f"entities of {stream}") as connection:
            return int(await connection.fetchval(QUERIES["entities"], stream, before))

    async def outside(self, stream: str, window: datetime | None, *, start: int) -> int:
        """Return the first of the members from `start` on, all of which are stored, that was published in a window.

        The number of the next member when there is none, or no window.
        """
        async with self._database.connection(f"window of {stream}") as connection:
            return int(await connection.fetchval(_SINCE, stream, window, start))

    async def unlink(self, stream: str, first: int, *, now: datetime) -> bool:
        """Let the history begin at a leaf; False when it begins there or later, or still hands out what it left last."""
        return await self._move("unlink", stream, first, now)

    async def expire(self, stream: str, *, unlinked_by: datetime) -> bool:
        """Hand out nothing any more of the history that was unlinked by then; False when there is nothing such."""
        return await self._move("expire", stream, unlinked_by)

    async def sweep(self, stream: str, behind: int, *, now: datetime) -> tuple[int | None, int]:
        """Delete what nothing needs of the next members behind a number; return how far it looked, and how many went.

        None: there is nothing behind it to look at.
        """
        async with self._database.connection(f"sweep {stream}") as connection, connection.transaction():
            number = (await connection.fetchrow(QUERIES["edges"], stream))["id"]
            await connection.execute(QUERIES["hold"], number)
            row = await connection.fetchrow(QUERIES["sweep_members"], number, behind, SWEEP, now)
            deleted = int(row["deleted"])
            if deleted:
                await connection.execute(QUERIES["count_dropped"], number, deleted)
        return row["last"], deleted

    async def sweep_pages(self, stream: str, *, forget_by: datetime) -> bool:
        """Delete some bodies of pages that are not handed out, and identities deleted by then; False: nothing is left."""
        async with self._database.connection(f"sweep pages of {stream}") as connection:
            row = await connection.fetchrow(QUERIES["edges"], stream)
            tags = [await connection.execute(QUERIES["forget_dropped"], row["id"], forget_by, SWEEP)]
            level, width = 0, row["page_size"]
            while width < max(1, row["count"]) * row["fan"]:
                below = -(-row["gone"] // width)
                tags.append(await connection.execute(QUERIES["sweep_log_pages"], row["id"], level, below, SWEEP))
                level, width = level + 1, width * row["fan"]
        return any(tag != "DELETE 0" for tag in tags)

    async def is_dropped(self, stream: str, member_id: str) -> bool:
        """Whether a member with this id was deleted not long ago."""
        async with self._database.connection(f"look for a dropped member of {stream}") as connection:
            keys = [key_of(member_id), former(member_id)]
            return bool(await connection.fetchval(QUERIES["is_dropped"], stream, keys))

    async def oldest(self, stream: str) -> Mapping[str, datetime]:
        """Return when the oldest member of each view was published, by the view's name; empty ones are left out."""
        async with self._database.connection(f"oldest of {stream}") as connection:
            return {row["view"]: row["published_at"] for row in await connection.fetch(QUERIES["oldest"], stream)}

    async def sizes(self, stream: str) -> Sizes | None:
        """Return how many members the stream has stored and about how many bytes they take; None for an unknown one."""
        async with self._database.connection(f"sizes of {stream}") as connection:
            row = await connection.fetchrow(QUERIES["sizes"], stream)
        return None if row is None else Sizes(members=row["members"], bytes=int(row["bytes"]))

    async def _move(self, query: str, stream: str, *arguments: object) -> bool:
        async with self._database.connection(f"{query} {stream}") as connection, connection.transaction():
            row = await connection.fetchrow(self._lock, stream)
            moved = await connection.fetchval(QUERIES[query], row["id"], *arguments)
            if moved is not None:
                await connection.execute(self._announce, stream)
        return moved is not None


async def decide(connection: Any, build: Any, *, now: datetime) -> None:
    """Decide what a build of a view is filled with, by the policy declared last: its dense part and its survivors.

    `build` is the locked row; whoever needs members is written down in the same transaction, before any is deleted.
    """
    await connection.execute(QUERIES["hold"], build["stream"])
    row = await connection.fetchrow(QUERIES["policy"], build["stream"], build["name"])
    policy = read_retention(row["policy"]) if row is not None else None
    text = retention_text(policy)
    dense = 0
    if policy is not None:
        window = policy.window(now=now)
        dense = await connection.fetchval(QUERIES["dense"], build["stream"], window)
        if build["name"] == VIEW:
            dense = max(build["first"], dense - dense % build["page_size"])
    await connection.execute(QUERIES["decide"], build["id"], text, dense)
    if policy is not None and policy.by_version:
        await connection.execute(
            QUERIES["survive"],
            build["id"],
            build["stream"],
            dense,
            policy.starting_from,
            policy.versions or 0,
            _ago(now, policy.version_for),
            _ago(now, policy.deleted_for),
            build["name"] == VIEW,
            timeout=_PASS.total_seconds(),
        )


async def need_nothing(connection: Any, build: int) -> None:
    """Say of a build that it needs no members: a view of newest versions shows those that are kept anyhow."""
    await connection.execute(QUERIES["decide"], build, retention_text(None), _NO_MEMBER)


# A number that no member gets.
_NO_MEMBER = 2**63 - 1
# Ranking the versions of a stream reads all its members: a second or two for a million.
_PASS = timedelta(minutes=10)


def _ago(now: datetime, duration: timedelta | None) -> datetime | None:
    return None if duration is None else now - duration
