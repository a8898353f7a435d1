"""The pages of views and the nodes of the history on PostgreSQL, each read in one snapshot that all pages agree with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ldes_server.bucket_view import GROUP, BucketView, Child, Group, read_bounds
from ldes_server.database import Database
from ldes_server.fragmentations.kept import BUCKET
from ldes_server.log_view import FINAL_VERSION, VIEW, LogView
from ldes_server.model import ROOT_GROUPS, Page, PageId, Relation, Stream, ViewState
from ldes_server.newest_view import NewestView
from ldes_server.postgres_newest import DEFINITION, newest_page, newest_view
from ldes_server.rows import published
from streams.queries import load_queries

QUERIES = load_queries("ldes_server", "views")
# No bucket holds more members than the table has numbers for; addresses may ask for more.
_FARTHEST = 2**53
_INTEGER = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Root:
    """What a root of the history said that holds as long as the history begins at `first` and its views are at `views`:
    the links to what is kept of older members, and those to final pages.
    """

    first: int
    views: int
    older: tuple[Relation, ...]
    final: Mapping[PageId, Relation]


class ViewPages:
    """Reads what readers find of a stream's views other than the chronological one, and the nodes of that one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._roots: dict[str, _Root] = {}

    async def states(self, stream: str) -> Sequence[ViewState]:
        """Return every build of the stream's views there ever was, oldest first."""
        async with self._database.connection(f"views of {stream}") as connection:
            return [state_of(row) for row in await connection.fetch(QUERIES["views"], stream)]

    async def all_states(self) -> Mapping[str, Sequence[ViewState]]:
        """Return what `states` does of every stream that has builds, by its name."""
        found: dict[str, list[ViewState]] = {}
        async with self._database.connection("views of all streams") as connection:
            for row in await connection.fetch(QUERIES["all_views"]):
                found.setdefault(row["stream"], []).append(state_of(row))
        return found

    async def history(self, stream: Stream, page_id: PageId) -> Page | None:
        """Return the root or an inner node of the history, or None.

        The root links what is kept of older members first, then the live subtrees.
        """
        if page_id.is_root and (root := self._roots.get(stream.name)) is not None:
            page = await self._grown(stream, page_id, root)
            if page is not None:
                return page
        async with (
            self._database.connection(f"page {page_id.path(stream.name)}") as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            row = await connection.fetchrow(QUERIES["history"], stream.name, stream.page_size)
            count, first, gone, views, _ = row or (0, 0, 0, 0, None)
            view = _log_view(stream, count, first)
            if not view.exists(page_id) or view.begins_before(page_id, gone):
                return None
            edges = view.edges(page_id)
            rows = await connection.fetch(QUERIES["times"], stream.name, edges) if edges else []
            times = {row["sequence"]: row["published_at"] for row in rows}
            if len(times) != len(set(edges)):
                return None
            node = view.node(page_id, times)
            if not page_id.is_root:
                return node
            older = await self._older(connection, stream)
            root = _Root(first=first, views=views, older=older, final=_final(view, node.relations))
            self._roots[stream.name] = root
            return replace(node, relations=(*older, *node.relations))

    async def _grown(self, stream: Stream, page_id: PageId, root: _Root) -> Page | None:
        """Return the root with what was known of it and what has come since, without a transaction; None where it is
        another one, or a member that it speaks of is not kept any more.
        """
        async with self._database.connection(f"page {page_id.path(stream.name)}") as connection:
            row = await connection.fetchrow(QUERIES["history"], stream.name, stream.page_size)
            if row is None or (row["first"], row["views"]) != (root.first, root.views):
                return None
            view = _log_view(stream, row["count"], root.first)
            children = view.root_children()
            # The open leaf is asked for anew each time: only what is final is known for ever.
            times = {} if row["opened_at"] is None else {view.span(children[-1]).start: row["opened_at"]}
            edges = view.edges_of(child for child in children if child not in root.final)
            if lacking := [edge for edge in edges if edge not in times]:
                rows = await connection.fetch(QUERIES["times"], stream.name, lacking)
                times |= {each["sequence"]: each["published_at"] for each in rows}
        if any(edge not in times for edge in edges):
            return None
        relations = tuple(root.final.get(child) or view.relation(child, times) for child in children)
        self._roots[stream.name] = replace(root, final=_final(view, relations))
        return Page(id=page_id, final=False, version=view.version, relations=(*root.older, *relations))

    async def _older(self, connection: Any, stream: Stream) -> tuple[Relation, ...]:
        """Link what is kept of the members before the live subtrees."""
        row = await connection.fetchrow(QUERIES["find_bucket"], stream.name, VIEW, 0, BUCKET)
        if row is None:
            return ()
        older = Reading(connection, stream, row, PageId(build=row["build"], bucket=BUCKET))
        return tuple(await older.own() or ())

    async def survived(self, stream: Stream, span: range) -> PageId | None:
        """Return the smallest page with all that the history keeps of some older members, or None when it keeps none."""
        async with self._database.connection(f"what is kept of {stream.name}") as connection:
            row = await connection.fetchrow(QUERIES["survived"], stream.name, span.start, span.stop, BUCKET)
        if row is None:
            return None
        view = LogView(size=stream.page_size, fan=stream.fan, count=row["total"])
        found = view.around(range(row["start"], row["stop"]))
        return found if found.is_root else replace(found, build=row["build"], bucket=BUCKET)

    async def page(self, stream: Stream, page_id: PageId) -> Page | None:
        """Return a page of the live build or of one that was retired a moment ago, or None."""
        async with reading(self._database, stream, page_id) as found:
            if found is None:
                return None
            if (newest := await found.newest()) is not None:
                return await newest_page(found.connection, found.row, newest, page_id)
            if page_id.level >= 0:
                return await found.members()
            return await (found.node() if page_id.level == -1 else found.group())


@asynccontextmanager
async def reading(database: Database, stream: Stream, page_id: PageId) -> AsyncIterator[Reading | None]:
    """Open a snapshot to read a page in; None where there is no such bucket, and none of that build."""
    if page_id.build > _INTEGER or (page_id.index + 1) * stream.page_size > _FARTHEST or page_id.level > GROUP:
        yield None
        return
    async with (
        database.connection(f"page {page_id.path(stream.name)}") as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        key = "" if page_id.bucket == ROOT_GROUPS else page_id.bucket
        row = await connection.fetchrow(QUERIES["find_bucket"], stream.name, page_id.view, page_id.build, key)
        # The history's older members have pages of members only: its root links these itself.
        unlinked = page_id.view == VIEW and page_id.level < 0
        whole = row is not None and not key and row["definition"] == DEFINITION
        if row is None or unlinked or (page_id.bucket == ROOT_GROUPS and page_id.level >= -1 and not whole):
            yield None
        else:
            yield Reading(connection, stream, row, page_id)


class Reading:
    """One page being read: the bucket `row` it is of, within the connection's snapshot."""

    def __init__(self, connection: Any, stream: Stream, row: Any, page_id: PageId) -> None:
        self.connection = connection
        self.row = row
        self._id = page_id
        bucket = "" if page_id.bucket == ROOT_GROUPS else page_id.bucket
        node = PageId(view=page_id.view, build=row["build"] if bucket else 0, bucket=bucket)
        self.view = BucketView(
            node=node,
            build=row["build"],
            size=stream.page_size,
            fan=stream.fan,
            count=row["count"],
            children=row["children"],
            # Nothing is added to the history's older members.
            closed=bool(row["closed"]) or page_id.view == VIEW,
            version=row["published"] + (row["first"] if page_id.is_root else 0),
        )

    async def newest(self) -> NewestView | None:
        """Return the view of newest versions that this is a page of; None where it is one of another kind."""
        if self.row["definition"] != DEFINITION:
            return None
        return await newest_view(self.connection, self.row, self._id, size=self.view.size, fan=self.view.fan)

    async def members(self) -> Page | None:
        """Return the page of members, or the node above such pages; None where there is no such page."""
        view, page_id = self.view, self._id
        if not view.has_members(page_id):
            return None
        if page_id.level > 0:
            times = await self._times(view.edges(page_id))
            return None if times is None else view.inner(page_id, times)
        places = view.places(page_id)
        bucket = (self.row["stream"], self.row["view"], self.row["number"])
        rows = await self.connection.fetch(QUERIES["bucket_members"], *bucket, places.start, places.stop)
        return view.leaf(page_id, [published(row) for row in rows])

    def empty(self) -> Page | None:
        """Return the page behind the last full one, which has no members yet; None where this is another page."""
        view, page_id = self.view, self._id
        if not page_id.index or page_id.index * view.size != view.count:
            return None
        return Page(id=page_id, final=view.closed, version=FINAL_VERSION if view.closed else view.version)

    async def node(self) -> Page | None:
        """Return the node of the bucket; None when members it speaks of are not kept any more."""
        view, own = self.view, await self.own()
        if own is None:
            return None
        return view.root_page(own, await self._below(range(view.children), view.group_level()))

    async def own(self) -> Sequence[Relation] | None:
        """Return the links of the node to its own pages; None when members they speak of are not kept any more."""
        times = await self._times(self.view.edges(self.view.node))
        return None if times is None else self.view.pages(self.view.node, times)

    async def group(self) -> Page | None:
        """Return the group of the bucket's children; None where there is no such group."""
        ranks = self.view.ranks(self._id)
        if not ranks:
            return None
        return self.view.group_page(self._id, await self._below(ranks, -2 - self._id.level))

    async def _below(self, ranks: range, level: int) -> Sequence[Child] | Sequence[Group]:
        """Read what is at these ranks: the children, or groups of them of this level."""
        if not ranks:
            return ()
        span = (self.row["view"], self.row["number"], ranks.start, ranks.stop)
        newest = self.row["newest"]
        if level:
            rows = await self.connection.fetch(QUERIES["bucket_groups"], *span, GROUP**level, newest)
            return [Group(**row) for row in rows]
        children = await self.connection.fetch(QUERIES["child_buckets"], *span, newest)
        return [
            Child(key=row["key"], bounds=read_bounds(row["bounds"]), total=row["total"], closed=bool(row["closed"]))
            for row in children
        ]

    async def _times(self, places: Sequence[int]) -> Mapping[int, datetime] | None:
        """Return the publication times at places of the bucket; None when a member is not kept any more."""
        if not places:
            return {}
        bucket = (self.row["stream"], self.row["view"], self.row["number"])
        rows = await self.connection.fetch(QUERIES["bucket_times"], *bucket, places)
        times = {row["place"]: row["published_at"] for row in rows}
        return times if len(times) == len(set(places)) else None


def _log_view(stream: Stream, count: int, first: int) -> LogView:
    return LogView(size=stream.page_size, fan=stream.fan, count=count, first=first, path=stream.timestamp_path)


def _final(view: LogView, relations: Sequence[Relation]) -> Mapping[PageId, Relation]:
    return {relation.target: relation for relation in relations if view.is_final(relation.target)}


def state_of(row: Any) -> ViewState:
    """Read a build of a view."""
    return ViewState(
        id=row["id"],
        name=row["name"],
        build=row["build"],
        state=row["state"],
        definition=row["definition"],
        placed=row["count"] if row["state"] == "live" and row["name"] != VIEW else row["placed"],
        count=row["count"],
        buckets=row["buckets"],
    )
