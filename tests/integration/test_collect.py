"""Collecting from the simulated city into a real log: nothing lost, nothing silent, and an end in good order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import aiohttp
import pytest

from ingest.collect import collect
from ingest.connectors import open_connector
from ingest.transports.files import FilesOptions
from ingest.transports.http_poll import HttpPollOptions
from streams.errors import SourceError
from streams.metrics import COLLECTED_BYTES, COLLECTED_PAYLOADS, LAST_COLLECTED, POLLS
from streams.postgres_log import PostgresLog
from streams.record import Payload, raw_topic
from streams.supervise import Backoff, supervise
from testbed.simulator.faults import parse_fault
from testbed.simulator.options import SimulatorOptions
from testbed.simulator.server import serve

MIV = "/miv.opendata.belfla.be/miv/verkeersdata"


@asynccontextmanager
async def simulated(*faults: str) -> AsyncIterator[str]:
    """Run a small fast city, ten simulated minutes a second, and yield its origin."""
    stop = asyncio.Event()
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    options = SimulatorOptions(lanes=20, speed=600, faults=tuple(map(parse_fault, faults)))
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(options, ready=ready.set_result, stop=stop))
        try:
            yield await ready
        finally:
            stop.set()


async def payloads(log: PostgresLog, source: str) -> list[Payload]:
    """Read all payloads of a source."""
    newest = await log.last(raw_topic(source))
    found: list[Payload] = []
    if newest is not None:
        async for entries in log.read(raw_topic(source), after=-1):
            found += [Payload.from_record(entry.record) for entry in entries]
            if entries[-1].offset >= newest.offset:
                break
    return found


async def run(source: str, options: object, log: PostgresLog, *, seconds: float) -> None:
    """Collect for a while, then stop and wait for the end."""
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, stop.set)
    async with asyncio.timeout(seconds + 10), open_connector(source, options) as connector:
        await collect(source, connector, log, stop=stop)


def http(url: str, **changes: Any) -> HttpPollOptions:
    """Poll a hundred times a second, twenty times as often as there is news."""
    return HttpPollOptions(url=url, every=timedelta(milliseconds=20), **changes)


def items(bodies: list[bytes]) -> set[tuple[str | None, str | None]]:
    """List the distinct lane minutes in MIV documents."""
    return {
        (lane.get("unieke_id"), lane.findtext("tijd_waarneming"))
        for body in bodies
        for lane in ET.fromstring(body).findall("meetpunt")
    }


async def truth(origin: str) -> list[dict[str, Any]]:
    """Read the simulator's ledger."""
    async with aiohttp.ClientSession() as session, session.get(f"{origin}/-/ledger") as response:
        return [json.loads(line) for line in (await response.read()).splitlines()]


async def test_what_was_served_is_in_the_log_once(database_url: str) -> None:
    """After two runs the log holds each document served exactly once, in order, and the counters say so."""
    async with PostgresLog(database_url) as log, simulated() as origin:
        for _ in range(2):
            await run("twice", http(origin + MIV), log, seconds=0.6)
        stored = await payloads(log, "twice")
        lines = await truth(origin)
    bodies = [line for line in lines if line["kind"] == "body"]
    assert len(stored) == len(bodies) > 5
    assert len({payload.cursor for payload in stored}) == len(stored)
    assert len(items([payload.body for payload in stored])) == sum(line["kind"] == "item" for line in lines)
    assert [payload.received_at for payload in stored] == sorted(payload.received_at for payload in stored)
    assert COLLECTED_PAYLOADS.labels(source="twice")._value.get() == len(stored)
    assert COLLECTED_BYTES.labels(source="twice")._value.get() == sum(len(payload.body) for payload in stored)
    assert LAST_COLLECTED.labels(source="twice")._value.get() == pytest.approx(
        stored[-1].received_at.timestamp(), abs=1
    )
    assert POLLS.labels(source="twice", outcome="news")._value.get() == len(stored)
    assert POLLS.labels(source="twice", outcome="empty")._value.get() > 0


