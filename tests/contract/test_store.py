"""The store's contract: what the protocols of ldes_server/store.py promise, whoever keeps it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, cast

import asyncpg
import pytest

from ldes_server.box import Box
from ldes_server.keys import key_of
from ldes_server.log_view import ROOT
from ldes_server.model import Head, Page, PageId, Placed, Published, Stream
from ldes_server.postgres_store import PostgresStore
from ldes_server.selection import Selection
from ldes_server.store import History, Ledger, MemberSink, MemberStore, PageStore, Timeline
from streams.errors import StoreError, TwinError
from streams.record import Point
from vocab.model import Model

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SIZE = 4
KILL_WHO_WAITS = """
    SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON database = pg_database.oid
    WHERE NOT granted AND relation = 'ldes.latest'::regclass AND datname = current_database()
"""
STREAM = Stream(
    name="parking",
    model=cast("Model", None),  # stores do not look into the model
    title={},
    description={},
    publisher_name="",
    publisher_iri="",
    licence="",
    page_size=SIZE,
    fan=2,
)


class Store(MemberSink, PageStore, MemberStore, Timeline, History, Ledger, Protocol):
    """All that a store promises."""


Opener = Callable[[str], AbstractAsyncContextManager[Store]]


@pytest.fixture
def opener(database_url: str) -> Opener:
    """Open the store under a public address; each call is another process as far as the store can tell."""
    return lambda address: PostgresStore(database_url, base_url=address, connections=2)


@pytest.fixture
async def store(opener: Opener) -> AsyncIterator[Store]:
    """Open an empty store."""
    async with opener("https://example.org") as opened:
        yield opened


def members(numbers: Iterable[int], **changes: Any) -> tuple[Published, ...]:
    """Make members with these sequence numbers, a second apart, of three entities by turns."""
    made = [
        Published(
            sequence=number,
            published_at=NOON + timedelta(seconds=number),
            id=f"parking/members/{number}",
            entity=f"https://example.org/{number % 3}",
            observed_at=NOON - timedelta(minutes=number),
            point=Point(longitude=3.7 + number % 100, latitude=51.05) if number % 2 else None,
            body=b'{"@id":"%d"}' % number,
        )
        for number in numbers
    ]
    return tuple(each._replace(**changes) for each in made)


def batch(base: Head, published: tuple[Published, ...]) -> Placed:
    """Decide a batch of these members; every member came from one entry of the log."""
    head = Head(
        count=base.count + len(published),
        published_at=published[-1].published_at if published else base.published_at,
        position=base.position + max(1, len(published)),
        first=base.first,
    )
    return Placed(base=base, head=head, members=published)


async def fill(store: MemberSink, count: int) -> Head:
    """Publish members up to `count`, in one transaction."""
    base = await store.head("parking")
    placed = batch(base, members(range(base.count, count)))
    await store.append("parking", placed)
    return placed.head


def listed(page: Page | None) -> list[tuple[int, int, int]]:
    """List the level, index and count of what a page links."""
    assert page is not None
    return [(each.target.level, each.target.index, each.remaining) for each in page.relations]


async def test_a_new_stream_is_empty(store: Store) -> None:
    """Before the first member the head is empty, the root links nothing and no other page exists."""
    assert await store.head("parking") == Head()
    root = await store.page(STREAM, ROOT)
    assert (listed(root), root and root.final) == ([], False)
    assert await store.page(STREAM, PageId(level=0, index=0)) is None
    assert await store.known("parking", {"parking/members/0"}) == frozenset()
    assert await store.latest("parking", limit=10) == []
    assert await store.latest_of("parking", "https://example.org/0") is None
    assert await store.member("parking", "parking/members/0") is None
    assert await store.since("parking", NOON) is None


async def test_members_come_back_as_they_went_in(store: Store) -> None:
    """The head moves to the batch's, and leaves hold exactly the members with their numbers, in order."""
    head = await fill(store, 6)
    assert await store.head("parking") == head
    full = await store.page(STREAM, PageId(level=0, index=0))
    tail = await store.page(STREAM, PageId(level=0, index=1))
    assert full == Page(id=PageId(level=0, index=0), final=True, version=0, members=members(range(4)))
    assert tail == Page(id=PageId(level=0, index=1), final=False, version=6, members=members(range(4, 6)))
    assert await store.member("parking", "parking/members/5") == members([5])[0]


