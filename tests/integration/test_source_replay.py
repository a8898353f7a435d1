"""`source replay` on a real log and store: right members stay, wrong ones are revised, missing ones appear; once."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from ingest.normalise import checkpoint_offset, run_normaliser
from ingest.replay import Tally, Window, replay, replay_group, window_since
from ingest.source import Source
from ldes_server.model import PageId, Published
from ldes_server.postgres_store import PostgresStore
from ldes_server.writer import run_writer
from smartflanders.embedded import EmbeddedPostgres, running_database
from smartflanders.pilots import stream_of
from streams.log import Log
from streams.postgres_log import PostgresLog
from streams.record import Payload, members_topic, raw_topic, rejected_topic
from tests.support.running import ROOT
from tests.unit.ingest.workbench import BASE, changed, document, mapper_of

START = datetime(2026, 11, 1, 9, tzinfo=UTC)
# Minutes of the documents, and the free spaces that the first car park tells; the second always tells the same.
TOLD = ((0, 88), (1, 88), (2, 80), (20, 80))
# The old file takes occupation for free spaces, and cannot read the second car park's capacity.
OLD: dict[str, Any] = {"bind": {"free_spaces": "occupation", "occupation": None}}
NEW: dict[str, Any] = {"bind": {"total_spaces": {"from": "totalcapacity", "match": "[0-9]+"}}}


def told(minute: float, free: int) -> bytes:
    """Write a document of two car parks."""
    content = json.loads(document("garages.json"))
    first, second = content["results"]
    for item in (first, second):
        item["lastupdate"] = (START + timedelta(minutes=minute)).isoformat()
    first |= {"availablecapacity": free, "occupation": 150 - free}
    second["totalcapacity"] = "439 plaatsen"
    return json.dumps(content).encode()


def source_in(folder: Path, changes: dict[str, Any]) -> Source:
    """Write a source file into a folder of its own."""
    folder.mkdir()
    return changed(folder, **changes)


async def collected(log: Log, source: Source, bodies: Sequence[bytes]) -> None:
    """Append documents as the collector does."""
    payloads = [
        Payload(source=source.name, received_at=START, media_type="application/json", body=body) for body in bodies
    ]
    await log.append(raw_topic(source.name), [payload.to_record() for payload in payloads])


@asynccontextmanager
async def running(source: Source, log: Log, store: PostgresStore) -> AsyncIterator[None]:
    """Normalise and write meanwhile; leaving waits until everything is published."""
    stop = asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(run_normaliser(source, mapper_of(source), log, stop=stop))
        group.create_task(run_writer(stream_of(source), log, store, stop=stop))
        yield
        while not await published(source, log, store):  # noqa: ASYNC110 - two loops set no common event
            await asyncio.sleep(0.02)
        stop.set()


async def published(source: Source, log: Log, store: PostgresStore) -> bool:
    """Whether every payload is normalised and every member written."""
    raw, newest = await log.last(raw_topic(source.name)), await log.last(members_topic(source.stream))
    if raw is not None and await checkpoint_offset(source, log) < raw.offset:
        return False
    return newest is None or (await store.head(source.stream)).position >= newest.offset


async def members(source: Source, store: PostgresStore) -> list[Published]:
    """Read the whole stream."""
    stream = stream_of(source)
    found: list[Published] = []
    while (page := await store.page(stream, PageId(level=0, index=len(found) // stream.page_size))) is not None:
        found += page.members
        if not page.final:
            break
    return found


async def finished(tallies: AsyncIterator[Tally]) -> Tally:
    """Let a replay come to its end and return its last tally."""
    return [tally async for tally in tallies][-1]


async def command(dsn: str, source: Source, folder: Path, *arguments: str, base: str = BASE) -> tuple[int, str, str]:
    """Run `source replay` as a person does; return its status and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "smartflanders.cli", "source", "replay", source.name, f"--pilot={folder}"),
        *("--since", "1d", *arguments),
        cwd=ROOT,
        env={**os.environ, "SF_DATABASE_URL": dsn, "SF_BASE_URL": base},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_replay_corrects_and_completes_once(database_url: str, tmp_path: Path) -> None:
    """With the old file nothing changes; with the mended one wrong members are revised and missing ones published."""
    old, new = source_in(tmp_path / "old", OLD), source_in(tmp_path / "new", NEW)
    async with PostgresLog(database_url) as log, PostgresStore(database_url) as store:
        async with running(old, log, store):
            await collected(log, old, [told(*each) for each in TOLD])
        before = await members(old, store)
        rejected = await log.last(rejected_topic(old.name))
        assert len(before) == 3
        run = partial(command, database_url, old)
        same = await run(tmp_path / "old")
        assert same[:2] == (
            0,
            f"{old.name}: 4 payloads, 8 items: 0 new members, 0 revisions, 4 unchanged, 4 rejected\n",
        )
        assert await log.last(rejected_topic(old.name)) == rejected
        mended = await run(tmp_path / "new")
        assert mended[:2] == (
            0,
            f"{old.name}: 4 payloads, 8 items: 2 new members, 3 revisions, 3 unchanged, 0 rejected\n",
        )
        async with running(new, log, store):
            pass
        again = await run(tmp_path / "new")
        assert again[:2] == (
            0,
            f"{old.name}: 4 payloads, 8 items: 0 new members, 0 revisions, 8 unchanged, 0 rejected\n",
        )
        after = await members(new, store)
        assert after[:3] == before
        added = [json.loads(member.body) for member in after[3:]]
        revisions = [body for body in added if "revisionOf" in body]
        assert [body["freeSpaces"] for body in revisions] == [88, 80, 80]
        assert [body["revisionOf"] for body in revisions] == [f"{BASE}/{member.id}" for member in before]
        assert {body["totalSpaces"] for body in added if "revisionOf" not in body} == {439}
        assert len(after) == 8


