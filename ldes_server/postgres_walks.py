"""The walk through a view on PostgreSQL: which page of members comes first, and which behind another.

Depth first: a bucket's own pages, oldest first, then the buckets below it in the order in which they came into being,
each with all that is below it. Buckets without members of their own are passed over. So the pages at and below a bucket
follow each other, and what a reader of the walk saw as settled never gets anything in between.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ldes_server.bucket_view import read_bounds
from ldes_server.database import Database
from ldes_server.model import Leaf, Page, PageId, Relation, Stream, Wanted
from ldes_server.postgres_newest import newest_page
from ldes_server.postgres_views import Reading, reading
from streams.queries import load_queries

QUERIES = load_queries("ldes_server", "walks")


class Walks:
    """Reads where walks through a stream's views lead."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def leaf(self, stream: Stream, page_id: PageId) -> Leaf | None:
        """Return a page of a bucket's members and the one behind it, or None when there is no such page (yet)."""
        async with reading(self._database, stream, page_id) as found:
            if found is None or page_id.level != 0:
                return None
            if (newest := await found.newest()) is not None:
                whole = await newest_page(found.connection, found.row, newest, page_id)
                return Leaf(page=whole, onward=newest.leaf_behind(page_id), settled=False) if whole else None
            page = await found.members() or found.empty()
            if page is None:
                return None
            if len(page.members) == stream.page_size:
                return Leaf(page=page, onward=replace(page_id, index=page_id.index + 1), settled=True)
            onward, settled = await _Walk(found, page_id).behind()
            return Leaf(page=page, onward=onward, settled=settled)

    async def first_leaf(self, stream: Stream, page_id: PageId) -> PageId | None:
        """Return the first page of members at or below a root, node or group; itself while there are no members."""
        async with reading(self._database, stream, page_id) as found:
            if found is None:
                return None
            if (newest := await found.newest()) is not None:
                return newest.first_leaf(page_id)
            return await _Walk(found, page_id).start()

    async def found(self, stream: Stream, page_id: PageId, wanted: Wanted) -> Page | None:
        """Return the page of links to the own pages of some buckets, and to others with all that is below them."""
        async with reading(self._database, stream, PageId(view=page_id.view)) as root:
            if root is None:
                return None
            keys = [*wanted.own, *wanted.whole]
            rows = await root.connection.fetch(QUERIES["buckets"], root.row["view"], keys, root.row["newest"])
            held = {row["key"]: row for row in rows}
            links: list[Relation] = []
            for key in wanted.own:
                if key in held:
                    at = PageId(view=page_id.view, build=root.view.build, bucket=key)
                    links += await Reading(root.connection, stream, {**root.row, **held[key]}, at).own() or ()
            links += [_link(held[key], page_id, root.view.build) for key in wanted.whole if key in held]
            return Page(id=page_id, final=False, version=root.row["published"], relations=tuple(links))


def _link(row: Any, page_id: PageId, build: int) -> Relation:
    target = PageId(view=page_id.view, build=build, bucket=row["key"])
    return Relation(target=target, bounds=read_bounds(row["bounds"]), remaining=row["total"])


class _Walk:
    """Where the walk goes on from a bucket, within the snapshot that it was read in."""

    def __init__(self, found: Reading, page_id: PageId) -> None:
        self._connection = found.connection
        self._row = found.row
        self._view = found.view
        self._id = page_id

    async def start(self) -> PageId | None:
        """Return the first page of members at or below the node; itself while there are none."""
        page_id, view = self._id, self._view
        if page_id.level > 0:
            places = view.places(page_id) if view.has_members(page_id) else range(0)
            return replace(page_id, level=0, index=places.start // view.size) if places else None
        ranks = view.ranks(page_id) if page_id.level < -1 else range(view.children)
        if page_id.level < -1 and not ranks:
            return None
        if page_id.level == -1 and view.count:
            return replace(page_id, level=0, index=0)
        found, _ = await self._below(self._row["number"], ranks.start)
        return found or page_id

    async def behind(self) -> tuple[PageId | None, bool]:
        """Return the first page behind the bucket's own ones, and whether there will never be another before it."""
        found, settled = await self._below(self._row["number"], 0)
        if found is not None:
            return found, settled
        parts = self._id.bucket.split(".")
        keys = ["", *(".".join(parts[: end + 1]) for end in range(len(parts)))]
        chain = await self._connection.fetch(QUERIES["chain"], self._row["view"], keys, self._row["newest"])
        passed = True
        for bucket in chain:
            # Below one that is open there may be more some day, and that would come first.
            passed = passed and bucket["closed"]
            found, settled = await self._below(bucket["parent"], bucket["rank"] + 1)
            if found is not None:
                return found, passed and settled
        return None, passed

    async def _below(self, parent: int, rank: int) -> tuple[PageId | None, bool]:
        """Return the first page of members below a bucket's children from a rank on, and whether it stays the first."""
        names = (self._row["view"], parent, rank, self._row["newest"])
        down = await self._connection.fetch(QUERIES["descend"], *names)
        if not down or not down[-1]["count"]:
            return None, True
        page_id = PageId(view=self._id.view, build=self._view.build, bucket=down[-1]["key"], level=0, index=0)
        return page_id, all(bucket["closed"] for bucket in down[:-1])