async def test_a_leaf_is_the_same_with_what_is_known_of_it(store: Store) -> None:
    """Members read before are not read again, and the page is the one that was read whole, open or full."""
    await fill(store, 6)
    tail = PageId(level=0, index=1)
    for known in (members([4]), members([4, 5])):
        page = await store.page(STREAM, tail, known=known)
        assert page == Page(id=tail, final=False, version=6, members=members([4, 5]))
    await fill(store, 9)
    page = await store.page(STREAM, tail, known=members([4, 5]))
    assert page == await store.page(STREAM, tail)
    assert page is not None
    assert page.final
    assert await store.page(STREAM, PageId(level=0, index=3), known=()) is None


@pytest.mark.parametrize("other", [members([4, 5], id="other"), members([4, 5], body=b"{}"), members(range(4, 8))])
async def test_a_database_that_was_put_back_is_believed(store: Store, other: tuple[Published, ...]) -> None:
    """What is known is of a later state of the database that was lost: the page is what the database has."""
    await fill(store, 6)
    tail = PageId(level=0, index=1)
    assert await store.page(STREAM, tail, known=other) == await store.page(STREAM, tail)
    assert await store.page(STREAM, PageId(level=0, index=2), known=members(range(8, 10))) is None


async def test_a_root_that_grew_is_the_root_read_at_once(opener: Opener) -> None:
    """At every count a process that read the root before and one that did not find the same page."""
    async with opener("https://example.org") as reader:
        for count in range(2 * SIZE * 4 + 2):
            await fill(reader, count)
            async with opener("https://example.org") as fresh:
                assert await reader.page(STREAM, ROOT) == await fresh.page(STREAM, ROOT)


async def test_the_root_links_final_subtrees_and_the_open_leaf(store: Store) -> None:
    """The root links what is final, largest first, then the open leaf; its version moves with the head."""
    await fill(store, 4 * SIZE + 1)
    root = await store.page(STREAM, ROOT)
    assert listed(root) == [(2, 0, 16), (0, 4, 1)]
    assert root is not None
    assert (root.final, root.version) == (False, 17)
    first, tail = root.relations
    assert [bound.value for bound in first.bounds] == ["2026-11-23T12:00:00.000Z", "2026-11-23T12:00:15.000Z"]
    assert [bound.value for bound in tail.bounds] == ["2026-11-23T12:00:16.000Z"]
    inner = await store.page(STREAM, PageId(level=2, index=0))
    assert inner is not None
    assert inner.final
    assert listed(inner) == [(1, 0, 8), (1, 1, 8)]


async def test_pages_that_are_not_there(store: Store) -> None:
    """Pages not reached yet, of another view, or beyond any number are None, not an error."""
    await fill(store, 5)
    for page_id in (
        PageId(level=0, index=2),
        PageId(level=1, index=0),
        PageId(level=0, index=10**30),
        PageId(level=10**6, index=0),
        PageId(view="by-tile", level=0, index=0),
    ):
        assert await store.page(STREAM, page_id) is None
        assert await store.kept("parking", page_id, "jsonld") is None


async def test_final_pages_stay_the_same(opener: Opener) -> None:
    """A final page is equal before and after more members and a restart (LDES-58)."""
    final = (PageId(level=0, index=1), PageId(level=1, index=0))
    async with opener("https://example.org") as before:
        await fill(before, 2 * SIZE)
        old = [await before.page(STREAM, page_id) for page_id in final]
    async with opener("https://example.org") as after:
        await fill(after, 7 * SIZE + 1)
        assert [await after.page(STREAM, page_id) for page_id in final] == old
    assert all(page and page.final for page in old)


