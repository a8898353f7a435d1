"""A leaf that fills up is ready as it stays before anybody is told so, whatever the store does meanwhile."""

from __future__ import annotations

import gzip
import time

import pytest

from ldes_server.log_view import ROOT
from ldes_server.model import Head, PageId, Placed
from ldes_server.negotiate import PAGE_FORMS
from ldes_server.postgres_store import PostgresStore
from ldes_server.refreshing import Refresher
from ldes_server.render import render_page
from ldes_server.responses import FOR_EVER, Ready, Variant
from ldes_server.shelf import Shelf
from streams.errors import StoreError
from tests.conformance.kit import make_members, make_stream
from vocab.model import load_model

BASE = "https://data.example.org"
STREAM = make_stream("gent-parking", load_model("parking"))
SIZE = STREAM.page_size
JSON = Variant(media="application/ld+json", gzip=True)
FIRST, SECOND = PageId(level=0, index=0), PageId(level=0, index=1)
CONTROL = (b"cache-control", FOR_EVER.encode())


async def fill(store: PostgresStore, count: int) -> None:
    """Publish members up to `count`."""
    base = await store.head(STREAM.name)
    members = make_members(STREAM, range(base.count, count), BASE)
    head = Head(count=count, published_at=members[-1].published_at, position=base.position + 1)
    await store.append(STREAM.name, Placed(base=base, head=head, members=members))


def seen(shelf: Shelf, page_id: PageId, variant: Variant = JSON) -> Ready | None:
    """Ask for a page as the lane does."""
    path = page_id.path(STREAM.name).encode()
    return shelf.cache.get(path, variant.media, variant.gzip) or shelf.shown.get(
        path, variant.media, variant.gzip, time.monotonic()
    )


async def read(shelf: Shelf, page_id: PageId, variant: Variant = JSON) -> Ready:
    """Ask for a page as a reader does."""
    found = seen(shelf, page_id, variant) or await shelf.page(STREAM.name, page_id, variant)
    assert isinstance(found, Ready)
    return found


@pytest.mark.parametrize("media", PAGE_FORMS)
async def test_who_reads_while_members_come_reads_what_a_new_process_answers(database_url: str, media: str) -> None:
    """LDES-59: through two leaves, member by member, root and leaf are byte for byte those of a process just started."""
    variant = Variant(media=media, gzip=True)
    async with PostgresStore(database_url, base_url=BASE) as store:
        await store.ensure_stream(STREAM)
        shelf = Shelf([STREAM], store, base_url=BASE)
        for count in range(1, 2 * SIZE + 2):
            await fill(store, count)
            shelf.changed(STREAM.name)
            for page_id in (PageId(level=0, index=(count - 1) // SIZE), ROOT):
                fresh = Shelf([STREAM], store, base_url=BASE)
                assert await shelf.page(STREAM.name, page_id, variant) == await fresh.page(
                    STREAM.name, page_id, variant
                )
            page = await store.page(STREAM, FIRST)
            assert page is not None
            body = render_page(page, PAGE_FORMS[media], frame=shelf.frames[STREAM.name])
            assert gzip.decompress((await read(shelf, FIRST, variant)).body) == body


async def test_a_leaf_that_closes_is_ready_with_the_head_that_closes_it(database_url: str) -> None:
    """Who knows that a leaf is full finds it as it stays, without asking the store; it is shown as open no longer."""
    async with PostgresStore(database_url, base_url=BASE) as store:
        await store.ensure_stream(STREAM)
        await fill(store, SIZE - 1)
        shelf = Shelf([STREAM], store, base_url=BASE)
        assert CONTROL not in (await read(shelf, FIRST)).headers
        assert seen(shelf, FIRST) is not None
        await fill(store, SIZE)
        shelf.changed(STREAM.name)
        assert (await shelf.head(STREAM.name)).count == SIZE
        closed = seen(shelf, FIRST)
        assert closed is not None
        assert CONTROL in closed.headers
        assert shelf.shown.pages(STREAM.name) == []


async def test_a_closed_leaf_that_cannot_be_kept_denies_nothing_else(database_url: str) -> None:
    """While the store fails to keep pages the head is known, the root is given, and the leaf is neither open nor final."""
    async with PostgresStore(database_url, base_url=BASE) as store:
        await store.ensure_stream(STREAM)
        await fill(store, SIZE - 1)
        shelf = Shelf([STREAM], store, base_url=BASE)
        await read(shelf, FIRST)
        async with store.database.connection("break") as connection:
            await connection.execute("ALTER TABLE ldes.kept_pages RENAME TO kept_elsewhere")
            await fill(store, SIZE)
            shelf.changed(STREAM.name)
            assert (await shelf.head(STREAM.name)).count == SIZE
            assert b'"remainingItems":%d' % SIZE in gzip.decompress((await read(shelf, ROOT)).body)
            assert seen(shelf, FIRST) is None
            with pytest.raises(StoreError):
                await shelf.page(STREAM.name, FIRST, JSON)
            await connection.execute("ALTER TABLE ldes.kept_elsewhere RENAME TO kept_pages")
        assert CONTROL in (await read(shelf, FIRST)).headers


async def test_the_leaf_behind_one_that_closed_stays_shown(database_url: str) -> None:
    """Whoever reads the newest leaf finds the next one shown, made anew at each change before anybody asked for it."""
    async with PostgresStore(database_url, base_url=BASE) as store:
        await store.ensure_stream(STREAM)
        await fill(store, SIZE - 1)
        shelf = Shelf([STREAM], store, base_url=BASE)
        refresher = Refresher(shelf)
        await read(shelf, FIRST)
        assert seen(shelf, FIRST) is not None
        for count in (SIZE + 1, SIZE + 2, SIZE + 3):
            await fill(store, count)
            shelf.changed(STREAM.name)
            await refresher.refresh(STREAM.name)
            ((page_id, _),) = [each for each in shelf.shown.pages(STREAM.name) if not each[0].is_root]
            assert page_id == SECOND
        shown = seen(shelf, SECOND)
        assert shown is not None
        assert b'"sequence":%d}]' % (SIZE + 2) in gzip.decompress(shown.body)
