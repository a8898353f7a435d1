"""The contract of views: what a store promises about places, builds and their pages, on real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import asyncpg
import pytest

from ldes_server.definition import ByProperty, ByTime
from ldes_server.model import PageId, Relation
from ldes_server.postgres_store import PostgresStore
from streams.errors import StoreError
from tests.support.views import (
    NAME,
    VIEWS,
    Copy,
    build_all,
    declare,
    holds,
    make_members,
    make_stream,
    publish,
    read,
)

STREAM = make_stream()
KILL_WHO_WAITS = """
    SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON database = pg_database.oid
    WHERE NOT granted AND relation = 'ldes.places'::regclass AND datname = current_database()
"""
# What a build is, down to the numbers: equal for builds that were filled in different ways.
TREE = """
    SELECT b.number, b.parent, b.rank, b.count, b.total, b.closes_at, b.children, b.key, b.bounds,
        ARRAY(SELECT unnest(sequences) FROM ldes.places AS p WHERE p.view = b.view AND p.bucket = b.number ORDER BY start)
    FROM ldes.buckets AS b WHERE b.view = $1 ORDER BY b.number
"""


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgresStore]:
    """Open an empty store."""
    async with PostgresStore(database_url, base_url="https://example.org", connections=3) as opened:
        yield opened


async def tree(store: PostgresStore, build: int) -> list[Any]:
    """Return all that is stored of a build."""
    async with store.database.connection("look") as connection:
        return [tuple(row) for row in await connection.fetch(TREE, build)]


async def live(store: PostgresStore) -> dict[str, int]:
    """Return the ids of the live builds by the names of their views."""
    return {each.name: each.id for each in await store.views(NAME) if each.state == "live"}


def below(copy: Copy, page_id: PageId) -> list[int]:
    """Return the members that a reader finds from a page on."""
    page = copy.pages[page_id]
    found = [member.sequence for member in page.members]
    return found + [sequence for relation in page.relations for sequence in below(copy, relation.target)]


@pytest.mark.parametrize("count", [0, 1, 2, 200])
async def test_every_view_holds_every_member(store: PostgresStore, count: int) -> None:
    """Each view leads to every member, none twice in a bucket, in order of publication (TREE-20, TREE-21)."""
    await declare(store, STREAM)
    await build_all(store)
    for _ in range(4):
        if count // 4 or count:
            await publish(store, max(1, count // 4))
    total = (await store.head(NAME)).count
    for view in VIEWS:
        copy = await read(store, STREAM, view)
        assert copy.sequences == set(range(total)), view
        assert all(before < after for bucket in copy.buckets.values() for before, after in pairwise(bucket))


async def test_every_relation_is_true(store: PostgresStore) -> None:
    """Every member behind a relation satisfies its bounds, and their number is the one promised (TREE-16, TREE-23)."""
    await declare(store, STREAM)
    await build_all(store)
    for count in (1, 3, 90, 106):
        await publish(store, count)
    members = make_members(range(200))
    for view in VIEWS:
        copy = await read(store, STREAM, view)
        for page in copy.pages.values():
            for relation in page.relations:
                found = below(copy, relation.target)
                assert len(found) == len(set(found)) == relation.remaining
                assert all(holds(bound, members[each]) for each in found for bound in relation.bounds), relation


async def test_a_view_added_later_is_the_same(store: PostgresStore) -> None:
    """A build filled from history while members arrive is the one there would be had it been there from the start."""
    await declare(store, STREAM)
    await build_all(store)
    await publish(store, 150)
    first = await live(store)
    for view in VIEWS:
        assert await store.builds.rebuild(NAME, view) is not None
    building = [each for each in await store.views(NAME) if each.state == "building"]
    for chunk in (7, 60, 1, 33):
        for each in building:
            await store.builds.fill(NAME, each.id, limit=chunk)
        await publish(store, 11)
    await build_all(store, limit=40)
    await publish(store, 21)
    # What the retired builds do not have any more.
    second = await live(store)
    later = make_stream({f"{view}-2": definition for view, definition in VIEWS.items()})
    await declare(store, replace(later, views={**STREAM.views, **later.views}))
    await build_all(store, limit=10_000)
    third = await live(store)
    for view in VIEWS:
        assert second[view] != first[view]
        assert await tree(store, second[view]) == await tree(store, third[f"{view}-2"]), view


async def test_a_view_of_a_stream_that_had_none(store: PostgresStore) -> None:
    """A stream that was written to without views has every member in those that it gets, before and after, and then in none."""
    bare = replace(STREAM, views={})
    await declare(store, bare)
    for count in (5, 1, 3):
        await publish(store, count)
    await declare(store, STREAM)
    await publish(store, 2)
    await build_all(store)
    for count in (4, 1):
        await publish(store, count)
    for view in VIEWS:
        assert (await read(store, STREAM, view)).sequences == set(range(16)), view


async def test_a_view_that_goes_live_while_a_small_batch_waits(store: PostgresStore, database_url: str) -> None:
    """A batch that waits for the stream's lock is placed in what has gone live meanwhile."""
    await declare(store, replace(STREAM, views={}))
    for count in (5, 1):
        await publish(store, count)
    await declare(store, STREAM)
    switching = await asyncpg.connect(database_url)
    async with asyncio.timeout(20):
        async with switching.transaction():
            await switching.execute("UPDATE ldes.streams SET views = views + 1")
            writing = asyncio.get_running_loop().create_task(publish(store, 3))
            while not await switching.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.02)
            await switching.execute("UPDATE ldes.views SET state = 'live' WHERE name = 'by-operator'")
        await writing
    await switching.close()
    async with store.database.connection("look") as connection:
        placed = await connection.fetchval("SELECT array_agg(s ORDER BY s) FROM ldes.places, unnest(sequences) AS s")
    assert placed == [6, 7, 8]