async def test_an_outage_is_counted_and_handed_to_supervision(database_url: str) -> None:
    """An error of the publisher ends the job with its error, is counted, and stores nothing."""
    async with PostgresLog(database_url) as log, simulated("error") as origin:
        with pytest.raises(SourceError, match="500"):
            await run("outage", http(origin + MIV), log, seconds=5)
        assert await payloads(log, "outage") == []
    assert POLLS.labels(source="outage", outcome="failed")._value.get() == 1


@pytest.mark.parametrize(
    ("fault", "says"), [("truncated", "broke off"), ("oversize", "larger than"), ("silent", "no complete answer")]
)
async def test_bad_transfers_store_nothing(database_url: str, fault: str, says: str) -> None:
    """A truncated, oversize or missing body never reaches the log and is never silent."""
    async with PostgresLog(database_url) as log, simulated(fault) as origin:
        # Only silence is to meet the timeout: a busy machine needs seconds for a body that is too large.
        patience = timedelta(seconds=2 if fault == "silent" else 30)
        options = http(origin + MIV, timeout=patience, max_bytes=1_000_000)
        with pytest.raises(SourceError, match=says):
            await run(fault, options, log, seconds=60)
        assert await payloads(log, fault) == []


@pytest.mark.parametrize("fault", ["malformed", "html", "bomb", "drift", "doubled"])
async def test_bad_data_is_stored_as_received(database_url: str, fault: str) -> None:
    """What was transferred whole is kept for the normaliser to judge, whatever it is."""
    async with PostgresLog(database_url) as log, simulated(fault) as origin:
        await run(fault, http(origin + MIV), log, seconds=0.4)
        stored = await payloads(log, fault)
        sizes = [line["bytes"] for line in await truth(origin) if line["kind"] == "body"]
    assert stored
    assert {len(payload.body) for payload in stored} <= set(sizes)


async def test_a_publisher_that_asks_for_patience_is_left_alone(database_url: str) -> None:
    """A closed door is knocked on once, counted, and stopping does not wait for it to open."""
    async with PostgresLog(database_url) as log, simulated() as origin:
        await run("door", http(origin + "/nobody/here"), log, seconds=0.5)
    assert POLLS.labels(source="door", outcome="failed")._value.get() == 1


async def test_files_are_collected_once_across_restarts(database_url: str, tmp_path: Path) -> None:
    """Every file becomes one payload, over two runs, and one that appears in between is found."""
    options = FilesOptions(folder=tmp_path, pattern="*.json", every=timedelta(milliseconds=20), settle=timedelta(0))
    async with PostgresLog(database_url) as log:
        for number in range(3):
            (tmp_path / f"{number}.json").write_bytes(b"%d" % number)
        await run("files", options, log, seconds=0.4)
        (tmp_path / "3.json").write_bytes(b"3")
        await run("files", options, log, seconds=0.4)
        assert [payload.body for payload in await payloads(log, "files")] == [b"0", b"1", b"2", b"3"]


async def test_the_outage_of_one_publisher_leaves_the_others_running(database_url: str) -> None:
    """Under supervision a dead publisher's job is tried again alone, and another source keeps collecting."""
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(1.5, stop.set)
    async with PostgresLog(database_url) as log, simulated("error@data.stad.gent") as origin:
        dead = f"{origin}/data.stad.gent/api/explore/v2.1/catalog/datasets/real-time-bezetting-pr-gent/records"

        async def job(source: str, url: str) -> None:
            async with open_connector(source, http(url)) as connector:
                await collect(source, connector, log, stop=stop)

        jobs = {"alive": partial(job, "alive", origin + MIV), "dead": partial(job, "dead", dead)}
        backoff = Backoff(first=timedelta(milliseconds=50))
        await supervise(jobs, stop=stop, grace=timedelta(seconds=5), backoff=backoff)
        assert len(await payloads(log, "alive")) > 5
        assert await payloads(log, "dead") == []
    assert POLLS.labels(source="dead", outcome="failed")._value.get() > 1