async def test_known_identities(store: Store) -> None:
    """Of the ids asked for, those published come back, whatever characters they have."""
    odd = ("parking/members/é ü", "https://example.org/%2F?a=1&b='\"\\#", "漢字/🚲", "x" * 2000)
    made = tuple(each._replace(id=name) for each, name in zip(members(range(4)), odd, strict=True))
    await store.append("parking", batch(Head(), made))
    assert await store.known("parking", {*odd, "parking/members/e u", ""}) == set(odd)
    assert await store.known("other", set(odd)) == frozenset()
    assert [found and found.id for found in [await store.member("parking", name) for name in odd]] == list(odd)


async def test_the_same_batch_twice_is_refused(store: Store) -> None:
    """A batch decided on an older head is refused for good: it is stored already, or somebody else writes."""
    placed = batch(Head(), members(range(3)))
    await store.append("parking", placed)
    with pytest.raises(StoreError, match="decided at 0") as refused:
        await store.append("parking", placed)
    assert not refused.value.retriable
    assert "another writer" in refused.value.fix


async def test_of_two_writers_one_is_refused(opener: Opener) -> None:
    """Two processes that append to the same head at once: one succeeds, the other is refused, nothing doubles."""
    async with opener("a") as first, opener("b") as second:
        await first.ensure_stream(STREAM)
        placed = batch(Head(), members(range(500)))
        results = await asyncio.gather(
            first.append("parking", placed), second.append("parking", placed), return_exceptions=True
        )
        assert [type(result) for result in results if result] == [StoreError]
        assert await first.head("parking") == placed.head


async def test_a_position_without_members_is_kept(store: Store) -> None:
    """A batch of duplicates only moves the position."""
    head = await fill(store, 2)
    await store.append("parking", batch(head, ()))
    assert await store.head("parking") == replace(head, position=head.position + 1)


async def test_latest_is_the_newest_observation(store: Store) -> None:
    """Late data does not replace newer observations; of equal ones the last published wins; newest come first."""
    late = members([0, 1, 2, 3], entity="https://example.org/a")  # each observed a minute before the one before
    other = members([4, 5], entity="https://example.org/b", observed_at=NOON + timedelta(hours=1))
    await store.append("parking", batch(Head(), (*late, *other)))
    head = await store.head("parking")
    await store.append("parking", batch(head, members([6], entity="https://example.org/a", observed_at=NOON)))
    assert [each.sequence for each in await store.latest("parking", limit=10)] == [5, 6]
    assert [each.sequence for each in await store.latest("parking", limit=1)] == [5]
    found = await store.latest_of("parking", "https://example.org/a")
    assert found == members([6], entity="https://example.org/a", observed_at=NOON)[0]


async def states(store: Store, limit: int = 10, **selection: object) -> list[str]:
    """Return the entities of the newest states selected, without what they share."""
    found = await store.states("parking", Selection(**selection), limit=limit)  # type: ignore[arg-type]
    return [each.entity.removeprefix("https://example.org/") for each in found]


async def test_states_are_selected_by_place_and_time(store: Store) -> None:
    """One state per entity, its newest, in the order of entities; boxes and times have their edges inside."""
    await store.append("parking", batch(Head(), members(range(9))))
    # The newest observations are the first three: entity 1 is at 4.7 degrees, the others are nowhere.
    assert await states(store) == ["0", "1", "2"]
    assert await states(store, since=NOON - timedelta(minutes=1)) == ["0", "1"]
    assert await states(store, box=Box(west=4.7, south=51.05, east=4.7, north=51.05)) == ["1"]
    assert await states(store, box=Box(west=4.8, south=51.0, east=4.6, north=52.0)) == []
    assert await states(store, box=Box(west=170.0, south=51.0, east=5.0, north=52.0)) == ["1"]
    assert await states(store, box=Box(west=4.0, south=51.1, east=5.0, north=52.0)) == []
    assert [each.sequence for each in await store.states("parking", Selection(), limit=10)] == [0, 1, 2]
    assert await store.states("nobody", Selection(), limit=10) == []