async def test_final_pages_stay_the_same(store: PostgresStore) -> None:
    """What was final is the same for ever, though late members keep coming (LDES-58)."""
    await declare(store, STREAM)
    await build_all(store)
    final: dict[PageId, object] = {}
    for _ in range(5):
        await publish(store, 40)
        for view in VIEWS:
            for page_id, page in (await read(store, STREAM, view)).pages.items():
                assert final.get(page_id, page) == page
                if page.final:
                    final[page_id] = page
    levels = {page_id.level for page_id in final}
    assert {-1, 0, 1, 2} <= levels


async def test_many_children_are_grouped(store: PostgresStore) -> None:
    """More than 64 buckets below a node are linked in groups, each bucket in one (TREE-21), and none is lost."""
    stream = make_stream({"by-garage": ByProperty(name="entity")})
    await declare(store, stream)
    await build_all(store)
    for _ in range(4):
        await publish(store, 100, garages=197)
    copy = await read(store, stream, "by-garage")
    root = copy.pages[PageId(view="by-garage")]
    groups = [relation.target for relation in root.relations]
    assert [(each.bucket, each.level, each.index) for each in groups] == [("~", -2, 0), ("~", -2, 1)]
    assert [len(copy.pages[each].relations) for each in groups] == [64, len(copy.buckets) - 64]
    assert copy.sequences == set(range(400))


async def test_closed_windows_are_final(store: PostgresStore) -> None:
    """Once a window has closed its node and its last page are final, full or not; windows of latecomers stay open."""
    stream = make_stream({"by-hour": VIEWS["by-hour"]})
    await declare(store, stream)
    await build_all(store)
    await publish(store, 180)
    pages = (await read(store, stream, "by-hour")).pages
    nodes = {page_id.bucket: page.final for page_id, page in pages.items() if page_id.level == -1}
    assert nodes["2026-11-23.06"]
    assert not nodes["2026-11-23.11"]
    assert not nodes["2026-11-23"]
    assert not nodes["late"]
    leaves = [page for page_id, page in pages.items() if page_id.bucket == "2026-11-23.06" and page_id.level == 0]
    last = max(leaves, key=lambda page: page.id.index)
    assert last.final
    assert len(last.members) < stream.page_size


async def test_a_writer_killed_in_its_transaction_leaves_nothing(store: PostgresStore, database_url: str) -> None:
    """When the writer dies between the members and their places, neither is there, and the batch can be written again."""
    await declare(store, STREAM)
    await build_all(store)
    await publish(store, 30)
    before = {view: await tree(store, build) for view, build in (await live(store)).items()}
    assert isinstance(await killed(database_url, publish(store, 30)), StoreError)
    assert (await store.head(NAME)).count == 30
    assert {view: await tree(store, build) for view, build in (await live(store)).items()} == before
    await publish(store, 30)
    assert (await read(store, STREAM, "by-hour")).sequences == set(range(60))


