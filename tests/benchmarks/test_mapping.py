"""Benchmarks of the mapping, as ratios: the hand-written function, the standard library, the whole minute, memory."""

from __future__ import annotations

import gzip
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from ingest.decoders.items import Item
from ingest.decoders.table import decode
from ingest.mapping import Mapper, Tables, compile_mapping
from ingest.memory import Memory
from ingest.normalise import normalise
from tests.unit.ingest.workbench import BASE, GARAGES, RECEIVED, ROOT, TRAFFIC, document, entry, lane_tables, pilot
from vocab.model import load_model

pytestmark = pytest.mark.benchmark

SAMPLES = ROOT.parent / "shared" / "samples" / "miv"
MINUTE = SAMPLES / "verkeersdata-20170427T1438.xml.gz"
POINTS = SAMPLES / "configuratie-20170217.xml.gz"
needs_samples = pytest.mark.skipif(not MINUTE.is_file(), reason="the recorded documents are not on this machine")


def microseconds(work: Callable[[], object], *, times: int) -> float:
    """Return the CPU time of one call: the best of five rounds."""
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(times):
            work()
        best = min(best, time.process_time() - start)
    return best / times * 1e6


def mapper_for(name: str) -> Mapper:
    """Compile a pilot."""
    source = pilot(name)
    return compile_mapping(source, load_model(source.model), base_url=BASE)


def by_hand(item: dict[str, Any]) -> str:
    """Write a garage as somebody would who knows the feed and checks nothing: the same bytes."""
    q = json.dumps
    page, at = item["id"], "2026-11-01T09:00:04.000Z"
    place = f"POINT ({item['location']['lon']!r} {item['location']['lat']!r})"
    free, total = item["availablecapacity"], item["totalcapacity"]
    return (
        f'{{"@id":"{BASE}/gent-parking/members/parking-tolhuis-6806b39c/20261101T090004Z",'
        f'"@type":["ParkingFacility","{item["type"]}"],"isVersionOf":"{page}","observedAt":"{at}",'
        f'"name":{{"nl":{q(item["name"])}}},"description":{{"nl":{q(item["description"])}}},"freeSpaces":{free},'
        f'"totalSpaces":{total},"occupancy":{float(item["occupation"])!r},'
        f'"openNow":{"true" if item["isopennow"] else "false"},'
        f'"temporarilyClosed":{"true" if item["temporaryclosed"] else "false"},'
        f'"capacity":[{{"@type":"Capacity","totalCapacity":{total}}},'
        f'{{"@type":"RealTimeCapacity","currentValue":{free}}}],'
        f'"operator":{{"@type":"Agent","label":{q(item["operatorinformation"])}}},'
        f'"openingHours":{{"@type":"OpeningHoursSpecification","label":{q(item["openingtimesdescription"])}}},'
        f'"geometry":{{"@type":"Point","wkt":"{place}"}},'
        f'"attributedTo":"https://data.vlaanderen.be/id/organisatie/OVO002067",'
        f'"license":"https://data.vlaanderen.be/id/licentie/modellicentie-gratis-hergebruik/v1.0"}}'
    )


def members(mapper: Mapper, items: list[Item], tables: Tables) -> Callable[[], object]:
    """Return the work of reading and writing items, without decoding."""

    def work() -> None:
        for item in items:
            mapper.member(mapper.facts(item.value, item.root, tables, RECEIVED), received=RECEIVED)

    return work


def test_one_garage_against_references(capsys: pytest.CaptureFixture[str]) -> None:
    """One record costs a stated multiple of the same output by hand and of the standard library's round trip."""
    mapper, raw = mapper_for(GARAGES), document("garages.json")
    items = [item for item in decode(raw, "application/json", mapper.wanted) if isinstance(item, Item)][:1]
    facts = mapper.facts(items[0].value, {}, {}, RECEIVED)
    assert mapper.member(facts, received=RECEIVED).body.decode() == by_hand(items[0].value)
    text = json.dumps(items[0].value)
    ours = microseconds(members(mapper, items, {}), times=2000)
    hand = microseconds(lambda: by_hand(items[0].value), times=2000)
    round_trip = microseconds(lambda: json.dumps(json.loads(text)), times=2000)
    finished = orjson.loads(by_hand(items[0].value))
    dumps = microseconds(lambda: orjson.dumps(finished), times=2000)
    with capsys.disabled():
        print(f"\ngarage: {ours:.1f} us = {hand / ours:.2f}x by hand (unchecked), {round_trip / ours:.2f}x json")
        print(f"  orjson.dumps of the finished member {dumps:.2f} us = {dumps / ours:.3f} of its rate")


@needs_samples
def test_one_lane_minute_and_the_whole_document(capsys: pytest.CaptureFixture[str]) -> None:
    """A lane-minute and the whole real minute, bytes to members, cost a stated time and multiple of json."""
    mapper, body = mapper_for(TRAFFIC), gzip.decompress(MINUTE.read_bytes())
    tables = lane_tables(gzip.decompress(POINTS.read_bytes()))
    items = [item for item in decode(body, "text/xml", mapper.wanted) if isinstance(item, Item)]
    whole = microseconds(
        lambda: normalise([entry(body, media_type="text/xml")], mapper, Memory(), tables=tables), times=1
    )
    decoding = microseconds(lambda: list(decode(body, "text/xml", mapper.wanted)), times=1)
    ours = microseconds(members(mapper, items, tables), times=1) / len(items)
    made = normalise([entry(body, media_type="text/xml")], mapper, Memory(), tables=tables).members
    observed = sum(len(json.loads(member.body)["observations"]) for member in made) / len(made)
    texts = [json.dumps(item.value) for item in items]
    round_trip = microseconds(lambda: [json.dumps(json.loads(text)) for text in texts], times=1) / len(items)
    finished = [orjson.loads(member.body) for member in made]
    dumps = microseconds(lambda: [orjson.dumps(member) for member in finished], times=1) / len(finished)
    with capsys.disabled():
        print(f"\nlane-minute ({observed:.1f} observations): {ours:.1f} us = {round_trip / ours:.2f}x json")
        print(f"  orjson.dumps of the finished member {dumps:.2f} us = {dumps / ours:.3f} of its rate")
        print(f"minute: {whole / 1e6:.3f} s, of it XML {decoding / 1e6:.3f} s, {len(body) / whole:.1f} MB/s")


@needs_samples
def test_an_hour_of_minutes_in_flat_memory(capsys: pytest.CaptureFixture[str]) -> None:
    """Sixty minutes one after the other do not grow the process: its peak is that of a few."""
    script = "import tests.benchmarks.test_mapping as it; it.hour()"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    with capsys.disabled():
        print(f"\n{done.stdout.strip()}")


def hour() -> None:
    """Normalise the real minute sixty times, each time a minute later, and print the peak memory."""
    mapper, body = mapper_for(TRAFFIC), gzip.decompress(MINUTE.read_bytes())
    tables = lane_tables(gzip.decompress(POINTS.read_bytes()))
    memory, count, peaks = Memory(), 0, []
    for minute in range(60):
        later = body.replace(b"2017-04-27T14:38:00", b"2017-04-27T15:%02d:00" % minute)
        outcome = normalise([entry(later, media_type="text/xml")], mapper, memory, tables=tables)
        packed = [member.to_record() for member in outcome.members]
        memory, count = outcome.memory, count + len(packed)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(f"hour: {count} members, peak {peaks[-1]:.0f} MB, after five minutes {peaks[4]:.0f} MB")