async def test_deleted_entities_have_no_state(store: Store) -> None:
    """A deletion takes its entity out of the newest states until a later version brings it back; its members stay."""
    base, gone = "https://example.org/1", NOON + timedelta(hours=1)
    await store.append("parking", batch(Head(), members(range(3))))
    tombstone = members([3], observed_at=gone, deleted=True)[0]._replace(entity=base, point=None)
    await store.append("parking", batch(await store.head("parking"), (tombstone,)))
    assert await states(store) == ["0", "2"]
    assert await states(store, box=Box(west=-180, south=-90, east=180, north=90)) == []
    assert [each.entity for each in await store.latest("parking", limit=9)] == [
        f"https://example.org/{n}" for n in "02"
    ]
    assert [each.deleted for each in await store.latest("parking", limit=9, deleted=True)] == [True, False, False]
    assert await store.latest_of("parking", base) == tombstone
    assert await store.member("parking", tombstone.id) == tombstone
    late = members([4], observed_at=gone - timedelta(minutes=1))[0]._replace(entity=base)
    await store.append("parking", batch(await store.head("parking"), (late,)))
    assert await states(store) == ["0", "2"]
    again = members([5], observed_at=gone)[0]._replace(entity=base)
    await store.append("parking", batch(await store.head("parking"), (again,)))
    assert await states(store) == ["0", "1", "2"]
    assert [each.deleted for each in await store.after("parking", 1, limit=9)] == [False, True, False, False]


async def test_the_place_of_a_state_moves_with_it(store: Store) -> None:
    """An entity is found where its newest observation was, and nowhere else."""
    here, there = Point(longitude=3.0, latitude=51.0), Point(longitude=4.0, latitude=51.0)
    first, second = (Box(west=each, south=50.9, east=each, north=51.1) for each in (3.0, 4.0))
    old, new = members([0, 1], entity="https://example.org/bus")
    await store.append("parking", batch(Head(), (old._replace(point=here),)))
    moved = new._replace(point=there, observed_at=NOON + timedelta(hours=1))
    assert (await states(store, box=first), await states(store, box=second)) == (["bus"], [])
    await store.append("parking", batch(await store.head("parking"), (moved,)))
    assert (await states(store, box=first), await states(store, box=second)) == ([], ["bus"])
    late = moved._replace(sequence=2, id="parking/members/late", observed_at=NOON, point=None)
    await store.append("parking", batch(await store.head("parking"), (late,)))
    assert await states(store, box=second) == ["bus"]


async def test_pages_of_states_have_every_entity_once(store: Store) -> None:
    """Who goes on behind the last entity meets every entity once, though newer states come in between."""
    odd = [
        "https://example.org/é",
        "https://example.org/Z",
        "https://example.org/a",
        "urn:x:\U0001f6b2",
        "urn:x:\ufffd",
    ]
    made = tuple(each._replace(entity=name) for each, name in zip(members(range(5)), odd, strict=True))
    await store.append("parking", batch(Head(), made))
    found: list[str] = []
    for number in range(5, 8):
        after = found[-1] if found else ""
        found += [each.entity for each in await store.states("parking", Selection(after=after), limit=2)]
        newer = members([number], entity=odd[0], observed_at=NOON + timedelta(minutes=number))
        await store.append("parking", batch(await store.head("parking"), newer))
    assert found == sorted(odd)


async def test_places_that_an_older_writer_left_out_are_mended(store: Store, database_url: str) -> None:
    """Opening a stream fills in the places of entities that a writer of the release before did not know of."""
    await fill(store, 3)
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("UPDATE ldes.latest SET longitude = NULL, latitude = NULL")
    finally:
        await connection.close()
    world = Box(west=-180, south=-90, east=180, north=90)
    assert await states(store, box=world) == []
    await store.ensure_stream(STREAM)
    assert await states(store, box=world) == ["1"]


async def test_latest_of_entities_with_odd_characters(store: Store) -> None:
    """An entity is found by its exact characters."""
    await store.append("parking", batch(Head(), members([0], entity="https://example.org/é'\"%20")))
    assert await store.latest_of("parking", "https://example.org/é'\"%20") is not None
    assert await store.latest_of("parking", "https://example.org/\0") is None


async def test_since_finds_the_first_member_at_or_after_a_moment(store: Store) -> None:
    """Every moment leads to the first member not published before it; after the newest there is none."""
    await fill(store, 9)
    moments = [timedelta(days=-1), timedelta(0), timedelta(seconds=3), timedelta(seconds=3.5), timedelta(seconds=8)]
    assert [await store.since("parking", NOON + each) for each in moments] == [0, 0, 3, 4, 8]
    assert await store.since("parking", NOON + timedelta(seconds=8.5)) is None


