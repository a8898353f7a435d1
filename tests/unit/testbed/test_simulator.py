"""The simulator's server as a plain client sees it: validators, faults that do what they say, and a true ledger."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import aiohttp
import pytest

from testbed.simulator.faults import Fault, parse_fault
from testbed.simulator.options import SimulatorOptions
from testbed.simulator.replay import serve_replay
from testbed.simulator.server import serve

MIV = "/miv.opendata.belfla.be/miv/verkeersdata"
CONFIGURATION = "/miv.opendata.belfla.be/miv/configuratie/xml"
PORTAL = "/data.stad.gent/api/explore/v2.1/catalog/datasets"
GARAGES = f"{PORTAL}/bezetting-parkeergarages-real-time/records?limit=100"
RIDES = f"{PORTAL}/real-time-bezetting-pr-gent/records?limit=100"


@asynccontextmanager
async def simulated(**options: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """Run a small city and yield a client that talks to it."""
    faults = tuple(parse_fault(text) for text in options.pop("faults", ()))
    stop = asyncio.Event()
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    wishes = SimulatorOptions(lanes=30, faults=faults, **options)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(wishes, ready=ready.set_result, stop=stop))
        try:
            async with aiohttp.ClientSession(await ready) as session:
                yield session
        finally:
            stop.set()


async def get(session: aiohttp.ClientSession, path: str, **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
    """Fetch a path whole."""
    async with session.get(path, headers=headers) as response:
        return response.status, await response.read(), response.headers


async def ledger(session: aiohttp.ClientSession, kind: str) -> list[dict[str, Any]]:
    """Read the ledger's lines of one kind."""
    _, body, _ = await get(session, "/-/ledger")
    return [line for line in map(json.loads, body.splitlines()) if line["kind"] == kind]


def lanes(body: bytes) -> list[ET.Element]:
    """Parse an MIV answer."""
    return ET.fromstring(body).findall("meetpunt")


async def test_conditional_requests_work_as_on_real_servers() -> None:
    """An ETag or a date the client shows makes 304; another one makes 200, with gzip when accepted."""
    async with simulated() as session:
        for path in (CONFIGURATION, GARAGES):
            _, body, headers = await get(session, path)
            assert headers["Content-Encoding"] == "gzip"
            plain = await get(session, path, **{"Accept-Encoding": "identity"})
            assert (plain[1], plain[2]["ETag"]) == (body, headers["ETag"].removeprefix("W/"))
            assert (await get(session, path, **{"If-None-Match": headers["ETag"]}))[:2] == (304, b"")
            assert (await get(session, path, **{"If-Modified-Since": headers["Last-Modified"]}))[0] == 304
            assert (await get(session, path, **{"If-None-Match": '"x"'}))[0] == 200


async def test_the_ledger_equals_what_a_client_collected(tmp_path: Path) -> None:
    """Distinct items of all bodies a client read are exactly the ledger's items; asking twice adds none."""
    path = tmp_path / "ledger.ndjson"
    async with simulated(speed=600, ledger=path) as session:
        seen = set()
        for _ in range(15):
            for lane in lanes((await get(session, MIV))[1]):
                counts = [data.findtext("verkeersintensiteit") for data in lane.findall("meetdata")]
                seen.add((lane.get("unieke_id"), lane.findtext("tijd_waarneming"), str(counts)))
            await asyncio.sleep(0.05)
        items = await ledger(session, "item")
        assert len(seen) == len(items) > 60
        assert {entity for entity, _, _ in seen} == {item["entity"] for item in items}
        bodies = await ledger(session, "body")
        assert [body["items"] for body in bodies] == [30] * 15
        assert all(body["complete"] for body in bodies)
    assert path.read_bytes().count(b'"kind": "item"') == len(items)


async def test_the_ledger_knows_what_a_client_has_kept() -> None:
    """A body is confirmed when a client comes back with its ETag, once."""
    async with simulated() as session:
        _, _, headers = await get(session, GARAGES)
        assert await ledger(session, "confirmed") == []
        for _ in range(2):
            await get(session, GARAGES, **{"If-None-Match": headers["ETag"]})
        assert [line["body"] for line in await ledger(session, "confirmed")] == [1]


async def expected(session: aiohttp.ClientSession) -> list[str]:
    """List what the ledger expects of the items that are no plain members."""
    return [item["expected"] for item in await ledger(session, "item") if item["expected"] != "member"]


