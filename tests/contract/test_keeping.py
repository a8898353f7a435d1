"""The contract of retention: what leaves a stream, in which order, and what never does, on real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from ldes_server.definition import ByLatest
from ldes_server.keeping import declare
from ldes_server.log_view import ROOT
from ldes_server.model import Page, PageId, Placed
from ldes_server.postgres_store import PostgresStore
from ldes_server.postgres_views import ViewPages
from ldes_server.retention import Retention
from streams.errors import TwinError
from tests.support.keeping import HOUR, Clock, begin, kept_stream, promised, step
from tests.support.views import (
    MORNING,
    NAME,
    VIEWS,
    build_all,
    holds,
    make_members,
    make_stream,
    publish,
    read,
)
from tests.support.views import declare as declare_views

# Members are two minutes apart, so this is 60 of them.
TWO_HOURS = Retention(full_log=2 * HOUR)
COUNT_ROWS = "SELECT count(*) FROM ldes.members"


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgresStore]:
    """Open an empty store."""
    async with PostgresStore(database_url, base_url="https://example.org", connections=3) as opened:
        yield opened


async def rows(store: PostgresStore, query: str = COUNT_ROWS) -> int:
    """Count the members that are stored."""
    async with store.database.connection("count") as connection:
        return int(await connection.fetchval(query))


async def history(store: PostgresStore) -> set[int]:
    """Return what a reader finds from the root of the history on; every linked page must be there.

    Who read the root before and who did not find the same.
    """
    stream = make_stream({})
    assert await store.page(stream, ROOT) == await ViewPages(store.database).history(stream, ROOT)
    return (await read(store, make_stream({}), "log")).sequences


async def test_the_history_leaves_in_three_steps(store: PostgresStore) -> None:
    """After a grace period of the policy old leaves are unlinked, after another one refused, and then deleted."""
    stream, clock = replace(make_stream({}), retention=TWO_HOURS), Clock(now=MORNING)
    await begin(store, stream, clock)
    await publish(store, 120)
    clock.now = MORNING + 4 * HOUR
    leaf = PageId(level=0, index=0)
    await declare(stream, store, now=clock())
    await step(store, clock)
    head = await store.head(NAME)
    # 4 hours less 2 and the buffer of 5 minutes: member 57 is inside, its leaf begins with 56.
    assert (head.first, head.gone) == (56, 0)
    assert await history(store) == set(range(56, 120))
    assert await store.page(stream, leaf) is not None
    clock.now += timedelta(minutes=59)
    await step(store, clock)
    assert (await store.head(NAME)).gone == 0
    clock.now += timedelta(minutes=1)
    await step(store, clock)
    head = await store.head(NAME)
    assert (head.first, head.gone) == (88, 56)
    for page_id in (leaf, PageId(level=0, index=13), PageId(level=1, index=0), PageId(level=3, index=1)):
        assert await store.page(stream, page_id) is None
    # The newest states stay, whatever their age.
    assert await rows(store) == 120 - 56
    assert await store.latest(NAME, limit=100) == sorted(
        {
            each.entity: each
            for each in sorted(make_members(range(120)), key=lambda each: (each.observed_at, each.sequence))
        }.values(),
        key=lambda each: (each.observed_at, each.sequence),
        reverse=True,
    )


async def test_a_new_policy_is_shown_before_it_is_used(store: PostgresStore) -> None:
    """A policy is published at once, nothing leaves by it before a grace period is over, and readers are told (RET-20)."""
    stream, clock = make_stream({}), Clock(now=MORNING + 4 * HOUR)
    await begin(store, stream, clock)
    assert await store.policies(NAME) == {}
    await publish(store, 120)
    before = await store.head(NAME)
    await declare(replace(stream, retention=TWO_HOURS), store, now=clock())
    assert await store.policies(NAME) == {"log": TWO_HOURS}
    assert (await store.head(NAME)).views == before.views + 1
    clock.now += timedelta(minutes=59)
    await step(store, clock)
    assert (await store.head(NAME)).first == 0
    clock.now += timedelta(minutes=1)
    await step(store, clock)
    assert (await store.head(NAME)).first > 0


async def test_widening_brings_nothing_back(store: PostgresStore) -> None:
    """A wider policy, or none, is published with the time from which it is true, so that no promise is broken."""
    stream, clock = replace(make_stream({}), retention=TWO_HOURS), Clock()
    await begin(store, stream, clock)
    await publish(store, 120)
    clock.now = MORNING + 4 * HOUR
    await step(store, clock)
    first = (await store.head(NAME)).first
    start = make_members([first])[0].published_at
    wide = Retention(full_log=timedelta(days=30))
    await declare(replace(stream, retention=wide), store, now=clock())
    assert await store.policies(NAME) == {"log": replace(wide, starting_from=start)}
    await declare(replace(stream, retention=None), store, now=clock())
    assert await store.policies(NAME) == {"log": Retention(starting_from=start)}


async def test_the_open_leaf_stays(store: PostgresStore) -> None:
    """When everything is too old all whole leaves leave; the open one stays, and the stream goes on from there."""
    stream, clock = replace(make_stream({}), retention=Retention(full_log=HOUR)), Clock()
    await begin(store, stream, clock)
    await publish(store, 30)
    clock.now = MORNING + timedelta(days=9)
    for _ in range(3):
        await step(store, clock)
        clock.now += HOUR
    head = await store.head(NAME)
    assert (head.count, head.first, head.gone) == (30, 28, 28)
    assert await history(store) == {28, 29}
    await publish(store, 2)
    clock.now += HOUR
    await step(store, clock)
    root = await store.page(stream, ROOT)
    assert root is not None
    assert root.relations == ()
    await publish(store, 3)
    assert await history(store) == {32, 33, 34}


async def shrunk(store: PostgresStore) -> Clock:
    """Publish for four hours under a policy of two, and take every step that is due; return the clock."""
    stream, clock = replace(make_stream({}), retention=TWO_HOURS), Clock()
    await begin(store, stream, clock)
    await publish(store, 120)
    clock.now = MORNING + 4 * HOUR
    for _ in range(2):
        await step(store, clock)
        clock.now += HOUR
    return clock


async def test_times_before_the_edge_lead_to_the_edge(store: PostgresStore) -> None:
    """Searches by time, readings of the log and coverage begin with what is kept."""
    await shrunk(store)
    head = await store.head(NAME)
    assert await store.since(NAME, MORNING) == head.first
    found = await store.after(NAME, -1, limit=1000)
    assert [each.sequence for each in found] == [*range(head.gone, 120)]
    coverage = await store.coverage(NAME)
    assert coverage is not None
    assert coverage.published_from == make_members([head.first])[0].published_at


async def test_dropped_members_are_not_published_again(store: PostgresStore) -> None:
    """A deleted member is still known for as long as payloads may be replayed, then it is forgotten."""
    clock = await shrunk(store)
    ids = {each.id for each in make_members(range(120))}
    assert await store.known(NAME, ids) == ids
    gone = make_members([3])[0].id
    assert await store.member(NAME, gone) is None
    assert await store.is_dropped(NAME, gone)
    assert not await store.is_dropped(NAME, f"{NAME}/members/never")
    head = await store.head(NAME)
    new, old = make_members([head.count, 3])
    twins = (new, old._replace(sequence=head.count + 1, published_at=new.published_at))
    moved = replace(head, count=head.count + 2, position=head.position + 2, published_at=new.published_at)
    with pytest.raises(TwinError):
        await store.append(NAME, Placed(base=head, head=moved, members=twins))
    assert await store.head(NAME) == head
    clock.now += timedelta(days=9)
    await step(store, clock)
    assert gone not in await store.known(NAME, ids)
    assert not await store.is_dropped(NAME, gone)


async def test_a_view_keeps_longer_than_the_history(store: PostgresStore) -> None:
    """Each view keeps by its own policy: rows stay for as long as the history or any view needs them, and no longer."""
    stream = kept_stream(TWO_HOURS, by_hour=Retention(full_log=10 * HOUR), by_name=None)
    stream = replace(stream, views={name: VIEWS[name] for name in ("by-hour", "by-name", "by-operator")})
    clock = Clock()
    await declare_views(store, stream)
    await begin(store, stream, clock)
    await build_all(store)
    for _ in range(16):
        await publish(store, 30)
        clock.now += HOUR
        await step(store, clock)
        await store.builds.expire(NAME, grace=timedelta(0))
    head = await store.head(NAME)
    count = head.count
    assert head.first > 300
    shown = {view: (await read(store, stream, view)).sequences for view in stream.views}
    assert shown["by-name"] == set(range(count))
    for view, policy in (("by-hour", Retention(full_log=10 * HOUR)), ("by-operator", TWO_HOURS)):
        must = promised(policy, count, now=clock())
        assert must <= shown[view]
        assert shown[view] == set(range(min(shown[view]), count))
        # A third of it is dead at most, when it is looked at: an hour and the grace of the page later.
        assert len(shown[view]) <= len(must) * 1.5 + 30 + 4
    assert await rows(store) == count
    lean = replace(stream, views={name: VIEWS[name] for name in ("by-hour", "by-operator")})
    await declare_views(store, lean)
    await store.builds.expire(NAME, grace=timedelta(0))
    await begin(store, lean, clock)
    await step(store, clock)
    assert await rows(store) == count - min(shown["by-hour"])
    assert (await read(store, lean, "by-hour")).sequences == shown["by-hour"]


@pytest.mark.parametrize(
    "policy",
    [
        Retention(versions=1),
        Retention(versions=3, full_log=HOUR),
        Retention(versions=2, version_for=5 * HOUR, starting_from=MORNING + HOUR),
    ],
    ids=["one", "three", "some"],
)
async def test_versions_are_kept_in_pages_of_their_own(store: PostgresStore, policy: Retention) -> None:
    """What is kept for its version stays linked and true in the history and in views; superseded pages leave (RET-21)."""
    stream, clock = kept_stream(policy), Clock()
    stream = replace(stream, views={"by-hour": VIEWS["by-hour"]})
    await declare_views(store, stream)
    await begin(store, stream, clock)
    await build_all(store)
    final: dict[PageId, object] = {}
    for _ in range(14):
        await publish(store, 30, garages=97)
        clock.now += HOUR
        await step(store, clock)
        count = (await store.head(NAME)).count
        must = promised(policy, count, now=clock(), garages=97)
        members = make_members(range(count), garages=97)
        for view in ("log", "by-hour"):
            copy = await read(store, stream, view)
            assert must <= copy.sequences, view
            for page_id, page in copy.pages.items():
                assert final.setdefault(page_id, page) == page or not page.final
                if not page.final:
                    del final[page_id]
                for relation in page.relations if view == "log" else ():
                    below = _below(copy.pages, relation.target)
                    assert len(below) == relation.remaining
                    assert all(holds(bound, members[each]) for each in below for bound in relation.bounds)
        await store.builds.expire(NAME, grace=timedelta(0))
        while await store.builds.sweep(NAME):
            pass
    shown: dict[str, set[int]] = {}
    for _ in range(3):
        clock.now += HOUR
        await step(store, clock)
        await store.builds.expire(NAME, grace=timedelta(0))
    for view in ("log", "by-hour"):
        shown[view] = (await read(store, stream, view)).sequences
    head = await store.head(NAME)
    newest = {each.sequence for each in await store.latest(NAME, limit=100)}
    assert min(shown["log"]) < head.first == head.gone
    assert len(shown["log"]) < head.count / 2
    assert await rows(store) == len(shown["log"] | shown["by-hour"] | newest)


async def test_what_is_left_of_a_span_is_on_the_smallest_page_there_is(store: PostgresStore) -> None:
    """Of any numbers the history leads to the smallest page with all that it keeps of them, and nowhere when that is none."""
    stream, clock = replace(make_stream({}), retention=Retention(versions=1)), Clock()
    await begin(store, stream, clock)
    await publish(store, 120, garages=97)
    assert await store.survived(stream, range(120)) is None
    await store.builds.shrink(NAME, "log")
    # Few at a time, so that what is kept is stored in several runs.
    await build_all(store, limit=3)
    pages = (await read(store, stream, "log")).pages
    kept = sorted(each for page_id in pages if page_id.build for each in _below(pages, page_id) if page_id.level == 0)
    first = (await store.head(NAME)).first
    assert 40 < len(kept) < first
    below = {page_id: _below(pages, page_id) for page_id in pages if page_id.build}
    for start in range(0, first, 3):
        for stop in range(start + 1, first + 4, 5):
            rest = [number for number in kept if start <= number < stop]
            around = [page_id for page_id, held in below.items() if rest and set(rest) <= set(held)]
            smallest = min(around, key=lambda each: (len(below[each]), each.level)) if around else PageId(view="log")
            found = await store.survived(stream, range(start, stop))
            assert found == (smallest if rest else None), (start, stop)
    assert await store.survived(stream, range(first, 1000)) is None


def _below(pages: Mapping[PageId, Page], page_id: PageId) -> list[int]:
    page = pages[page_id]
    found = [member.sequence for member in page.members]
    return found + [each for relation in page.relations for each in _below(pages, relation.target)]


TABLES = ("members", "places", "buckets", "survivors", "dropped", "latest")


async def test_steady_input_stops_growing(store: PostgresStore) -> None:
    """With a policy every table has as many rows after many windows as after a few, whatever passes through."""
    stream, clock = kept_stream(Retention(full_log=2 * HOUR, versions=1)), Clock()
    stream = replace(stream, views={name: VIEWS[name] for name in ("by-hour", "by-operator")})
    await declare_views(store, stream)
    await begin(store, stream, clock)
    await build_all(store)
    most: dict[str, list[int]] = {table: [] for table in TABLES}
    for _ in range(36):
        await publish(store, 30)
        clock.now += HOUR
        await step(store, clock, memory=6 * HOUR)
        await store.builds.expire(NAME, grace=timedelta(0))
        while await store.builds.sweep(NAME):
            pass
        for table, counts in most.items():
            counts.append(await rows(store, f"SELECT count(*) FROM ldes.{table}"))
    for table, counts in most.items():
        assert max(counts[24:]) <= max(counts[12:24]) * 1.1 + 4, (table, counts)
    assert max(most["members"][12:]) < 36 * 30 / 4


async def test_deletions_are_kept_for_their_own_time(store: PostgresStore) -> None:
    """A deletion stays as long as deletions do, then its entity is forgotten: no older version comes back (A7)."""
    policy = Retention(versions=1, deleted_for=3 * HOUR)
    stream, clock = replace(make_stream({}), retention=policy), Clock()
    await begin(store, stream, clock)
    closed, said = {38: False, 41: True, 300: False, 303: True}, {}
    for start in range(0, 420, 30):
        head = await store.head(NAME)
        made = list(make_members(range(start, start + 30)))
        for number, deleted in closed.items():
            if number in range(start, start + 30):
                entity = f"https://example.org/closed/{number // 100}"
                said[number] = made[number - start] = made[number - start]._replace(entity=entity, deleted=deleted)
        after = replace(head, count=start + 30, published_at=made[-1].published_at, position=head.position + 30)
        await store.append(NAME, Placed(base=head, head=after, members=tuple(made)))
        clock.now += HOUR
        await step(store, clock)
        shown = await history(store)
        assert {41, 303} & shown >= {
            number for number, each in said.items() if each.deleted and clock.now - each.observed_at < 3 * HOUR
        }
    for _ in range(4):
        clock.now += HOUR
        await step(store, clock)
        await publish(store, 60)
    assert not closed.keys() & await history(store)


async def test_a_view_of_newest_versions_keeps_nothing_else(store: PostgresStore) -> None:
    """Beside a view of newest versions members leave as they do without it, and it shows the newest ones."""
    stream = replace(make_stream({"newest": ByLatest()}), retention=TWO_HOURS)
    clock = Clock()
    await declare_views(store, stream)
    await begin(store, stream, clock)
    await publish(store, 60)
    await build_all(store)
    await publish(store, 60)
    clock.now = MORNING + 4 * HOUR
    for _ in range(2):
        await step(store, clock)
        clock.now += HOUR
    assert set(await store.policies(NAME)) == {"log"}
    newest = {each.sequence for each in await store.latest(NAME, limit=100)}
    assert await rows(store) == len(newest | set(range((await store.head(NAME)).gone, 120)))
    assert (await read(store, stream, "newest")).sequences == newest