async def test_the_first_body_kept_stays(opener: Opener) -> None:
    """Of several bodies for one final page the first is kept, per form and per public address."""
    page_id = PageId(level=0, index=0)
    async with opener("https://a.example") as first, opener("https://b.example") as second:
        await fill(first, SIZE)
        assert await first.kept("parking", page_id, "jsonld") is None
        assert await first.keep("parking", page_id, "jsonld", b"\x1f\x8b\0one") == b"\x1f\x8b\0one"
        assert await first.keep("parking", page_id, "jsonld", b"two") == b"\x1f\x8b\0one"
        assert await first.keep("parking", page_id, "turtle", b"three") == b"three"
        assert await second.kept("parking", page_id, "jsonld") is None
        with pytest.raises(StoreError, match="no such stream"):
            await first.keep("nobody", page_id, "jsonld", b"")


async def test_bodies_kept_are_read_in_a_row(store: Store) -> None:
    """From a page on come those that are kept of its level and form, no others, however far the row goes."""
    await fill(store, SIZE)
    for level, index in ((0, 0), (0, 1), (0, 3), (1, 2)):
        await store.keep("parking", PageId(level=level, index=index), "jsonld", b"%d.%d" % (level, index))
    await store.keep("parking", PageId(level=0, index=2), "turtle", b"another form")
    first = PageId(level=0, index=1)
    assert await store.kept_from("parking", first, "jsonld", 3) == {1: b"0.1", 3: b"0.3"}
    assert await store.kept_from("parking", first, "jsonld", 1) == {1: b"0.1"}
    assert await store.kept_from("parking", PageId(level=0, index=2**63 - 2), "jsonld", 16) == {}
    assert await store.kept_from("parking", PageId(level=2**15, index=0), "jsonld", 16) == {}
    assert await store.kept_from("nobody", first, "jsonld", 16) == {}


async def test_pages_keep_their_geometry(store: Store) -> None:
    """A stream whose pages have one size cannot be opened with another; saying the same again changes nothing."""
    await store.ensure_stream(STREAM)
    await store.ensure_stream(STREAM)
    with pytest.raises(StoreError, match="hold 4 members") as refused:
        await store.ensure_stream(replace(STREAM, page_size=5))
    assert not refused.value.retriable


async def test_streams_do_not_meet(store: Store) -> None:
    """The same ids, entities and sequence numbers in two streams are two members."""
    await fill(store, 3)
    await store.append("bikes", batch(Head(), members(range(2))))
    assert (await store.head("bikes")).count == 2
    page = await store.page(replace(STREAM, name="bikes"), PageId(level=0, index=0))
    assert page is not None
    assert len(page.members) == 2
    assert len(await store.latest("bikes", limit=10)) == 2


async def test_a_writer_killed_in_its_transaction_leaves_nothing(store: Store, database_url: str) -> None:
    """When the writer's connection dies before the commit, the store is as before and the batch can be written again."""
    head = await fill(store, 3)
    placed = batch(head, members(range(3, 2003)))
    rival = await asyncpg.connect(database_url)
    try:
        async with rival.transaction():
            # Members are copied, then the writer waits for this lock: the middle of its transaction.
            await rival.execute("LOCK TABLE ldes.latest IN EXCLUSIVE MODE")
            writing = asyncio.gather(store.append("parking", placed), return_exceptions=True)
            killed = None
            while not killed:
                await asyncio.sleep(0.01)
                killed = await rival.fetchval(KILL_WHO_WAITS)
            [error] = await writing
    finally:
        await rival.close()
    assert isinstance(error, StoreError)
    assert error.retriable
    assert await store.head("parking") == head
    assert await store.known("parking", {each.id for each in placed.members}) == frozenset()
    await store.append("parking", placed)
    assert await store.head("parking") == placed.head


