"""The pages of views on PostgreSQL: each read in one snapshot, so that it agrees with every other page of its time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ldes_server.bucket_view import GROUP, BucketView, Child, Group, read_bounds
from ldes_server.database import Database
from ldes_server.model import ROOT_GROUPS, Page, PageId, Stream, ViewState
from ldes_server.postgres_newest import DEFINITION, newest_page
from ldes_server.rows import published
from streams.queries import load_queries

QUERIES = load_queries("ldes_server", "views")
# No bucket holds more members than the table has numbers for; addresses may ask for more.
_FARTHEST = 2**53
_INTEGER = 2**31 - 1


class ViewPages:
    """Reads what readers find of a stream's views other than the chronological one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def states(self, stream: str) -> Sequence[ViewState]:
        """Return every build of the stream's views there ever was, oldest first."""
        async with self._database.connection(f"views of {stream}") as connection:
            return [state_of(row) for row in await connection.fetch(QUERIES["views"], stream)]

    async def page(self, stream: Stream, page_id: PageId) -> Page | None:
        """Return a page of the live build or of one that was retired a moment ago, or None."""
        if page_id.build > _INTEGER or (page_id.index + 1) * stream.page_size > _FARTHEST or page_id.level > GROUP:
            return None
        async with (
            self._database.connection(f"page {page_id.path(stream.name)}") as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            key = "" if page_id.bucket == ROOT_GROUPS else page_id.bucket
            row = await connection.fetchrow(QUERIES["find_bucket"], stream.name, page_id.view, page_id.build, key)
            if row is not None and not key and row["definition"] == DEFINITION:
                return await newest_page(connection, stream, row, page_id)
            if row is None or (page_id.bucket == ROOT_GROUPS and page_id.level >= -1):
                return None
            reading = _Reading(connection, stream, row, page_id)
            if page_id.level >= 0:
                return await reading.members()
            return await (reading.node() if page_id.level == -1 else reading.group())


class _Reading:
    """One page being read: the bucket `row` it is of, within the connection's snapshot."""

    def __init__(self, connection: Any, stream: Stream, row: Any, page_id: PageId) -> None:
        self._connection = connection
        self._row = row
        self._id = page_id
        bucket = "" if page_id.bucket == ROOT_GROUPS else page_id.bucket
        node = PageId(view=page_id.view, build=row["build"] if bucket else 0, bucket=bucket)
        self._view = BucketView(
            node=node,
            build=row["build"],
            size=stream.page_size,
            fan=stream.fan,
            count=row["count"],
            children=row["children"],
            closed=bool(row["closed"]),
            version=row["published"] + (row["first"] if page_id.is_root else 0),
        )

    async def members(self) -> Page | None:
        view, page_id = self._view, self._id
        if not view.has_members(page_id):
            return None
        if page_id.level > 0:
            times = await self._times(view.edges(page_id))
            return None if times is None else view.inner(page_id, times)
        places = view.places(page_id)
        bucket = (self._row["stream"], self._row["view"], self._row["number"])
        rows = await self._connection.fetch(QUERIES["bucket_members"], *bucket, places.start, places.stop)
        return view.leaf(page_id, [published(row) for row in rows])

    async def node(self) -> Page | None:
        view = self._view
        times = await self._times(view.edges(view.node))
        if times is None:
            return None
        return view.root_page(view.pages(view.node, times), await self._below(range(view.children), view.group_level()))

    async def group(self) -> Page | None:
        ranks = self._view.ranks(self._id)
        if not ranks:
            return None
        return self._view.group_page(self._id, await self._below(ranks, -2 - self._id.level))

    async def _below(self, ranks: range, level: int) -> Sequence[Child] | Sequence[Group]:
        """Read what is at these ranks: the children, or groups of them of this level."""
        if not ranks:
            return ()
        span = (self._row["view"], self._row["number"], ranks.start, ranks.stop)
        newest = self._row["newest"]
        if level:
            rows = await self._connection.fetch(QUERIES["bucket_groups"], *span, GROUP**level, newest)
            return [Group(**row) for row in rows]
        children = await self._connection.fetch(QUERIES["child_buckets"], *span, newest)
        return [
            Child(key=row["key"], bounds=read_bounds(row["bounds"]), total=row["total"], closed=bool(row["closed"]))
            for row in children
        ]

    async def _times(self, places: Sequence[int]) -> Mapping[int, datetime] | None:
        """Return the publication times at places of the bucket; None when a member is not kept any more."""
        if not places:
            return {}
        bucket = (self._row["stream"], self._row["view"], self._row["number"])
        rows = await self._connection.fetch(QUERIES["bucket_times"], *bucket, places)
        times = {row["place"]: row["published_at"] for row in rows}
        return times if len(times) == len(set(places)) else None


def state_of(row: Any) -> ViewState:
    """Read a build of a view."""
    return ViewState(
        id=row["id"],
        name=row["name"],
        build=row["build"],
        state=row["state"],
        definition=row["definition"],
        placed=row["placed"] if row["state"] != "live" else row["count"],
        count=row["count"],
        buckets=row["buckets"],
    )
