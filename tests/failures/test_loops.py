"""The loops alone over a real log and store: two writers, a clock that steps back, a mapping that throws."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

from ingest.normalise import run_normaliser
from ldes_server.hypermedia import describe
from ldes_server.log_view import ROOT
from ldes_server.model import Page, PageId, Published
from ldes_server.negotiate import Form as Media
from ldes_server.postgres_store import PostgresStore
from ldes_server.render import render_page
from ldes_server.writer import run_writer
from smartflanders.pilots import stream_of
from streams.errors import LogError, StoreError
from streams.lease import Leases
from streams.log import Log
from streams.postgres_log import PostgresLog
from streams.record import (
    Entry,
    Member,
    Payload,
    Reason,
    Record,
    Rejection,
    members_topic,
    parse_time,
    raw_topic,
    rejected_topic,
)
from tests.failures.trial import Form
from tests.unit.ingest.workbench import BASE, GARAGES, document, mapper_of, pilot

SOURCE = pilot(GARAGES)
STREAM = replace(stream_of(SOURCE), page_size=20, fan=3)
TOPIC = members_topic(STREAM.name)
BACK = timedelta(seconds=10)


class Stepping:
    """The log beneath as its readers would see it, had its clock stepped back ten seconds at an entry."""

    def __init__(self, log: Log, *, at: int) -> None:
        self._log = log
        self._at = at
        self.append, self.append_together, self.last = log.append, log.append_together, log.last
        self.commit, self.committed = log.commit, log.committed

    async def read(self, topic: str, *, after: int, limit: int = 500) -> AsyncIterator[Sequence[Entry]]:
        """Read the log beneath, later entries with earlier times."""
        async for entries in self._log.read(topic, after=after, limit=limit):
            yield [each if each.offset < self._at else each._replace(at=each.at - BACK) for each in entries]


def record(key: object) -> Record:
    """Make a member's record."""
    name = f"{STREAM.name}/members/{key}"
    body = b'{"@id":"%s/%s"}' % (BASE.encode(), name.encode())
    return Member(id=name, entity=f"{BASE}/e", observed_at=datetime.now(UTC), body=body).to_record()


async def pages_of(store: PostgresStore, page_id: PageId = ROOT) -> dict[PageId, Page]:
    """Fetch a page and everything below it."""
    page = await store.page(STREAM, page_id)
    assert page is not None, page_id
    found = {page_id: page}
    for relation in page.relations:
        found |= await pages_of(store, relation.target)
    return found


def bodies(pages: dict[PageId, Page]) -> dict[tuple[PageId, Media], bytes]:
    """Render every final page in every form."""
    frame = describe(STREAM, BASE)
    final = [page for page in pages.values() if page.final]
    return {(page.id, media): render_page(page, media, frame=frame) for page in final for media in Media}


def members_of(pages: dict[PageId, Page]) -> list[Published]:
    """Return the members in the order of their pages."""
    return [member for page in pages.values() for member in page.members]


async def reached(store: PostgresStore, position: int) -> None:
    """Wait until the stream is done with an entry."""
    async with asyncio.timeout(60):
        while (await store.head(STREAM.name)).position < position:  # noqa: ASYNC110 - the store is asked, it tells nobody
            await asyncio.sleep(0.01)


async def outcome_of(work: Any) -> StoreError | None:
    """Run a loop to its end and return what it was refused with."""
    with suppress(LogError):
        try:
            await work
        except StoreError as error:
            return error
    return None


async def test_two_writers(database_url: str, form: Form, chance: Random) -> None:
    """Of two writers without a lease one is refused for good (StoreError), the other publishes everything once."""
    refused = written = 0
    async with (
        PostgresLog(database_url) as log,
        PostgresStore(database_url) as store,
        PostgresStore(database_url) as too,
    ):
        for _ in form.rounds(5, 100):
            stop = asyncio.Event()
            async with asyncio.timeout(60), asyncio.TaskGroup() as group:
                writers = [
                    group.create_task(outcome_of(run_writer(STREAM, log, each, stop=stop))) for each in (store, too)
                ]
                while not any(writer.done() for writer in writers):
                    last = await log.append(TOPIC, [record(written + number) for number in range(chance.randint(1, 9))])
                    written = last + 1
                    await asyncio.sleep(chance.uniform(0, 0.02))
                await reached(store, await log.append(TOPIC, [record(written)]))
                written += 1
                stop.set()
            (error,) = (writer.result() for writer in writers if writer.result() is not None)
            assert error is not None
            assert not error.retriable
            assert "stop one of them" in error.fix
            refused += 1
        members = members_of(await pages_of(store))
    assert [member.id for member in members] == [f"{STREAM.name}/members/{number}" for number in range(written)]
    assert [member.sequence for member in members] == list(range(written))
    print(f"\ntwo writers without a lease: {refused} times one was refused; {written} members, lost 0, doubled 0")