async def test_a_builder_killed_half_way_goes_on(store: PostgresStore, database_url: str) -> None:
    """A builder that dies within a chunk has placed nothing of it, and the next one goes on behind the chunk before."""
    await declare(store, make_stream({}))
    await publish(store, 100)
    await declare(store, STREAM)
    (build, *_) = [each for each in await store.views(NAME) if each.state == "building"]
    await store.builds.fill(NAME, build.id, limit=40)
    error = await killed(database_url, store.builds.fill(NAME, build.id, limit=40))
    assert isinstance(error, StoreError)
    assert error.retriable
    assert {each.id: each.placed for each in await store.views(NAME)}[build.id] == 40
    await build_all(store, limit=40)
    assert (await read(store, STREAM, build.name)).sequences == set(range(100))


async def killed(database_url: str, work: Any) -> object:
    """End the session of some work when it is about to write places, and return what came out of it."""
    rival = await asyncpg.connect(database_url)
    try:
        async with rival.transaction():
            await rival.execute("LOCK TABLE ldes.places IN EXCLUSIVE MODE")
            working = asyncio.gather(work, return_exceptions=True)
            ended = None
            while not ended:
                await asyncio.sleep(0.01)
                ended = await rival.fetchval(KILL_WHO_WAITS)
            [result] = await working
            return result
    finally:
        await rival.close()


async def test_two_builders_of_one_build_share_the_work(store: PostgresStore) -> None:
    """Two processes that fill one build at once, while a third publishes, place every member exactly once."""
    await declare(store, make_stream({}))
    await publish(store, 200)
    await declare(store, STREAM)
    builds = [each.id for each in await store.views(NAME) if each.state == "building"]

    async def work() -> None:
        for build in builds:
            while await store.builds.fill(NAME, build, limit=9) is not None:
                continue

    async def write() -> None:
        for _ in range(10):
            await publish(store, 5)

    await asyncio.gather(work(), work(), write())
    for view in VIEWS:
        copy = await read(store, STREAM, view)
        assert copy.sequences == set(range(250))
        assert all(before < after for bucket in copy.buckets.values() for before, after in pairwise(bucket))


async def test_a_changed_definition_is_built_aside(store: PostgresStore) -> None:
    """Readers keep the old build, which goes on growing, until the new one holds everything; then both are readable."""
    old = make_stream({"by": VIEWS["by-hour"]})
    new = make_stream({"by": VIEWS["by-operator"], "more": VIEWS["by-name"]})
    await declare(store, old)
    await build_all(store)
    await publish(store, 50)
    started = (await store.head(NAME)).views
    await declare(store, new)
    await publish(store, 10)
    assert await store.page(new, PageId(view="more")) is None
    before = await read(store, new, "by")
    assert before.sequences == set(range(60))
    assert (await store.head(NAME)).views == started
    await build_all(store)
    await publish(store, 10)
    assert (await store.head(NAME)).views == started + 2
    for view in ("by", "more"):
        assert (await read(store, new, view)).sequences == set(range(70))
    for page_id, page in before.pages.items():
        if not page_id.is_root:
            after = await store.page(new, page_id)
            assert after is not None
            assert after.final >= page.final
            assert (after.members, len(after.relations)) == (page.members, len(page.relations))


async def test_declaring_again_changes_nothing(store: PostgresStore) -> None:
    """The same declaration at the next start begins nothing anew, whether its builds are live or half-way."""
    await declare(store, make_stream({}))
    await publish(store, 50)
    await declare(store, STREAM)
    (build, *_) = await store.views(NAME)
    await store.builds.fill(NAME, build.id, limit=20)
    states = await store.views(NAME)
    await declare(store, STREAM)
    assert await store.views(NAME) == states
    await build_all(store)
    states = await store.views(NAME)
    await declare(store, STREAM)
    assert await store.views(NAME) == states
    assert {each.state for each in states} == {"live"}


