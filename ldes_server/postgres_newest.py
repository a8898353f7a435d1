"""The view of newest versions on PostgreSQL: numbers for entities, and its pages."""

from __future__ import annotations

from typing import Any

from ldes_server.definition import ByLatest, definition_text
from ldes_server.model import Page, PageId
from ldes_server.newest_view import NewestView
from ldes_server.rows import published
from streams.queries import load_queries

QUERIES = load_queries("ldes_server", "newest")
# What a view of newest versions is stored as; there is one kind of it.
DEFINITION = definition_text(ByLatest())


async def number_new(connection: Any, stream: int, since: int) -> None:
    """Number the entities that appeared with the members from `since` on, in the transaction that publishes them.

    Nothing where the stream has no such view that is live.
    """
    await connection.execute(QUERIES["number_new"], stream, since, DEFINITION)


async def number_some(connection: Any, stream: int, *, limit: int) -> bool:
    """Number some of the entities of a locked stream that have no number; True when none is left without."""
    return bool(await connection.fetchval(QUERIES["number_some"], stream, limit) < limit)


async def newest_view(connection: Any, row: Any, page_id: PageId, *, size: int, fan: int) -> NewestView:
    """Return the view that the bucket `row` is the root of, as it is in the connection's snapshot."""
    return NewestView(
        name=page_id.view,
        build=row["build"],
        size=size,
        fan=fan,
        count=await connection.fetchval(QUERIES["numbered"], row["stream"]),
        version=row["published"] + (row["first"] if page_id.is_root else 0),
    )


async def newest_page(connection: Any, row: Any, view: NewestView, page_id: PageId) -> Page | None:
    """Return a page of the view, within the same snapshot, or None."""
    if not view.exists(page_id):
        return None
    if page_id.level != 0:
        return view.node(page_id)
    numbers = view.numbers(page_id)
    rows = await connection.fetch(QUERIES["newest_members"], row["stream"], numbers.start, numbers.stop)
    return view.leaf(page_id, [published(each) for each in rows])