async def test_doubled_tells_every_item_twice_and_counts_it_once() -> None:
    """Twice as many items in the body, no more distinct ones in the ledger."""
    async with simulated(faults=["doubled"]) as session:
        assert len(lanes((await get(session, MIV))[1])) == 60
        assert len(await ledger(session, "item")) == 30
        assert (await ledger(session, "body"))[0]["items"] == 60


async def test_late_and_reordered_tell_older_observations() -> None:
    """Late mixes ten-minute-old items in; reordered sends an older document, shuffled."""
    async with simulated() as session:
        now = lanes((await get(session, MIV))[1])
        newest = max(lane.findtext("tijd_waarneming", "") for lane in now)
        for fault, older in (("late", range(1, 10)), ("reordered", range(30, 31))):
            await post(session, [fault])
            told = lanes((await get(session, MIV))[1])
            assert sum(lane.findtext("tijd_waarneming", "") < newest for lane in told) in older
        assert [lane.get("unieke_id") for lane in told] != [lane.get("unieke_id") for lane in now]
        assert await expected(session) == []


async def test_item_faults_are_in_the_body_and_in_the_ledger() -> None:
    """Each fault of items spoils about a tenth of them, and the ledger says what should become of those."""
    async with simulated(faults=["missing-field"]) as session:
        told = lanes((await get(session, MIV))[1])
        assert sum(lane.find("tijd_waarneming") is None for lane in told) == 3
        assert await expected(session) == ["rejection"] * 3
    async with simulated(faults=["sentinel"]) as session:
        assert (await get(session, GARAGES))[1].count(b'"availablecapacity": -1') == 1
        assert await expected(session) == ["either"]
    async with simulated(faults=["wrong-clock"]) as session:
        assert (await get(session, MIV))[1].count(b"<tijd_waarneming>2000-") == 3
        assert await expected(session) == ["either"] * 3
    async with simulated(faults=["bad-coordinates"]) as session:
        assert (await get(session, RIDES))[1].count(b"3720.5") == 1
        assert await expected(session) == ["rejection"]
    async with simulated(faults=["drift"]) as session:
        assert b'"lastupdate"' not in (await get(session, GARAGES))[1]
        assert await expected(session) == ["rejection"] * 12


async def test_body_faults_tell_nothing() -> None:
    """A cut document, an error page and bombs are transferred whole, and the ledger expects a refusal and no items."""
    async with simulated() as session:
        await post(session, ["malformed"])
        with pytest.raises(ET.ParseError):
            lanes((await get(session, MIV))[1])
        await post(session, ["html"])
        status, body, headers = await get(session, MIV)
        assert (status, body[:15], headers["Content-Type"][:9]) == (200, b"<!DOCTYPE html>", "text/html")
        await post(session, ["bomb"])
        assert b"<!ENTITY b10" in (await get(session, MIV))[1]
        assert (await get(session, GARAGES))[1].startswith(b"[[[[")
        assert await ledger(session, "item") == []
        assert {line["payload"] for line in await ledger(session, "body")} == {"rejection"}


async def test_oversize_is_small_on_the_wire_and_huge_inside() -> None:
    """The oversize body is two hundred megabytes that travel as less than one."""
    async with simulated(faults=["oversize"]) as session, session.get(MIV) as response:
        assert int(response.headers["Content-Length"]) < 1_000_000
    async with simulated(faults=["oversize"]) as session, session.get(MIV, headers={"Accept-Encoding": ""}) as response:
        assert int(response.headers["Content-Length"]) == 200 * 1024 * 1024


async def test_transfer_faults_break_the_transfer() -> None:
    """An error is 500, truncation breaks off, silence lasts, slowness takes seconds; none of it enters as items."""
    async with simulated(faults=["error"]) as session:
        assert (await get(session, MIV))[0] == 500
        await post(session, ["truncated"])
        with pytest.raises(aiohttp.ClientPayloadError):
            await get(session, MIV)
        await post(session, ["silent@miv"])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await get(session, MIV)
        assert (await get(session, GARAGES))[0] == 200, "a fault for one path leaves the others alone"
        assert {item["source"] for item in await ledger(session, "item")} == {"gent-garages"}
        await post(session, ["slow"])
        start = asyncio.get_running_loop().time()
        assert len(lanes((await get(session, MIV))[1])) == 30
        assert asyncio.get_running_loop().time() - start > 2