async def test_changing_ones_mind_while_it_is_built(store: PostgresStore) -> None:
    """A build whose definition is changed again is given up; one whose view is taken back leaves the old one live."""
    first, second = VIEWS["by-hour"], ByTime(name="observed_at", levels=("day",))
    await declare(store, make_stream({"by": first}))
    await build_all(store)
    await publish(store, 20)
    for definition in (second, VIEWS["by-operator"], first):
        await declare(store, make_stream({"by": definition}))
    assert [(each.build, each.state) for each in await store.views(NAME)] == [
        (1, "live"), (2, "gone"), (3, "gone"),
    ]  # fmt: skip
    await declare(store, make_stream({"by": second}))
    await build_all(store)
    assert [(each.build, each.state) for each in await store.views(NAME)][-1] == (4, "live")
    await declare(store, make_stream({}))
    assert {each.state for each in await store.views(NAME)} == {"retired", "gone"}


async def test_what_is_over_is_swept_away(store: PostgresStore) -> None:
    """After the grace period nothing of a retired build is handed out, and nothing of it stays behind."""
    await declare(store, STREAM)
    await build_all(store)
    await publish(store, 100)
    final = [each for each in (await read(store, STREAM, "by-hour")).pages.values() if each.final]
    await store.keep(NAME, final[0].id, "jsonld", b"kept")
    kept = make_stream({"by-tile": VIEWS["by-tile"]})
    await declare(store, kept)
    await store.builds.expire(NAME, grace=timedelta(hours=1))
    assert await store.page(STREAM, final[0].id) == final[0]
    assert await store.page(STREAM, PageId(view="by-hour")) is None
    await store.builds.expire(NAME, grace=timedelta(0))
    assert await store.page(STREAM, final[0].id) is None
    while await store.builds.sweep(NAME):
        pass
    assert await store.kept(NAME, final[0].id, "jsonld") is None
    (left,) = (await live(store)).values()
    async with store.database.connection("look") as connection:
        for table in ("places", "buckets"):
            assert [tuple(row) for row in await connection.fetch(f"SELECT DISTINCT view FROM ldes.{table}")] == [
                (left,)
            ]
    assert (await read(store, kept, "by-tile")).sequences == set(range(100))


async def test_pages_that_are_not_there(store: PostgresStore) -> None:
    """Buckets, builds, groups and pages that do not exist, however odd their addresses, are None, not an error."""
    await declare(store, STREAM)
    await build_all(store)
    await publish(store, 10)
    bucket = {"view": "by-hour", "build": 1, "bucket": "2026-11-23.06"}
    assert await store.page(STREAM, PageId(**bucket)) is not None  # type: ignore[arg-type]
    for changes in (
        {"view": "by-minute"},
        {"build": 2},
        {"build": 10**20},
        {"bucket": "2026-11-23.22"},
        {"bucket": "é\u2028'"},
        {"bucket": "~"},
        {"bucket": "~", "level": 0},
        {"level": 0, "index": 99},
        {"level": 0, "index": 10**30},
        {"level": 1, "index": 5},
        {"level": 10**6, "index": 0},
        {"level": -2, "index": 0},
        {"bucket": "~", "level": -2, "index": 0},
        {"bucket": "~", "level": -4, "index": 7},
    ):
        assert await store.page(STREAM, PageId(**{**bucket, **changes})) is None, changes  # type: ignore[arg-type]
    assert await store.builds.rebuild(NAME, "by-minute") is None


async def test_a_view_whose_path_no_member_has(store: PostgresStore) -> None:
    """All members are in one bucket behind a relation without bounds, so that nobody prunes them (TREE-18)."""
    stream = make_stream({"by-name": ByProperty(name="name")})
    await declare(store, stream)
    await build_all(store)
    await publish(store, 10)
    root = await store.page(stream, PageId(view="by-name"))
    assert root is not None
    assert root.relations == (Relation(target=PageId(view="by-name", build=1, bucket="none"), bounds=(), remaining=10),)


async def test_a_writer_that_knows_no_model_is_told(store: PostgresStore, database_url: str) -> None:
    """A writer that skipped `ensure_stream` cannot fill the stream's views, and publishes nothing without them."""
    await declare(store, STREAM)
    await build_all(store)
    async with PostgresStore(database_url) as other:
        with pytest.raises(StoreError, match="model is unknown") as refused:
            await publish(other, 1)
    assert not refused.value.retriable
    assert (await store.head(NAME)).count == 0
