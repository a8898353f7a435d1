"""A copy that goes on from leaf to leaf finds the kept ones behind it ready, byte for byte what they are one by one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from ldes_server.model import Head, PageId, Placed
from ldes_server.postgres_store import PostgresStore
from ldes_server.responses import Ready, Variant
from ldes_server.shelf import Missing, Shelf
from tests.conformance.kit import make_members, make_stream
from vocab.model import load_model

BASE = "https://data.example.org"
STREAM = make_stream("gent-parking", load_model("parking"))
LEAVES = 60
GZIP = Variant(media="application/ld+json", gzip=True)


def leaf(index: int) -> PageId:
    """Name a leaf of the history."""
    return PageId(level=0, index=index)


async def read(shelf: Shelf, index: int, variant: Variant = GZIP) -> Ready:
    """Hand out a leaf that is there."""
    found = await shelf.page(STREAM.name, leaf(index), variant)
    assert isinstance(found, Ready)
    return found


async def fill(store: PostgresStore) -> None:
    """Publish so many full leaves and half of one."""
    await store.ensure_stream(STREAM)
    members = make_members(STREAM, range(LEAVES * STREAM.page_size + 5), BASE)
    head = Head(count=len(members), published_at=members[-1].published_at, position=1)
    await store.append(STREAM.name, Placed(base=Head(), head=head, members=members))


@pytest.mark.parametrize("hands", [1, 8])
async def test_a_copy_finds_leaves_ready(database_url: str, hands: int) -> None:
    """Copied by another process, every leaf is what it was when it was rendered, and most were ready before they were asked for."""
    async with PostgresStore(database_url, base_url=BASE) as store:
        await fill(store)
        rendered = [await read(Shelf([STREAM], store, base_url=BASE), index) for index in range(LEAVES)]
        shelf, ready, found = Shelf([STREAM], store, base_url=BASE), 0, list[Ready]()
        for start in range(0, LEAVES, hands):
            turn = range(start, min(LEAVES, start + hands))
            paths = [leaf(index).path(STREAM.name).encode() for index in turn]
            ready += sum(shelf.cache.get(path, GZIP.media, gzip=True) is not None for path in paths)
            found += await asyncio.gather(*(read(shelf, index) for index in turn))
        assert found == rendered
        assert ready > LEAVES / 2
        assert len(shelf.cache) == LEAVES
        assert await shelf.page(STREAM.name, leaf(LEAVES + 1), GZIP) is Missing.NEVER


async def test_nothing_is_made_ready_for_who_jumps_about_or_takes_no_gzip(database_url: str) -> None:
    """Leaves far apart, and leaves uncompressed, are made ready when they are asked for, not before."""
    plain = replace(GZIP, gzip=False)
    async with PostgresStore(database_url, base_url=BASE) as store:
        await fill(store)
        whole = [await read(Shelf([STREAM], store, base_url=BASE), index) for index in range(LEAVES)]
        jumping, uncompressed = Shelf([STREAM], store, base_url=BASE), Shelf([STREAM], store, base_url=BASE)
        for index in (0, 59, 20, 40):
            assert await read(jumping, index) == whole[index]
        assert len(jumping.cache) == 4
        for index in range(10):
            assert (await read(uncompressed, index, plain)).etag != whole[index].etag
        assert len(uncompressed.cache) == 10