async def test_a_published_identity_is_refused(store: Store) -> None:
    """A batch with a member that was published before is refused as such, and leaves nothing; the same id elsewhere is none."""
    head = await fill(store, 6)
    again = members([3])[0]._replace(sequence=7)
    placed = batch(head, (members([6])[0], again, *members([8])))
    with pytest.raises(TwinError) as caught:
        await store.append("parking", placed)
    assert not caught.value.retriable
    assert caught.value.fix
    assert await store.head("parking") == head
    assert await store.known("parking", {each.id for each in placed.members}) == {again.id}
    await store.append("other", batch(Head(), members(range(6))))
    assert await fill(store, 9) == await store.head("parking")


async def test_small_batches_leave_what_a_large_one_does(store: Store) -> None:
    """Members that come one, two, three at a time, or none at all, are stored as those that come at once."""
    whole = members(range(10))
    await store.append("other", batch(Head(), whole))
    for size in (1, 1, 0, 3, 2, 0, 3):
        base = await store.head("parking")
        await store.append("parking", batch(base, whole[base.count : base.count + size]))
    assert await store.after("parking", -1, limit=20) == await store.after("other", -1, limit=20) == list(whole)
    assert await store.latest("parking", limit=20) == await store.latest("other", limit=20) != []
    head, other = await store.head("parking"), await store.head("other")
    assert (head.count, head.published_at, head.position) == (10, other.published_at, other.position + 2)
    assert await store.known("parking", [each.id for each in whole]) == {each.id for each in whole}


async def test_small_batches_are_refused_for_the_same_reasons(store: Store, database_url: str) -> None:
    """Twins, twins of deleted members and batches decided at another head are refused after small batches, too."""
    for count in (3, 6):
        await fill(store, count)
    head = await store.head("parking")
    with pytest.raises(StoreError, match="another writer"):
        await store.append("parking", batch(replace(head, count=5), members([5])))
    with pytest.raises(TwinError):
        await store.append("parking", batch(head, members([6], id="parking/members/2")))
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO ldes.dropped (stream, identity, at) SELECT id, $1, now() FROM ldes.streams WHERE name = 'parking'",
        key_of("parking/members/gone"),
    )
    await connection.close()
    with pytest.raises(TwinError):
        await store.append("parking", batch(head, members([6], id="parking/members/gone")))
    assert await store.head("parking") == head
    assert await store.after("parking", 5, limit=10) == []
    assert (await fill(store, 7)).count == 7


async def test_the_log_is_read_from_any_place_on(store: Store) -> None:
    """`after` gives the next members in order, at most so many, whatever number they follow; none beyond the last."""
    assert await store.after("parking", -1, limit=10) == []
    await fill(store, 10)
    for sequence in range(-1, 12):
        for limit in (1, 3, 10, 100):
            found = [member.sequence for member in await store.after("parking", sequence, limit=limit)]
            assert found == list(range(sequence + 1, 10))[:limit]
    assert list(await store.after("parking", 3, limit=2)) == list(members([4, 5]))
    assert await store.after("parking", 2**62, limit=10) == []


async def test_large_members_are_read_a_few_at_a_time(store: Store) -> None:
    """A read has some megabytes at most, but one member at least, so nothing is left out and memory is bounded."""
    base = await store.head("parking")
    large = tuple(each._replace(body=b'{"@id":"%s"}' % (b"x" * 3_000_000)) for each in members(range(4)))
    await store.append("parking", batch(base, large))
    found, last = list[int](), -1
    while got := await store.after("parking", last, limit=100):
        assert len(got) <= 2
        found += [member.sequence for member in got]
        last = found[-1]
    assert found == [0, 1, 2, 3]


async def test_digests_are_kept_in_order(store: Store) -> None:
    """Digests come back by the numbers of their pages; the newest is the one of the highest page; the first stays."""
    await fill(store, 1)
    assert await store.signed("parking") is None
    assert list(await store.digests("parking", 0, limit=10)) == []
    for index in (0, 1, 2, 10, 11):
        await store.sign("parking", index, b"%d" % index)
    await store.sign("parking", 1, b"other")
    assert await store.signed("parking") == b"11"
    assert list(await store.digests("parking", 1, limit=10)) == [b"1", b"2", b"10"]
    assert list(await store.digests("parking", 2**63, limit=10)) == []