async def test_two_writers_with_leases(database_url: str, form: Form) -> None:
    """With leases one of two writers works at a time; when its session dies the other goes on: each member once."""
    working: list[str] = []
    moved = written = 0

    async def hold(name: str, leases: Leases, log: Log, store: PostgresStore) -> None:
        async def work() -> None:
            assert not working
            working.append(name)
            try:
                await run_writer(STREAM, log, store, stop=stop)
            finally:
                working.remove(name)

        while not stop.is_set():
            with suppress(LogError):
                await leases.hold("write", work, stop=stop)

    stop = asyncio.Event()
    async with (
        PostgresLog(database_url) as log,
        PostgresStore(database_url) as store,
        Leases(database_url) as first,
        Leases(database_url) as second,
        asyncio.TaskGroup() as group,
    ):
        for name, leases in (("first", first), ("second", second)):
            group.create_task(hold(name, leases, log, store))
        for _ in form.rounds(3, 30):
            await reached(store, await log.append(TOPIC, [record(written + number) for number in range(10)]))
            written += 10
            holder = working[0]
            session = {"first": first, "second": second}[holder]._session
            assert session is not None
            session._connection.terminate()
            moved += 1
        await reached(store, await log.append(TOPIC, [record(written)]))
        stop.set()
        members = members_of(await pages_of(store))
    assert [member.id for member in members] == [f"{STREAM.name}/members/{number}" for number in range(written + 1)]
    print(f"\ntwo writers with leases: {moved} sessions lost; {written + 1} members, lost 0, doubled 0")


async def test_clock_stepped_back(database_url: str) -> None:
    """The log's clock goes back ten seconds: times never decrease (LDES-29), windows stay disjoint, pages unchanged."""
    async with PostgresLog(database_url) as log, PostgresStore(database_url) as store:
        step = await log.append(TOPIC, [record(number) for number in range(50)]) + 1
        stepping = Stepping(log, at=step)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(run_writer(STREAM, stepping, store, stop=stop))
            await reached(store, step - 1)
            before = bodies(await pages_of(store))
            for number in range(50, 150, 10):
                await reached(store, await log.append(TOPIC, [record(number + each) for each in range(10)]))
            stop.set()
        pages = await pages_of(store)
    members, after = members_of(pages), bodies(pages)
    assert len(before) >= 6
    assert {key: after[key] for key in before} == before
    assert [member.sequence for member in members] == list(range(150))
    assert all(one.published_at <= two.published_at for one, two in pairwise(members))
    for page in pages.values():
        bounds = [[parse_time(bound.value) for bound in relation.bounds] for relation in page.relations]
        assert all(low[1] < high[0] for low, high in pairwise(bounds))
    ahead = max(member.published_at for member in members) - datetime.now(UTC)
    print(f"\nclock stepped back 10 s: 150 members, lost 0, doubled 0; {len(before)} final bodies unchanged")
    assert ahead < timedelta(seconds=1)


async def test_mapping_throws(database_url: str) -> None:
    """A mapping that throws on one item costs that item alone: it becomes a rejection with its reason, kept for replay."""
    mapper = mapper_of(SOURCE)
    payload = Payload(
        source=SOURCE.name,
        received_at=datetime.now(UTC),
        media_type="application/json",
        body=document("garages.json"),
    )
    seen: list[Any] = []

    def throw_on_second(item: Any, *arguments: Any) -> Any:
        seen.append(item)
        return 1 // 0 if len(seen) % 3 == 2 else mapper.facts(item, *arguments)

    async with PostgresLog(database_url) as log, PostgresStore(database_url) as store:
        stop = asyncio.Event()
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(run_normaliser(SOURCE, replace(mapper, facts=throw_on_second), log, stop=stop))
            group.create_task(run_writer(STREAM, log, store, stop=stop))
            await log.append(raw_topic(SOURCE.name), [payload.to_record()])
            refused = (await anext(log.read(rejected_topic(SOURCE.name), after=-1)))[0]
            await reached(store, len(seen) - 2)
            stop.set()
        members = members_of(await pages_of(store))
    rejection = Rejection.from_record(refused.record)
    assert rejection.reason is Reason.FAULT
    assert "ZeroDivisionError" in rejection.detail
    assert rejection.excerpt
    assert refused.offset == 0
    assert len(members) == len(seen) - 1
    print(f"\na mapping that throws on one record: {len(seen)} items, {len(members)} members, 1 rejection, lost 0")
