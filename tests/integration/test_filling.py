"""A stream that load scenarios filled: its head, its views, and a writer's transaction behind it."""

from __future__ import annotations

from pathlib import Path

from ldes_server.model import PageId
from ldes_server.postgres_store import PostgresStore
from loadtests.filling import Stock
from loadtests.publisher import VIEWS, write_pilot


async def test_a_filled_stream_has_all_members_in_all_views(database_url: str, tmp_path: Path) -> None:
    """Filled in two turns, the stream has every member in its history and in each view, and the log's position stays."""
    write_pilot(tmp_path, sources=1, views=len(VIEWS) + 1)
    stock, told = Stock(tmp_path, base_url="https://data.example.org", entities=50), list[str]()
    async with PostgresStore(database_url) as store:
        await stock.open(store)
        for count in (700, 301):
            filled = await stock.fill(store, count, told.append, batch=200)
            assert filled.members == count
            assert filled.rate > 0
        head = await store.head("load")
        assert (head.count, head.position) == (1001, -1)
        states = await store.views("load")
        assert {each.state for each in states} == {"live"}
        for view in ("log", *(each.name for each in states)):
            page = await store.page(stock.stream, PageId(view=view))
            assert page is not None
            assert sum(each.remaining for each in page.relations) == 1001