async def test_replay_beside_a_running_normaliser(database_url: str, tmp_path: Path) -> None:
    """Payloads that come while a replay runs are published once, whoever comes to them first."""
    old, new = source_in(tmp_path / "old", OLD), source_in(tmp_path / "new", NEW)
    async with PostgresLog(database_url) as log, PostgresStore(database_url) as store:
        async with running(old, log, store):
            await collected(log, old, [told(minute, 100 - minute % 7) for minute in range(60)])
        async with running(new, log, store), asyncio.TaskGroup() as group:
            replaying = group.create_task(command(database_url, old, tmp_path / "new"))
            minute = 60
            while not replaying.done():
                await collected(log, new, [told(minute, 100 - minute % 7)])
                minute += 1
                await asyncio.sleep(0.05)
            assert replaying.result()[0] == 0
        found = await members(new, store)
        assert len({member.id for member in found}) == len(found)
        # The truth: what each car park told at each time, and that every change of it is a right newest version.
        newest = {(member.entity, member.observed_at): json.loads(member.body) for member in found}
        tolhuis = {at: body["freeSpaces"] for (entity, at), body in newest.items() if "tolhuis" in entity}
        assert len(tolhuis) == minute
        assert tolhuis == {START + timedelta(minutes=number): 100 - number % 7 for number in range(minute)}
        status, said, _ = await command(database_url, old, tmp_path / "new")
        assert status == 0
        assert ": 0 new members, 0 revisions, " in said


async def test_an_interrupted_replay_goes_on_where_it_was(database_url: str, tmp_path: Path) -> None:
    """The position is saved with every portion, the rest adds the rest, and a finished replay forgets it."""
    old, new = source_in(tmp_path / "old", OLD), source_in(tmp_path / "new", NEW)
    mapper, topic, group = mapper_of(new), raw_topic(old.name), replay_group(old.name)
    async with PostgresLog(database_url) as log, PostgresStore(database_url) as store:
        async with running(old, log, store):
            await collected(log, old, [told(minute, 100 - minute % 7) for minute in range(250)])
        ask = partial(store.bodies, new.stream)
        whole = Window(warm=-1, after=-1, until=249)
        first = await anext(replay(mapper, log, ask, whole))
        assert await log.committed(group, topic) == first.offset < 249
        resume = first.offset
        window = await window_since(mapper, log, datetime(2020, 1, 1, tzinfo=UTC), done=249, resume=resume)
        assert (window.after, window.until) == (resume, 249)
        rest = await finished(replay(mapper, log, ask, window))
        assert first.items + rest.items == 500
        assert await log.committed(group, topic) == -1
        async with running(new, log, store):
            pass
        last = await finished(replay(mapper, log, ask, whole))
        assert (last.items, last.members, last.revisions, last.unchanged) == (500, 0, 0, 500)


async def test_since_finds_the_first_payload_of_its_time(database_url: str, tmp_path: Path) -> None:
    """The window begins with the first payload at or after the time, and reaches back a heartbeat to warm up."""
    source = source_in(tmp_path / "new", NEW)
    mapper = mapper_of(source)
    async with PostgresLog(database_url) as log:
        nothing = await window_since(mapper, log, START, done=-1, resume=-1)
        assert nothing == Window(warm=-1, after=-1, until=-1)
        for minute in range(7):
            await collected(log, source, [told(minute, 1)])
            await asyncio.sleep(0.005)
        times = [entry.at async for batch in _all(log, source, 7) for entry in batch]
        for offset, at in enumerate(times):
            window = await window_since(mapper, log, at, done=6, resume=-1)
            assert window == Window(warm=-1, after=offset - 1, until=6)
        later = await window_since(mapper, log, times[-1] + timedelta(seconds=1), done=6, resume=-1)
        assert later.after == 6


async def _all(log: Log, source: Source, count: int) -> AsyncIterator[Sequence[Any]]:
    async for batch in log.read(raw_topic(source.name), after=-1):
        yield batch
        count -= len(batch)
        if count <= 0:
            return


async def test_wrong_use_is_refused(database_url: str, tmp_path: Path) -> None:
    """Another public address, an unknown source and a broken time are refused, each with its fix."""
    source = source_in(tmp_path / "new", NEW)
    async with PostgresLog(database_url) as log, PostgresStore(database_url) as store:
        async with running(source, log, store):
            await collected(log, source, [told(0, 88)])
        newest = await log.last(members_topic(source.stream))
        status, _, said = await command(database_url, source, tmp_path / "new", base="https://other.example.org")
        assert status == 2
        assert f"fix: set SF_BASE_URL={BASE}" in said
        assert await log.last(members_topic(source.stream)) == newest
    shipped = await command(database_url, source, ROOT / "deploy" / "pilots" / "vlaanderen")
    assert shipped[0] == 2
    assert "is no source" in shipped[2]
    assert (await command(database_url, source, tmp_path / "new", "--since", "soon"))[0] == 2


def test_the_database_of_a_running_platform_is_found(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Without SF_DATABASE_URL the data folder tells where the server of `up` is, and nothing when none runs."""
    assert running_database(postgres.folder) == postgres.dsn
    assert running_database(tmp_path) is None
