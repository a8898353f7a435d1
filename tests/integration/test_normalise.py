"""The normalising loop on a real log, and the recorded documents read independently."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from ingest.lookup import Lookups
from ingest.mapping import compile_mapping
from ingest.memory import Memory
from ingest.normalise import normalise, run_normaliser
from ingest.source import Source
from streams.log import Log
from streams.postgres_log import PostgresLog
from streams.record import (
    Member,
    Payload,
    Record,
    Rejection,
    members_topic,
    raw_topic,
    rejected_topic,
    state_topic,
)
from tests.unit.ingest.workbench import (
    BASE,
    CONFIGURATION,
    GARAGES,
    PARK_AND_RIDE,
    ROOT,
    TRAFFIC,
    document,
    entry,
    lane_tables,
    pilot,
)
from vocab.check import validate
from vocab.model import load_model

SAMPLES = ROOT.parent / "shared" / "samples"
MINUTE = SAMPLES / "miv" / "verkeersdata-20170427T1438.xml.gz"
POINTS = SAMPLES / "miv" / "configuratie-20170217.xml.gz"
needs_samples = pytest.mark.skipif(not MINUTE.is_file(), reason="the recorded documents are not on this machine")


@pytest.fixture
async def log(database_url: str) -> AsyncIterator[PostgresLog]:
    """Open an empty log."""
    async with PostgresLog(database_url) as opened:
        yield opened


async def publish(log: Log, source: str, *bodies: bytes, media_type: str = "text/xml") -> None:
    """Append documents to a raw topic as the collector does."""
    now = datetime.now(UTC)
    payloads = [Payload(source=source, received_at=now, media_type=media_type, body=body) for body in bodies]
    await log.append(raw_topic(source), [payload.to_record() for payload in payloads])


async def records(log: Log, topic: str) -> list[Record]:
    """Read everything a topic holds now."""
    last = await log.last(topic)
    found: list[Record] = []
    if last is None:
        return found
    async for entries in log.read(topic, after=-1):
        found += [it.record for it in entries]
        if entries[-1].offset >= last.offset:
            break
    return found


async def until_done(log: Log, source: Source, *, offset: int) -> None:
    """Run the normaliser until its checkpoint has reached an offset, then stop it."""
    stop = asyncio.Event()
    mapper = compile_mapping(source, load_model(source.model), base_url=BASE)

    async def watch() -> None:
        while True:
            state = await log.last(state_topic(source.name))
            if state is not None and int(state.record.headers["offset"]) >= offset:
                # The stop is to meet a reader that waits; what a stop in the middle does is the log's own contract.
                await asyncio.sleep(0.2)
                stop.set()
                return
            await asyncio.sleep(0.02)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(watch())
        group.create_task(run_normaliser(source, mapper, log, stop=stop))


async def test_payloads_become_members_and_rejections(log: PostgresLog) -> None:
    """Members, rejections and the checkpoint are on their topics, and nothing is lost or doubled by a restart."""
    source = pilot(GARAGES)
    good = document("garages.json")
    await publish(log, source.name, good, good[:-4], b"<html>502</html>", media_type="application/json")
    await until_done(log, source, offset=2)
    corrected = good.replace(b'"availablecapacity": 88', b'"availablecapacity": 87')
    await publish(log, source.name, corrected, media_type="application/json")
    await until_done(log, source, offset=3)
    members = [Member.from_record(record) for record in await records(log, members_topic(source.stream))]
    rejections = [Rejection.from_record(record) for record in await records(log, rejected_topic(source.name))]
    assert [json.loads(member.body)["freeSpaces"] for member in members] == [88, 0, 87]
    assert json.loads(members[2].body)["revisionOf"] == f"{BASE}/{members[0].id}"
    assert [rejection.offset for rejection in rejections] == [1, 2]


async def test_a_crash_before_the_checkpoint_makes_identical_members(log: PostgresLog) -> None:
    """Doing the same payload again after a lost checkpoint gives the same records, byte for byte."""
    source = pilot(GARAGES)
    await publish(log, source.name, document("garages.json"), media_type="application/json")
    await until_done(log, source, offset=0)
    lost = Record(key=b"x", value=Memory().to_bytes(), headers={"offset": b"-1"})
    await log.append(state_topic(source.name), [lost])
    await until_done(log, source, offset=0)
    found = await records(log, members_topic(source.stream))
    assert len(found) == 4
    assert found[:2] == found[2:]


@pytest.mark.parametrize("poison", [Record(key=b"", value=b""), Record(key=b"\xff", value=b"\x00")])
async def test_a_lookup_outlives_what_is_no_document(log: PostgresLog, poison: Record) -> None:
    """A record that is no document leaves a lookup's table as it was; a normaliser that begins finds the one before."""
    source = pilot(TRAFFIC)
    await publish(log, "miv-configuratie", document("miv-configuratie.xml"))
    await log.append(raw_topic("miv-configuratie"), [poison])
    await publish(log, source.name, document("miv-verkeersdata.xml"))
    await until_done(log, source, offset=0)
    assert await records(log, members_topic(source.stream))


