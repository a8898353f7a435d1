"""Benchmarks of the mapping, as ratios: the hand-written function, the standard library, the whole minute, memory."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from ingest.conversions import stamp
from ingest.decoders.items import Item
from ingest.decoders.table import decode
from ingest.mapping import Facts, Mapper, Tables, compile_mapping
from ingest.memory import Memory
from ingest.normalise import normalise
from ingest.source import load_source
from loadtests import by_hand
from loadtests.publisher import payload, stamped, write_pilot
from streams.identity import last_part
from tests.unit.ingest.workbench import BASE, GARAGES, RECEIVED, ROOT, TRAFFIC, document, entry, lane_tables, pilot
from vocab.check import validate
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


def by_turns(**works: Callable[[], object]) -> dict[str, float]:
    """Return the processor time of one call of each, in microseconds: the best of fifteen rounds, one after the other."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(15):
        for name, work in works.items():
            start = time.process_time()
            for _ in range(2000):
                work()
            best[name] = min(best[name], (time.process_time() - start) / 2000 * 1e6)
    return best


def members(mapper: Mapper, items: list[Item], tables: Tables) -> Callable[[], object]:
    """Return the work of reading and writing items, without decoding."""

    def work() -> None:
        for item in items:
            mapper.member(mapper.facts(item.value, item.root, tables, RECEIVED), received=RECEIVED)

    return work


def test_one_garage_against_references(capsys: pytest.CaptureFixture[str]) -> None:
    """One record costs a stated multiple of the same bytes by hand, of serialising them, of judging them by SHACL."""
    mapper, raw = mapper_for(GARAGES), document("garages.json")
    item = next(item for item in decode(raw, "application/json", mapper.wanted) if isinstance(item, Item)).value
    facts = mapper.facts(item, {}, {}, RECEIVED)
    member = mapper.member(facts, received=RECEIVED)
    assert by_hand.garage(item, member.id, stamp(facts.observed_at)) == member.body
    finished, observed, text = orjson.loads(member.body), stamp(facts.observed_at), json.dumps(item)
    plain = compile_mapping(mapper.source, load_model("parking"), base_url=BASE, quick=False)
    cost = by_turns(
        ours=lambda: mapper.member(mapper.facts(item, {}, {}, RECEIVED), received=RECEIVED),
        reading=lambda: mapper.facts(item, {}, {}, RECEIVED),
        plain=lambda: plain.member(plain.facts(item, {}, {}, RECEIVED), received=RECEIVED),
        hand=lambda: by_hand.garage(item, member.id, observed),
        json=lambda: json.dumps(json.loads(text)),
        dumps=lambda: orjson.dumps(finished),
    )
    shacl = microseconds(lambda: validate(load_model("parking"), [member.body]), times=5)
    with capsys.disabled():
        print(f"\ngarage: {cost['ours']:.1f} us = {cost['hand'] / cost['ours']:.2f} of the rate by hand (unchecked)")
        print(
            f"  of it reading and checking {cost['reading']:.1f} us; without quick ways {cost['plain']:.1f} us in all"
        )
        print(
            f"  {cost['json'] / cost['ours']:.2f}x json, {cost['dumps'] / cost['ours']:.3f} of the rate of orjson.dumps"
        )
        print(f"  SHACL, one member: {shacl:.0f} us = {shacl / cost['reading']:.0f} times reading and checking it")


@needs_samples
def test_one_lane_minute_and_the_whole_document(capsys: pytest.CaptureFixture[str]) -> None:
    """A lane-minute and the whole real minute, bytes to members, cost a stated multiple of the same bytes by hand."""
    mapper, body = mapper_for(TRAFFIC), gzip.decompress(MINUTE.read_bytes())
    tables = lane_tables(gzip.decompress(POINTS.read_bytes()))
    items = [item for item in decode(body, "text/xml", mapper.wanted) if isinstance(item, Item)]
    known = [(item.value, lane_times(mapper.facts(item.value, item.root, tables, RECEIVED))) for item in items]
    made = normalise([entry(body, media_type="text/xml")], mapper, Memory(), tables=tables).members
    assert [by_hand.lane(value, *times) for value, times in known] == [member.body for member in made]
    ours, hand, dumps = members(mapper, items, tables), float("inf"), float("inf")
    lane, finished = float("inf"), [orjson.loads(member.body) for member in made]
    for _ in range(9):
        lane = min(lane, once(ours) / len(items))
        hand = min(hand, once(lambda: [by_hand.lane(value, *times) for value, times in known]) / len(items))
        dumps = min(dumps, once(lambda: [orjson.dumps(member) for member in finished]) / len(items))
    whole = microseconds(
        lambda: normalise([entry(body, media_type="text/xml")], mapper, Memory(), tables=tables), times=1
    )
    decoding = microseconds(lambda: list(decode(body, "text/xml", mapper.wanted)), times=1)
    observed = sum(len(member["observations"]) for member in finished) / len(made)
    with capsys.disabled():
        print(f"\nlane-minute ({observed:.1f} observations): {lane:.1f} us = {hand / lane:.2f} of the rate by hand")
        print(f"  orjson.dumps of the finished member {dumps:.2f} us = {dumps / lane:.3f} of its rate")
        print(f"minute: {whole / 1e6:.3f} s, of it XML {decoding / 1e6:.3f} s, {len(body) / whole:.1f} MB/s")


def lane_times(facts: Facts) -> tuple[str, str, str]:
    """Return the times of a lane's minute as `by_hand.lane` takes them."""
    end, result = facts.values[:2]
    return f"{stamp(facts.observed_at)} {last_part(facts.observed_at)}", stamp(end), stamp(result)


def once(work: Callable[[], object]) -> float:
    """Return the processor time of one call in microseconds."""
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1e6


def test_a_publisher_under_load_item_by_item(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every step of the normaliser on the payloads of the load scenario, news at every poll, costs what is printed."""
    write_pilot(tmp_path, sources=1)
    source = load_source(tmp_path / "load-0.yaml")
    mapper = compile_mapping(source, load_model(source.model), base_url=BASE)
    entries = [
        entry(stamped(payload(0, 2000), RECEIVED + timedelta(seconds=number)), received=RECEIVED + timedelta(days=1))
        for number in range(10)
    ]
    spent = [float("inf")] * 3
    for _ in range(8):
        memory, costs = Memory(), [0.0] * 3
        for each in entries:
            begun = time.process_time()
            outcome = normalise([each], mapper, memory)
            made = time.process_time()
            records = [member.to_record() for member in outcome.members]
            packed = time.process_time()
            memory = outcome.memory
            memory.to_bytes()
            ended = time.process_time()
            assert len(records) == 2000
            costs = [one + two for one, two in zip(costs, (made - begun, packed - made, ended - packed), strict=True)]
        spent = [min(pair) for pair in zip(spent, costs, strict=True)]
    steps = [cost / len(entries) / 2000 * 1e6 for cost in spent]
    with capsys.disabled():
        print(f"\nunder load: {sum(steps):.1f} us an item = payload to members {steps[0]:.1f}", end="")
        print(f" + records {steps[1]:.1f} + checkpoint {steps[2]:.1f}")


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
        # Not getrusage's, which counts what the parent of this process held when it was made.
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text("ascii").splitlines())
        peaks.append(int(status["VmHWM"].split()[0]) / 1024)
    print(f"hour: {count} members, peak {peaks[-1]:.0f} MB, after five minutes {peaks[4]:.0f} MB")