async def post(session: aiohttp.ClientSession, faults: Sequence[object]) -> int:
    """Switch faults and return the status."""
    async with session.post("/-/faults", json=faults) as response:
        return response.status


async def test_faults_are_switched_at_run_time() -> None:
    """A list replaces the faults that are on; a wrong one is refused and changes nothing; the page shows them."""
    async with simulated(faults=["late:0.5@miv"]) as session:
        assert json.loads((await get(session, "/-/faults"))[1]) == ["late:0.5@miv"]
        assert await post(session, ["slow:0", "error:0"]) == 200
        assert (await get(session, MIV))[0] == 200
        for wrong in (["nonsense"], ["late:7"], ["late:x"]):
            assert await post(session, wrong) == 400
        page = (await get(session, "/"))[1].decode()
        assert "slow:0" in page
        assert MIV in page
    with pytest.raises(ValueError, match="malformed"):
        parse_fault("unknown")
    assert {str(parse_fault(fault.value)) for fault in Fault} == {f"{fault.value}:1" for fault in Fault}


async def test_the_portal_pages_like_opendatasoft() -> None:
    """Ten records by default, a hundred at most."""
    async with simulated() as session:
        bare = GARAGES.partition("?")[0]
        assert len(json.loads((await get(session, bare))[1])["results"]) == 10
        assert len(json.loads((await get(session, f"{bare}?limit=5&offset=10"))[1])["results"]) == 2
        assert (await get(session, f"{bare}?limit=101"))[0] == 400
        assert (await get(session, f"{bare}?limit=many"))[0] == 400


@asynccontextmanager
async def replaying(documents: Mapping[str, Sequence[Path]]) -> AsyncIterator[aiohttp.ClientSession]:
    """Run a replay server and yield a client that talks to it."""
    stop = asyncio.Event()
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        group.create_task(serve_replay(documents, ready=ready.set_result, stop=stop))
        try:
            async with aiohttp.ClientSession(await ready) as session:
                yield session
        finally:
            stop.set()


def recordings(folder: Path) -> list[Path]:
    """Write three documents, the second a copy of the first, one of them compressed."""
    paths = [folder / "1.xml", folder / "2.xml.gz", folder / "3.json"]
    paths[0].write_bytes(b"<a/>")
    paths[1].write_bytes(gzip.compress(b"<a/>"))
    paths[2].write_bytes(b'{"a": 1}')
    return paths


async def test_recorded_documents_come_one_after_another(tmp_path: Path) -> None:
    """A plain client gets each file once, then the last for ever, with its media type; progress counts them."""
    async with replaying({"example.org/feed": recordings(tmp_path)}) as session:
        found = [await get(session, "/example.org/feed?limit=1") for _ in range(4)]
        assert [body for _, body, _ in found] == [b"<a/>", b"<a/>", b'{"a": 1}', b'{"a": 1}']
        types = [headers["Content-Type"] for _, _, headers in found]
        assert types == ["application/xml", "application/xml", "application/json", "application/json"]
        progress = json.loads((await get(session, "/-/progress"))[1])
        assert progress == {"example.org/feed": {"files": 3, "served": 3}}


async def test_a_client_with_an_etag_gets_what_comes_after_it(tmp_path: Path) -> None:
    """Who shows an ETag gets the next different file, again and again until it shows that one's; then 304."""
    async with replaying({"example.org/feed": recordings(tmp_path)}) as session:
        _, _, first = await get(session, "/example.org/feed")
        for _ in range(2):
            _, body, last = await get(session, "/example.org/feed", **{"If-None-Match": first["ETag"]})
            assert body == b'{"a": 1}'
        assert (await get(session, "/example.org/feed", **{"If-None-Match": last["ETag"]}))[0] == 304
        assert json.loads((await get(session, "/-/progress"))[1])["example.org/feed"]["served"] == 3


async def test_a_patient_city_stands_still_until_a_document_is_asked_for() -> None:
    """Its front page shows the start for as long as nobody asks for a document, and then time passes."""
    start = datetime(2026, 1, 5, 8, tzinfo=UTC)
    async with simulated(patient=True, speed=3600, start=start) as city:
        shown = []
        for path in ("/", GARAGES, "/"):
            await asyncio.sleep(0.2)
            shown.append((await get(city, path))[1])
        assert b"2026-01-05T08:00:00" in shown[0]
        assert b'"lastupdate": "2026-01-05T09:' in shown[1]
        assert b"2026-01-05T08:00:00" not in shown[2]