async def test_a_lookup_without_a_document_before_waits(log: PostgresLog) -> None:
    """With nothing but garbage there is no table yet, and the first document ends the waiting."""
    source = pilot(TRAFFIC)
    lookups = Lookups(source.lookups, log)
    for _ in range(2):
        await log.append(raw_topic("miv-configuratie"), [Record(key=b"", value=b"")])
        assert await lookups.refresh() == ["miv-configuratie"]
    await publish(log, "miv-configuratie", document("miv-configuratie.xml"))
    assert await lookups.refresh() == []
    await log.append(raw_topic("miv-configuratie"), [Record(key=b"", value=b"")])
    rows = lookups.tables["lane"]
    assert await lookups.refresh() == []
    assert lookups.tables["lane"] is rows


async def test_an_unreadable_checkpoint_starts_over(log: PostgresLog) -> None:
    """A checkpoint of another version costs work, not data."""
    source = pilot(GARAGES)
    await log.append(state_topic(source.name), [Record(key=b"x", value=b"?", headers={"offset": b"-1"})])
    await publish(log, source.name, document("garages.json"), media_type="application/json")
    await until_done(log, source, offset=0)
    assert len(await records(log, members_topic(source.stream))) == 2


async def test_a_required_lookup_is_waited_for(log: PostgresLog) -> None:
    """Without the other document nothing is rejected; when it comes, the waiting payload goes through."""
    source = pilot(TRAFFIC)
    await publish(log, source.name, document("miv-verkeersdata.xml"))
    async with asyncio.TaskGroup() as group:
        done = group.create_task(until_done(log, source, offset=0))
        await asyncio.sleep(0.3)
        assert not done.done()
        assert await log.last(rejected_topic(source.name)) is None
        await publish(log, "miv-configuratie", document("miv-configuratie.xml"))
    assert len(await records(log, members_topic(source.stream))) == 2


async def test_stopping_while_waiting_is_prompt(log: PostgresLog) -> None:
    """The stop ends a normaliser that waits for news or for a lookup."""
    for name in (GARAGES, TRAFFIC):
        source, stop = pilot(name), asyncio.Event()
        if name == TRAFFIC:
            await publish(log, source.name, document("miv-verkeersdata.xml"))
        mapper = compile_mapping(source, load_model(source.model), base_url=BASE)
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            group.create_task(run_normaliser(source, mapper, log, stop=stop))
            await asyncio.sleep(0.2)
            stop.set()


def _text(element: ET.Element, path: str) -> str:
    found = element.findtext(path)
    assert found is not None
    return found


def _expected(element: ET.Element) -> list[tuple[str, float]]:
    """Say what a lane of the recorded minute must give, from the feed's own description of its fields."""
    names = {"1": "motorcycle", "2": "car", "3": "van", "4": "truck", "5": "articulated"}
    said: list[tuple[str, float]] = []
    for kind, field in (("mean", "rekenkundig"), ("harmonic", "harmonisch")):
        for part in element.findall("meetdata"):
            speed = int(_text(part, f"voertuigsnelheid_{field}"))
            if int(_text(part, "verkeersintensiteit")) > 0 and 1 <= speed <= 200:
                said.append((f"{names[part.attrib['klasse_id']]}-{kind}-speed", speed))
    said.extend(
        (f"{names[part.attrib['klasse_id']]}-count", int(_text(part, "verkeersintensiteit")))
        for part in element.findall("meetdata")
    )
    said.append(("lane-occupancy", int(_text(element, "rekendata/bezettingsgraad"))))
    said.append(("lane-availability", int(_text(element, "rekendata/beschikbaarheidsgraad"))))
    said.append(("lane-turbulence", int(_text(element, "rekendata/onrustigheid"))))
    return sorted(said)


@needs_samples
def test_the_recorded_minute_is_complete() -> None:
    """All 4,254 lanes of the real minute are members with every value that an independent reading finds."""
    source, body = pilot(TRAFFIC), gzip.decompress(MINUTE.read_bytes())
    mapper = compile_mapping(source, load_model(source.model), base_url=BASE)
    tables = lane_tables(gzip.decompress(POINTS.read_bytes()))
    outcome = normalise([entry(body, media_type="text/xml")], mapper, Memory(), tables=tables)
    lanes = {lane.attrib["unieke_id"]: lane for lane in ET.fromstring(body).findall("meetpunt")}
    assert outcome.rejections == []
    assert len(outcome.members) == len(lanes) == 4254
    stale = 0
    for member in outcome.members:
        found = json.loads(member.body)
        lane = lanes.pop(member.id.split("/")[2])
        said = sorted((it["kenmerk"], it.get("count", it.get("result"))) for it in found["observations"])
        assert said == _expected(lane)
        assert member.observed_at == datetime.fromisoformat(_text(lane, "tijd_waarneming"))
        stale += not found["current"]
    assert stale == 78
    assert len(outcome.memory.to_bytes()) < 400_000
    again = normalise([entry(body, media_type="text/xml")], mapper, outcome.memory, tables=tables)
    assert (len(again.members), again.unchanged) == (0, 4254)
    assert validate(load_model("traffic"), [member.body for member in outcome.members[::200]]) == []


@needs_samples
def test_the_recorded_configuration_is_complete() -> None:
    """All 4,254 measuring points are members, each within Belgium, and a sample conforms."""
    source = pilot(CONFIGURATION)
    mapper = compile_mapping(source, load_model(source.model), base_url=BASE)
    body = gzip.decompress(POINTS.read_bytes())
    outcome = normalise([entry(body, media_type="text/xml")], mapper, Memory())
    assert (len(outcome.members), outcome.rejections) == (4254, [])
    assert all(member.point and 2.5 < member.point.longitude < 6.41 for member in outcome.members)
    assert validate(load_model("measuring-point"), [member.body for member in outcome.members[::400]]) == []


@needs_samples
@pytest.mark.parametrize(
    ("name", "sample", "free"),
    [
        (GARAGES, "garages.json", "availablecapacity"),
        (GARAGES, "garages-20221209.json", "availablecapacity"),
        (PARK_AND_RIDE, "park_and_ride.json", "availablespaces"),
    ],
)
def test_recorded_parkings_are_complete(name: str, sample: str, free: str) -> None:
    """Every recorded car park is a member with the free spaces that the document states, and all conform."""
    source, path = pilot(name), Path(SAMPLES / "gent-opendatasoft" / sample)
    mapper = compile_mapping(source, load_model(source.model), base_url=BASE)
    outcome = normalise([entry(path.read_bytes())], mapper, Memory())
    stated = [record["fields"][free] for record in json.loads(path.read_bytes())["records"]]
    assert outcome.rejections == []
    assert [json.loads(member.body)["freeSpaces"] for member in outcome.members] == stated
    assert all(member.point is not None for member in outcome.members)
    assert validate(load_model("parking"), [member.body for member in outcome.members]) == []
